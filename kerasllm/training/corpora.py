"""From a data set, a file or texts to a tokenizer and rows of tokens."""

import sys
from dataclasses import dataclass
from pathlib import Path

from kerasllm import datasets
from kerasllm.datasets.registry import cache_folder
from kerasllm.text import TokenCorpus, sample_texts, train_tokenizer
from kerasllm.text.corpus_writer import hash_source

HELD_OUT = 0.1  # share of a text file, at its end, that takes no part in training
TOKENIZER_SAMPLE = 20_000_000  # characters that a tokenizer is trained on at most


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
    if isinstance(source, datasets.Dataset):
        train, validation, _ = datasets.split(source, stratify=False)
        return _of_datasets(train, validation)
    if isinstance(source, str | Path):
        if Path(source).suffix == ".txt" and Path(source).is_file():
            path = Path(source)
            return Source(path.name, path, fingerprint=hash_source(path))
        train = "unlabelled" if source == "docstrings" else "train"
        return _of_datasets(*(datasets.load(source, split=name) for name in (train, "validation")))
    texts = list(source)
    cut = max(1, int(len(texts) * HELD_OUT))
    if len(texts) < 2:
        raise ValueError(
            f"expected at least 2 texts, one of them to validate on, received {len(texts)}."
        )
    return Source("texts", texts[:-cut], texts[-cut:], fingerprint=hash_source(texts))


def _of_datasets(train, validation):
    return Source(train.name, train.texts, validation.texts, train.language, train.fingerprint)


def found_again(data):
    """Return the name or path by which data is found again, None for data made in Python."""
    if not isinstance(data, str | Path):
        return None
    return str(data) if str(data) in datasets.names() else str(Path(data).resolve())


def make_tokenizer(source, settings):
    """Train the tokenizer that the settings describe on a source's training texts."""
    if isinstance(source.train, Path):
        texts = sample_texts(source.train, TOKENIZER_SAMPLE)
    else:
        texts = source.train
    return train_tokenizer(
        texts,
        kind=settings.tokenizer,
        vocabulary_size=settings.vocabulary_size,
        lowercase=settings.lowercase,
        word_splitter=settings.word_splitter,
        min_frequency=1 if settings.tokenizer == "character" else 2,
    )


def token_rows(source, tokenizer, quiet=False):
    """Return (training tokens, validation tokens), 1-D arrays that may be memory-mapped."""
    folder, show = cache_folder() / "corpora", not quiet and sys.stderr.isatty()

    def build(texts):
        unit = {"unit": "file"} if isinstance(texts, Path) else {}
        return TokenCorpus.build(texts, tokenizer, folder, progress=show, **unit).tokens

    train = build(source.train)
    if source.validation is not None:
        return train, build(source.validation)
    cut = int(len(train) * (1 - HELD_OUT))
    return train[:cut], train[cut:]


def text_ids(texts, tokenizer, length):
    """Return each text's ids with <eos>, cut at `length`, and how many were cut."""
    ids = tokenizer.encode_batch(list(texts), eos=True)
    cut = sum(len(row) > length for row in ids)
    return [row[:length] for row in ids], cut
