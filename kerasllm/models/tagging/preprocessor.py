"""Sentences in words as the arrays that a `TokenTagger` reads, and batches of them."""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from kerasllm.text import SPECIAL_TOKENS, pad_sequences, split_words
from kerasllm.text.batching import TextBatches
from kerasllm.text.tokenizers.word import WordTokenizer

UNKNOWN = 1  # the id of an unknown character; 0 is padding
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Row:
    """A sentence, or a part of a long one, as a model reads it.

    Attributes:
        ids: token ids.
        positions: where in ids each word begins.
        letters: character ids of each word; None without features from spelling.
        sentence: its number.
        first: the number of its first word in the sentence.
    """

    ids: list
    positions: list
    letters: list | None
    sentence: int
    first: int


class SentenceReader:
    """Turns sentences (lists of words) into rows of ids.

    Args:
        tokenizer: of the backbone.
        settings: `TaggerSettings`, as a dict.
        characters: the characters with ids 2, 3 and so on; "" for no features from spelling.
    """

    def __init__(self, tokenizer, settings, characters=""):
        self.tokenizer, self.settings, self.characters = tokenizer, settings, characters
        self._letter_ids = {c: i for i, c in enumerate(characters, start=UNKNOWN + 1)}
        framed = tokenizer.frame([-1])
        self._before = framed.index(-1)  # special ids in front of a text
        self._room = settings["length"] - len(framed) + 1
        self._known = {}

    def rows(self, sentences):
        """Return the `Row`s of sentences; a sentence without words has none."""
        return [row for n, words in enumerate(sentences) for row in self._rows_of(n, words)]

    def _rows_of(self, number, words):
        pieces = [self.pieces(word, place) for place, word in enumerate(words)]
        start = 0
        while start < len(words):
            stop, size = start, 0
            while stop < len(words) and (size + len(pieces[stop]) <= self._room or stop == start):
                size += len(pieces[stop])
                stop += 1
            yield self._row(number, start, words[start:stop], pieces[start:stop])
            start = stop

    def _row(self, number, first, words, pieces):
        lengths = [len(piece) for piece in pieces]
        positions = (np.cumsum([self._before, *lengths[:-1]])).tolist()
        ids = self.tokenizer.frame([i for piece in pieces for i in piece][: self._room])
        letters = [self.letters(word) for word in words] if self.characters else None
        return Row(ids, positions, letters, number, first)

    def pieces(self, word, place=0):
        """Return the token ids of a word; those of an unknown one where it has none."""
        kind = self.tokenizer.kind
        if kind == "word":
            return [word_id(self.tokenizer, word, self.settings["digits"])]
        # Byte-level BPE writes the space before a word into its first piece.
        text = " " + word if place and hasattr(self.tokenizer, "_bytes") else word
        if text not in self._known:
            self._known[text] = self.tokenizer.encode(text) or [self.tokenizer.unk_id or 0]
        return self._known[text]

    def letters(self, word):
        """Return the character ids of a word; a capital that is unknown reads as its small one."""
        limit = self.settings["word_length"]
        if len(word) > limit:
            word = word[: limit - limit // 2] + word[-(limit // 2) :]
        known = self._letter_ids
        return [known.get(c) or known.get(c.lower(), UNKNOWN) for c in word] or [UNKNOWN]


def normal_form(word, lowercase, digits):
    """Return a word as it is looked up.

    Example:
        >>> normal_form("Room-237", lowercase=True, digits=True)
        'room-000'
    """
    word = word.lower() if lowercase else word
    return _DIGIT.sub("0", word) if digits else word


def word_id(tokenizer, word, digits):
    """Return the id of a word; a word that looks like a special token is an unknown one."""
    form = normal_form(word, tokenizer.lowercase, digits)
    return tokenizer.unk_id if form in SPECIAL_TOKENS else tokenizer.token_to_id(form)


def word_tokenizer(sentences, settings):
    """Return (tokenizer, counts (V,)): all words of the training sentences, and how often each is.

    Args:
        sentences: lists of words.
        settings: `TaggerSettings`, as a dict.
    """
    lowercase, digits = settings["lowercase"], settings["digits"]
    forms = (normal_form(word, lowercase, digits) for words in sentences for word in words)
    counts = Counter(forms)
    for token in SPECIAL_TOKENS:
        del counts[token]
    words = sorted(counts, key=lambda word: (-counts[word], word))
    options = {"lowercase": lowercase, "word_splitter": "space"}
    tokenizer = WordTokenizer([*SPECIAL_TOKENS, *words], **options)
    return tokenizer, np.array([0] * len(SPECIAL_TOKENS) + [counts[word] for word in words])


def collate(rows, width=None, letters=None, bucket=16):
    """Return rows as the inputs of a `TokenTagger`, widths rounded up to a multiple of `bucket`."""
    longest = max(len(row.ids) for row in rows)
    width = max(longest, min(-(-longest // bucket) * bucket, width or longest + bucket))
    words = max(len(row.positions) for row in rows)
    words = width if rows[0].ids and words > width - bucket else -(-words // bucket) * bucket
    positions = np.full((len(rows), words), -1, "int32")
    for target, row in zip(positions, rows, strict=True):
        target[: len(row.positions)] = row.positions
    inputs = {"ids": pad_sequences([row.ids for row in rows], width), "positions": positions}
    if rows[0].letters is not None:
        inputs["characters"] = np.zeros((len(rows), words, letters), "int32")
        for target, row in zip(inputs["characters"], rows, strict=True):
            target[: len(row.letters)] = pad_sequences(row.letters, letters)
    return inputs


class TaggedBatches(TextBatches):
    """Sentences of like lengths and their tags; now and then a known word is read as unknown.

    Args:
        rows: `Row`s.
        tags: for each row the numbers of its words' tags.
        batch_size: sentences a batch.
        seed: of orders and of unknown words.
        letters: characters of a word.
        unknown: probability (V,) of each id to be read as unknown; None for never.
        unk_id: the id of an unknown word.
    """

    def __init__(self, rows, tags, batch_size, seed, letters, unknown=None, unk_id=1):
        super().__init__([row.ids for row in rows], None, batch_size, seed)
        self.rows, self.tags, self.letters = rows, tags, letters
        self.unknown, self.unk_id = unknown, unk_id

    def batch(self, step):
        """Return inputs, and targets (B, M): 1 + the tag's number, 0 behind the last word."""
        chosen = self._rows(step)
        inputs = collate([self.rows[row] for row in chosen], self.lengths.max(), self.letters)
        targets = pad_sequences(
            [[1 + tag for tag in self.tags[row]] for row in chosen], inputs["positions"].shape[1]
        )
        if self.unknown is not None:
            draw = np.random.default_rng([self.seed, step, 1]).random(inputs["ids"].shape)
            hidden = draw < self.unknown[inputs["ids"]]
            inputs["ids"] = np.where(hidden, self.unk_id, inputs["ids"]).astype("int32")
        return inputs, targets


def typed_words(text, splitter, by_character):
    """Return the spans of the words in a typed sentence; each character is one where it is so.

    Example:
        >>> typed_words("我 在", "treebank", True), typed_words("I am.", "treebank", False)
        ([(0, 1), (2, 3)], [(0, 1), (2, 4), (4, 5)])
    """
    if by_character:
        return [(i, i + 1) for i, character in enumerate(text) if not character.isspace()]
    return split_words(text, splitter)
