"""The mask laboratory: padding, order and the future, and whether they change what a model says."""

import warnings

import keras
import numpy as np

from kerasllm.verify import graph
from kerasllm.verify.report import Report, compare_arrays
from kerasllm.verify.rungs import to_numpy

__all__ = ["check_masks"]

BARS = {"float64": 1e-12, "float32": 1e-5}


def check_masks(model, x=None, *, causal=None, seed=0):
    """Try on a model whether padding, order and the future change its outputs.

    1. *padding*: texts of different lengths, padded on the right in one batch, against each text
       alone and unpadded.
    2. *causality*: change the second half of each text; what is said about the first must stay.
    3. *batch order*: the same texts in another order.
    4. *left padding*: against right padding. Nothing requires that they agree, and with absolute
       positions they cannot; the row says by how much they differ.
    5. *empty text*: a text of padding alone; all outputs are finite and the other texts' stay.

    Args:
        model: any Keras model with one input: token ids (B, T), padded with 0, or features
            (B, T, D), padded with rows of 0.
        x: texts of full length, without padding; drawn at random if left out.
        causal: whether the future must not matter. Left out, it is the model's own `causal` (or
            its backbone's); a model without one is only told.
        seed: of the random texts.

    Returns:
        A `Report` with one row a check and output.

    Raises:
        ValueError: several inputs, or an input that is no sequence.

    Example:
        >>> ids = keras.Input((None,), dtype="int32")
        >>> x = keras.layers.LSTM(3)(keras.layers.Embedding(11, 5, mask_zero=True)(ids))
        >>> check_masks(keras.Model(ids, x)).ok
        True
    """
    x = _texts(model, seed) if x is None else np.asarray(x)
    if x.shape[1] < 4 or len(x) < 2:
        raise ValueError(f"expected at least 2 texts of 4 steps, received shape {x.shape}.")
    causal = _is_causal(model) if causal is None else causal
    rows = []
    for number, name in enumerate(graph.output_names(model)):
        laboratory = _Laboratory(model, x, number, name)
        rows += [
            *laboratory.padding(),
            *laboratory.causality(causal),
            laboratory.batch_order(),
            laboratory.left_padding(),
            *laboratory.empty_text(),
        ]
    return Report(rows, title=f"Masks of {model.name}")


class _Laboratory:
    """One output of a model, texts of full length, and the experiments on them."""

    def __init__(self, model, x, number, name):
        self.model, self.x, self.number, self.name = model, x, number, name
        self.lengths = np.arange(len(x)) * 2 % (x.shape[1] - 2) + 2
        self.lengths[0] = x.shape[1]
        self.y = self.run(x)
        self.sequence = self.y.ndim > 2 and self.y.shape[1] == x.shape[1]
        self.bar = BARS["float64" if self.y.dtype == np.float64 else "float32"]

    def run(self, x):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a layer that destroys the mask: the rows will tell
            dtype = graph.functional(self.model)._inputs[0].dtype
            outputs = self.model(keras.ops.convert_to_tensor(x, dtype=dtype), training=False)
        return to_numpy(keras.tree.flatten(outputs)[self.number])

    def padded(self, left=False):
        """Return the texts cut to their lengths and padded."""
        x = np.zeros_like(self.x)
        for row, length in enumerate(self.lengths):
            place = slice(x.shape[1] - length, None) if left else slice(0, length)
            x[row, place] = self.x[row, :length]
        return x

    def row(self, quantity, ours, expected, note="", bar=None):
        bar = self.bar if bar is None else bar
        return compare_arrays(self.name, quantity, ours, expected, bar, note)

    def real(self, y, left=False):
        """Return what is said about real steps: (all real steps, D), or y of whole texts."""
        if not self.sequence:
            return y
        parts = [
            row[-length:] if left else row[:length]
            for row, length in zip(y, self.lengths, strict=True)
        ]
        return np.concatenate(parts)

    def alone(self):
        """Return what is said about each text alone, without padding."""
        parts = [self.run(self.x[k : k + 1, :length]) for k, length in enumerate(self.lengths)]
        return np.concatenate([part[0] if self.sequence else part for part in parts])

    def padding(self):
        if graph.functional(self.model)._inputs[0].shape[1] is not None:
            return []  # a model of fixed length cannot read a text without its padding
        note = "padded on the right in a batch, against alone and unpadded"
        return [self.row("padding", self.real(self.run(self.padded())), self.alone(), note)]

    def causality(self, required):
        if not self.sequence:
            return []
        half, changed = self.x.shape[1] // 2, self.x.copy()
        changed[:, half:] = np.roll(self.x, 1, axis=0)[:, half:]
        past = self.run(changed)[:, :half]
        sees = not np.allclose(past, self.y[:, :half], rtol=0, atol=1e-4)
        note = f"the model {'sees' if sees else 'does not see'} the future"
        bar = self.bar if required else np.inf
        return [self.row("causality", past, self.y[:, :half], note, bar)]

    def batch_order(self):
        order = np.roll(np.arange(len(self.x)), 1)
        return self.row("batch order", self.run(self.x[order]), self.y[order])

    def left_padding(self):
        right, left = self.run(self.padded()), self.run(self.padded(left=True))
        pair = self.real(left, left=True), self.real(right)
        row = self.row("left padding", *pair, bar=np.inf)
        equal = row.max_rel <= self.bar
        note = "as right padding" if equal else "differs from right padding: pad on the right"
        return row._replace(note=note)

    def empty_text(self):
        x = self.padded()
        before = self.run(x)
        x[-1] = 0
        after = self.run(x)
        finite = np.isfinite(after[-1]).astype(float)
        return [
            self.row("empty text: the others", after[:-1], before[:-1]),
            self.row("empty text: finite", finite, np.ones_like(finite)),
        ]


def _is_causal(model):
    return bool(getattr(getattr(model, "backbone", model), "causal", False))


def _texts(model, seed):
    """Return random texts of full length for a model."""
    inputs = graph.functional(model)._inputs
    if len(inputs) != 1 or len(inputs[0].shape) not in (2, 3):
        raise ValueError(
            "expected a model with one input, ids (B, T) or features (B, T, D), received "
            f"{[tuple(i.shape) for i in inputs]}."
        )
    rng, (_, length, *features) = np.random.default_rng(seed), inputs[0].shape
    limits = [getattr(layer, "max_length", None) for layer in _layers(model)]
    length = length or min([7, *filter(None, limits)])
    if features:
        return rng.standard_normal((5, length, *features)).astype(inputs[0].dtype)
    if len(inputs[0].shape) == 2 and "int" not in inputs[0].dtype and not _sizes(model):
        raise ValueError(f"expected ids or features, received vectors {tuple(inputs[0].shape)}.")
    return rng.integers(1, min(_sizes(model), default=11), (5, length))


def _sizes(model):
    """Return the vocabulary sizes of the embeddings."""
    sizes = (
        getattr(layer, "vocabulary_size", getattr(layer, "input_dim", None))
        for layer in _layers(model)
    )
    return [size for size in sizes if isinstance(size, int)]


def _layers(model):
    return list(model._flatten_layers(include_self=False))
