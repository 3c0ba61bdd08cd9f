"""Byte-level BPE and WordPiece, on the `tokenizers` library.

- Added tokens of the library are removed after training: they would be found in raw text.
- BPE's pre-tokenizer (GPT-2's) splits at marks and spaces but not inside Chinese, so Chinese words
  become tokens; its alphabet is all 256 bytes, so nothing is ever unknown.
- Training holds each different word between spaces. English repeats its words, but Chinese clauses
  are all different (350 bytes a character), so BPE learns from a bounded amount of Chinese: 125
  characters a token of the vocabulary, one million at least.
- WordPiece takes each Chinese character for a word, as BERT does.
"""

import json
import re
from collections.abc import Sequence

import numpy as np

from kerasllm.text.tokenizers.base import Tokenizer
from kerasllm.text.tokenizers.pipelines import check_pipeline, without_panic
from kerasllm.text.tokenizers.special import SPECIAL_TOKENS, UNK
from kerasllm.text.tokenizers.splitters import join_words
from kerasllm.text.tokenizers.whole_words import WORD, starts_from_classes, token_classes

LONGEST_WORD = 100  # characters; WordPiece takes a longer "word" for unknown
BYTES = 256
SLICE = 2048  # texts encoded at once: the library's results take 20 times the ids' memory
LEAST_CHINESE = 1_000_000  # characters
CHINESE_PER_TOKEN = 125
_CHINESE = re.compile("[\u3040-\u30ff\u3400-\u9fff]+")


class SubwordTokenizer(Tokenizer):
    """A trained pipeline of the `tokenizers` library behind our interface."""

    _saved = ("library",)

    def __init__(self, library, *, lowercase=False):
        from tokenizers import Tokenizer as Pipeline

        check_pipeline(library)
        self.library = library
        # Ids become text here, by `_join`.
        with without_panic():
            self._pipeline = Pipeline.from_str(json.dumps(library | {"decoder": None}))
        table = self._pipeline.get_vocab(with_added_tokens=False)
        raw = sorted(table, key=table.get)
        if [table[token] for token in raw] != list(range(len(raw))):
            raise ValueError("expected token ids without gaps")
        super().__init__(self._readable(raw), lowercase=lowercase)

    @classmethod
    def train(cls, texts, vocabulary_size, min_frequency, lowercase):
        """Learn the merges of the most frequent neighbours until the vocabulary is full."""
        pipeline, trainer = cls._untrained(vocabulary_size, min_frequency, lowercase)
        return cls._trained(pipeline, trainer, texts, lowercase)

    @classmethod
    def _trained(cls, pipeline, trainer, texts, lowercase):
        pipeline.train_from_iterator(texts, trainer)
        library = json.loads(pipeline.to_str())
        library["added_tokens"] = []
        return cls(library, lowercase=lowercase)

    def _pieces(self, text):
        with without_panic():
            encoding = self._pipeline.encode(text)
        return encoding.ids, encoding.offsets

    def _batch(self, texts):
        encode = self._pipeline.encode_batch_fast
        slices = (texts[i : i + SLICE] for i in range(0, len(texts), SLICE))
        with without_panic():
            return [encoding.ids for part in slices for encoding in encode(part)]


class BytePairTokenizer(SubwordTokenizer):
    """Byte-level BPE: any text in, the same text out."""

    kind = "bpe"

    @classmethod
    def train(cls, texts, vocabulary_size, min_frequency, lowercase):
        """Learn the merges; of much Chinese text evenly spaced texts are read (see the head)."""
        most = max(LEAST_CHINESE, CHINESE_PER_TOKEN * vocabulary_size)
        return super().train(_bounded(texts, most), vocabulary_size, min_frequency, lowercase)

    @staticmethod
    def _untrained(vocabulary_size, min_frequency, lowercase):
        from tokenizers import Tokenizer as Pipeline
        from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

        smallest = BYTES + len(SPECIAL_TOKENS)
        if vocabulary_size < smallest:
            raise ValueError(
                f"expected vocabulary_size of at least {smallest} for kind='bpe' ({BYTES} bytes "
                f"and {len(SPECIAL_TOKENS)} special tokens), received {vocabulary_size}; use "
                f"{smallest} or more, or kind='character'"
            )
        pipeline = Pipeline(models.BPE())
        pipeline.normalizer = normalizers.Lowercase() if lowercase else None
        pipeline.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        pipeline.decoder = decoders.ByteLevel()
        return pipeline, trainers.BpeTrainer(
            vocab_size=vocabulary_size,
            min_frequency=min_frequency,
            special_tokens=list(SPECIAL_TOKENS),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )

    def _readable(self, raw):
        # Parts of a character are shown as \xe6: they are no text of their own.
        special = self.special_ids
        self._bytes = [
            token.encode() if i in special else _bytes_of(token) for i, token in enumerate(raw)
        ]
        return [
            raw[i] if i in special else token.decode("utf-8", "backslashreplace")
            for i, token in enumerate(self._bytes)
        ]

    def _join(self, ids):
        return b"".join([self._bytes[i] for i in ids]).decode("utf-8", "replace")

    def word_starts(self, ids):
        """Mark the tokens that begin a word; see `Tokenizer.word_starts`."""
        if not hasattr(self, "_classes"):
            first, last = token_classes(self._bytes, self.special_ids)
            # " " and "word" are two tokens of one word if " word" is none: a space leads.
            last[self._bytes.index(b" ")] = WORD
            self._classes = first, last
        return starts_from_classes(ids, *self._classes)


class WordPieceTokenizer(SubwordTokenizer):
    """WordPiece: the longest known beginning of a word, then `##` and what follows."""

    kind = "wordpiece"

    @staticmethod
    def _untrained(vocabulary_size, min_frequency, lowercase, inner=()):
        from tokenizers import Tokenizer as Pipeline
        from tokenizers import models, normalizers, pre_tokenizers, trainers

        model = models.WordPiece(
            unk_token=SPECIAL_TOKENS[UNK], max_input_chars_per_word=LONGEST_WORD
        )
        pipeline = Pipeline(model)
        pipeline.normalizer = normalizers.BertNormalizer(
            clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=lowercase
        )
        pipeline.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return pipeline, trainers.WordPieceTrainer(
            vocab_size=vocabulary_size,
            min_frequency=min_frequency,
            special_tokens=[*SPECIAL_TOKENS, *inner],
            show_progress=False,
        )

    @classmethod
    def train(cls, texts, vocabulary_size, min_frequency, lowercase):
        """Learn word pieces; all characters of the texts are in the vocabulary."""
        texts = list(texts)
        # The library numbers the characters inside words in the order of a hash map and breaks ties
        # by number: two runs would differ. So they are found first, and given in sorted order.
        alphabet, trainer = cls._untrained(0, min_frequency, lowercase)
        alphabet.train_from_iterator(texts, trainer)
        if alphabet.get_vocab_size() > vocabulary_size:
            raise ValueError(_too_small(alphabet.get_vocab_size(), vocabulary_size))
        inner = sorted(token for token in alphabet.get_vocab() if re.fullmatch("##.", token))
        pipeline, trainer = cls._untrained(vocabulary_size, min_frequency, lowercase, inner)
        return cls._trained(pipeline, trainer, texts, lowercase)

    def _readable(self, raw):
        return raw

    def _join(self, ids):
        words = []
        for i in ids:
            piece = self.vocabulary[i]
            if piece.startswith("##") and words:
                words[-1] += piece[2:]
            else:
                words.append(piece)
        return join_words(words)

    def word_starts(self, ids):
        """Mark the tokens that begin a word: all without `##`."""
        return np.array([not self.vocabulary[i].startswith("##") for i in ids], bool)


def _chinese(text):
    return 0 if text.isascii() else sum(map(len, _CHINESE.findall(text)))


def _bounded(texts, most):
    """Pass texts on until they hold `most` Chinese characters, evenly spaced ones of a list."""
    if isinstance(texts, Sequence):
        step = -(-sum(map(_chinese, texts)) // most)
        texts = texts[:: max(step, 1)]
    for text in texts:
        count = _chinese(text)
        yield text if count <= most else text[:most]
        most -= count
        if most <= 0:
            return


def _too_small(needed, vocabulary_size):
    return (
        f"expected a vocabulary_size that holds all characters: the texts' characters, at the "
        f"beginning of words and inside, and {len(SPECIAL_TOKENS)} special tokens make {needed}; "
        f"received {vocabulary_size}. Use {needed} or more, or kind='bpe', which builds "
        f"characters from bytes"
    )


def _byte_alphabet():
    """Invert GPT-2's table of printable stand-ins for the 256 bytes."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(BYTES) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    return table | {chr(BYTES + i): byte for i, byte in enumerate(hidden)}


_BYTE_OF = _byte_alphabet()


def _bytes_of(token):
    return bytes([_BYTE_OF[character] for character in token])
