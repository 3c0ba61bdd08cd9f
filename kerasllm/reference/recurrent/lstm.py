"""Long short-term memory: a cell that keeps what its gates let it keep.

Weights lie as in Keras: kernel (D, 4H), recurrent_kernel (H, 4H), bias (4H,), the gates side by
side in the order i, f, g, o (Keras calls g "c", for candidate).

- Only tanh and the sigmoid, and no peepholes, like Keras' default and cuDNN.
- Keras starts the forget gate's bias at 1 (`unit_forget_bias`); that is a matter of the weights.
"""

from collections import namedtuple

import numpy as np

from kerasllm.reference.elementary.activations import logistic
from kerasllm.reference.recurrent import recurrence

__all__ = [
    "LSTMGrads", "LSTMStepGrads", "LSTMStepTrace", "LSTMTrace", "lstm", "lstm_backward",
    "lstm_step", "lstm_step_backward",
]  # fmt: skip


class LSTMStepTrace(
    namedtuple("LSTMStepTrace", "i f g o c h c_previous h_previous recurrent_kernel")
):
    """Every symbol of one step, each (B, H)."""


class LSTMStepGrads(namedtuple("LSTMStepGrads", "d_projected d_h_previous d_c_previous")):
    """Gradients of one step; d_recurrent_kernel is h_previousᵀ @ d_projected."""


class LSTMTrace(
    namedtuple("LSTMTrace", "x kernel recurrent_kernel bias initial_state walk i f g o c h state")
):
    """Every symbol of every step, each (B, T, H) in the order of processing.

    At a masked step c and h are the ones that were kept, and i, f, g, o are what the gates would
    have been.
    """


class LSTMGrads(
    namedtuple(
        "LSTMGrads",
        "d_x d_kernel d_recurrent_kernel d_bias d_initial_state d_h d_c d_projected",
    )
):
    """Gradients of `lstm`; `d_bias` is None where there was no bias.

    d_h (B, T, H) is that of every state h_t, along the output and all later steps; d_c (B, T, H)
    that of every cell, the way through its own h among them; d_projected (B, T, 4H) that of every
    gate before it bends. All three lie in the order of processing.
    """


def lstm_step(projected, h_previous, c_previous, recurrent_kernel):
    """Take one step.

        i = σ(x @ W_i + h_previous @ U_i + b_i)         input gate
        f = σ(x @ W_f + h_previous @ U_f + b_f)         forget gate
        g = tanh(x @ W_g + h_previous @ U_g + b_g)      candidate
        o = σ(x @ W_o + h_previous @ U_o + b_o)         output gate
        c = f · c_previous + i · g                      cell
        h = o · tanh(c)                                 what the others see

    W, U and b are kernel, recurrent_kernel and bias, cut into the four gates.

    Args:
        projected: (B, 4H), the input's share of all gates: x @ kernel + bias.
        h_previous: (B, H).
        c_previous: (B, H).
        recurrent_kernel: (H, 4H).

    Returns:
        (h, c), trace

    Raises:
        ValueError: shapes that do not fit, NaN.

    Example:
        With all weights 0 every gate is half open: c = ½ · 4, h = ½ · tanh(2).

        >>> (h, c), _ = lstm_step(np.zeros((1, 4)), np.zeros((1, 1)), np.full((1, 1), 4.0),
        ...                       np.zeros((1, 4)))
        >>> c.item(), round(h.item(), 4)
        (2.0, 0.482)

    Source:
        Hochreiter and Schmidhuber, Long Short-Term Memory (1997); forget gate: Gers, Schmidhuber
        and Cummins, Learning to Forget (2000).
    """
    projected, recurrent_kernel, h_previous, c_previous = recurrence.check_step(
        projected, recurrent_kernel, gates=4, h_previous=h_previous, c_previous=c_previous
    )
    H = len(recurrent_kernel)
    gates = projected + h_previous @ recurrent_kernel  # (B, 4H)
    i = logistic(gates[:, :H])
    f = logistic(gates[:, H : 2 * H])
    g = np.tanh(gates[:, 2 * H : 3 * H])
    o = logistic(gates[:, 3 * H :])
    c = f * c_previous + i * g
    h = o * np.tanh(c)
    return (h, c), LSTMStepTrace(i, f, g, o, c, h, c_previous, h_previous, recurrent_kernel)


def lstm_step_backward(d_output, trace):
    """Send the gradient of (h, c) back through one step.

        d_o = d_h · tanh(c)
        d_c = d_c + d_h · o · (1 - tanh²(c))
        d_i = d_c · g
        d_f = d_c · c_previous
        d_g = d_c · i
        d_projected  = each of them times the slope of its gate, side by side
        d_h_previous = d_projected @ recurrent_kernelᵀ
        d_c_previous = d_c · f

    Args:
        d_output: (d_h, d_c), each (B, H).
        trace: from `lstm_step`.

    Returns:
        `LSTMStepGrads`.

    Example:
        With all weights 0 the forget gate is half open, and so is the way back.

        >>> zero = np.zeros((1, 1))
        >>> _, trace = lstm_step(np.zeros((1, 4)), zero, zero, np.zeros((1, 4)))
        >>> lstm_step_backward((zero, zero + 1), trace).d_c_previous
        array([[0.5]])
    """
    d_h, d_c = d_output
    i, f, g, o, c, _, c_previous, _, recurrent_kernel = trace
    tanh_c = np.tanh(c)
    d_c = d_c + d_h * o * (1 - tanh_c**2)
    d_projected = np.concatenate(
        [
            d_c * g * i * (1 - i),
            d_c * c_previous * f * (1 - f),
            d_c * i * (1 - g**2),
            d_h * tanh_c * o * (1 - o),
        ],
        axis=-1,
    )  # (B, 4H)
    return LSTMStepGrads(d_projected, d_projected @ recurrent_kernel.T, d_c * f)


def lstm(
    x, kernel, recurrent_kernel, bias=None, *, mask=None, initial_state=None,
    go_backwards=False, return_sequences=False, zero_output_for_mask=False,
):  # fmt: skip
    """Walk through a sequence with `lstm_step`.

    The options are Keras' own, with its defaults; see `lstm_step` for the equations.

    Args:
        x: (B, T, D).
        kernel: (D, 4H).
        recurrent_kernel: (H, 4H).
        bias: (4H,), or None.
        mask: (B, T), True where the token is real; a masked step keeps h and c.
        initial_state: (h, c), each (B, H); zeros if left out.
        go_backwards: start at the last token.
        return_sequences: return h of every step, in the order of processing.
        zero_output_for_mask: return zero at masked steps, instead of the step before.

    Returns:
        output, trace: the output is (B, T, H), or (B, H), the last one. The final states are
        `trace.state`.

    Raises:
        ValueError: shapes that do not fit, NaN, an empty sequence.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, kernel, recurrent = (rng.normal(size=s) for s in [(2, 5, 3), (3, 28), (7, 28)])
        >>> output, trace = lstm(x, kernel, recurrent, return_sequences=True)
        >>> output.shape, trace.f.shape, np.array_equal(output[:, -1], trace.state[0])
        ((2, 5, 7), (2, 5, 7), True)
    """
    x, kernel, recurrent_kernel, bias = recurrence.check_weights(
        x, kernel, recurrent_kernel, bias, gates=4
    )
    walk = recurrence.plan(x, mask, go_backwards, return_sequences, zero_output_for_mask)
    projected = recurrence.project(recurrence.in_order(x, go_backwards), kernel, bias)
    first = recurrence.first_state(initial_state, ("h", "c"), projected, len(recurrent_kernel))
    (h, c), symbols = first, []
    for t in range(len(projected)):
        new, step = lstm_step(projected[t], h, c, recurrent_kernel)
        h, c = recurrence.carry(walk, t, new, (h, c))
        symbols.append((*step[:4], c, h))
    i, f, g, o, c, h = map(np.stack, zip(*symbols, strict=True))  # T times (B, H) -> (T, B, H)
    shown = (symbol.swapaxes(0, 1) for symbol in (i, f, g, o, c, h))
    trace = LSTMTrace(
        x, kernel, recurrent_kernel, bias, first, walk, *shown, state=(h[-1], c[-1])
    )  # fmt: skip
    return recurrence.output_of(h, walk), trace


def lstm_backward(d_output, trace, d_state=None):
    """Send a gradient back through time.

    Each weight takes part in every step, so its gradient is a sum over steps; the steps hand the
    gradients of their gates out, and one matrix product sums them all.

    Args:
        d_output: like the output, (B, T, H) or (B, H).
        trace: from `lstm`.
        d_state: (d_h, d_c) of the final states, if the loss uses them.

    Returns:
        `LSTMGrads`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, kernel, recurrent = (rng.normal(size=s) for s in [(2, 5, 3), (3, 28), (7, 28)])
        >>> output, trace = lstm(x, kernel, recurrent)
        >>> grads = lstm_backward(np.ones_like(output), trace)
        >>> grads.d_x.shape, grads.d_recurrent_kernel.shape, grads.d_bias
        ((2, 5, 3), (7, 28), None)
    """
    i, f, g, o, c, h = (symbol.swapaxes(0, 1) for symbol in trace[6:12])  # (T, B, H)
    h_previous, c_previous = map(recurrence.previous, (h, c), trace.initial_state)
    symbols = (i, f, g, o, c, h, c_previous, h_previous)

    def step_backward(t, d_new):
        step = LSTMStepTrace(*(symbol[t] for symbol in symbols), trace.recurrent_kernel)
        d_projected, *through = lstm_step_backward(d_new, step)
        return (d_projected,), through

    (d_h, d_c), (d_projected,), d_first = recurrence.backward_through_time(
        step_backward, d_output, trace, d_state
    )
    (through_h,), _ = recurrence.carry_backward(trace.walk, slice(None), (d_h,))
    d_c = d_c + through_h * o * (1 - np.tanh(c) ** 2)
    d_x, d_kernel, d_bias = recurrence.project_backward(d_projected, trace)
    d_U = recurrence.contract(h_previous, d_projected)
    shown = (d.swapaxes(0, 1) for d in (d_h, d_c, d_projected))
    return LSTMGrads(d_x, d_kernel, d_U, d_bias, d_first, *shown)
