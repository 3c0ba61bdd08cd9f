"""Texts as rows of tokens on disk, for texts that do not fit into memory."""

import copy
import sys
from pathlib import Path

import numpy as np

from kerasllm.datasets.cache import CORPORA, forget_old_corpora
from kerasllm.datasets.public.registry import cache_folder
from kerasllm.datasets.sources import HELD_OUT
from kerasllm.datasets.splits import WHY_MORE
from kerasllm.text import TokenCorpus, read_pieces
from kerasllm.text.corpora.streaming import PIECE, text_pieces
from kerasllm.utils.errors import IN_THE_CACHE, writing


def token_rows(source, tokenizer, quiet=False):
    """Return (training tokens, validation tokens), 1-D memory-mapped arrays."""
    return training_tokens(source, tokenizer, quiet), held_out_tokens(source, tokenizer, quiet)


def training_tokens(source, tokenizer, quiet=True):
    """Return the training tokens; those of a text file but for the end that is held out."""
    tokens = token_corpus(source.train, tokenizer, "file", quiet).tokens
    return tokens if source.validation is not None else tokens[: int(len(tokens) * (1 - HELD_OUT))]


def held_out_tokens(source, tokenizer, quiet=True):
    """Return the validation tokens."""
    if source.validation is not None:
        return token_corpus(source.validation, tokenizer, "file", quiet).tokens
    tokens = token_corpus(source.train, tokenizer, "file", quiet).tokens
    return tokens[int(len(tokens) * (1 - HELD_OUT)) :]


def document_rows(source, tokenizer, length, quiet=False):
    """Return (training, validation) `Documents`; those of a text file are its lines."""
    train = Documents(token_corpus(source.train, tokenizer, "line", quiet), length)
    if source.validation is not None:
        return train, held_out_documents(source, tokenizer, length, quiet)
    if len(train) < 2:
        raise ValueError(
            f"expected at least 2 lines in {source.name}, one of them to validate on, received "
            f"{len(train)}: write one text a line; {WHY_MORE}."
        )
    cut = len(train) - held_out_lines(len(train))
    return train[:cut], train[cut:]


def held_out_documents(source, tokenizer, length, quiet=True):
    """Return the validation `Documents` alone."""
    if source.validation is None:
        return document_rows(source, tokenizer, length, quiet)[1]
    return Documents(token_corpus(source.validation, tokenizer, "line", quiet), length)


def held_out_lines(count):
    """Return how many of the lines of a text file take no part in training."""
    return max(1, int(count * HELD_OUT))


def held_out_pieces(source, tokenizer):
    """Return the original text of the validation tokens, in pieces or texts."""
    if source.validation is None:
        return [held_out_text(source, tokenizer)]
    if isinstance(source.validation, Path):
        return (text for text, _ in read_pieces(source.validation, "file"))
    return source.validation


def held_out_text(source, tokenizer):
    """Return the end of a text file that its validation tokens stand for.

    So much of the file is tokenised again as is needed, from the beginning of a line.
    """
    ids, size = held_out_tokens(source, tokenizer)[:-1], source.train.stat().st_size
    for share in (0.8, 0.6, 0.3, 0):
        pieces = [text for text, _ in text_pieces([_from(source.train, int(share * size))])]
        rows = tokenizer.encode_batch(pieces)
        found = np.concatenate([np.array(row, "int64") for row in rows])
        if len(found) >= len(ids) and np.array_equal(found[len(found) - len(ids) :], ids):
            break
    before = len(found) - len(ids)
    while pieces and before >= len(rows[0]):
        before -= len(rows.pop(0))
        pieces.pop(0)
    start = tokenizer.offsets(pieces[0])[max(before, 0)][0] if pieces else 0
    return "".join(pieces)[start:]


def _from(path, place):
    """Return the text of a file from the first line behind a byte that no token begins before."""
    with open(path, "rb") as file:
        file.seek(place)
        line = file.readline() if place else b"a"
        following = file.readline()
        while place and following and not (line.strip() and following[:1].strip()):
            line, following = following, file.readline()
        return (following + file.read()).decode("utf-8")


def text_size(texts, tokenizer):
    """Return how many characters and bytes the tokens of texts stand for, the first token apart.

    It is the original text that counts: an unknown token may stand for any number of characters,
    and a tokenizer may forget white space and capitals.

    Args:
        texts: iterable of texts, or of the pieces of one.
        tokenizer: that reads them.
    """
    characters = encoded = 0
    for number, text in enumerate(texts):
        if not number and (spans := tokenizer.offsets(text[:PIECE])):
            text = text[spans[0][1] :]
        characters, encoded = characters + len(text), encoded + len(text.encode("utf-8"))
    return {"characters": max(1, characters), "bytes": max(1, encoded)}


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
