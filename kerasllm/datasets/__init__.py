"""Typed examples from your files, this project's sets, docstrings and public sets."""

from kerasllm.datasets.examples import (
    TASKS,
    Conversation,
    Dataset,
    Labelled,
    LabelledPair,
    Pair,
    Span,
    Tagged,
    Text,
)
from kerasllm.datasets.loading import get, info, load, names, task_of
from kerasllm.datasets.options import with_options
from kerasllm.datasets.public.download import DownloadError
from kerasllm.datasets.public.registry import DatasetInfo, HashMismatchError, UnverifiedError
from kerasllm.datasets.splits import DuplicateReport, duplicates, split

__all__ = [
    "TASKS", "Conversation", "Dataset", "DatasetInfo", "DownloadError", "DuplicateReport",
    "HashMismatchError", "Labelled", "LabelledPair", "Pair", "Span", "Tagged", "Text",
    "UnverifiedError", "duplicates", "get", "info", "load", "names", "split", "task_of",
    "with_options",
]  # fmt: skip
