"""Transformer blocks, put together from the pieces; the backward pass is put together likewise.

- `norm="post"` is the block of 2017; `norm="pre"`, the block of GPT-2 and nearly every later model,
  leaves a path from the last block to the first that no normalisation interrupts.
- A block is given its weights in the order of `ENCODER_WEIGHTS` or `DECODER_WEIGHTS`, which is the
  order in which the paper applies them.
- No dropout: what is proven here is the block as it predicts.
"""

from collections import namedtuple
from typing import NamedTuple

import numpy as np

from kerasllm.reference import checks
from kerasllm.reference.attention.multi_head_attention import (
    multi_head_attention,
    multi_head_attention_backward,
)
from kerasllm.reference.attention.scaled_dot_product import causal_mask
from kerasllm.reference.elementary.feed_forward import feed_forward, feed_forward_backward
from kerasllm.reference.elementary.normalization import layer_norm, layer_norm_backward

__all__ = [
    "DECODER_WEIGHTS", "ENCODER_WEIGHTS", "BlockTrace", "DecoderGrads", "EncoderGrads",
    "transformer_decoder", "transformer_decoder_backward", "transformer_encoder",
    "transformer_encoder_backward",
]  # fmt: skip

_ATTENTION = ("w_q", "b_q", "w_k", "b_k", "w_v", "b_v", "w_o", "b_o")
_FEED_FORWARD = ("w_1", "b_1", "w_2", "b_2")
ENCODER_WEIGHTS = (*_ATTENTION, "gamma_1", "beta_1", *_FEED_FORWARD, "gamma_2", "beta_2")
DECODER_WEIGHTS = (
    *_ATTENTION, "gamma_1", "beta_1",
    *(f"cross_{name}" for name in _ATTENTION), "gamma_2", "beta_2",
    *_FEED_FORWARD, "gamma_3", "beta_3",
)  # fmt: skip


class EncoderGrads(namedtuple("EncoderGrads", [f"d_{name}" for name in ("x", *ENCODER_WEIGHTS)])):
    """Gradients of an encoder block."""


class DecoderGrads(
    namedtuple("DecoderGrads", [f"d_{name}" for name in ("x", "memory", *DECODER_WEIGHTS)])
):
    """Gradients of a decoder block."""


class SublayerTrace(NamedTuple):
    """One residual step: a normalisation, and the attention or feed-forward network it wraps."""

    x: np.ndarray
    sublayer: NamedTuple  # the trace of the attention or of the feed-forward network
    normalization: NamedTuple
    norm: str
    output: np.ndarray


class BlockTrace(namedtuple("BlockTrace", "x steps h output")):
    """Every symbol of a block: its residual steps in order; h is what each hands to the next."""


def transformer_encoder(x, *weights, mask=None, norm="post", activation="relu", epsilon=1e-3):
    r"""Let every position read from all that the mask allows, then think about what it has read.

        post:  h = LN_1(x + MHA(x, x, x))
               output = LN_2(h + FFN(h))

        pre:   h = x + MHA(y, y, y),                        y = LN_1(x)
               output = h + FFN(LN_2(h))

    With `mask=causal_mask(T)` and `norm="pre"` this is a block of GPT.

    Args:
        x: (B, T, D).
        *weights: 16 arrays in the order of `ENCODER_WEIGHTS`: the attention's 8, gamma_1 and beta_1
            (D,), w_1 (D, H), b_1 (H,), w_2 (H, D), b_2 (D,), gamma_2 and beta_2 (D,).
        mask: boolean, broadcast to (B, T, T); True = may be seen.
        norm: "post" or "pre".
        activation: of the feed-forward network.
        epsilon: of the layer normalisations.

    Returns:
        (output, trace): output (B, T, D), and a `BlockTrace`; `trace.steps[0].sublayer.weights` are
        the attention weights (B, N, T, T).

    Raises:
        ValueError: if the number of weights or a shape does not fit.

    Example:
        >>> D, N, K, H = 3, 2, 5, 7
        >>> heads = [np.ones((D, N, K)), np.zeros((N, K))] * 3 + [np.ones((N, K, D)), np.zeros(D)]
        >>> network = [np.ones((D, H)), np.zeros(H), np.ones((H, D)), np.zeros(D)]
        >>> ln = [np.ones(D), np.zeros(D)]
        >>> output, trace = transformer_encoder(np.eye(3)[None], *heads, *ln, *network, *ln)
        >>> output.shape, trace.steps[0].sublayer.weights.shape
        ((1, 3, 3), (1, 2, 3, 3))

    Source:
        Vaswani et al. 2017, "Attention is all you need", section 3.1; pre-norm: Xiong et al. 2020,
        "On layer normalization in the Transformer architecture", table 1.
    """
    _check(weights, ENCODER_WEIGHTS, norm)
    heads, norm_1, network, norm_2 = weights[:8], weights[8:10], weights[10:14], weights[14:]

    def attend(y):
        return multi_head_attention(y, y, y, *heads, mask=mask)

    def think(y):
        return feed_forward(y, *network, activation=activation)

    h, step_1 = _sublayer(x, attend, *norm_1, norm, epsilon)
    output, step_2 = _sublayer(h, think, *norm_2, norm, epsilon)
    return output, BlockTrace(x, (step_1, step_2), (h,), output)


def transformer_encoder_backward(d_output, trace):
    """Go back through the residual steps in reverse order.

        d_h, FFN's and LN_2's gradients = back through the second step
        d_x, MHA's and LN_1's gradients = back through the first

    Args:
        d_output: (B, T, D).
        trace: the trace of the forward pass.

    Returns:
        `EncoderGrads`: d_x, and one gradient for each of `ENCODER_WEIGHTS`.

    Example:
        >>> D, N, K, H = 3, 2, 5, 7
        >>> heads = [np.ones((D, N, K)), np.zeros((N, K))] * 3 + [np.ones((N, K, D)), np.zeros(D)]
        >>> network = [np.ones((D, H)), np.zeros(H), np.ones((H, D)), np.zeros(D)]
        >>> ln = [np.ones(D), np.zeros(D)]
        >>> output, trace = transformer_encoder(np.eye(3)[None], *heads, *ln, *network, *ln)
        >>> transformer_encoder_backward(np.ones((1, 3, 3)), trace).d_beta_2
        array([3., 3., 3.])
    """
    step_1, step_2 = trace.steps
    d_h, d_network, d_norm_2 = _sublayer_backward(d_output, step_2, feed_forward_backward)
    d_x, d_heads, d_norm_1 = _sublayer_backward(d_h, step_1, _self_attention_backward)
    return EncoderGrads(d_x, *d_heads, *d_norm_1, *d_network, *d_norm_2)


def transformer_decoder(
    x, memory, *weights, mask=None, memory_mask=None, norm="post", activation="relu", epsilon=1e-3
):
    r"""Read what has been written so far, then the encoder's memory, then think.

        post:  h_1 = LN_1(x + MHA(x, x, x))
               h_2 = LN_2(h_1 + MHA'(h_1, memory, memory))
               output = LN_3(h_2 + FFN(h_2))

        pre:   h_1 = x + MHA(y, y, y),                      y = LN_1(x)
               h_2 = h_1 + MHA'(y, memory, memory),         y = LN_2(h_1)
               output = h_2 + FFN(LN_3(h_2))

    The first attention is always causal.

    Args:
        x: (B, T, D), the target so far.
        memory: (B, S, D_m), the encoder's output.
        *weights: 26 arrays in the order of `DECODER_WEIGHTS`.
        mask: boolean, broadcast to (B, T, T), joined to the causal mask; True = may be seen.
        memory_mask: boolean, broadcast to (B, T, S).
        norm: "post" or "pre".
        activation: of the feed-forward network.
        epsilon: of the layer normalisations.

    Returns:
        (output, trace): output (B, T, D), and a `BlockTrace`.

    Raises:
        ValueError: if the number of weights or a shape does not fit.

    Example:
        >>> D, N, K, H = 3, 2, 5, 7
        >>> heads = [np.ones((D, N, K)), np.zeros((N, K))] * 3 + [np.ones((N, K, D)), np.zeros(D)]
        >>> network = [np.ones((D, H)), np.zeros(H), np.ones((H, D)), np.zeros(D)]
        >>> ln = [np.ones(D), np.zeros(D)]
        >>> output, trace = transformer_decoder(
        ...     np.eye(3)[None], np.ones((1, 11, 3)), *heads, *ln, *heads, *ln, *network, *ln
        ... )
        >>> [step.sublayer.weights.shape for step in trace.steps[:2]]
        [(1, 2, 3, 3), (1, 2, 3, 11)]

    Source:
        Vaswani et al. 2017, "Attention is all you need", section 3.1.
    """
    _check(weights, DECODER_WEIGHTS, norm)
    heads, norm_1, cross, norm_2 = weights[:8], weights[8:10], weights[10:18], weights[18:20]
    network, norm_3 = weights[20:24], weights[24:]
    past = causal_mask(np.shape(x)[1])
    past = past if mask is None else past & checks.booleans("mask", mask)

    def attend(y):
        return multi_head_attention(y, y, y, *heads, mask=past)

    def attend_memory(y):
        return multi_head_attention(y, memory, memory, *cross, mask=memory_mask)

    def think(y):
        return feed_forward(y, *network, activation=activation)

    h_1, step_1 = _sublayer(x, attend, *norm_1, norm, epsilon)
    h_2, step_2 = _sublayer(h_1, attend_memory, *norm_2, norm, epsilon)
    output, step_3 = _sublayer(h_2, think, *norm_3, norm, epsilon)
    return output, BlockTrace(x, (step_1, step_2, step_3), (h_1, h_2), output)


def transformer_decoder_backward(d_output, trace):
    """Go back through the three residual steps in reverse order.

    Args:
        d_output: (B, T, D).
        trace: the trace of the forward pass.

    Returns:
        `DecoderGrads`: d_x, d_memory, and one gradient for each of `DECODER_WEIGHTS`.

    Example:
        >>> D, N, K, H = 3, 2, 5, 7
        >>> heads = [np.ones((D, N, K)), np.zeros((N, K))] * 3 + [np.ones((N, K, D)), np.zeros(D)]
        >>> network = [np.ones((D, H)), np.zeros(H), np.ones((H, D)), np.zeros(D)]
        >>> ln = [np.ones(D), np.zeros(D)]
        >>> output, trace = transformer_decoder(
        ...     np.eye(3)[None], np.ones((1, 11, 3)), *heads, *ln, *heads, *ln, *network, *ln
        ... )
        >>> transformer_decoder_backward(np.ones((1, 3, 3)), trace).d_memory.shape
        (1, 11, 3)
    """
    step_1, step_2, step_3 = trace.steps
    d_h_2, d_network, d_norm_3 = _sublayer_backward(d_output, step_3, feed_forward_backward)
    d_h_1, (d_key, d_value, *d_cross), d_norm_2 = _sublayer_backward(
        d_h_2, step_2, multi_head_attention_backward
    )
    d_x, d_heads, d_norm_1 = _sublayer_backward(d_h_1, step_1, _self_attention_backward)
    d_memory = d_key + d_value
    return DecoderGrads(
        d_x, d_memory, *d_heads, *d_norm_1, *d_cross, *d_norm_2, *d_network, *d_norm_3
    )


def _check(weights, names, norm):
    checks.choice("norm", norm, ("post", "pre"))
    if len(weights) != len(names):
        raise ValueError(
            f"expected {len(names)} weights {names}, received {len(weights)}; "
            "a layer without biases needs arrays of zeros in their places"
        )


def _sublayer(x, function, gamma, beta, norm, epsilon):
    """Wrap a residual connection and a normalisation around `function`."""
    if norm == "pre":
        y, normalization = layer_norm(x, gamma, beta, epsilon=epsilon)
        z, sublayer = function(y)
        output = x + z
    else:
        z, sublayer = function(x)
        output, normalization = layer_norm(x + z, gamma, beta, epsilon=epsilon)
    return output, SublayerTrace(x, sublayer, normalization, norm, output)


def _sublayer_backward(d_output, step, function_backward):
    """Return d_x, the other gradients of the function, and (d_gamma, d_beta)."""
    if step.norm == "pre":
        d_y, *d_weights = function_backward(d_output, step.sublayer)
        d_x, *d_norm = layer_norm_backward(d_y, step.normalization)
        return d_output + d_x, d_weights, d_norm  # the residual path, and the path through LN
    d_sum, *d_norm = layer_norm_backward(d_output, step.normalization)
    d_x, *d_weights = function_backward(d_sum, step.sublayer)
    return d_sum + d_x, d_weights, d_norm


def _self_attention_backward(d_output, trace):
    """Add up what the three roles of one array receive."""
    d_query, d_key, d_value, *d_heads = multi_head_attention_backward(d_output, trace)
    return d_query + d_key + d_value, *d_heads
