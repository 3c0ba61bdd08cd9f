"""Texts to learn language from: lists, data sets of any task, and text files of any size."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from kerasllm.datasets.examples import Dataset
from kerasllm.datasets.files.lines import is_plain_text
from kerasllm.datasets.files.reading import validates_by_training_rows
from kerasllm.datasets.files.tables import read_text
from kerasllm.datasets.loading import load, names
from kerasllm.datasets.options import with_options
from kerasllm.datasets.splits import WHY_MORE, split
from kerasllm.text import Cleaner
from kerasllm.text.corpora.writer import hash_source
from kerasllm.utils.files import check_regular

HELD_OUT = 0.1  # share of a text file, at its end, that takes no part in training


@dataclass(frozen=True)
class Source:
    """Texts to pretrain on.

    Attributes:
        name: what to call them.
        train: list of texts, or the path of a text file to read piece by piece.
        validation: list of texts; None for a file, whose last tenth is held out.
        language: "en", "zh" and so on.
        fingerprint: hash of the training data.
    """

    name: str
    train: object
    validation: object = None
    language: str = "en"
    fingerprint: str = ""


def read_source(source):
    """Return the `Source` that a name, a path, a `Dataset` or a list of texts stands for.

    Raises:
        FileNotFoundError, ValueError: as `datasets.load` does.
        TypeError: for one bare text, which would be read letter by letter.
    """
    if isinstance(source, Source):
        return source
    if isinstance(source, Dataset):
        train, validation, _ = split(source, stratify=False)
        return _of_datasets(train, validation)
    if isinstance(source, str | Path):
        if is_plain_text(source):
            path = _in_utf8(Path(source))
            return Source(path.name, path, fingerprint=hash_source(path))
        train = "unlabelled" if source == "docstrings" else "train"
        return _of_datasets(*(load(source, split=name) for name in (train, "validation")))
    texts = list(source)
    cut = max(1, int(len(texts) * HELD_OUT))
    if len(texts) < 2:
        raise ValueError(
            f"expected at least 2 texts, one of them to validate on, received {len(texts)}; "
            f"{WHY_MORE}."
        )
    return Source("texts", texts[:-cut], texts[-cut:], fingerprint=hash_source(texts))


def _in_utf8(path):
    """Return the path of a text file that is read as UTF-8, or say what it may be in."""
    check_regular(path)
    try:
        with path.open(encoding="utf-8") as file:
            while file.read(1 << 20):
                pass
    except UnicodeDecodeError:
        read_text(path)  # which names the line, and the likely encodings
    return path


def _of_datasets(train, validation):
    return Source(train.name, train.texts, validation.texts, train.language, train.fingerprint)


def with_share_held_out(data, share, seed):
    """Return the name of data of which a share of the training file is to validate.

    Args:
        data: name or path. Where validation rows are there, or made of one file with the test
            rows, it stays as it is.
        share: of the training rows.
        seed: of the draw.

    Example:
        >>> with_share_held_out("topic_en", 0.2, 0)
        'topic_en'
    """
    bare, options = with_options(data)
    if str(bare) in names() or "fractions" in options:
        return data
    try:
        if not validates_by_training_rows(bare, **options):
            return data
    except FileNotFoundError:  # `load` says what is wrong
        return data
    mark = "&" if options else "?"
    return f"{data}{mark}fractions={round(1 - share, 9)},{share}&seed={seed}"


def found_again(data):
    """Return the name or path by which data is found again, None for data made in Python."""
    if not isinstance(data, str | Path):
        return None
    known = str(with_options(data)[0]) in names()
    return str(data) if known else str(Path(data).resolve())


def cleaned(source, report):
    """Return a source with cleaned texts, after telling `report` what cleaning changed.

    Raises:
        ValueError: for a text file, which is read piece by piece and taken as it is.
    """
    if isinstance(source.train, Path):
        raise ValueError(
            f"`clean` needs a list of texts, {source.name} is one long text: clean the file first "
            "with kerasllm.text.Cleaner, or leave `clean` out."
        )
    train, told = Cleaner().clean_all(source.train)
    report.say(str(told))
    validation = Cleaner().clean_all(source.validation)[0]
    return dataclasses.replace(source, train=train, validation=validation)


def text_lists(source):
    """Return training and validation texts of a `Source`; a text file gives its lines."""
    if source.validation is not None:
        return source.train, source.validation
    lines = [line for line in source.train.read_text("utf-8").splitlines() if line.strip()]
    cut = max(1, len(lines) // 10)
    return lines[:-cut], lines[-cut:]


def texts_of(data):
    """Return the texts of a `Dataset`, the validation texts of a `Source`, or a list as it is."""
    if isinstance(data, Source):
        return text_lists(data)[1]
    return data.texts if isinstance(data, Dataset) else list(data)
