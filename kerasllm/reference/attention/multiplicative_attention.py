"""Multiplicative attention (Luong): three ways to score a query against a key.

- `dot` and `general` are scaled dot-product attention with scale 1; `general` sends the query
  through a matrix first.
- `concat` is additive attention: a matrix on [query; key] is one matrix on the query plus one on
  the key.
"""

from collections import namedtuple

import numpy as np

from kerasllm.reference import checks
from kerasllm.reference.attention.additive_attention import (
    additive_attention,
    additive_attention_backward,
)
from kerasllm.reference.attention.scaled_dot_product import (
    scaled_dot_product_attention,
    scaled_dot_product_attention_backward,
)

__all__ = [
    "ConcatAttentionGrads", "ConcatAttentionTrace", "GeneralAttentionGrads",
    "GeneralAttentionTrace", "concat_attention", "concat_attention_backward", "dot_attention",
    "dot_attention_backward", "general_attention", "general_attention_backward",
]  # fmt: skip


class GeneralAttentionTrace(
    namedtuple("GeneralAttentionTrace", "query w projected scores weights output attention")
):
    """Every symbol of Luong's general attention."""


class GeneralAttentionGrads(namedtuple("GeneralAttentionGrads", "d_query d_key d_value d_w")):
    """Gradients of Luong's general attention."""


class ConcatAttentionTrace(
    namedtuple("ConcatAttentionTrace", "w v hidden scores weights output attention")
):
    """Every symbol of Luong's concat attention."""


class ConcatAttentionGrads(namedtuple("ConcatAttentionGrads", "d_query d_key d_value d_w d_v")):
    """Gradients of Luong's concat attention."""


def dot_attention(query, key, value, mask=None, fully_masked="zero"):
    r"""Score by the plain dot product; `keras.layers.Attention` does the same.

        scores = query keyᵀ
        output = softmax(scores) value

    Args:
        query: (B, T, K).
        key: (B, S, K).
        value: (B, S, V).
        mask: boolean, broadcast to (B, T, S); True = may be seen.
        fully_masked: as in `scaled_dot_product_attention`.

    Returns:
        (output, trace): output (B, T, V), and an `AttentionTrace`.

    Example:
        >>> x = np.array([[[0.0, 0.0], [2.0, 0.0]]])
        >>> output, trace = dot_attention(x, x, x)
        >>> trace.scores
        array([[[0., 0.],
                [0., 4.]]])

    Source:
        Luong et al. 2015, "Effective approaches to attention-based neural machine translation",
        the first score below equation 7 (dot).
    """
    return scaled_dot_product_attention(query, key, value, mask, scale=1, fully_masked=fully_masked)


def dot_attention_backward(d_output, trace):
    """Send the gradient back: `scaled_dot_product_attention_backward` with scale 1.

    Args:
        d_output: (B, T, V).
        trace: the trace of the forward pass.

    Returns:
        `AttentionGrads`.

    Example:
        >>> x = np.ones((1, 2, 3))
        >>> output, trace = dot_attention(x, x, x)
        >>> dot_attention_backward(np.ones((1, 2, 3)), trace).d_value.sum().item()
        6.0
    """
    return scaled_dot_product_attention_backward(d_output, trace)


def general_attention(query, key, value, w, mask=None, fully_masked="zero"):
    r"""Score by a dot product after sending the query through a matrix.

        projected = query w
        scores    = projected keyᵀ
        output    = softmax(scores) value

    Args:
        query: (B, T, D).
        key: (B, S, K).
        value: (B, S, V).
        w: (D, K), W_a of the paper.
        mask: boolean, broadcast to (B, T, S); True = may be seen.
        fully_masked: as in `scaled_dot_product_attention`.

    Returns:
        (output, trace): output (B, T, V), and a `GeneralAttentionTrace`.

    Raises:
        ValueError: if w does not lead from the query's features to the key's.

    Example:
        >>> query, key = np.array([[[1.0]]]), np.array([[[0.0, 1.0], [1.0, 0.0]]])
        >>> output, trace = general_attention(query, key, key, w=np.array([[5.0, 0.0]]))
        >>> trace.scores
        array([[[0., 5.]]])

    Source:
        Luong et al. 2015, the second score below equation 7 (general).
    """
    query, key, w = checks.floats(query=query, key=key, w=w)
    because = f"query has shape {query.shape} and key has shape {key.shape}"
    checks.shape("w", w, (query.shape[-1], key.shape[-1]), because=because)
    projected = query @ w  # (B, T, D) (D, K) -> (B, T, K)
    output, attention = scaled_dot_product_attention(
        projected, key, value, mask, scale=1, fully_masked=fully_masked
    )
    return output, GeneralAttentionTrace(
        query, w, projected, attention.scores, attention.weights, output, attention
    )


def general_attention_backward(d_output, trace):
    """Send the gradient back through the attention, then through the matrix.

        d_projected, d_key, d_value         as in scaled_dot_product_attention_backward
        d_query = d_projected wᵀ            d_w = Σ_bt queryᵀ d_projected

    Args:
        d_output: (B, T, V).
        trace: the trace of the forward pass.

    Returns:
        `GeneralAttentionGrads`.

    Example:
        >>> x = np.ones((1, 2, 3))
        >>> output, trace = general_attention(x, x, x, np.eye(3))
        >>> general_attention_backward(np.ones((1, 2, 3)), trace).d_w.shape
        (3, 3)
    """
    query, w = trace.query, trace.w
    d_projected, d_key, d_value = scaled_dot_product_attention_backward(d_output, trace.attention)
    d_w = query.reshape(-1, w.shape[0]).T @ d_projected.reshape(-1, w.shape[1])
    return GeneralAttentionGrads(d_projected @ w.T, d_key, d_value, d_w)


def concat_attention(query, key, value, w, v, mask=None, fully_masked="zero"):
    r"""Score by a one-layer network that reads query and key side by side.

        hidden[t, s] = tanh([query[t]; key[s]] w)
        scores       = hidden v
        output       = softmax(scores) value

    Args:
        query: (B, T, D_q).
        key: (B, S, D_k).
        value: (B, S, V).
        w: (D_q + D_k, H), W_aᵀ of the paper.
        v: (H,).
        mask: boolean, broadcast to (B, T, S); True = may be seen.
        fully_masked: as in `scaled_dot_product_attention`.

    Returns:
        (output, trace): output (B, T, V), and a `ConcatAttentionTrace`.

    Raises:
        ValueError: if the rows of w are not the features of the query and the key together.

    Example:
        >>> x = np.ones((1, 2, 3))
        >>> output, trace = concat_attention(x, x, x, np.ones((6, 5)), np.ones(5))
        >>> trace.hidden.shape
        (1, 2, 2, 5)

    Source:
        Luong et al. 2015, the third score below equation 7 (concat).
    """
    query, key, w, v = checks.floats(query=query, key=key, w=w, v=v)
    checks.rank("v", v, "H")
    D, D_k, H = query.shape[-1], key.shape[-1], len(v)
    checks.shape("w", w, (D + D_k, H), because=f"it reads {D} + {D_k} features, and v has {H}")
    output, attention = additive_attention(query, key, value, w[:D], w[D:], v, mask, fully_masked)
    return output, ConcatAttentionTrace(
        w, v, attention.hidden, attention.scores, attention.weights, output, attention
    )


def concat_attention_backward(d_output, trace):
    """Send the gradient back as in additive attention, and stack the two halves of d_w.

    Args:
        d_output: (B, T, V).
        trace: the trace of the forward pass.

    Returns:
        `ConcatAttentionGrads`.

    Example:
        >>> x = np.ones((1, 2, 3))
        >>> output, trace = concat_attention(x, x, x, np.ones((6, 5)), np.ones(5))
        >>> concat_attention_backward(np.ones((1, 2, 3)), trace).d_w.shape
        (6, 5)
    """
    g = additive_attention_backward(d_output, trace.attention)
    d_w = np.concatenate([g.d_w_q, g.d_w_k])  # (D_q, H), (D_k, H) -> (D_q + D_k, H)
    return ConcatAttentionGrads(g.d_query, g.d_key, g.d_value, d_w, g.d_v)
