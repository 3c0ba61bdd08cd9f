"""Batches that depend on (seed, step) alone, so that a resumed run sees the same ones."""

import itertools

import numpy as np

from kerasllm.text import pad_sequences


class Batches:
    """A source of batches: `batch(step)` is a pure function of the step.

    Attributes:
        steps_per_epoch: steps in which each token or text comes once.
    """

    def batch(self, step):
        """Return (inputs, targets) of the step."""
        raise NotImplementedError  # pragma: no cover - every subclass defines it

    def stream(self, first=0):
        """Yield the batches from step `first` on."""
        for step in itertools.count(first):
            yield self.batch(step)


class StreamBatches(Batches):
    """Windows of one long row of tokens, for a causal language model.

        inputs x_t, targets x_{t+1},  t = s … s + T - 1

    Each epoch cuts the row into windows at a new offset and visits them in a new order.

    Args:
        tokens: 1-D int array, in memory or memory-mapped.
        length: T, tokens a window.
        batch_size: windows a batch.
        seed: of offsets and orders.
    """

    def __init__(self, tokens, length, batch_size, seed=0):
        if len(tokens) < length + 1:
            raise ValueError(
                f"the text has {len(tokens)} tokens, fewer than one window of length={length} and "
                "its next token: give more text or a smaller length."
            )
        self.tokens, self.length, self.batch_size, self.seed = tokens, length, batch_size, seed
        self.windows = (len(tokens) - 1) // length
        self.steps_per_epoch = max(1, self.windows // batch_size)
        self._epoch, self._starts = None, None

    def _starts_of(self, epoch):
        if epoch != self._epoch:
            rng = np.random.default_rng([self.seed, epoch])
            slack = len(self.tokens) - 1 - self.windows * self.length
            offset = rng.integers(0, self.length) if self.windows > 1 else 0
            windows = self.windows - (offset > slack)
            self._starts = offset + self.length * rng.permutation(windows)
            self._epoch = epoch
        return self._starts

    def batch(self, step):
        """Return ids (B, T) and the ids that follow them (B, T)."""
        epoch, position = divmod(step, self.steps_per_epoch)
        starts = self._starts_of(epoch)
        chosen = starts[np.arange(position * self.batch_size, (position + 1) * self.batch_size)
                        % len(starts)]  # fmt: skip
        rows = self.tokens[chosen[:, None] + np.arange(self.length + 1)].astype("int32")
        return rows[:, :-1], rows[:, 1:]


class TextBatches(Batches):
    """Texts of different lengths, padded to the longest of their batch.

    Texts of like lengths come together: each epoch is shuffled, cut into pools of some batches,
    sorted by length inside a pool, and the batches shuffled again. Lengths are rounded up to a
    multiple of `bucket`, so that few shapes occur and few steps are compiled.

    Args:
        sequences: lists of token ids, or `Documents`.
        targets: array with a row a text, or None.
        batch_size: texts a batch; all of them when None.
        seed: of the orders; None reads the texts in their own order.
        bucket: lengths are multiples of this.
        pool: batches sorted together.
        transform: (ids (B, T), targets, generator) -> (inputs, targets), drawn anew each step.
    """

    def __init__(
        self, sequences, targets=None, batch_size=32, seed=0, bucket=16, pool=50, transform=None
    ):
        if not len(sequences):
            raise ValueError("expected at least one text, received none.")
        self.sequences, self.targets = sequences, targets
        batch_size = batch_size or len(sequences)
        self.batch_size, self.seed, self.bucket, self.pool = batch_size, seed, bucket, pool
        self.transform = transform
        lengths = getattr(sequences, "lengths", None)
        self.lengths = np.array([len(s) for s in sequences]) if lengths is None else lengths
        self.steps_per_epoch = -(-len(sequences) // batch_size)
        self._epoch, self._batches = None, None

    def _batches_of(self, epoch):
        if epoch != self._epoch:
            self._batches = self._in_order() if self.seed is None else self._shuffled(epoch)
            self._epoch = epoch
        return self._batches

    def _in_order(self):
        rows = np.arange(len(self.sequences))
        return [rows[i : i + self.batch_size] for i in range(0, len(rows), self.batch_size)]

    def _shuffled(self, epoch):
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.sequences))
        size = self.pool * self.batch_size
        pools = [order[i : i + size] for i in range(0, len(order), size)]
        order = np.concatenate([p[np.argsort(self.lengths[p], kind="stable")] for p in pools])
        size = self.batch_size
        batches = [order[i : i + size] for i in range(0, len(order), size)]
        return [batches[i] for i in rng.permutation(len(batches))]

    def rows(self, step):
        """Return the numbers of the texts of the step."""
        epoch, position = divmod(step, self.steps_per_epoch)
        return self._batches_of(epoch)[position]

    def chosen(self, step):
        """Return the token ids of the step's texts."""
        return [self.sequences[row] for row in self.rows(step)]

    def batch(self, step):
        """Return padded ids (B, T) and the targets, transformed."""
        rows = self.rows(step)
        ids = pad_bucketed([self.sequences[row] for row in rows], self.bucket, self.lengths.max())
        targets = None if self.targets is None else self.targets[rows]
        if self.transform is None:
            return ids, targets
        return self.transform(ids, targets, np.random.default_rng([self.seed or 0, step, 1]))


def pad_bucketed(sequences, bucket=16, limit=None):
    """Return ids (B, T) padded on the right with 0, T a multiple of `bucket` or the limit."""
    longest = max(1, *(len(sequence) for sequence in sequences))
    width = -(-longest // bucket) * bucket
    return pad_sequences(sequences, max(longest, min(width, limit or width)))


class ArrayBatches(Batches):
    """Rows of an array, each once an epoch, in a new order each epoch.

    Args:
        inputs: array (rows, ...).
        targets: array (rows, ...).
        batch_size: rows a batch.
        seed: of the orders.
    """

    def __init__(self, inputs, targets, batch_size=32, seed=0):
        self.inputs, self.targets = inputs, targets
        self.batch_size, self.seed = batch_size, seed
        self.steps_per_epoch = -(-len(inputs) // batch_size)

    def batch(self, step):
        """Return the rows of the step and their targets."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.inputs))
        rows = order[position * self.batch_size : (position + 1) * self.batch_size]
        return self.inputs[rows], self.targets[rows]


class WeightedBatches(Batches):
    """Batches with a weight for each row, each target, or both multiplied.

    Args:
        batches: `Batches` that know their `rows`.
        weights: float array (rows,).
        table: float array (C,): the weight of a target is that of its number.
    """

    def __init__(self, batches, weights=None, table=None):
        self.batches, self.weights, self.table = batches, weights, table
        self.steps_per_epoch = batches.steps_per_epoch

    def batch(self, step):
        """Return inputs, targets and weights, of the shape of the rows or of the targets."""
        inputs, targets = self.batches.batch(step)
        weight = np.ones(len(targets), "float32")
        if self.weights is not None:
            weight = self.weights[self.batches.rows(step)]
        if self.table is not None:
            of_targets = self.table[targets]
            weight = weight.reshape(-1, *[1] * (of_targets.ndim - 1)) * of_targets
        return inputs, targets, weight.astype("float32")


def balanced(targets):
    """Return the weight of each class by which all count the same; the mean over the rows is 1.

        w_c = R / (C R_c)

    Args:
        targets: int array (R,), from 0 up.

    Example:
        >>> balanced(np.array([0, 0, 0, 1]))
        array([0.66666667, 2.        ])
    """
    counts = np.bincount(targets)
    return len(targets) / (np.count_nonzero(counts) * np.maximum(counts, 1))
