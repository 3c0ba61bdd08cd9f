"""One token a character: the smallest vocabulary, and no word is ever unknown."""

from collections import Counter

import numpy as np

from kerasllm.text.tokenizers.base import Tokenizer
from kerasllm.text.tokenizers.special import SPECIAL_TOKENS, UNK
from kerasllm.text.tokenizers.whole_words import starts_from_classes, token_classes


class CharacterTokenizer(Tokenizer):
    """Maps every Unicode character to its own id, by one table look-up."""

    kind = "character"
    _saved = ("vocabulary",)

    def __init__(self, vocabulary, *, lowercase=False):
        super().__init__(vocabulary, lowercase=lowercase)
        characters = self.vocabulary[len(SPECIAL_TOKENS) :]
        if any(len(character) != 1 for character in characters):
            raise ValueError("expected a character vocabulary of single characters")
        points = np.array([ord(character) for character in characters], "int64")
        # table[code point] -> id; the last row serves all code points beyond the vocabulary.
        self._table = np.full(points.max(initial=0) + 2, UNK, "int32")
        self._table[points] = np.arange(len(SPECIAL_TOKENS), len(self.vocabulary))
        self._classes = token_classes([token.encode() for token in self.vocabulary])

    @classmethod
    def train(cls, texts, vocabulary_size, min_frequency, lowercase):
        """Collect the characters of the texts, in the order of their code points."""
        counts = Counter()
        for text in texts:
            counts.update(_lower(text) if lowercase else text)
        kept = sorted(c for c, n in counts.items() if n >= min_frequency)
        if len(kept) + len(SPECIAL_TOKENS) > vocabulary_size:
            raise ValueError(_too_small(counts, len(kept), vocabulary_size))
        return cls([*SPECIAL_TOKENS, *kept], lowercase=lowercase)

    def _ids(self, text):
        text = _lower(text) if self.lowercase else text
        points = np.frombuffer(text.encode("utf-32-le"), "<u4")
        return self._table[np.minimum(points, len(self._table) - 1)].tolist()

    def _pieces(self, text):
        return self._ids(text), [(i, i + 1) for i in range(len(text))]

    def _batch(self, texts):
        return [self._ids(text) for text in texts]

    def _join(self, ids):
        return "".join([self.vocabulary[i] for i in ids])

    def word_starts(self, ids):
        """Mark the characters that begin a word; see `Tokenizer.word_starts`."""
        return starts_from_classes(ids, *self._classes)


def _lower(text):
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    # "İ" becomes two characters; offsets need one for one.
    return "".join([character.lower()[0] for character in text])


def _too_small(counts, kept, vocabulary_size):
    room = max(vocabulary_size - len(SPECIAL_TOKENS), 0)
    frequencies = sorted(counts.values(), reverse=True)
    message = (
        f"expected a vocabulary_size that holds all characters: the texts have {kept} different "
        f"ones, and with {len(SPECIAL_TOKENS)} special tokens that makes "
        f"{kept + len(SPECIAL_TOKENS)}; received vocabulary_size={vocabulary_size}. Use "
        f"vocabulary_size={kept + len(SPECIAL_TOKENS)}"
    )
    if room == 0:
        return message
    fitting = frequencies[room] + 1  # the rarest character that has no room, plus one
    return f"{message}, or min_frequency={fitting}, which makes rarer characters <unk>"
