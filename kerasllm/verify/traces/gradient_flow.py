"""How far back the gradient of a loss reaches in a recurrent layer, and why.

The gradient that arrives at a state is carried from step to step by the backward pass of
`kerasllm.reference`. In an LSTM it can travel along the cell, where each step multiplies it by the
forget gate alone: what the gates keep is how far it reaches.

    dL/dc_{t-1} ≈ f_t · dL/dc_t      so      |dL/dc_t| ≈ f^(T-t),   memory = -1 / ln f   steps
"""

from typing import NamedTuple

import numpy as np

from kerasllm import reference as ref
from kerasllm.reference.recurrent import recurrence
from kerasllm.utils.errors import nearest

__all__ = ["Flow", "GradientFlow", "gradient_flow"]

CELLS = {"simple": (ref.simple_rnn, 1), "lstm": (ref.lstm, 4), "gru": (ref.gru, 3)}


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


class GradientFlow:
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
        """Return a `TokenTable`: how much arrives at the first step, and the memories."""
        from kerasllm.utils.tables import TokenTable

        columns = ("layer", "|dL/dh| last", "|dL/dh| first", "|dL/dc| first", "measured memory",
                   "memory of the gates")  # fmt: skip
        rows = tuple(self._row(name, flow) for name, flow in self.flows.items())
        return TokenTable(f"Gradient flow over {self.steps} steps", columns, rows)

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
        from kerasllm import plots

        cells = {name: flow.d_c for name, flow in self.flows.items() if flow.d_c is not None}
        curves = {name: flow.d_h for name, flow in self.flows.items()}
        return plots.gradient_flow(curves, cells, tokens=self.tokens, title=title)

    def __str__(self):
        return str(self.table)

    __repr__ = __str__

    def _repr_html_(self):
        return self.table._repr_html_()


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


def state_gradients(trace, d_output):
    """Return what arrives at each state when `d_output` is sent back through a layer.

    Args:
        trace: of `lstm`, `gru` or `simple_rnn`.
        d_output: like its output.

    Returns:
        {"h": (B, T, H)}, and "c" for an LSTM: the gradient of the loss with respect to the state,
        along all later steps. That of c has the way through its own h in it.
    """
    is_lstm = isinstance(trace, ref.LSTMTrace)
    h = trace.h.swapaxes(0, 1)  # (T, B, H)
    d_shown = recurrence.output_backward(d_output, trace.walk, h.shape)
    d_states, steps = tuple(np.zeros_like(first) for first in trace.initial_state), []
    for t in reversed(range(len(h))):
        arrived = (d_states[0] + d_shown[t], *d_states[1:])
        d_new, d_old = recurrence.carry_backward(trace.walk, t, arrived)
        through = _step_backward(trace, t, d_new)
        if is_lstm:
            bend = np.tanh(trace.c[:, t])
            steps.append((arrived[0], arrived[1] + d_new[0] * trace.o[:, t] * (1 - bend**2)))
        else:
            steps.append(arrived)
        d_states = tuple(a + b for a, b in zip(through, d_old, strict=True))
    stacked = (np.stack(d[::-1], axis=1) for d in zip(*steps, strict=True))  # (B, T, H)
    return dict(zip("hc", stacked, strict=False))


def _step_backward(trace, t, d_new):
    """Send the gradients of the new states through one step; return those of the states before."""
    before = [getattr(trace, name)[:, t - 1] if t else first
              for name, first in zip("hc", trace.initial_state, strict=False)]  # fmt: skip
    U = trace.recurrent_kernel
    if isinstance(trace, ref.LSTMTrace):
        symbols = (getattr(trace, name)[:, t] for name in "ifgoch")
        grads = ref.lstm_step_backward(d_new, ref.LSTMStepTrace(*symbols, before[1], before[0], U))
        return grads.d_h_previous, grads.d_c_previous
    if isinstance(trace, ref.GRUTrace):
        symbols = (getattr(trace, name)[:, t] for name in ("z", "r", "inner", "candidate", "h"))
        step = ref.GRUStepTrace(*symbols, before[0], U, trace.reset_after)
        return (ref.gru_step_backward(d_new[0], step).d_h_previous,)
    step = ref.SimpleRNNStepTrace(trace.h[:, t], before[0], U, trace.activation)
    return (ref.simple_rnn_step_backward(d_new[0], step).d_h_previous,)


def _flow(trace, d_output):
    d = state_gradients(trace, d_output)
    sizes = {name: np.sqrt((array**2).sum(axis=-1)).mean(axis=0) for name, array in d.items()}
    gate = {ref.LSTMTrace: "f", ref.GRUTrace: "z"}.get(type(trace))
    keep = getattr(trace, gate).mean(axis=0) if gate else None
    return Flow(sizes["h"], sizes.get("c"), keep)


def _of_cells(names, length, units, features, forget_bias, seed):
    for name in names:
        if name not in CELLS:
            raise ValueError(
                f"expected cells among {tuple(CELLS)}, received {name!r}." + nearest(name, CELLS)
            )
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
    from kerasllm.verify.traces.gradient_flow_model import recurrent_calls

    calls, tokens = recurrent_calls(source, text, tokenizer)
    return GradientFlow({name: _flow(trace, d) for name, trace, d in calls}, tokens)
