"""Batches made in Python, handed to `fit` and `evaluate` in the way that suits the backend."""

import itertools

import keras
import numpy as np


def feed(batches, first=0, count=None):
    """Return batches from step `first` on, as `fit` takes them.

    TensorFlow is told that every axis of ids may change: from the first batches alone Keras would
    take an axis that happens to be equal in them for a fixed one.

    Args:
        batches: a `Batches`.
        first: step of the first batch.
        count: how many, to be read again and again; endless when None.
    """
    if keras.backend.backend() != "tensorflow":
        return batches.stream(first) if count is None else _Repeated(batches, first, count)
    return as_dataset(
        lambda: itertools.islice(batches.stream(first), count), batches.batch(first), count
    )


def as_dataset(stream, example, count=None):
    """Return a `tf.data.Dataset` of a function's batches, whose ids may have any shape.

    Args:
        stream: () -> iterable of (inputs, targets) or (inputs, targets, weights).
        example: one batch.
        count: how many batches there are, where it is known: Keras warns of an end that it did not
            expect.
    """
    import tensorflow as tf

    def spec(array):
        array = np.asarray(array)
        fixed = array.dtype.kind == "f" and array.ndim > 1  # features, unlike ids and weights
        axes = array.shape[1:] if fixed else [None] * (array.ndim - 1)
        return tf.TensorSpec([None, *axes], array.dtype)

    inputs, *others = example
    signature = (keras.tree.map_structure(spec, inputs), *map(_loose(spec), others))
    # The thread that tunes a pipeline sleeps in doubling periods and may miss its end: `fit` would
    # wait for up to as long as it has run. Here it has nothing to tune.
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_generator(stream, output_signature=signature)
    if count is not None:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
    return dataset.prefetch(2).with_options(options)


def _loose(spec):
    """Return a function of targets or weights: every axis but the first may change."""
    import tensorflow as tf

    def loosened(array):
        found = spec(array)
        return tf.TensorSpec([None] * len(found.shape), found.dtype)

    return lambda part: keras.tree.map_structure(loosened, part)


class _Repeated(keras.utils.PyDataset):
    """A given number of batches, for the backends that read them from Python."""

    def __init__(self, batches, first, count):
        super().__init__()
        self.batches, self.first, self.count = batches, first, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return self.batches.batch(self.first + index)
