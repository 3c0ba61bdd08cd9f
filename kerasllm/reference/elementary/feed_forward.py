"""The feed-forward network of a Transformer block: two dense layers, the same at each position."""

from collections import namedtuple
from functools import partial

import numpy as np

from kerasllm.reference import checks
from kerasllm.reference.elementary.activations import gelu, gelu_backward, relu, relu_backward
from kerasllm.reference.elementary.dense import dense, dense_backward

__all__ = ["FeedForwardGrads", "FeedForwardTrace", "feed_forward", "feed_forward_backward"]

_ACTIVATIONS = {
    "relu": (relu, relu_backward),
    "gelu": (gelu, gelu_backward),
    "gelu_tanh": (partial(gelu, approximate=True), gelu_backward),
}


class FeedForwardTrace(
    namedtuple("FeedForwardTrace", "x w_1 b_1 w_2 b_2 activation a h output parts")
):
    """Every symbol of the feed-forward network; parts are the traces of its three steps."""


class FeedForwardGrads(namedtuple("FeedForwardGrads", "d_x d_w_1 d_b_1 d_w_2 d_b_2")):
    """Gradients of the feed-forward network."""


def feed_forward(x, w_1, b_1, w_2, b_2, activation="relu"):
    r"""Widen the features, bend them, and bring them back to their old width.

        a = x w_1 + b_1
        h = activation(a)
        output = h w_2 + b_2

    Args:
        x: (..., D).
        w_1: (D, H).
        b_1: (H,).
        w_2: (H, D).
        b_2: (D,).
        activation: "relu", "gelu" (exact) or "gelu_tanh" (its approximation).

    Returns:
        (output, trace): output (..., D), and a `FeedForwardTrace`.

    Raises:
        ValueError: if shapes do not fit, or the activation is unknown.

    Example:
        >>> output, trace = feed_forward(
        ...     np.array([[3.0]]), np.array([[1.0, -1.0]]), np.zeros(2), np.ones((2, 1)), np.ones(1)
        ... )
        >>> trace.h, output
        (array([[3., 0.]]), array([[4.]]))

    Source:
        Vaswani et al. 2017, "Attention is all you need", equation 2.
    """
    checks.choice("activation", activation, _ACTIVATIONS)
    _check_weights(x, w_1, b_1, w_2, b_2)
    a, part_1 = dense(x, w_1, b_1)
    h, bend = _ACTIVATIONS[activation][0](a)
    output, part_2 = dense(h, w_2, b_2)
    parts = (part_1, bend, part_2)
    return output, FeedForwardTrace(x, w_1, b_1, w_2, b_2, activation, a, h, output, parts)


def _check_weights(x, w_1, b_1, w_2, b_2):
    x, *_ = checks.floats(x=x, w_1=w_1, b_1=b_1, w_2=w_2, b_2=b_2)
    checks.product(x, w_1, name="w_1")
    checks.rank("w_2", w_2, "HD")
    (_, H), D = np.shape(w_1), np.shape(w_2)[-1]
    checks.shape("b_1", b_1, (H,), because=f"w_1 has shape {np.shape(w_1)}")
    checks.shape("w_2", w_2, (H, D), because=f"w_1 has shape {np.shape(w_1)}")
    checks.shape("b_2", b_2, (D,), because=f"w_2 has shape {np.shape(w_2)}")


def feed_forward_backward(d_output, trace):
    """Go back through the three steps in reverse order.

        d_h, d_w_2, d_b_2 = back through h w_2 + b_2
        d_a               = back through the activation
        d_x, d_w_1, d_b_1 = back through x w_1 + b_1

    Args:
        d_output: (..., D).
        trace: the trace of the forward pass.

    Returns:
        `FeedForwardGrads`.

    Example:
        >>> output, trace = feed_forward(
        ...     np.array([[3.0]]), np.array([[1.0, -1.0]]), np.zeros(2), np.ones((2, 1)), np.ones(1)
        ... )
        >>> feed_forward_backward(np.ones((1, 1)), trace).d_w_1
        array([[3., 0.]])
    """
    part_1, bend, part_2 = trace.parts
    d_h, d_w_2, d_b_2 = dense_backward(d_output, part_2)
    (d_a,) = _ACTIVATIONS[trace.activation][1](d_h, bend)
    d_x, d_w_1, d_b_1 = dense_backward(d_a, part_1)
    return FeedForwardGrads(d_x, d_w_1, d_b_1, d_w_2, d_b_2)
