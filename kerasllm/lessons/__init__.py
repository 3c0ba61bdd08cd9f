"""The lessons: text sources, the notebooks executed from them, and web pages."""

from kerasllm.lessons.catalogue import (
    Lesson,
    all_lessons,
    build,
    execute,
    find,
    main,
    start_jupyter,
)
from kerasllm.lessons.execution import LessonError, machine_traces, read_source
from kerasllm.lessons.first_cell import start

__all__ = [
    "Lesson", "LessonError", "all_lessons", "build", "execute", "find", "machine_traces", "main",
    "read_source", "start", "start_jupyter",
]  # fmt: skip
