"""`load`: one door to your files, the sets written for this project, and public sets."""

import os
import sys
from functools import cache, partial
from pathlib import Path

from kerasllm.datasets.docstrings.loading import load_docstrings
from kerasllm.datasets.files.lines import is_plain_text
from kerasllm.datasets.files.reading import FORMATS, load_files
from kerasllm.datasets.generated.loading import load_synthetic
from kerasllm.datasets.generated.tasks import load_generated
from kerasllm.datasets.options import with_options
from kerasllm.datasets.public.catalogue import entries
from kerasllm.datasets.public.loading import get_public, load_public
from kerasllm.datasets.public.registry import DatasetInfo
from kerasllm.utils.errors import nearest

_OWN = "written for this project, Apache-2.0"
_BUILTIN = {
    "sentiment_en": ("Sentiment of short reviews", "en"),
    "sentiment_zh": ("Sentiment of short reviews, in Chinese", "zh"),
    "topic_en": ("Topics of short remarks", "en"),
    "topic_zh": ("Topics of short remarks, in Chinese", "zh"),
    "spam_en": ("Unwanted messages", "en"),
    "spam_zh": ("Unwanted messages, in Chinese", "zh"),
}
_INSTRUCTIONS = {
    "instructions_en": ("Instructions with short answers", "en"),
    "instructions_zh": ("Instructions with short answers, in Chinese", "zh"),
}
_MADE = {
    "dates": ("Dates as people write them, into ISO", "seq2seq", "en"),
    "dates_zh": ("Dates as people write them, into ISO, in Chinese", "seq2seq", "zh"),
    "places_en": ("People, places and firms in short sentences", "tagging", "en"),
    "facts_en": ("Questions on people in a paragraph", "span", "en"),
}
_GENERATED = {
    "markov": "A Markov chain of known entropy",
    "grammar": "A probabilistic grammar of known entropy",
}


def load(name_or_path, split="train", **options):
    """Load one split of a data set.

    Args:
        name_or_path: one of `names()`; or a file of your own (txt, csv, tsv, jsonl, CoNLL, json
            as SQuAD writes it), or a folder with one file a split. Options may stand behind a
            question mark: "reviews.csv?text=review&label=stars".
        split: "train", "validation" or "test". A set without official splits is split here, always
            in the same way: duplicates removed, then 80 / 10 / 10 %; "all" gives it whole.
        **options: `rows`, to draw so many at most, always the same ones; and what the reader of the
            set takes, for your own files see `kerasllm.datasets.files.reading.read_file`, such as
            `text="review", label="stars"`.

    Returns:
        A `Dataset`; `.info` says where it comes from and how it was split.

    Raises:
        ValueError: for an unknown name (with the nearest one) or split, or an unusable file.
        FileNotFoundError: for a path that does not exist.
        TypeError: for an option that the set does not have.

    Example:
        >>> from kerasllm import datasets
        >>> datasets.load("markov", split="test").task
        'language_model'
    """
    name_or_path, written = with_options(name_or_path)
    options = {**written, **options}
    rows = _checked_rows(options.pop("rows", None))
    data = _load(name_or_path, split, options)
    return data if rows is None else data.take(min(rows, len(data)))


def _checked_rows(rows):
    if rows is not None and (type(rows) is not int or rows < 1):
        raise ValueError(f"rows must be a whole number from 1, received {rows!r}.")
    return rows


def _load(name_or_path, split, options):
    if isinstance(name_or_path, str) and name_or_path in _entries():
        entry = _entries()[name_or_path]
        if entry.make:
            return entry.make(split=split, **options)
        return load_public(entry, split, **options)
    if not isinstance(name_or_path, str | Path):
        raise TypeError(
            f"Expected the name of a data set or the path of a file, received "
            f"{type(name_or_path).__name__}."
        )
    of_a_run = (Path(name_or_path) / name for name in ("config.json", "tokenizer.json"))
    if all(map(os.path.isfile, of_a_run)):
        raise ValueError(
            f"expected data, {name_or_path} is a run folder or a checkpoint: give the file or the "
            "name of the data as well, `kerasllm finetune RUN DATA`, `kerasllm evaluate RUN DATA`."
        )
    exists = os.path.exists(name_or_path)
    if not exists and _looks_like_path(name_or_path):
        where = Path(name_or_path).absolute().parent
        raise FileNotFoundError(f"There is no file {name_or_path} (looked in {where}).")
    if exists:
        return load_files(name_or_path, split, **options)
    raise ValueError(_unknown(name_or_path) + " A file of your own must exist at the path given.")


def names():
    """Return the names of all data sets, those that need no download first."""
    return list(_entries())


def info(name):
    """Return the `DatasetInfo` of a data set: task, licence, files and hashes.

    Raises:
        ValueError: for an unknown name, with the nearest one.

    Example:
        >>> info("sms_spam").licence
        'CC BY 4.0'
    """
    if name not in _entries():
        raise ValueError(_unknown(name))
    return _entries()[name]


def task_of(name_or_path):
    """Return the task of a data set by name, or of files of your own, of `TASKS`.

    Raises:
        ValueError, FileNotFoundError: as `load` does.

    Example:
        >>> task_of("sentiment_zh"), task_of("facts_en")
        ('classification', 'span')
    """
    bare, options = with_options(name_or_path)
    if isinstance(bare, str) and bare in _entries() and not options.keys() - {"rows"}:
        return _entries()[bare].task
    if is_plain_text(bare) and not options:
        return "language_model"
    return load(name_or_path, split="train").task


def get(name, **options):
    """Download a public data set, unless it is on this machine, and check every file.

    Args:
        name: its name.
        **options: `allow_unverified`, `progress`, `timeout`, `attempts`.

    Returns:
        The folder where it lies, or None for a set that has no files.

    Raises:
        DownloadError: if the server cannot be reached, stalls or does not have the file.
        HashMismatchError: if a file is not the one that the registry names.
        UnverifiedError: if no hash of a file is known; see `allow_unverified`.
    """
    entry = info(name)
    if entry.make:
        return _builtin_folder() if name in {**_BUILTIN, **_INSTRUCTIONS} else None
    return get_public(entry, **options)


def _unknown(name):
    known, meant = ", ".join(_entries()), nearest(name, _entries())
    return f"There is no data set {str(name)!r:.80}.{meant} The sets are: {known}."


def _looks_like_path(name_or_path):
    path = Path(name_or_path)
    return isinstance(name_or_path, Path) or len(path.parts) > 1 or path.suffix.lower() in FORMATS


@cache
def _entries():
    return {entry.name: entry for entry in (*_local_entries(), *entries())}


def _local_entries():
    yield DatasetInfo(
        name="docstrings",
        title="Docstrings of the installed packages, labelled by package",
        task="classification",
        language="en",
        licence="of the packages that are installed",
        homepage="",
        make=load_docstrings,
    )
    for name, (title, language) in _BUILTIN.items():
        make = partial(_builtin, name, language)
        yield DatasetInfo(name, title, "classification", language, _OWN, "", make=make)
    for name, (title, language) in _INSTRUCTIONS.items():
        make = partial(_builtin, name, language, ".jsonl")
        yield DatasetInfo(name, title, "chat", language, _OWN, "", make=make)
    for name, title in _GENERATED.items():
        make = partial(load_synthetic, name)
        yield DatasetInfo(name, title, "language_model", "en", _OWN, "", make=make)
    for name, (title, task, language) in _MADE.items():
        make = partial(load_generated, name)
        yield DatasetInfo(name, title, task, language, _OWN, "", make=make)


def _builtin(name, language, ending=".csv", **options):
    return load_files(_builtin_folder() / f"{name}{ending}", language=language, **options)


def _builtin_folder():
    """Return the folder of the sets written for this project: beside the package, or installed."""
    beside = Path(__file__).resolve().parents[2] / "data"
    installed = Path(sys.prefix) / "share" / "kerasllm" / "data"
    for folder in (beside, installed):
        if (folder / "sentiment_en.csv").is_file():
            return folder
    raise FileNotFoundError(
        f"The sets written for this project are neither in {beside} nor in {installed}: install "
        "kerasllm again, with `pip install -e .` from its repository."
    )
