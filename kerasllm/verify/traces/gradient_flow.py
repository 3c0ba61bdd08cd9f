"""How far back the gradient of a loss reaches in a recurrent layer, and why.

The gradient that arrives at a state is carried from step to step by the backward pass of
`kerasllm.reference`. In an LSTM it can travel along the cell, where each step multiplies it by the
forget gate alone: what the gates keep is how far it reaches.

    dL/dc_{t-1} ≈ f_t · dL/dc_t      so      |dL/dc_t| ≈ f^(T-t),   memory = -1 / ln f   steps
"""

from typing import NamedTuple

import keras
import numpy as np

from kerasllm import plots
from kerasllm import reference as ref
from kerasllm.utils.errors import check_choice
from kerasllm.utils.tables import Shown, Table, readable
from kerasllm.verify.traces.inputs import read
from kerasllm.verify.traces.layers import stream_of
from kerasllm.verify.twins.model import Twin
from kerasllm.verify.twins.values import gradient_or_zeros

CELLS = {"simple": (ref.simple_rnn, 1), "lstm": (ref.lstm, 4), "gru": (ref.gru, 3)}
# The way back through each layer, and the gate that keeps its state.
_BACKWARD = {
    ref.SimpleRNNTrace: (ref.simple_rnn_backward, None),
    ref.LSTMTrace: (ref.lstm_backward, "f"),
    ref.GRUTrace: (ref.gru_backward, "z"),
}


class Flow(NamedTuple):
    """The gradients of one layer, step by step in the order of processing.

    Attributes:
        d_h: |dL/dh_t|, (T,).
        d_c: |dL/dc_t|, (T,), for an LSTM; None for the others.
        keep: the gate that keeps the state, (T, H): f of an LSTM, z of a GRU; None without gates.
    """

    d_h: np.ndarray
    d_c: np.ndarray | None
    keep: np.ndarray | None

    @property
    def implied(self):
        """Memory of each unit (H,) in steps: after so many the product of its gates is 1/e."""
        if self.keep is None:
            return None
        with np.errstate(divide="ignore"):
            return -1 / np.log(self.keep.astype("float64")).mean(axis=0)

    @property
    def measured(self):
        """Steps back after which the gradient of the state is below 1/e of its last value.

        T where it never is. For an LSTM the state is the cell.
        """
        sizes = self.d_h if self.d_c is None else self.d_c
        below = np.flatnonzero(sizes[::-1] < sizes[-1] / np.e)
        return int(below[0]) if len(below) else len(sizes)


class GradientFlow(Shown):
    """The flow through several layers; see `gradient_flow`.

    Attributes:
        flows: {name: `Flow`}.
        tokens: the tokens, or None.
    """

    def __init__(self, flows, tokens=None):
        self.flows, self.tokens = dict(flows), tokens

    def __getitem__(self, name):
        return self.flows[name]

    @property
    def table(self):
        """Return a `Table`: how much arrives at the first step, and the memories."""
        columns = ("layer", "|dL/dh| last", "|dL/dh| first", "|dL/dc| first", "measured memory",
                   "memory of the gates")  # fmt: skip
        rows = (self._row(name, flow) for name, flow in self.flows.items())
        return Table(columns, rows, f"Gradient flow over {self.steps} steps")

    @property
    def steps(self):
        """The number of steps T."""
        return len(next(iter(self.flows.values())).d_h)

    def _row(self, name, flow):
        cell = "" if flow.d_c is None else f"{flow.d_c[0]:.1e}"
        memory = f"{flow.measured} steps" if flow.measured < self.steps else f"≥ {self.steps} steps"
        gates = "no gates"
        if flow.implied is not None:
            low, middle, high = np.percentile(flow.implied, (5, 50, 95))
            gates = f"{middle:.1f} steps (units: {low:.1f} to {high:.1f})"
        return (name, f"{flow.d_h[-1]:.1e}", f"{flow.d_h[0]:.1e}", cell, memory, gates)

    def figure(self, title="Gradient flow"):
        """Draw |dL/dh_t| against t, and |dL/dc_t| dashed."""
        cells = {name: flow.d_c for name, flow in self.flows.items() if flow.d_c is not None}
        curves = {name: flow.d_h for name, flow in self.flows.items()}
        return plots.gradient_flow(curves, cells, tokens=self.tokens, title=title)


def gradient_flow(
    what=("simple", "gru", "lstm"), text_or_length=60, *, units=32, features=16, forget_bias=1.0,
    seed=0, tokenizer=None,
):  # fmt: skip
    """Measure the gradient of the last step at every step before it.

    L = d · h_T with a random d for untrained cells; for a trained language model the negative
    log-probability of its likeliest token after the last one, for a classifier that of its class.

    Args:
        what: "simple", "gru" or "lstm", or several of them: untrained cells with the weights that
            Keras starts with, reading noise. Or a run folder, a `Run` or a Keras model.
        text_or_length: the number of steps for cells; for a model the text, or token ids.
        units: H of the cells.
        features: D of the cells.
        forget_bias: bias of the LSTM's forget gate. Keras starts with 1.
        seed: of weights and noise.
        tokenizer: of a model given without its run.

    Returns:
        A `GradientFlow`: `.table`, `.figure()`, and a `Flow` for each cell or layer.

    Raises:
        ValueError: an unknown cell, a length below 2, a model without recurrent layer.

    Example:
        >>> flow = gradient_flow(("simple", "lstm"), 40)
        >>> bool(flow["lstm"].d_c[0] > flow["simple"].d_h[0])
        True
    """
    names = (what,) if isinstance(what, str) else what
    if isinstance(names, (tuple, list)) and (len(names) > 1 or str(names[0]) in CELLS):
        return _of_cells(names, text_or_length, units, features, forget_bias, seed)
    return _of_model(what, text_or_length, tokenizer)


def _flow(trace, d_output):
    backward, gate = _BACKWARD[type(trace)]
    grads = backward(d_output, trace)
    keep = getattr(trace, gate).mean(axis=0) if gate else None
    return Flow(_size(grads.d_h), _size(grads.d_c) if gate == "f" else None, keep)


def _size(d):
    """Return the length of a gradient (B, T, H) at each step, averaged over the batch."""
    return np.sqrt((d**2).sum(axis=-1)).mean(axis=0)


def _of_cells(names, length, units, features, forget_bias, seed):
    for name in names:
        check_choice("each cell", name, CELLS)
    if isinstance(length, bool) or not isinstance(length, int) or length < 2:
        raise ValueError(f"expected a length of at least 2 steps, received {length!r}.")
    flows = {}
    for name in names:
        rng = np.random.default_rng(seed)
        function, gates = CELLS[name]
        x = rng.standard_normal((8, length, features))
        output, trace = function(x, *_weights(name, features, units, gates, forget_bias, rng))
        d_output = rng.standard_normal(output.shape)
        flows[name] = _flow(trace, d_output / np.linalg.norm(d_output, axis=-1, keepdims=True))
    return GradientFlow(flows)


def _weights(name, features, units, gates, forget_bias, rng):
    """Return the weights that Keras starts with: Glorot, orthogonal, zeros."""
    limit = np.sqrt(6 / (features + gates * units))
    kernel = rng.uniform(-limit, limit, (features, gates * units))
    recurrent, _ = np.linalg.qr(rng.standard_normal((gates * units, units)))
    bias = np.zeros((2, gates * units) if name == "gru" else gates * units)
    if name == "lstm":
        bias[units : 2 * units] = forget_bias
    return kernel, recurrent.T, bias


def _of_model(source, text, tokenizer):
    seen = read(source, text, tokenizer)
    twin = Twin(seen.model, dtype="float64")
    tape, outputs, _ = twin._forward(seen.reading.inputs)
    calls = [call for call in tape.calls if call.name and type(call.trace) in _BACKWARD]
    if not calls:
        raise ValueError(
            "this model has no recurrent layer that reads forward: gradient_flow measures LSTM, "
            "GRU and SimpleRNN layers (for both directions, take one with bidirectional=False)."
        )
    outputs[0].add_gradient(_d_output(outputs[0].array, seen.probabilities(twin)))
    tape.backward()
    flows = {call.name: _flow(call.trace, _d_shown(call)) for call in calls}
    stream = stream_of(seen.reading.streams, calls[0].name)
    return GradientFlow(flows, [readable(token) for token in stream.tokens])


def _d_output(logits, p):
    """Return the gradient of -ln p of the likeliest answer with respect to the logits."""
    if p is None or logits.shape[-1] != p.shape[-1]:
        return np.full(logits.shape, 1 / logits.size)
    last = p if p.ndim == 1 else p[-1]
    d = np.zeros(logits.shape)
    d[(0, -1) if logits.ndim == 3 else 0] = last - np.eye(len(last))[last.argmax()]
    return d


def _d_shown(call):
    """Return what reached the output of a call; zeros where nothing did."""
    return gradient_or_zeros(keras.tree.flatten(call.output)[0])
