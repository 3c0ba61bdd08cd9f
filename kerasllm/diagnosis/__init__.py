"""What is installed, what is missing, and the cure."""

from kerasllm.diagnosis.report import doctor

__all__ = ["doctor"]
