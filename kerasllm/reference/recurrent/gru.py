"""Gated recurrent unit: a state that is overwritten only as far as its update gate allows.

Weights lie as in Keras: kernel (D, 3H), recurrent_kernel (H, 3H), the gates side by side in the
order z, r, candidate. There are two versions, and they need different weights:

- `reset_after=True` (Keras' default, and cuDNN's): the reset gate acts after the matrix product.
  The recurrent product has a bias of its own, so bias is (2, 3H): input row, recurrent row.
- `reset_after=False` (the paper's): the reset gate acts before it, and bias is (3H,).
- z keeps the *old* state, as in Cho et al.; Chung et al. (2014) and many textbooks let it keep the
  new one.
"""

from collections import namedtuple

import numpy as np

from kerasllm.reference import checks
from kerasllm.reference.elementary.activations import logistic
from kerasllm.reference.recurrent import recurrence

__all__ = [
    "GRUGrads", "GRUStepGrads", "GRUStepTrace", "GRUTrace", "gru", "gru_backward", "gru_step",
    "gru_step_backward",
]  # fmt: skip


class GRUStepTrace(
    namedtuple("GRUStepTrace", "z r inner candidate h h_previous recurrent_kernel reset_after")
):
    """Every symbol of one step, each (B, H)."""


class GRUStepGrads(namedtuple("GRUStepGrads", "d_projected d_h_previous d_recurrent")):
    """Gradients of one step.

    d_recurrent is (B, 3H), the gradient of the recurrent products; d_recurrent_bias is its sum.
    """


class GRUTrace(
    namedtuple(
        "GRUTrace",
        "x kernel recurrent_kernel bias initial_state walk z r inner candidate h state reset_after",
    )
):
    """Every symbol of every step, each (B, T, H) in the order of processing.

    At a masked step h is the one that was kept, and the others are what they would have been.
    """


class GRUGrads(
    namedtuple("GRUGrads", "d_x d_kernel d_recurrent_kernel d_bias d_initial_state d_h d_projected")
):
    """Gradients of `gru`; `d_bias` is None where there was no bias.

    d_h (B, T, H) is that of every state h_t, along the output and all later steps; d_projected
    (B, T, 3H) that of every gate's share of the input. Both lie in the order of processing.
    """


def gru_step(projected, h_previous, recurrent_kernel, recurrent_bias=0.0, reset_after=True):
    """Take one step.

        z = σ(x @ W_z + b_z + h_previous @ U_z + c_z)              update gate
        r = σ(x @ W_r + b_r + h_previous @ U_r + c_r)              reset gate
        inner = r · (h_previous @ U_h + c_h)                       reset after
        inner = (r · h_previous) @ U_h                             reset before
        candidate = tanh(x @ W_h + b_h + inner)
        h = z · h_previous + (1 - z) · candidate

    W, U are kernel and recurrent_kernel, cut into three; b, c the two rows of the bias (without
    `reset_after` there is no c).

    Args:
        projected: (B, 3H), the input's share: x @ W + b.
        h_previous: (B, H).
        recurrent_kernel: (H, 3H).
        recurrent_bias: (3H,), c in the equations; 0 without bias and without `reset_after`.
        reset_after: which of the two versions.

    Returns:
        h, trace

    Raises:
        ValueError: shapes that do not fit, NaN.

    Example:
        With all weights 0 half of the state is kept, and nothing is added.

        >>> gru_step(np.zeros((1, 3)), np.array([[4.0]]), np.zeros((1, 3)))[0]
        array([[2.]])

    Source:
        Cho et al., Learning Phrase Representations using RNN Encoder-Decoder (2014), equations 5
        to 8; reset after: the appendix of cuDNN's documentation.
    """
    projected, recurrent_kernel, h_previous = recurrence.check_step(
        projected, recurrent_kernel, gates=3, h_previous=h_previous
    )
    H = len(recurrent_kernel)
    recurrent_bias = _recurrent_bias(recurrent_bias, 3 * H, projected.dtype)
    U_gates, U_h = recurrent_kernel[:, : 2 * H], recurrent_kernel[:, 2 * H :]
    gates = projected[:, : 2 * H] + h_previous @ U_gates + recurrent_bias[: 2 * H]  # (B, 2H)
    z, r = logistic(gates[:, :H]), logistic(gates[:, H:])
    if reset_after:  # noqa: SIM108 (two lines of equation, side by side)
        inner = r * (h_previous @ U_h + recurrent_bias[2 * H :])
    else:
        inner = (r * h_previous) @ U_h
    candidate = np.tanh(projected[:, 2 * H :] + inner)
    h = z * h_previous + (1 - z) * candidate
    return h, GRUStepTrace(z, r, inner, candidate, h, h_previous, recurrent_kernel, reset_after)


def _recurrent_bias(bias, size, dtype):
    bias = checks.floats(recurrent_bias=bias)
    if bias.ndim:
        checks.shape("recurrent_bias", bias, (size,), because="each gate has one entry a unit")
    return np.broadcast_to(bias.astype(dtype), size)


def gru_step_backward(d_output, trace):
    """Send the gradient of h back through one step.

        d_z         = d_h · (h_previous - candidate)
        d_candidate = d_h · (1 - z)
        d_inner     = d_candidate · (1 - candidate²)
        d_r         = d_inner · inner / r                          reset after
        d_r         = (d_inner @ U_hᵀ) · h_previous                reset before
        d_projected = (d_z · z (1 - z),  d_r · r (1 - r),  d_inner), side by side

    Args:
        d_output: d_h, (B, H).
        trace: from `gru_step`.

    Returns:
        `GRUStepGrads`.

    Example:
        With all weights 0 half of the state is kept, and half of the gradient.

        >>> _, trace = gru_step(np.zeros((1, 3)), np.array([[4.0]]), np.zeros((1, 3)))
        >>> gru_step_backward(np.ones((1, 1)), trace).d_h_previous
        array([[0.5]])
    """
    z, r, inner, candidate, _, h_previous, recurrent_kernel, reset_after = trace
    H = len(recurrent_kernel)
    U_gates, U_h = recurrent_kernel[:, : 2 * H], recurrent_kernel[:, 2 * H :]
    d_inner = d_output * (1 - z) * (1 - candidate**2)
    if reset_after:
        d_product = d_inner * r
        d_r_closed = d_inner * inner * (1 - r)  # inner = r · product: the r of the slope cancels
        d_h_previous = d_product @ U_h.T
    else:
        d_product = d_inner
        d_reset = d_inner @ U_h.T
        d_r_closed = d_reset * h_previous * r * (1 - r)
        d_h_previous = d_reset * r
    d_z_closed = d_output * (h_previous - candidate) * z * (1 - z)
    d_gates = np.concatenate([d_z_closed, d_r_closed], axis=-1)  # (B, 2H)
    d_h_previous = d_h_previous + d_output * z + d_gates @ U_gates.T
    return GRUStepGrads(
        np.concatenate([d_gates, d_inner], axis=-1),
        d_h_previous,
        np.concatenate([d_gates, d_product], axis=-1),
    )


def gru(
    x, kernel, recurrent_kernel, bias=None, *, mask=None, initial_state=None,
    go_backwards=False, return_sequences=False, zero_output_for_mask=False, reset_after=True,
):  # fmt: skip
    """Walk through a sequence with `gru_step`.

    The options are Keras' own, with its defaults; see `gru_step` for the equations.

    Args:
        x: (B, T, D).
        kernel: (D, 3H).
        recurrent_kernel: (H, 3H).
        bias: (2, 3H), without `reset_after` (3H,), or None.
        mask: (B, T), True where the token is real; a masked step keeps h.
        initial_state: (h,), with h (B, H); zeros if left out.
        go_backwards: start at the last token.
        return_sequences: return h of every step, in the order of processing.
        zero_output_for_mask: return zero at masked steps, instead of the step before.
        reset_after: whether the reset gate acts after the matrix product.

    Returns:
        output, trace: the output is (B, T, H), or (B, H), the last one. The final state is
        `trace.state`.

    Raises:
        ValueError: shapes that do not fit, NaN, an empty sequence.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, kernel, recurrent = (rng.normal(size=s) for s in [(2, 5, 3), (3, 21), (7, 21)])
        >>> output, trace = gru(x, kernel, recurrent, mask=[[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
        >>> output.shape, np.array_equal(output[0], trace.h[0, 2])
        ((2, 7), True)
    """
    x, kernel, recurrent_kernel, bias = recurrence.check_weights(
        x, kernel, recurrent_kernel, bias, gates=3, bias_rows=(2,) if reset_after else ()
    )
    input_bias, recurrent_bias = bias if reset_after and bias is not None else (bias, 0.0)
    walk = recurrence.plan(x, mask, go_backwards, return_sequences, zero_output_for_mask)
    projected = recurrence.project(recurrence.in_order(x, go_backwards), kernel, input_bias)
    first = recurrence.first_state(initial_state, ("h",), projected, len(recurrent_kernel))
    (h,), symbols = first, []
    for t in range(len(projected)):
        new, step = gru_step(projected[t], h, recurrent_kernel, recurrent_bias, reset_after)
        (h,) = recurrence.carry(walk, t, (new,), (h,))
        symbols.append((*step[:4], h))
    z, r, inner, candidate, h = map(np.stack, zip(*symbols, strict=True))  # -> (T, B, H)
    shown = (symbol.swapaxes(0, 1) for symbol in (z, r, inner, candidate, h))
    trace = GRUTrace(x, kernel, recurrent_kernel, bias, first, walk, *shown, (h[-1],), reset_after)
    return recurrence.output_of(h, walk), trace


def gru_backward(d_output, trace, d_state=None):
    """Send a gradient back through time.

    Args:
        d_output: like the output, (B, T, H) or (B, H).
        trace: from `gru`.
        d_state: (d_h,) of the final state, if the loss uses it.

    Returns:
        `GRUGrads`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, kernel, recurrent = (rng.normal(size=s) for s in [(2, 5, 3), (3, 21), (7, 21)])
        >>> output, trace = gru(x, kernel, recurrent, mask=[[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
        >>> gru_backward(np.ones_like(output), trace).d_x[0, 3:].any()  # none reaches the padding
        np.False_
    """
    U, H, reset_after = trace.recurrent_kernel, len(trace.recurrent_kernel), trace.reset_after
    z, r, inner, candidate, h = (symbol.swapaxes(0, 1) for symbol in trace[6:11])  # (T, B, H)
    h_previous = recurrence.previous(h, *trace.initial_state)
    symbols = (z, r, inner, candidate, h, h_previous)

    def step_backward(t, d_new):
        step = GRUStepTrace(*(symbol[t] for symbol in symbols), U, reset_after)
        d_projected, d_h, d_recurrent = gru_step_backward(*d_new, step)
        return (d_projected, d_recurrent), (d_h,)

    (d_h,), (d_projected, d_recurrent), d_first = recurrence.backward_through_time(
        step_backward, d_output, trace, d_state
    )
    d_x, d_kernel, d_bias = recurrence.project_backward(d_projected, trace)
    if reset_after and d_bias is not None:
        d_bias = np.stack([d_bias, d_recurrent.sum((0, 1))])  # (2, 3H)
    multiplied = h_previous if reset_after else r * h_previous
    d_U_gates = recurrence.contract(h_previous, d_recurrent[..., : 2 * H])
    d_U_h = recurrence.contract(multiplied, d_recurrent[..., 2 * H :])
    d_U = np.concatenate([d_U_gates, d_U_h], axis=1)
    shown = (d.swapaxes(0, 1) for d in (d_h, d_projected))
    return GRUGrads(d_x, d_kernel, d_U, d_bias, d_first, *shown)
