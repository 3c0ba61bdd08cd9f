"""The mask laboratory: does padding change what a model says, and who looks into the future?"""

import contextlib
import warnings
from typing import NamedTuple

import keras
import numpy as np

from kerasllm.verify import graph
from kerasllm.verify.report import Report, compare_arrays
from kerasllm.verify.rungs import to_numpy

__all__ = ["MaskRow", "MaskTable", "check_masks", "mask_table"]

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


class MaskRow(NamedTuple):
    """What a layer does with the mask of its input."""

    layer: str
    uses: bool  # its output depends on the mask
    keeps: bool  # its output has the mask
    note: str = ""


class MaskTable(tuple):
    """Rows of `mask_table`, shown as a table."""

    __slots__ = ()

    def cells(self):
        """Return the table as rows of short strings, the heading first."""
        words = {True: "yes", False: "no"}
        heading = ("layer", "uses the mask", "passes it on", "note")
        return [heading, *((r.layer, words[r.uses], words[r.keeps], r.note) for r in self)]

    def __str__(self):
        table = self.cells()
        widths = [max(len(row[k]) for row in table) for k in range(4)]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
            for row in table
        )

    def _repr_html_(self):
        lines = ["".join(f"<td>{cell}</td>" for cell in row) for row in self.cells()]
        return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _add(x):
    return keras.layers.Add()([x, x])


def _concatenate(x):
    return keras.layers.Concatenate()([x, x])


def _attend(layer):
    return lambda x: layer([x, x])


def _cases():
    """Return a call for each layer of the table; made anew, because layers have weights."""
    from kerasllm import layers as ours

    k = keras.layers
    return {
        "Dense": k.Dense(3), "Dropout": k.Dropout(0.5), "Activation": k.Activation("tanh"),
        "LayerNormalization": k.LayerNormalization(),
        "BatchNormalization": lambda x, layer=k.BatchNormalization(): layer(x, training=True),
        "SimpleRNN": k.SimpleRNN(3), "LSTM": k.LSTM(3),
        "LSTM, return_sequences": k.LSTM(3, return_sequences=True),
        "GRU, return_sequences": k.GRU(3, return_sequences=True),
        "Bidirectional": k.Bidirectional(k.LSTM(3, return_sequences=True)),
        "TimeDistributed": k.TimeDistributed(k.Dense(3)),
        "MultiHeadAttention": lambda x, layer=k.MultiHeadAttention(2, 3): layer(x, x),
        "Attention": _attend(k.Attention()), "AdditiveAttention": _attend(k.AdditiveAttention()),
        "GlobalAveragePooling1D": k.GlobalAveragePooling1D(),
        "GlobalMaxPooling1D": k.GlobalMaxPooling1D(), "Conv1D": k.Conv1D(3, 2, padding="same"),
        "Flatten": k.Flatten(), "Reshape": k.Reshape((10, 2)), "Permute": k.Permute((1, 2)),
        "Add": _add, "Concatenate": _concatenate,
        "kerasllm StackedRNN": ours.StackedRNN(3), "kerasllm BiLSTM": ours.BiLSTM(3),
        "kerasllm MultiHeadAttention": ours.MultiHeadAttention(2),
        "kerasllm FeedForward": ours.FeedForward(7),
        "kerasllm TransformerEncoder": ours.TransformerEncoder(2),
        "kerasllm MaskedPooling": ours.MaskedPooling("max"),
    }  # fmt: skip


def mask_table():
    """Return which layers use a mask and which pass it on, found by running each of them.

    A layer *uses* the mask if its output at real steps is another without it, and *passes it on* if
    its output carries the mask for the layers after it.

    Example:
        >>> rows = {row.layer: row for row in mask_table()}
        >>> rows["LSTM"].uses, rows["GlobalMaxPooling1D"].uses, rows["Flatten"].keeps
        (True, False, False)
    """
    return MaskTable(_observe(name, call) for name, call in _cases().items())


def _observe(name, call):
    rng = np.random.default_rng(0)
    # Holes in the middle: at the end of a text a recurrent layer would not notice.
    mask = np.array([[1, 0, 1, 1, 1], [1, 1, 0, 1, 0]], bool)
    array = rng.standard_normal((2, 5, 4)).astype("float32")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with_mask, kept = _run(call, array, mask)
        without, _ = _run(call, array, None)
    if with_mask.ndim == 3 and with_mask.shape[1] == 5:
        with_mask, without = with_mask[mask], without[mask]
    elif with_mask.shape[0] == 2 and kept is None and with_mask.size == array.size:
        with_mask = without  # rearranged: nothing was computed
    uses = not np.allclose(with_mask, without, atol=1e-6)
    keeps = kept is not None and np.array_equal(to_numpy(kept), mask)
    warned = any("destroy the mask" in str(w.message) for w in said)
    return MaskRow(name, uses, keeps, "Keras warns that it is lost" if warned else "")


def _run(call, array, mask):
    x = keras.ops.convert_to_tensor(array)
    if mask is not None:
        x._keras_mask = keras.ops.convert_to_tensor(mask)
    y = call(x)
    with contextlib.suppress(AttributeError):
        return to_numpy(y), y._keras_mask
    return to_numpy(y), None
