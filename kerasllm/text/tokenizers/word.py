"""One token a word: readable, but words outside the vocabulary are lost."""

import itertools
from collections import Counter

import numpy as np

from kerasllm.text.tokenizers.base import Tokenizer
from kerasllm.text.tokenizers.special import SPECIAL_TOKENS, UNK
from kerasllm.text.tokenizers.splitters import check_segmented, join_words, split_words

SAMPLE = 200  # texts that are looked at for Chinese without spaces


class WordTokenizer(Tokenizer):
    """Splits text into words by a rule that needs no data, and numbers the frequent ones.

    `decode` writes usual spacing. With `word_splitter="space"` (text that is split already) it
    joins by single spaces.
    """

    kind = "word"
    _saved = ("word_splitter", "vocabulary")

    def __init__(self, vocabulary, *, lowercase=False, word_splitter="treebank"):
        super().__init__(vocabulary, lowercase=lowercase)
        self.word_splitter = word_splitter
        split_words("", word_splitter)  # an unknown splitter fails here, not at the first text

    @classmethod
    def train(cls, texts, vocabulary_size, min_frequency, lowercase, word_splitter="treebank"):
        """Keep the most frequent words; equally frequent ones in alphabetical order."""
        texts = iter(texts)
        sample = list(itertools.islice(texts, SAMPLE))
        check_segmented(sample, word_splitter)
        counts = Counter()
        for text in itertools.chain(sample, texts):
            words = [text[a:b] for a, b in split_words(text, word_splitter)]
            counts.update(word.lower() for word in words) if lowercase else counts.update(words)
        del counts["<unk>"]
        frequent = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        room = vocabulary_size - len(SPECIAL_TOKENS)
        kept = [word for word, n in frequent[:room] if n >= min_frequency]
        return cls([*SPECIAL_TOKENS, *kept], lowercase=lowercase, word_splitter=word_splitter)

    def _pieces(self, text):
        spans = split_words(text, self.word_splitter)
        words = [text[a:b].lower() if self.lowercase else text[a:b] for a, b in spans]
        return [self._id_of.get(word, UNK) for word in words], spans

    def _join(self, ids):
        words = [self.vocabulary[i] for i in ids]
        return " ".join(words) if self.word_splitter == "space" else join_words(words)

    def word_starts(self, ids):
        """Return all True: each token is a word."""
        return np.ones(len(ids), bool)
