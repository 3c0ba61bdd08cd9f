"""The mask laboratory: padding, order and the future, and whether they change what a model says."""

import functools

import keras
import numpy as np

from kerasllm.verify.comparison.backend import to_numpy
from kerasllm.verify.comparison.lost_masks import keras_silent, lost_masks
from kerasllm.verify.comparison.report import Report, compare_arrays
from kerasllm.verify.masks.inputs import draw, text_inputs
from kerasllm.verify.twins import graph

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
    6. *mask*: a layer that loses the mask of padding, and by that makes a later layer, or a loss of
       Keras, read padding as text. Only a mask that is lost has a row: it fails, even if this
       model's outputs at real steps do not change by it.

    Below the rows the report warns of each layer that lost or ignored the mask, with a cure.

    Of a model with several inputs one is padded and changed at a time, while the others stay: each
    text with its own row of them. A row is then named "input → output"; an output that does not
    depend on an input has none.

    Args:
        model: any Keras model of texts: token ids (B, T), padded with 0, or features (B, T, D),
            padded with rows of 0. Other inputs, such as positions or vectors, are held.
        x: texts of full length, without padding, as for `model.predict`; drawn at random if left
            out, each input of another length.
        causal: whether the future must not matter, for outputs that are as long as the input. Left
            out, it must not if the model (or its backbone) is `causal`, or writes step by step.
        seed: of the random texts.

    Returns:
        A `Report` with one row a check, input and output.

    Raises:
        ValueError: no input is a sequence, or the texts are too few or too short.

    Example:
        >>> ids = keras.Input((None,), dtype="int32")
        >>> x = keras.layers.LSTM(3)(keras.layers.Embedding(11, 5, mask_zero=True)(ids))
        >>> check_masks(keras.Model(ids, x)).ok
        True
    """
    texts = text_inputs(model)
    x = draw(model, texts, seed) if x is None else graph.input_arrays(model, x)
    for focus in texts:
        if x[focus].shape[1] < 4 or len(x[focus]) < 2:
            raise ValueError(
                f"expected at least 2 texts of 4 steps, received shape {x[focus].shape}."
            )
    causal = _is_causal(model) if causal is None else causal
    rows, warned = [], {}
    for number, output in enumerate(graph.output_names(model)):
        for focus in texts:
            source = graph.input_names(model)[focus]
            name = output if len(x) == 1 else f"{source} → {output}"
            laboratory = _Laboratory(model, x, focus, number, name)
            if len(x) == 1 or laboratory.matters():
                rows += laboratory.rows(causal)
                warned |= laboratory.warnings()
    return Report(rows, title=f"Masks of {model.name}", warnings=warned)


class _Laboratory:
    """One input and one output of a model, texts of full length, and the experiments on them."""

    def __init__(self, model, arrays, focus, number, name):
        self.model, self.arrays, self.focus = model, arrays, focus
        self.number, self.name, self.x = number, name, arrays[focus]
        self.symbol = graph.functional(model)._inputs[focus]
        self.lengths = np.arange(len(self.x)) * 2 % (self.x.shape[1] - 2) + 2
        self.lengths[0] = self.x.shape[1]
        self.y = self.run(self.x)
        self.sequence = self._follows_the_text()
        self.bar = BARS["float64" if self.y.dtype == np.float64 else "float32"]

    def rows(self, causal):
        """Return the rows of all experiments."""
        return [
            *self.padding,
            *self.causality(causal),
            self.batch_order(),
            self.left_padding(),
            *self.empty_text(),
            *self.masks(),
        ]

    def run(self, x, rows=slice(None), others=None):
        """Return the output for texts x, beside the chosen rows of the other inputs."""
        with keras_silent():
            outputs = self.model(self.inputs(x, rows, others), training=False)
        return to_numpy(keras.tree.flatten(outputs)[self.number])

    def inputs(self, x, rows=slice(None), others=None):
        """Return texts x beside the chosen rows of the other inputs, as the model takes them."""
        arrays = [array[rows] for array in (self.arrays if others is None else others)]
        arrays[self.focus] = x
        pairs = zip(arrays, graph.functional(self.model)._inputs, strict=True)
        tensors = [keras.ops.convert_to_tensor(a, dtype=s.dtype) for a, s in pairs]
        return graph.as_given(self.model, tensors)

    def matters(self):
        """Return whether the output depends on the input at all."""
        return not np.array_equal(self.run(np.roll(self.x, 1, axis=1)), self.y)

    def _follows_the_text(self):
        """Return whether the output has one entry for each step of the input."""
        as_long = self.y.ndim > 2 and self.y.shape[1] == self.x.shape[1]
        if not as_long or self.symbol.shape[1] is not None:
            return as_long
        return self.run(self.x[:, :-1]).shape[1] == self.x.shape[1] - 1

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
        texts = enumerate(self.lengths)
        parts = [self.run(self.x[k : k + 1, :n], slice(k, k + 1)) for k, n in texts]
        return np.concatenate([part[0] if self.sequence else part for part in parts])

    @functools.cached_property
    def padding(self):
        if self.symbol.shape[1] is not None:
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
        # An input with another number of rows, such as pairs of spans, is no partner of the texts.
        mixed = [a[order] if len(a) == len(order) else a for a in self.arrays]
        return self.row("batch order", self.run(self.x[order], others=mixed), self.y[order])

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

    @functools.cached_property
    def lost(self):
        """Return the masks of this text that are lost on the way to this output."""
        upstream = graph.upstream(self.model, self.number)
        found = lost_masks(self.model, self.inputs(self.padded()))
        return [(lost, lost.who_reads(upstream, self.number)) for lost in found
                if id(lost.operation) in upstream]  # fmt: skip

    def masks(self):
        """Return a failed row for each layer whose loss of the mask makes padding be read."""
        zero, one = np.zeros(1), np.ones(1)
        return [
            self.row(f"mask: {lost.operation.name}", zero, one, f"loses it; {who}")
            for lost, who in self.lost
            if who
        ]

    def warnings(self):
        """Return sentences on the masks that were lost, and ignored where padding did harm."""
        changed = not all(row.ok for row in self.padding)
        return {str(lost): None for lost, who in self.lost if who or changed}


def _is_causal(model):
    writes = hasattr(model, "step") and hasattr(model, "encode")
    return writes or bool(getattr(getattr(model, "backbone", model), "causal", False))
