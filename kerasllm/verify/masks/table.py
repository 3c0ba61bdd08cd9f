"""Which Keras layers use a mask, which pass it on, which lose it: found by running them."""

import contextlib
import warnings
from typing import NamedTuple

import keras
import numpy as np

from kerasllm import layers as ours
from kerasllm.utils.tables import Shown, Table
from kerasllm.verify.comparison.backend import to_numpy


class MaskRow(NamedTuple):
    """What a layer does with the mask of its input."""

    layer: str
    uses: bool  # its output depends on the mask
    keeps: bool  # its output has the mask
    note: str = ""


class MaskTable(Shown, tuple):
    """Rows of `mask_table`, shown as a table."""

    @property
    def table(self):
        """The rows as a `Table`."""
        words = {True: "yes", False: "no"}
        rows = [(r.layer, words[r.uses], words[r.keeps], r.note) for r in self]
        return Table(("layer", "uses the mask", "passes it on", "note"), rows)


def _add(x):
    return keras.layers.Add()([x, x])


def _concatenate(x):
    return keras.layers.Concatenate()([x, x])


def _attend(layer):
    return lambda x: layer([x, x])


def _cases():
    """Return a call for each layer of the table; made anew, because layers have weights."""
    k = keras.layers
    norm, heads = k.BatchNormalization(), k.MultiHeadAttention(2, 3)
    return {
        "Dense": k.Dense(3), "Dropout": k.Dropout(0.5), "Activation": k.Activation("tanh"),
        "LayerNormalization": k.LayerNormalization(),
        "BatchNormalization": lambda x: norm(x, training=True),
        "SimpleRNN": k.SimpleRNN(3), "LSTM": k.LSTM(3),
        "LSTM, return_sequences": k.LSTM(3, return_sequences=True),
        "GRU, return_sequences": k.GRU(3, return_sequences=True),
        "Bidirectional": k.Bidirectional(k.LSTM(3, return_sequences=True)),
        "TimeDistributed": k.TimeDistributed(k.Dense(3)),
        "MultiHeadAttention": lambda x: heads(x, x),
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
