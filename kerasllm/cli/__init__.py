"""The `kerasllm` command: each verb parses its flags and calls one function.

The flags of a training verb are the fields of its settings dataclass, so that flag, setting and
documentation are one thing. Keras is loaded only when a verb needs it.
"""

# Each module adds its verbs, in the order of the help page.
from kerasllm.cli import training  # noqa: F401

# isort: split
from kerasllm.cli import answers, auditing, exercises, inside, library, proof  # noqa: F401
from kerasllm.cli.command import app, main

__all__ = ["app", "main"]
