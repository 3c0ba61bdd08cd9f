"""The lessons: text sources, the notebooks executed from them, and what they quote."""

from kerasllm.lessons.catalogue import (
    Lesson,
    all_lessons,
    build,
    copy,
    execute,
    find,
    main,
    start_jupyter,
)
from kerasllm.lessons.editions import LessonError
from kerasllm.lessons.execution import machine_traces, read_source
from kerasllm.lessons.first_cell import start
from kerasllm.lessons.glossary import Term, glossary_page, terms, write_glossary
from kerasllm.lessons.quotations import DOCUMENTS, Quotation, quote

__all__ = [
    "DOCUMENTS", "Lesson", "LessonError", "Quotation", "Term", "all_lessons", "build", "copy",
    "execute", "find", "glossary_page", "machine_traces", "main", "quote", "read_source", "start",
    "start_jupyter", "terms", "write_glossary",
]  # fmt: skip
