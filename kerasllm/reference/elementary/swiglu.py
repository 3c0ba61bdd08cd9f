"""SwiGLU: the feed-forward network of Llama, in which one product opens gates for another."""

from collections import namedtuple

import numpy as np  # noqa: F401 - the examples use it

from kerasllm.reference import checks
from kerasllm.reference.elementary.activations import silu, silu_backward
from kerasllm.reference.elementary.dense import dense, dense_backward

__all__ = ["SwiGLUGrads", "SwiGLUTrace", "swiglu", "swiglu_backward"]


class SwiGLUTrace(namedtuple("SwiGLUTrace", "x w_gate w_up w_down a gate up h output parts")):
    """Every symbol of SwiGLU; parts are the traces of its products and of the bend."""


class SwiGLUGrads(namedtuple("SwiGLUGrads", "d_x d_w_gate d_w_up d_w_down")):
    """Gradients of SwiGLU."""


def swiglu(x, w_gate, w_up, w_down):
    r"""Widen the features twice, let one half gate the other, and bring them back.

        a      = x w_gate
        gate   = silu(a)
        up     = x w_up
        h      = gate · up
        output = h w_down

    Args:
        x: (..., D).
        w_gate: (D, H).
        w_up: (D, H).
        w_down: (H, D).

    Returns:
        (output, trace): output (..., D), and a `SwiGLUTrace`.

    Raises:
        ValueError: if shapes do not fit.

    Example:
        The gate of a large number is open, that of a very negative one is closed.

        >>> output, trace = swiglu(
        ...     np.array([[1.0]]), np.array([[50.0, -50.0]]), np.array([[3.0, 5.0]]), np.eye(2)
        ... )
        >>> output.round(9) + 0.0
        array([[150.,   0.]])

    Source:
        Shazeer 2020, "GLU variants improve Transformer", equation 6.
    """
    x, w_gate, w_up, w_down = checks.floats(x=x, w_gate=w_gate, w_up=w_up, w_down=w_down)
    checks.product(x, w_gate, name="w_gate")
    checks.shape("w_up", w_up, w_gate.shape, because=f"w_gate has shape {w_gate.shape}")
    checks.rank("w_down", w_down, "HD")
    because = f"w_gate has shape {w_gate.shape}"
    checks.shape("w_down", w_down, (w_gate.shape[1], w_down.shape[1]), because=because)
    a, gate_part = dense(x, w_gate)
    gate, bend = silu(a)
    up, up_part = dense(x, w_up)
    h = gate * up
    output, down_part = dense(h, w_down)
    parts = (gate_part, bend, up_part, down_part)
    return output, SwiGLUTrace(x, w_gate, w_up, w_down, a, gate, up, h, output, parts)


def swiglu_backward(d_output, trace):
    """Go back through the product of gate and features: each gets the other as its slope.

        d_h, d_w_down  = back through h w_down
        d_up           = d_h · gate
        d_a            = d_h · up · silu'(a)
        d_x            = d_a w_gateᵀ + d_up w_upᵀ

    Args:
        d_output: (..., D).
        trace: the trace of the forward pass.

    Returns:
        `SwiGLUGrads`.

    Example:
        >>> x, w = np.array([[1.0]]), np.array([[0.0]])
        >>> output, trace = swiglu(x, w, np.array([[8.0]]), np.array([[1.0]]))
        >>> swiglu_backward(np.ones((1, 1)), trace).d_w_gate  # silu has the slope 1/2 at 0
        array([[4.]])
    """
    gate_part, bend, up_part, down_part = trace.parts
    d_h, d_w_down, _ = dense_backward(d_output, down_part)
    d_from_up, d_w_up, _ = dense_backward(d_h * trace.gate, up_part)
    (d_a,) = silu_backward(d_h * trace.up, bend)
    d_from_gate, d_w_gate, _ = dense_backward(d_a, gate_part)
    return SwiGLUGrads(d_from_gate + d_from_up, d_w_gate, d_w_up, d_w_down)
