"""The simple recurrent network: one layer whose output is its own next input.

Weights lie as in Keras: kernel (D, H), recurrent_kernel (H, H), bias (H,).
"""

from collections import namedtuple

import numpy as np

from kerasllm.reference import checks
from kerasllm.reference.elementary.activations import logistic
from kerasllm.reference.recurrent import recurrence

__all__ = [
    "SimpleRNNGrads", "SimpleRNNStepGrads", "SimpleRNNStepTrace", "SimpleRNNTrace", "simple_rnn",
    "simple_rnn_backward", "simple_rnn_step", "simple_rnn_step_backward",
]  # fmt: skip

# Each activation, and its slope written with its result h.
ACTIVATIONS = {
    "tanh": (np.tanh, lambda h: 1 - h**2),
    "sigmoid": (logistic, lambda h: h * (1 - h)),
    "relu": (lambda a: np.maximum(a, 0), lambda h: h > 0),
    "linear": (lambda a: a, np.ones_like),
}


class SimpleRNNStepTrace(
    namedtuple("SimpleRNNStepTrace", "h h_previous recurrent_kernel activation")
):
    """Every symbol of one step, each (B, H)."""


class SimpleRNNStepGrads(namedtuple("SimpleRNNStepGrads", "d_projected d_h_previous")):
    """Gradients of one step; d_recurrent_kernel is h_previousᵀ @ d_projected."""


class SimpleRNNTrace(
    namedtuple(
        "SimpleRNNTrace",
        "x kernel recurrent_kernel bias initial_state walk h state activation",
    )
):
    """Every symbol of every step; h is (B, T, H) in the order of processing."""


class SimpleRNNGrads(
    namedtuple(
        "SimpleRNNGrads",
        "d_x d_kernel d_recurrent_kernel d_bias d_initial_state d_h d_projected",
    )
):
    """Gradients of `simple_rnn`; `d_bias` is None where there was no bias.

    d_h (B, T, H) is that of every state h_t, along the output and all later steps; d_projected
    (B, T, H) that of every sum under the tanh. Both lie in the order of processing.
    """


def simple_rnn_step(projected, h_previous, recurrent_kernel, activation="tanh"):
    """Take one step.

        h = tanh(x @ W + h_previous @ U + b)

    W, U and b are kernel, recurrent_kernel and bias.

    Args:
        projected: (B, H), the input's share: x @ kernel + bias.
        h_previous: (B, H).
        recurrent_kernel: (H, H).
        activation: "tanh", "sigmoid", "relu" or "linear".

    Returns:
        h, trace

    Raises:
        ValueError: shapes that do not fit, NaN, an unknown activation.

    Example:
        >>> h, _ = simple_rnn_step(np.array([[3.0]]), np.array([[2.0]]), np.array([[0.5]]),
        ...                        activation="linear")
        >>> h
        array([[4.]])

    Source:
        Elman, Finding Structure in Time (1990).
    """
    checks.choice("activation", activation, ACTIVATIONS)
    projected, recurrent_kernel, h_previous = recurrence.check_step(
        projected, recurrent_kernel, gates=1, h_previous=h_previous
    )
    function, _ = ACTIVATIONS[activation]
    h = function(projected + h_previous @ recurrent_kernel)
    return h, SimpleRNNStepTrace(h, h_previous, recurrent_kernel, activation)


def simple_rnn_step_backward(d_output, trace):
    """Send the gradient of h back through one step.

        d_projected  = d_h · (1 - h²)                   the slope of tanh
        d_h_previous = d_projected @ recurrent_kernelᵀ

    Args:
        d_output: d_h, (B, H).
        trace: from `simple_rnn_step`.

    Returns:
        `SimpleRNNStepGrads`.

    Example:
        >>> _, trace = simple_rnn_step(np.array([[3.0]]), np.array([[2.0]]), np.array([[0.5]]),
        ...                            activation="linear")
        >>> simple_rnn_step_backward(np.ones((1, 1)), trace).d_h_previous
        array([[0.5]])
    """
    _, slope = ACTIVATIONS[trace.activation]
    d_projected = d_output * slope(trace.h)
    return SimpleRNNStepGrads(d_projected, d_projected @ trace.recurrent_kernel.T)


def simple_rnn(
    x, kernel, recurrent_kernel, bias=None, *, mask=None, initial_state=None,
    go_backwards=False, return_sequences=False, zero_output_for_mask=False, activation="tanh",
):  # fmt: skip
    """Walk through a sequence with `simple_rnn_step`.

    The options are Keras' own, with its defaults.

    Args:
        x: (B, T, D).
        kernel: (D, H).
        recurrent_kernel: (H, H).
        bias: (H,), or None.
        mask: (B, T), True where the token is real; a masked step keeps h.
        initial_state: (h,), with h (B, H); zeros if left out.
        go_backwards: start at the last token.
        return_sequences: return h of every step, in the order of processing.
        zero_output_for_mask: return zero at masked steps, instead of the step before.
        activation: "tanh", "sigmoid", "relu" or "linear".

    Returns:
        output, trace: the output is (B, T, H), or (B, H), the last one. The final state is
        `trace.state`.

    Raises:
        ValueError: shapes that do not fit, NaN, an empty sequence, an unknown activation.

    Example:
        A sum over time: all weights 1, no bend.

        >>> one = np.ones((1, 1))
        >>> simple_rnn(np.array([[[1.0], [2.0], [3.0]]]), one, one, activation="linear")[0]
        array([[6.]])
    """
    checks.choice("activation", activation, ACTIVATIONS)
    x, kernel, recurrent_kernel, bias = recurrence.check_weights(
        x, kernel, recurrent_kernel, bias, gates=1
    )
    walk = recurrence.plan(x, mask, go_backwards, return_sequences, zero_output_for_mask)
    projected = recurrence.project(recurrence.in_order(x, go_backwards), kernel, bias)
    first = recurrence.first_state(initial_state, ("h",), projected, len(recurrent_kernel))
    (h,), states = first, []
    for t in range(len(projected)):
        new, _ = simple_rnn_step(projected[t], h, recurrent_kernel, activation)
        (h,) = recurrence.carry(walk, t, (new,), (h,))
        states.append(h)
    h = np.stack(states)  # T times (B, H) -> (T, B, H)
    trace = SimpleRNNTrace(
        x, kernel, recurrent_kernel, bias, first, walk, h.swapaxes(0, 1), (h[-1],), activation
    )
    return recurrence.output_of(h, walk), trace


def simple_rnn_backward(d_output, trace, d_state=None):
    """Send a gradient back through time.

    Args:
        d_output: like the output, (B, T, H) or (B, H).
        trace: from `simple_rnn`.
        d_state: (d_h,) of the final state, if the loss uses it.

    Returns:
        `SimpleRNNGrads`.

    Example:
        The recurrent weight 0.5 halves the gradient at every step back.

        >>> x, one = np.ones((1, 3, 1)), np.ones((1, 1))
        >>> _, trace = simple_rnn(x, one, 0.5 * one, activation="linear")
        >>> simple_rnn_backward(np.ones((1, 1)), trace).d_x.ravel()
        array([0.25, 0.5 , 1.  ])
    """
    U, h = trace.recurrent_kernel, trace.h.swapaxes(0, 1)  # (T, B, H)
    h_previous = recurrence.previous(h, *trace.initial_state)

    def step_backward(t, d_new):
        step = SimpleRNNStepTrace(h[t], h_previous[t], U, trace.activation)
        d_projected, d_h = simple_rnn_step_backward(*d_new, step)
        return (d_projected,), (d_h,)

    (d_h,), (d_projected,), d_first = recurrence.backward_through_time(
        step_backward, d_output, trace, d_state
    )
    d_x, d_kernel, d_bias = recurrence.project_backward(d_projected, trace)
    d_U = recurrence.contract(h_previous, d_projected)
    shown = (d.swapaxes(0, 1) for d in (d_h, d_projected))
    return SimpleRNNGrads(d_x, d_kernel, d_U, d_bias, d_first, *shown)
