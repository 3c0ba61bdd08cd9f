"""From a data set, a file or texts to a tokenizer and rows of tokens."""

import copy
import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasllm import datasets
from kerasllm.datasets.public.registry import cache_folder
from kerasllm.text import Cleaner, TokenCorpus, sample_texts, train_tokenizer
from kerasllm.text.corpora.writer import hash_source
from kerasllm.utils.errors import check_choice

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
    known = str(datasets.with_options(data)[0]) in datasets.names()
    return str(data) if known else str(Path(data).resolve())


def make_tokenizer(source, settings):
    """Train the tokenizer that the settings describe on a source's training texts."""
    if isinstance(source.train, Path):
        texts = sample_texts(source.train, TOKENIZER_SAMPLE)
    else:
        texts = source.train
    usual = 1 if settings.tokenizer == "character" else 2
    return train_tokenizer(
        texts,
        kind=settings.tokenizer,
        vocabulary_size=settings.vocabulary_size,
        lowercase=settings.lowercase,
        word_splitter=settings.word_splitter,
        min_frequency=settings.min_frequency or usual,
    )


def token_rows(source, tokenizer, quiet=False):
    """Return (training tokens, validation tokens), 1-D memory-mapped arrays."""
    train = token_corpus(source.train, tokenizer, "file", quiet).tokens
    if source.validation is not None:
        return train, token_corpus(source.validation, tokenizer, "file", quiet).tokens
    cut = int(len(train) * (1 - HELD_OUT))
    return train[:cut], train[cut:]


def document_rows(source, tokenizer, length, quiet=False):
    """Return (training, validation) `Documents`; those of a text file are its lines."""
    train = Documents(token_corpus(source.train, tokenizer, "line", quiet), length)
    if source.validation is not None:
        validation = token_corpus(source.validation, tokenizer, "line", quiet)
        return train, Documents(validation, length)
    if len(train) < 2:
        raise ValueError(
            f"expected at least 2 lines in {source.name}, one of them to validate on, received "
            f"{len(train)}: write one text a line."
        )
    cut = len(train) - max(1, int(len(train) * HELD_OUT))
    return train[:cut], train[cut:]


def token_corpus(texts, tokenizer, unit="file", quiet=True):
    """Tokenise texts, or a text file in units, into a memory-mapped `TokenCorpus` in the cache."""
    folder, show = cache_folder() / "corpora", not quiet and sys.stderr.isatty()
    return TokenCorpus.build(texts, tokenizer, folder, unit=unit, progress=show)


class Documents:
    """Documents of a `TokenCorpus`, each cut at `length`, read from disk when they are asked for.

    Attributes:
        lengths: tokens of each document, at most `length`.
    """

    def __init__(self, corpus, length):
        ends = np.append(corpus.starts[1:], len(corpus))
        self.tokens, self.starts = corpus.tokens, corpus.starts
        self.lengths = np.minimum(ends - corpus.starts, length).astype("int32")

    def __len__(self):
        """Return the number of documents."""
        return len(self.starts)

    def __getitem__(self, chosen):
        """Return the token ids of one document, or the documents of a slice or a mask."""
        if isinstance(chosen, slice | np.ndarray):
            some = copy.copy(self)
            some.starts, some.lengths = self.starts[chosen], self.lengths[chosen]
            return some
        start = self.starts[chosen]
        return self.tokens[start : start + self.lengths[chosen]]


def cleaned(source, report):
    """Return a source with cleaned texts, after telling `report` what cleaning changed.

    Raises:
        ValueError: for a text file, which is read piece by piece and taken as it is.
    """
    if isinstance(source.train, Path):
        raise ValueError(
            f"clean=True needs a list of texts, {source.name} is one long text: clean the file "
            "first with kerasllm.text.Cleaner, or leave clean out."
        )
    train, told = Cleaner().clean_all(source.train)
    report.say(str(told))
    validation = Cleaner().clean_all(source.validation)[0]
    return dataclasses.replace(source, train=train, validation=validation)


@dataclass(frozen=True)
class Reading:
    """How a classifier reads texts.

    Attributes:
        length: tokens that it reads at once.
        long_texts: "truncate" keeps the beginning of a longer text; "windows" reads all of it, in
            windows that overlap by half, and pools their predictions.
        clean: apply `kerasllm.text.Cleaner` first.
    """

    length: int
    long_texts: str = "truncate"
    clean: bool = False

    @classmethod
    def of(cls, settings):
        """Return the reading that settings describe, a dataclass or the dict in config.json."""
        if not isinstance(settings, dict):
            settings = dataclasses.asdict(settings)
        names = [f.name for f in dataclasses.fields(cls)]
        return cls(**{n: settings[n] for n in names if settings.get(n) is not None})

    def rows(self, texts, tokenizer):
        """Return (rows of ids, owners): which text each row is of."""
        check_choice("long_texts", self.long_texts, ("truncate", "windows"))
        texts = Cleaner().clean_all(texts)[0] if self.clean else list(texts)
        ids = tokenizer.encode_batch(texts)
        if self.long_texts == "truncate":
            return [tokenizer.frame(row, length=self.length) for row in ids], list(range(len(ids)))
        parts = [tokenizer.windows(row, self.length) for row in ids]
        owners = [owner for owner, part in enumerate(parts) for _ in part]
        return [window for part in parts for window in part], owners
