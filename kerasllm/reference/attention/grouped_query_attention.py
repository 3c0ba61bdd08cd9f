"""Grouped-query attention: several heads ask the same keys, so that fewer keys are kept.

- N heads of queries share G heads of keys and values: head n reads those of group n // (N / G).
  With G = N it is multi-head attention, with G = 1 multi-query attention.
- Positions may be given by rotation: queries and keys are turned after their projection, values
  are not.
- Weights lie as in `keras.layers.GroupQueryAttention`.
"""

from collections import namedtuple

import numpy as np

from kerasllm.reference import checks
from kerasllm.reference.attention.heads import (
    check_weights,
    join,
    project,
    project_backward,
    split,
)
from kerasllm.reference.attention.positions import rotary as rotary_positions
from kerasllm.reference.attention.positions import rotary_backward
from kerasllm.reference.attention.scaled_dot_product import (
    scaled_dot_product_attention,
    scaled_dot_product_attention_backward,
)
from kerasllm.reference.elementary.dense import dense, dense_backward

__all__ = [
    "GroupedQueryAttentionGrads", "GroupedQueryAttentionTrace", "grouped_query_attention",
    "grouped_query_attention_backward",
]  # fmt: skip

PAIRS = (None, "halves", "interleaved")


class GroupedQueryAttentionTrace(
    namedtuple(
        "GroupedQueryAttentionTrace",
        "query key value w_q b_q w_k b_k w_v b_v w_o b_o q k v weights z output parts",
    )
):
    """Every symbol of grouped-query attention; q, k, v, z have the heads in axis 1.

    k and v have G heads, q and z have N; q and k are turned where positions are. parts are the
    traces of the three projections, of the two turns, of the attention, and of the mix.
    """


class GroupedQueryAttentionGrads(
    namedtuple(
        "GroupedQueryAttentionGrads",
        "d_query d_key d_value d_w_q d_b_q d_w_k d_b_k d_w_v d_b_v d_w_o d_b_o",
    )
):
    """Gradients of grouped-query attention."""


def repeat_heads(x, N):
    """Give each of N heads the keys (or values) of its group.

        output[b, n] = x[b, n // (N / G)]

    Args:
        x: (B, G, S, K).
        N: number of heads, a multiple of G.

    Returns:
        Array (B, N, S, K).

    Raises:
        ValueError: if N is no multiple of G.

    Example:
        >>> repeat_heads(np.array([7.0, 8.0]).reshape(1, 2, 1, 1), 4).ravel()
        array([7., 7., 8., 8.])
    """
    checks.rank("x", x, "BGSK")
    if N % np.shape(x)[1]:
        raise ValueError(
            f"expected a number of heads that is a multiple of the {np.shape(x)[1]} heads of keys, "
            f"received {N}; every group of heads has the same size"
        )
    return np.repeat(x, N // np.shape(x)[1], axis=1)


def repeat_heads_backward(d_output, G):
    """Add up what the heads of each group send back to the keys that they share.

        d_x[b, g] = Σ_(n of group g) d_output[b, n]

    Args:
        d_output: (B, N, S, K).
        G: number of groups.

    Returns:
        Array (B, G, S, K).

    Example:
        >>> repeat_heads_backward(np.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1, 1), 2).ravel()
        array([3., 7.])
    """
    B, N, S, K = d_output.shape
    return d_output.reshape(B, G, N // G, S, K).sum(axis=2)


def grouped_query_attention(
    query, key, value, w_q, b_q, w_k, b_k, w_v, b_v, w_o, b_o, mask=None, scale=None,
    fully_masked="zero", rotary=None, base=10000.0,
):  # fmt: skip
    r"""Let N heads look at keys and values of which each serves N / G of them.

        q = rotate(query w_q + b_q)         N heads
        k = rotate(key w_k + b_k)           G heads
        v = value w_v + b_v                 G heads
        z_n = softmax(q_n k_gᵀ / √K) v_g    g = n // (N / G)
        output = Σ_heads z w_o + b_o

    Args:
        query: (B, T, D).
        key: (B, S, D).
        value: (B, S, D). In self-attention, all three are the same array.
        w_q: (D, N, K).
        b_q: (N, K); any bias may be None.
        w_k: (D, G, K), G a divisor of N.
        b_k: (G, K).
        w_v: (D, G, V).
        b_v: (G, V).
        w_o: (N, V, D_out).
        b_o: (D_out,).
        mask: boolean, broadcast to (B, T, S), the same for every head; True = may be seen.
        scale: factor of q kᵀ, 1/√K if left out.
        fully_masked: as in `scaled_dot_product_attention`.
        rotary: "halves" or "interleaved" turns queries and keys by their positions, see `rotary`;
            None turns nothing.
        base: of the rotation.

    Returns:
        (output, trace): output (B, T, D_out), and a `GroupedQueryAttentionTrace`.

    Raises:
        ValueError: if shapes do not fit.

    Example:
        >>> x = np.eye(3)[None]  # B=1, T=3, D=3
        >>> w_q, w_k, w_o = np.ones((3, 4, 5)), np.ones((3, 2, 5)), np.ones((4, 5, 3))
        >>> output, trace = grouped_query_attention(
        ...     x, x, x, w_q, None, w_k, None, w_k, None, w_o, None
        ... )
        >>> trace.k.shape, trace.weights.shape
        ((1, 2, 3, 5), (1, 4, 3, 3))

    Source:
        Ainslie et al. 2023, "GQA: training generalized multi-query Transformer models from
        multi-head checkpoints", section 2.2.
    """
    query, key, value = checks.floats(query=query, key=key, value=value)
    check_weights(query, key, value, w_q, b_q, w_k, b_k, w_v, b_v, w_o, b_o, shared=True)
    checks.choice("rotary", rotary, PAIRS)
    if mask is not None:
        mask = checks.booleans("mask", mask)
        mask = mask[:, None] if mask.ndim == 3 else mask  # (B, T, S) -> (B, 1, T, S): every head
    N = w_q.shape[1]
    q, q_part = project(query, w_q, b_q)
    k, k_part = project(key, w_k, b_k)
    v, v_part = project(value, w_v, b_v)
    turns = None
    if rotary:
        (q, q_turn), (k, k_turn) = (
            rotary_positions(x, base, interleaved=rotary == "interleaved") for x in (q, k)
        )
        turns = (q_turn, k_turn)
    z, attention = scaled_dot_product_attention(
        q, repeat_heads(k, N), repeat_heads(v, N), mask, scale, fully_masked
    )
    output, o_part = dense(join(z), w_o.reshape(-1, w_o.shape[-1]), b_o)
    parts = (q_part, k_part, v_part, turns, attention, o_part)
    return output, GroupedQueryAttentionTrace(
        query, key, value, w_q, b_q, w_k, b_k, w_v, b_v, w_o, b_o,
        q, k, v, attention.weights, z, output, parts,
    )  # fmt: skip


def grouped_query_attention_backward(d_output, trace):
    """Send the gradient back through the mix, the attention, the turns and the projections.

        d_z                     as in multi_head_attention_backward
        d_q, d_k of each head   as in scaled_dot_product_attention_backward
        d_k = Σ of the heads of its group, turned back; d_v alike, not turned

    Args:
        d_output: gradient of the loss with respect to the output (B, T, D).
        trace: the trace of the forward pass.

    Returns:
        `GroupedQueryAttentionGrads`. In self-attention the gradient of x is
        d_query + d_key + d_value.

    Example:
        >>> x, w_q, w_k = np.ones((1, 3, 2)), np.ones((2, 4, 5)), np.ones((2, 1, 5))
        >>> output, trace = grouped_query_attention(
        ...     x, x, x, w_q, None, w_k, None, w_k, None, np.ones((4, 5, 2)), np.zeros(2)
        ... )
        >>> grouped_query_attention_backward(np.ones((1, 3, 2)), trace).d_w_k.shape
        (2, 1, 5)
    """
    q_part, k_part, v_part, turns, attention, o_part = trace.parts
    G = trace.w_k.shape[1]
    d_z, d_w_o, d_b_o = dense_backward(d_output, o_part)
    d_q, d_k, d_v = scaled_dot_product_attention_backward(split(d_z, len(trace.w_o)), attention)
    d_k, d_v = repeat_heads_backward(d_k, G), repeat_heads_backward(d_v, G)
    if turns:
        d_q, d_k = (rotary_backward(d, turn).d_x for d, turn in zip((d_q, d_k), turns, strict=True))
    d_query, d_w_q, d_b_q = project_backward(d_q, q_part, trace.w_q)
    d_key, d_w_k, d_b_k = project_backward(d_k, k_part, trace.w_k)
    d_value, d_w_v, d_b_v = project_backward(d_v, v_part, trace.w_v)
    return GroupedQueryAttentionGrads(
        d_query, d_key, d_value,
        d_w_q, d_b_q, d_w_k, d_b_k, d_w_v, d_b_v, d_w_o.reshape(trace.w_o.shape), d_b_o,
    )  # fmt: skip
