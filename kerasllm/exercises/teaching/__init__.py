"""The exercises for a class: files to fill in and to grade by, and a rehearsal with known mistakes.

kerasllm exercises kit FOLDER             # adapters.py, test_exercises.py, README.md
kerasllm exercises kit FOLDER --notebook  # assignment.ipynb as well, for nbgrader
kerasllm exercises rehearse               # every known mistake goes through such a kit
"""

from kerasllm.exercises.teaching.kit import write_kit
from kerasllm.exercises.teaching.rehearsal import Rehearsal, rehearse

__all__ = ["Rehearsal", "rehearse", "write_kit"]
