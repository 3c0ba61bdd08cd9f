"""The lessons: text sources, the notebooks executed from them, and web pages."""

from kerasllm.lessons.catalogue import Lesson, build, execute, list, open
from kerasllm.lessons.execution import LessonError, machine_traces, read_source
from kerasllm.lessons.first_cell import start

__all__ = [
    "Lesson",
    "LessonError",
    "build",
    "execute",
    "list",
    "machine_traces",
    "open",
    "read_source",
    "start",
]
