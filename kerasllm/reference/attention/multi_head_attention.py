"""Multi-head attention: N small attentions side by side, each with its own projections.

Weights lie as in `keras.layers.MultiHeadAttention`, so `layer.get_weights()` can be splatted in.
Keras calls its layer with (query, value, key); here the order is the paper's: (query, key, value).
"""

from collections import namedtuple

from kerasllm.reference import checks
from kerasllm.reference.attention.heads import (
    check_weights,
    join,
    project,
    project_backward,
    split,
)
from kerasllm.reference.attention.scaled_dot_product import (
    scaled_dot_product_attention,
    scaled_dot_product_attention_backward,
)
from kerasllm.reference.elementary.dense import dense, dense_backward

__all__ = [
    "MultiHeadAttentionGrads", "MultiHeadAttentionTrace", "multi_head_attention",
    "multi_head_attention_backward",
]  # fmt: skip


class MultiHeadAttentionTrace(
    namedtuple(
        "MultiHeadAttentionTrace",
        "query key value w_q b_q w_k b_k w_v b_v w_o b_o q k v weights z output parts",
    )
):
    """Every symbol of multi-head attention; q, k, v, z have the heads in axis 1.

    parts are the traces of the three projections, of the attention, and of the mix.
    """


class MultiHeadAttentionGrads(
    namedtuple(
        "MultiHeadAttentionGrads",
        "d_query d_key d_value d_w_q d_b_q d_w_k d_b_k d_w_v d_b_v d_w_o d_b_o",
    )
):
    """Gradients of multi-head attention."""


def multi_head_attention(
    query, key, value, w_q, b_q, w_k, b_k, w_v, b_v, w_o, b_o, mask=None, scale=None,
    fully_masked="zero",
):  # fmt: skip
    r"""Let each of N heads look at the keys in its own way, then mix what the heads have read.

        q = query w_q + b_q
        k = key w_k + b_k
        v = value w_v + b_v
        z = softmax(q kᵀ / √K) v            for each head alone
        output = Σ_heads z w_o + b_o

    Args:
        query: (B, T, D).
        key: (B, S, D).
        value: (B, S, D). In self-attention, all three are the same array.
        w_q: (D, N, K).
        b_q: (N, K); any bias may be None.
        w_k: (D, N, K).
        b_k: (N, K).
        w_v: (D, N, V).
        b_v: (N, V).
        w_o: (N, V, D_out).
        b_o: (D_out,).
        mask: boolean, broadcast to (B, T, S), the same for every head; True = may be seen.
        scale: factor of q kᵀ, 1/√K if left out. In float64 Keras multiplies by the float32
            nearest to it on TensorFlow: `float(np.float32(K**-0.5))`.
        fully_masked: as in `scaled_dot_product_attention`.

    Returns:
        (output, trace): output (B, T, D_out), and a `MultiHeadAttentionTrace`; `trace.weights` is
        (B, N, T, S).

    Raises:
        ValueError: if shapes do not fit.

    Example:
        >>> import numpy as np
        >>> x = np.eye(3)[None]  # B=1, T=3, D=3
        >>> w, b = np.ones((3, 2, 5)), np.zeros((2, 5))  # N=2 heads of size K=5
        >>> output, trace = multi_head_attention(
        ...     x, x, x, w, b, w, b, w, b, np.ones((2, 5, 3)), np.zeros(3)
        ... )
        >>> output.shape, trace.weights.shape
        ((1, 3, 3), (1, 2, 3, 3))

    Source:
        Vaswani et al. 2017, "Attention is all you need", section 3.2.2.
    """
    query, key, value = checks.floats(query=query, key=key, value=value)
    check_weights(query, key, value, w_q, b_q, w_k, b_k, w_v, b_v, w_o, b_o)
    if mask is not None:
        mask = checks.booleans("mask", mask)
        mask = mask[:, None] if mask.ndim == 3 else mask  # (B, T, S) -> (B, 1, T, S): every head
    q, q_part = project(query, w_q, b_q)
    k, k_part = project(key, w_k, b_k)
    v, v_part = project(value, w_v, b_v)
    z, attention = scaled_dot_product_attention(q, k, v, mask, scale, fully_masked)
    output, o_part = dense(join(z), w_o.reshape(-1, w_o.shape[-1]), b_o)
    parts = (q_part, k_part, v_part, attention, o_part)
    return output, MultiHeadAttentionTrace(
        query, key, value, w_q, b_q, w_k, b_k, w_v, b_v, w_o, b_o,
        q, k, v, attention.weights, z, output, parts,
    )  # fmt: skip


def multi_head_attention_backward(d_output, trace):
    """Send the gradient back through the mix, the attention, and the three projections.

        d_z   = d_output w_oᵀ               d_w_o = Σ_bt zᵀ d_output        d_b_o = Σ_bt d_output
        d_q, d_k, d_v                       as in scaled_dot_product_attention_backward
        d_query = d_q w_qᵀ                  d_w_q = Σ_bt queryᵀ d_q         d_b_q = Σ_bt d_q
        and so for key and value

    Args:
        d_output: gradient of the loss with respect to the output (B, T, D).
        trace: the trace of the forward pass.

    Returns:
        `MultiHeadAttentionGrads`. In self-attention the gradient of x is
        d_query + d_key + d_value.

    Example:
        >>> import numpy as np
        >>> x, w, b = np.ones((1, 3, 2)), np.ones((2, 1, 5)), np.zeros((1, 5))
        >>> output, trace = multi_head_attention(
        ...     x, x, x, w, b, w, b, w, b, np.ones((1, 5, 2)), np.zeros(2)
        ... )
        >>> multi_head_attention_backward(np.ones((1, 3, 2)), trace).d_b_o
        array([3., 3.])
    """
    q_part, k_part, v_part, attention, o_part = trace.parts
    d_z, d_w_o, d_b_o = dense_backward(d_output, o_part)
    d_q, d_k, d_v = scaled_dot_product_attention_backward(split(d_z, len(trace.w_o)), attention)
    d_query, d_w_q, d_b_q = project_backward(d_q, q_part, trace.w_q)
    d_key, d_w_k, d_b_k = project_backward(d_k, k_part, trace.w_k)
    d_value, d_w_v, d_b_v = project_backward(d_v, v_part, trace.w_v)
    return MultiHeadAttentionGrads(
        d_query, d_key, d_value,
        d_w_q, d_b_q, d_w_k, d_b_k, d_w_v, d_b_v, d_w_o.reshape(trace.w_o.shape), d_b_o,
    )  # fmt: skip
