"""The block of Llama: RMS normalisation, rotary positions, grouped queries, SwiGLU, no biases."""

from collections import namedtuple

import numpy as np  # noqa: F401 - the examples use it

from kerasllm.reference import checks
from kerasllm.reference.attention.grouped_query_attention import (
    grouped_query_attention,
    grouped_query_attention_backward,
)
from kerasllm.reference.attention.scaled_dot_product import causal_mask
from kerasllm.reference.elementary.normalization import rms_norm, rms_norm_backward
from kerasllm.reference.elementary.swiglu import swiglu, swiglu_backward

__all__ = ["LLAMA_WEIGHTS", "LlamaGrads", "LlamaTrace", "llama_block", "llama_block_backward"]

LLAMA_WEIGHTS = ("scale_1", "w_q", "w_k", "w_v", "w_o", "scale_2", "w_gate", "w_up", "w_down")


class LlamaTrace(namedtuple("LlamaTrace", "x y h output norm_1 attention norm_2 network")):
    """Every symbol of a Llama block; its last four are the traces of its four parts."""


class LlamaGrads(namedtuple("LlamaGrads", [f"d_{name}" for name in ("x", *LLAMA_WEIGHTS)])):
    """Gradients of a Llama block."""


def llama_block(x, *weights, mask=None, rotary="halves", base=10000.0, epsilon=1e-5):
    r"""Let every position read from its past, then think about what it has read.

        y      = RMSNorm_1(x)
        h      = x + GQA(y, y, y)
        output = h + SwiGLU(RMSNorm_2(h))

    The attention is always causal.

    Args:
        x: (B, T, D).
        *weights: 9 arrays in the order of `LLAMA_WEIGHTS`: scale_1 (D,), w_q (D, N, K), w_k and w_v
            (D, G, K), w_o (N, K, D), scale_2 (D,), w_gate and w_up (D, H), w_down (H, D).
        mask: boolean, broadcast to (B, T, T), joined to the causal mask; True = may be seen.
        rotary: which features are turned together: "halves" (checkpoints of Hugging Face) or
            "interleaved" (the paper, and Meta's own checkpoints).
        base: of the rotation.
        epsilon: of the normalisations.

    Returns:
        (output, trace): output (B, T, D), and a `LlamaTrace`; `trace.attention.weights` are the
        attention weights (B, N, T, T).

    Raises:
        ValueError: if the number of weights or a shape does not fit.

    Example:
        >>> D, N, G, K, H = 3, 4, 2, 2, 7
        >>> heads = [np.ones((D, N, K)), np.ones((D, G, K)), np.ones((D, G, K)), np.ones((N, K, D))]
        >>> network = [np.ones((D, H)), np.ones((D, H)), np.ones((H, D))]
        >>> output, trace = llama_block(np.eye(3)[None], np.ones(D), *heads, np.ones(D), *network)
        >>> output.shape, trace.attention.weights.shape
        ((1, 3, 3), (1, 4, 3, 3))

    Source:
        Touvron et al. 2023, "LLaMA: open and efficient foundation language models", section 2.2;
        the groups: Touvron et al. 2023, "Llama 2: open foundation and fine-tuned chat models".
    """
    if len(weights) != len(LLAMA_WEIGHTS):
        raise ValueError(
            f"expected {len(LLAMA_WEIGHTS)} weights {LLAMA_WEIGHTS}, received {len(weights)}; "
            "a Llama block has no biases"
        )
    x = checks.floats(x=x)
    checks.sequence(x)
    scale_1, w_q, w_k, w_v, w_o, scale_2, *network = weights
    past = causal_mask(x.shape[1])
    past = past if mask is None else past & checks.booleans("mask", mask)
    y, norm_1 = rms_norm(x, scale_1, epsilon=epsilon)
    z, attention = grouped_query_attention(
        y, y, y, w_q, None, w_k, None, w_v, None, w_o, None, mask=past, rotary=rotary, base=base
    )
    h = x + z
    normalized, norm_2 = rms_norm(h, scale_2, epsilon=epsilon)
    thought, thinking = swiglu(normalized, *network)
    output = h + thought
    return output, LlamaTrace(x, y, h, output, norm_1, attention, norm_2, thinking)


def llama_block_backward(d_output, trace):
    """Go back through both residual steps: each sum sends its gradient both ways.

        d_h = d_output + back through SwiGLU and RMSNorm_2
        d_x = d_h + back through GQA and RMSNorm_1

    Args:
        d_output: (B, T, D).
        trace: the trace of the forward pass.

    Returns:
        `LlamaGrads`: d_x, and one gradient for each of `LLAMA_WEIGHTS`.

    Example:
        >>> D, N, G, K, H = 3, 4, 2, 2, 7
        >>> heads = [np.ones((D, N, K)), np.ones((D, G, K)), np.ones((D, G, K)), np.ones((N, K, D))]
        >>> network = [np.ones((D, H)), np.ones((D, H)), np.ones((H, D))]
        >>> output, trace = llama_block(np.eye(3)[None], np.ones(D), *heads, np.ones(D), *network)
        >>> llama_block_backward(np.ones((1, 3, 3)), trace).d_w_k.shape
        (3, 2, 2)
    """
    d_normalized, *d_network = swiglu_backward(d_output, trace.network)
    d_h, d_scale_2 = rms_norm_backward(d_normalized, trace.norm_2)
    d_h = d_output + d_h
    grads = grouped_query_attention_backward(d_h, trace.attention)
    d_y = grads.d_query + grads.d_key + grads.d_value
    d_x, d_scale_1 = rms_norm_backward(d_y, trace.norm_1)
    d_heads = (grads.d_w_q, grads.d_w_k, grads.d_w_v, grads.d_w_o)
    return LlamaGrads(d_h + d_x, d_scale_1, *d_heads, d_scale_2, *d_network)
