"""Texts as rows of tokens on disk, for texts that do not fit into memory."""

import copy
import sys

import numpy as np

from kerasllm.datasets.cache import CORPORA, forget_old_corpora
from kerasllm.datasets.public.registry import cache_folder
from kerasllm.datasets.sources import HELD_OUT
from kerasllm.datasets.splits import WHY_MORE
from kerasllm.text import TokenCorpus
from kerasllm.utils.errors import IN_THE_CACHE, writing


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
            f"{len(train)}: write one text a line; {WHY_MORE}."
        )
    cut = len(train) - max(1, int(len(train) * HELD_OUT))
    return train[:cut], train[cut:]


def token_corpus(texts, tokenizer, unit="file", quiet=True):
    """Tokenise texts, or a text file in units, into a memory-mapped `TokenCorpus` in the cache."""
    folder, show = cache_folder() / CORPORA, not quiet and sys.stderr.isatty()
    with writing(f"the tokenised text in {folder}", IN_THE_CACHE):
        forget_old_corpora()
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
