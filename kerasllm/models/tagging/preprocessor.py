"""Sentences in words as the arrays that a `TokenTagger` reads, and batches of them."""

import re
from collections import Counter
from dataclasses import dataclass

import keras
import numpy as np

from kerasllm.datasets import Tagged
from kerasllm.models.preprocessor import (
    Preprocessor,
    check_pairs_of,
    check_text,
    class_weights,
    together,
    weighted,
)
from kerasllm.models.reading import Reading, Stream
from kerasllm.text import SPECIAL_TOKENS, pad_sequences, split_words
from kerasllm.text.batching import TextBatches
from kerasllm.text.entities import convert_tags, parts_of, scheme_of
from kerasllm.text.tokenizers.word import WordTokenizer
from kerasllm.text.unknown import unknown_share, warning_of

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


@keras.saving.register_keras_serializable("kerasllm")
class TaggingPreprocessor(Preprocessor):
    """Turns sentences (lists of words) into ids, tags into numbers, and numbers into tags.

    Args:
        tokenizer: a `Tokenizer`.
        labels: the tags, in the order of the scores.
        scheme: how the labels write entities: "bio", "bioes"; "none" where tags mark no entities.
        length: tokens that are read at once; longer sentences are read in parts.
        characters: the characters with ids 2, 3 and so on; "" for no features from spelling.
        word_length: characters read of a word; of longer ones both ends.
        digits: look words up with each digit as 0.
        by_character: whether each character is a word, as in Chinese.
        word_splitter: how typed sentences are split into words.

    Raw input: a list of sentences, each a list of words or a text. Raw targets: a list of tags for
    each, in any scheme of entities.

        >>> tokenizer, _ = word_tokenizer([["in", "Rome"]], lowercase=True, digits=True)
        >>> read = TaggingPreprocessor(tokenizer, ["B-LOC", "I-LOC", "O"], length=4)
        >>> inputs, targets = read([["in", "Rome"], ["Rome"]], [["O", "B-LOC"], ["B-LOC"]])
        >>> inputs["ids"].tolist()[0][:3], targets.tolist()[0][:3], targets.tolist()[1][:2]
        ([6, 7, 3], [3, 1, 0], [1, 0])
    """

    data_task = "tagging"
    of_the_head = ("tokenizer", "labels", "scheme", "characters", "word_length")

    def __init__(
        self,
        tokenizer,
        labels,
        scheme="bio",
        length=256,
        characters="",
        word_length=20,
        digits=True,
        by_character=False,
        word_splitter="treebank",
    ):
        super().__init__(tokenizer)
        self.labels, self.scheme, self.length = list(labels), scheme, length
        self.characters, self.word_length, self.digits = characters, word_length, digits
        self.by_character, self.word_splitter = by_character, word_splitter
        self._letter_ids = {c: i for i, c in enumerate(characters, start=UNKNOWN + 1)}
        framed = tokenizer.frame([-1])
        self._before = framed.index(-1)  # special ids in front of a text
        self._room = length - len(framed) + 1
        self._known = {}

    @property
    def entities(self):
        """Return whether the tags mark entities."""
        return self.scheme != "none"

    def dataset(self, x, y=None):
        """Return sentences and their tags as a `Dataset`."""
        if (found := self._check_dataset(x)) is not None:
            return found
        check_pairs_of(x, y, ("a sentence", "a list of tags"))
        words = [
            self.words(sentence) if isinstance(sentence, str) else tuple(sentence) for sentence in x
        ]
        examples = (Tagged(w, tuple(tags)) for w, tags in zip(words, y, strict=True))
        dataset = self._as_dataset(examples)
        check_tagged(dataset)
        return dataset

    def words(self, text):
        """Return the words of a typed sentence."""
        return tuple(text[start:end] for start, end in self.word_spans(text))

    def word_spans(self, text):
        """Return (start, end) of the words in a typed sentence."""
        return typed_words(text, self.word_splitter, self.by_character)

    def targets(self, dataset):
        """Return for each sentence the numbers of its tags, written in the scheme of the labels."""
        numbers = {label: i for i, label in enumerate(self.labels)}
        rows = []
        for example in dataset:
            tags = self._written(example.tags)
            if unknown := set(tags) - set(numbers):
                raise ValueError(
                    f"expected tags among {self.labels}, the data {dataset!r} also has "
                    f"{sorted(unknown)}: use data of the same task, or train again."
                )
            rows.append([numbers[tag] for tag in tags])
        return rows

    def known(self, dataset):
        """Return the sentences of a `Dataset` all of whose tags are among the labels."""
        labels = set(self.labels)
        return dataset.select(
            row for row, example in enumerate(dataset) if labels >= set(self._written(example.tags))
        )

    def _written(self, tags):
        return convert_tags(tags, self.scheme) if self.entities else tags

    def batches(self, dataset, batch_size=32, seed=0, weights=None, *, unknown=None):
        """Return `TaggedBatches`.

        Args:
            dataset: a tagged `Dataset`.
            batch_size: rows a batch; all of them when None.
            seed: of the orders; in the order of the data set when None.
            weights: float array, a weight for each sentence.
            unknown: probability (V,) of each id to be read as unknown; None for never.
        """
        rows = self.rows([example.tokens for example in dataset])
        numbers = self.targets(dataset)
        tags = [numbers[r.sentence][r.first : r.first + len(r.positions)] for r in rows]
        batches = TaggedBatches(
            rows, tags, batch_size, seed, self.word_length, unknown, self.tokenizer.unk_id
        )
        return weighted(batches, [row.sentence for row in rows], weights, len(dataset))

    def class_table(self, class_weight):
        """Return the weight of each target: 1 + the number of a tag, 0 where no word is."""
        return [0.0, *class_weights(class_weight, self.labels, "tags")]

    def labels_of_number(self, number):
        """Return the tag of a score."""
        return self.labels[number]

    def reading(self, x):
        """Return the `Reading` of a sentence; of a long one that of its first part."""
        check_text(x)
        rows = self.rows([self.words(x)])
        inputs = collate(rows[:1], self.length, self.word_length, bucket=1)
        ids = inputs["ids"][0]
        words = self.words(x)[: len(rows[0].positions)]
        pieces = Stream(self._tokens(ids), ("embedding", "block", "norm", "stack", "projection"))
        note = self.warning(self.words(x)) or ""
        return Reading(inputs, (pieces, Stream(list(words))), ids, "tag", note)

    def warning(self, words):
        """Return what was lost of a sentence, or None."""
        if not words:
            return "the text is empty: there is nothing to tag"
        parts = len(self.rows([words]))
        long = f"the text is longer than length={self.length}: read in {parts} parts"
        unknown = [word for place, word in enumerate(words) if self._is_unknown(word, place)]
        what = "the answer" if not self.characters else "their spelling is read; the answer"
        note = warning_of(unknown, len(words), what, "word")
        return together(long if parts > 1 else None, note)

    def _is_unknown(self, word, place):
        return self.tokenizer.unk_id in self.pieces(word, place)

    def unknown_share(self, dataset):
        """Return the share of the tokens of the words that are unknown."""
        pieces = (self.pieces(w, place) for e in dataset for place, w in enumerate(e.tokens))
        return unknown_share([i for piece in pieces for i in piece], self.tokenizer)

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
            return [word_id(self.tokenizer, word, self.digits)]
        # Byte-level BPE writes the space before a word into its first piece.
        text = " " + word if place and hasattr(self.tokenizer, "_bytes") else word
        if text not in self._known:
            self._known[text] = self.tokenizer.encode(text) or [self.tokenizer.unk_id or 0]
        return self._known[text]

    def letters(self, word):
        """Return the character ids of a word; a capital that is unknown reads as its small one."""
        limit = self.word_length
        if len(word) > limit:
            word = word[: limit - limit // 2] + word[-(limit // 2) :]
        known = self._letter_ids
        return [known.get(c) or known.get(c.lower(), UNKNOWN) for c in word] or [UNKNOWN]


def scheme_of_set(dataset):
    """Return how the tags of a data set are written; "none" where its reader was told so."""
    told = dataset.info.get("scheme") == "none"
    return "none" if told else scheme_of([example.tags for example in dataset])


def check_tagged(dataset):
    """Raise unless each sentence has a tag for each word, each tag in the scheme of the others."""
    entities = scheme_of_set(dataset) != "none"
    for row, example in enumerate(dataset):
        if len(example.tokens) != len(example.tags):
            raise ValueError(
                f"expected one tag a word, sentence {row} of {dataset!r} has "
                f"{len(example.tokens)} words and {len(example.tags)} tags: mend it."
            )
        if "" in example.tokens:
            raise ValueError(
                f"expected words, word {example.tokens.index('')} of sentence {row} of "
                f"{dataset!r} is empty: leave it and its tag out."
            )
        if entities and (odd := [tag for tag in example.tags if not parts_of(tag)[0]]):
            raise ValueError(
                f"expected O or a letter and a kind, such as B-LOC, like most tags of {dataset!r}; "
                f"received {odd[0]!r} in sentence {row}: correct it."
            )


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


def word_tokenizer(sentences, lowercase, digits):
    """Return (tokenizer, counts (V,)): all words of the training sentences, and how often each is.

    Args:
        sentences: lists of words.
        lowercase: look words up in lower case.
        digits: look words up with each digit as 0.
    """
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
        self.sentences, self.tags, self.letters = rows, tags, letters
        self.unknown, self.unk_id = unknown, unk_id

    def batch(self, step):
        """Return inputs, and targets (B, M): 1 + the tag's number, 0 behind the last word."""
        chosen = self.rows(step)
        inputs = collate([self.sentences[row] for row in chosen], self.lengths.max(), self.letters)
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
