r"""What a language model has to beat: Kneser-Ney n-grams, and gzip, which knows no language.

Equation of interpolated Kneser-Ney, for a word w after the context h, with h' the context without
its oldest word:
    p_k(w|h) = max(c(h w) - D(c), 0) / c(h) + gamma(h) p_{k-1}(w|h'),    p_0(w) = 1 / V
    gamma(h) = 1 - sum_w max(c(h w) - D(c), 0) / c(h)                    1 where h was never seen
    c = raw count at the highest order, and where h starts the text;
        below, the number of different words seen before h w

- Non-standard: no dictionary of n-grams. An n-gram is numbered by (number of its first n-1 tokens,
  last token), all positions at once with `np.unique`; a million tokens take seconds.

Source: Kneser and Ney 1995; modified discounts of Chen and Goodman 1999, eq. 17.
"""

import math
import zlib
from typing import NamedTuple

import numpy as np

from kerasllm.baselines.baseline import Baseline
from kerasllm.metrics.language import language_metrics


def kneser_ney(train, test, vocabulary_size, order=5, modified=True, characters=None, bytes=None):
    """Interpolated Kneser-Ney n-gram model over token ids.

    Args:
        train: one sequence of ids a text, or one (T,) array; without a begin-of-sequence id.
        test: likewise. The same tokens that the network predicts, so that losses compare.
        vocabulary_size: V of the tokenizer.
        order: longest n-gram.
        modified: three discounts an order instead of one.
        characters: length of the test text, for bits per character.
        bytes: length of the test text, for bits per byte.

    Returns:
        `Baseline`, whose predictions are the summed -ln p of each test sequence in nats: what an
        interval is drawn from.

    Raises:
        ValueError: no tokens, or ids outside the vocabulary.

    Example:
        >>> baseline = kneser_ney([[0, 1, 0, 1, 0, 1]], [[0, 1, 0]], vocabulary_size=2, order=2)
        >>> baseline.metrics["tokens"], baseline.metrics["perplexity"] < 2
        (3, True)
    """
    model = KneserNey(vocabulary_size, order, modified).fit(train)
    nats, tokens = model.sequence_nats(test), sum(map(len, _as_list(test)))
    metrics = language_metrics(float(nats.sum()), tokens, characters, bytes)
    return Baseline("kneser_ney", nats, metrics, {"order": order, "modified": modified})


def gzip_code(texts, tokens, characters=None, bytes=None):
    """Take the bits that gzip writes for a text as if they were -log2 p.

        loss = 8 ln 2 · (bytes of the compressed text) / tokens

    gzip has learned nothing before and remembers 32 KiB: a language model that needs more bits has
    learned little.

    Args:
        texts: iterable of the pieces of the test text, compressed as one.
        tokens: how many tokens the network predicts in it.
        characters: length of the test text, for bits per character.
        bytes: length of the test text, for bits per byte.

    Returns:
        `Baseline`, whose prediction is the total in nats.

    Source: Deutsch 1996, RFC 1951 and 1952.

    Example:
        >>> gzip_code(["ab" * 500], tokens=1000, bytes=1000).metrics["bits_per_byte"] < 0.3
        True
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)  # 31: with gzip's header
    size = sum(len(packer.compress(text.encode("utf-8"))) for text in texts) + len(packer.flush())
    nats = 8 * math.log(2) * size
    return Baseline("gzip", np.array([nats]), language_metrics(nats, tokens, characters, bytes), {})


class _Level(NamedTuple):
    keys: np.ndarray  # (G,) sorted: number of the context * (V + 1) + last token
    alpha: np.ndarray  # (G,) discounted count / count of the context
    gamma: np.ndarray  # (H,) what is left over for the order below, for each context


class KneserNey:
    """Kneser-Ney model over token ids.

    Args:
        vocabulary_size: V; every id is below it, and p sums to one over these V ids.
        order: longest n-gram, 5 as a rule for words and 6 to 8 for characters.
        modified: three discounts an order (counts of 1, 2, 3 and more) instead of one.
        discounts: (order,) or (order, 3) fixed discounts; left out, they are estimated.

    Raises:
        ValueError: an order below 1, or discounts of another shape.

    Example:
        >>> model = KneserNey(vocabulary_size=3, order=2).fit([[0, 1, 2, 0, 1, 2]])
        >>> nats = model.token_nats([[0, 1, 2]])
        >>> nats.shape, bool(nats.mean() < np.log(3))
        ((3,), True)
    """

    def __init__(self, vocabulary_size, order=5, modified=True, discounts=None):
        if order < 1 or vocabulary_size < 1:
            raise ValueError(
                "expected order and vocabulary_size of 1 or more, "
                f"received order={order}, vocabulary_size={vocabulary_size}; try order=5"
            )
        self.vocabulary_size, self.order, self.modified = vocabulary_size, order, modified
        self.discounts = None if discounts is None else _as_three(discounts, order)
        self.levels = ()  # a `_Level` for each order, from 1

    def fit(self, sequences):
        """Count n-grams; none of them reaches from one sequence into the next.

        Args:
            sequences: one sequence of ids a text, or one (T,) array for a single stream. No
                begin-of-sequence id: the model has its own. An end-of-sequence id is predicted.

        Returns:
            The model itself.

        Raises:
            ValueError: no tokens, or ids outside the vocabulary.
        """
        tokens, position = self._flatten(sequences)
        grams, keys, counts = self._number(tokens, position)
        levels, contexts = [], 1  # the empty context
        longest = min(self.order, int(position.max()) + 1)  # there are none of more tokens
        for k in range(1, longest + 1):
            counted = counts[k - 1]
            if k < longest:
                counted = _continuations(k, grams, position, counts)
            if k == 1:
                counted[-1] = 0  # the begin mark, the largest id, is never predicted
            discount = self._discount(k, counted)
            levels.append(_level(keys[k - 1], counted, discount, contexts, self._base))
            contexts = len(counted)
        self.levels = tuple(levels)
        return self

    def token_nats(self, sequences):
        """Return -ln p of every token, given the tokens before it in its own sequence.

        Args:
            sequences: as for `fit`.

        Returns:
            (total number of tokens,) nats, in order.

        Raises:
            RuntimeError: the model was not fitted.
            ValueError: no tokens, or ids outside the vocabulary.
        """
        if not self.levels:
            raise RuntimeError("expected a fitted model, received a new one; call fit first")
        tokens, position = self._flatten(sequences)
        p = np.full(len(tokens), 1.0 / self.vocabulary_size)
        gram = np.zeros(len(tokens), dtype=np.int64)
        for k, level in enumerate(self.levels, start=1):
            context = _before(gram, k)
            context[position < k - 1] = -1  # would reach over the start of the text
            key = context * self._base + tokens
            index = np.minimum(np.searchsorted(level.keys, key), len(level.keys) - 1)
            found = (context >= 0) & (level.keys[index] == key)
            alpha = np.where(found, level.alpha[index], 0.0)
            p = np.where(context >= 0, alpha + level.gamma[context] * p, p)
            gram = np.where(found, index, -1)
        return -np.log(p[position > 0])

    def sequence_nats(self, sequences):
        """Return the summed -ln p of each sequence, (number of sequences,) nats."""
        sequences = _as_list(sequences)
        ends = np.cumsum([len(sequence) for sequence in sequences])
        total = np.concatenate([[0.0], np.cumsum(self.token_nats(sequences))])
        return np.diff(total[ends], prepend=0.0)

    @property
    def _base(self):
        return self.vocabulary_size + 1  # one more id than the vocabulary: the begin mark

    def _flatten(self, sequences):
        """Put a begin mark before each sequence and join them; position 0 is the mark."""
        sequences = [np.asarray(s, dtype=np.int64) for s in _as_list(sequences) if len(s)]
        if not sequences:
            raise ValueError("expected at least one token, received none; is the text empty?")
        tokens = np.concatenate([part for s in sequences for part in ([self.vocabulary_size], s)])
        lengths = np.array([len(s) + 1 for s in sequences])
        position = np.arange(len(tokens)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        real = tokens[position > 0]
        if real.min() < 0 or real.max() >= self.vocabulary_size:
            raise ValueError(
                f"expected token ids between 0 and {self.vocabulary_size - 1}, received ids from "
                f"{real.min()} to {real.max()}; use the tokenizer that belongs to the corpus"
            )
        return tokens, position

    def _number(self, tokens, position):
        """Give the distinct k-grams numbers; `grams[k][t]` is that of the one that ends at t."""
        grams, keys, counts = [np.zeros(len(tokens), dtype=np.int64)], [], []
        for k in range(1, self.order + 1):
            inside = position >= k - 1
            key = (_before(grams[-1], k) * self._base + tokens)[inside]
            unique, number, count = np.unique(key, return_inverse=True, return_counts=True)
            grams.append(np.full(len(tokens), -1, dtype=np.int64))
            grams[-1][inside] = number
            keys.append(unique)
            counts.append(count)
        return grams, keys, counts

    def _discount(self, k, counted):
        if self.discounts is not None:
            return self.discounts[k - 1]
        n1, n2, n3, n4 = np.bincount(np.minimum(counted, 5), minlength=6)[1:5].astype(float)
        if min(n1, n2, n3, n4) == 0:  # too little text to estimate from
            return np.array([0.5, 1.0, 1.5]) if self.modified else np.full(3, 0.5)
        y = n1 / (n1 + 2 * n2)
        if not self.modified:
            return np.full(3, y)
        estimate = np.array([1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
        return np.clip(estimate, 0.05, [1.0, 2.0, 3.0])


def _before(gram, k):
    """Return the number of the (k-1)-gram that ends one position earlier; the empty one is 0."""
    return np.zeros_like(gram) if k == 1 else np.concatenate([[-1], gram[:-1]])


def _continuations(k, grams, position, counts):
    """Count the different words before each k-gram; raw counts where a text starts with it."""
    longer, ends = np.unique(grams[k + 1], return_index=True)
    ends = ends[longer >= 0]  # one position where each (k+1)-gram ends
    counted = np.bincount(grams[k][ends], minlength=len(counts[k - 1]))
    first = grams[k][position == k - 1]
    counted[first] = counts[k - 1][first]
    return counted


def _level(keys, counted, discount, contexts, base):
    counted, context = counted.astype(float), keys // base
    left = np.maximum(counted - discount[np.clip(counted, 1, 3).astype(int) - 1], 0.0)
    total = np.bincount(context, weights=counted, minlength=contexts)
    kept = np.bincount(context, weights=left, minlength=contexts)
    seen = np.maximum(total, 1.0)  # a context never followed by anything keeps nothing: gamma 1
    return _Level(keys, left / seen[context], 1.0 - kept / seen)


def _as_list(sequences):
    if isinstance(sequences, np.ndarray) and sequences.ndim == 1 and sequences.dtype != object:
        return [sequences]
    sequences = list(sequences)
    if sequences and np.ndim(sequences[0]) == 0:
        raise TypeError(
            "expected a list of sequences of token ids, received a list of "
            f"{type(sequences[0]).__name__}; put it into another list: [ids]"
        )
    return sequences


def _as_three(discounts, order):
    discounts = np.asarray(discounts, dtype=float)
    if discounts.shape == (order,):
        discounts = np.repeat(discounts[:, None], 3, axis=1)
    if discounts.shape != (order, 3):
        raise ValueError(
            f"expected discounts of shape ({order},) or ({order}, 3), received "
            f"{discounts.shape}; give one discount, or three, for each order from 1 to {order}"
        )
    return discounts
