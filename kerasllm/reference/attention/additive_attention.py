"""Additive attention (Bahdanau): a small network scores how well key and query go together.

`keras.layers.AdditiveAttention` has no projections: it is this equation with w_q = w_k = the
identity, and v = the layer's scale.
"""

from collections import namedtuple

import numpy as np

from kerasllm.reference import checks
from kerasllm.reference.attention.scaled_dot_product import (
    check_attention,
    masked_softmax,
    masked_softmax_backward,
)

__all__ = [
    "AdditiveAttentionGrads", "AdditiveAttentionTrace", "additive_attention",
    "additive_attention_backward",
]  # fmt: skip


class AdditiveAttentionTrace(
    namedtuple(
        "AdditiveAttentionTrace",
        "query key value w_q w_k v mask hidden scores weights output",
    )
):
    """Every symbol of additive attention."""


class AdditiveAttentionGrads(
    namedtuple("AdditiveAttentionGrads", "d_query d_key d_value d_w_q d_w_k d_v")
):
    """Gradients of additive attention."""


def additive_attention(query, key, value, w_q, w_k, v, mask=None, fully_masked="zero"):
    r"""Average the values, each weighted by a one-layer network's score of query and key.

        hidden[t, s] = tanh(query[t] w_q + key[s] w_k)
        scores       = hidden v
        weights      = softmax(scores) over the keys, only where mask is True
        output       = weights value

    Args:
        query: (B, T, D_q), in a translator the decoder's states.
        key: (B, S, D_k), the encoder's states.
        value: (B, S, V), often the same array as key.
        w_q: (D_q, H).
        w_k: (D_k, H).
        v: (H,).
        mask: boolean, broadcast to (B, T, S); True = query t may look at key s.
        fully_masked: as in `scaled_dot_product_attention`.

    Returns:
        (output, trace): output (B, T, V), and an `AdditiveAttentionTrace`. `trace.hidden` is
        (B, T, S, H): this attention needs H times the memory of a dot product.

    Raises:
        ValueError: if shapes do not fit.

    Example:
        Without weights to tell the keys apart, every key counts the same.

        >>> x, w = np.array([[[1.0], [2.0], [6.0]]]), np.ones((1, 2))
        >>> output, trace = additive_attention(x, x, x, w, w, v=np.zeros(2))
        >>> output.ravel().round(6)
        array([3., 3., 3.])

    Source:
        Bahdanau et al. 2015, "Neural machine translation by jointly learning to align and
        translate", appendix A.1.2, with w_q = W_aᵀ, w_k = U_aᵀ, v = v_a.
    """
    query, key, value, mask = check_attention(query, key, value, mask)
    w_q, w_k, v = checks.floats(w_q=w_q, w_k=w_k, v=v)
    checks.rank("v", v, "H")
    features = (query.shape[-1], key.shape[-1], len(v))
    because = f"query has {features[0]} features, key has {features[1]}, and v has {features[2]}"
    checks.shape("w_q", w_q, (features[0], features[2]), because=because)
    checks.shape("w_k", w_k, (features[1], features[2]), because=because)
    # (B, T, 1, H) + (B, 1, S, H) -> (B, T, S, H)
    hidden = np.tanh((query @ w_q)[..., :, None, :] + (key @ w_k)[..., None, :, :])
    scores = hidden @ v  # (B, T, S, H) (H,) -> (B, T, S)
    weights = masked_softmax(scores, mask, fully_masked)
    output = weights @ value  # (B, T, S) (B, S, V) -> (B, T, V)
    return output, AdditiveAttentionTrace(
        query, key, value, w_q, w_k, v, mask, hidden, scores, weights, output
    )


def additive_attention_backward(d_output, trace):
    """Send the gradient of additive attention back to its inputs and its three weights.

        d_value   = weightsᵀ d_output
        d_weights = d_output valueᵀ
        d_scores  = weights * (d_weights - Σ_s weights * d_weights)       0 where mask is False
        d_v       = Σ_bts d_scores * hidden
        d_sum     = d_scores v * (1 - hidden²)
        d_query   = Σ_s d_sum w_qᵀ          d_w_q = Σ_bt queryᵀ Σ_s d_sum
        d_key     = Σ_t d_sum w_kᵀ          d_w_k = Σ_bs keyᵀ Σ_t d_sum

    Args:
        d_output: gradient of the loss with respect to the output (B, T, V).
        trace: the trace of the forward pass.

    Returns:
        `AdditiveAttentionGrads`, each the shape of its argument.

    Example:
        >>> x, w = np.ones((1, 3, 2)), np.ones((2, 5))
        >>> output, trace = additive_attention(x, x, x, w, w, np.ones(5))
        >>> additive_attention_backward(np.ones((1, 3, 2)), trace).d_value.shape
        (1, 3, 2)
    """
    query, key, value, w_q, w_k, v, mask, hidden, _, weights, _ = trace
    d_value = weights.swapaxes(-1, -2) @ d_output  # (B, S, T) (B, T, V) -> (B, S, V)
    d_weights = d_output @ value.swapaxes(-1, -2)  # (B, T, V) (B, V, S) -> (B, T, S)
    d_scores = masked_softmax_backward(d_weights, weights, mask)
    H = len(v)
    d_v = d_scores.reshape(-1) @ hidden.reshape(-1, H)
    d_sum = d_scores[..., None] * v * (1 - hidden**2)  # (B, T, S, H)
    d_q, d_k = d_sum.sum(axis=-2), d_sum.sum(axis=-3)  # (B, T, H), (B, S, H)
    return AdditiveAttentionGrads(
        d_query=d_q @ w_q.T,
        d_key=d_k @ w_k.T,
        d_value=d_value,
        d_w_q=query.reshape(-1, len(w_q)).T @ d_q.reshape(-1, H),
        d_w_k=key.reshape(-1, len(w_k)).T @ d_k.reshape(-1, H),
        d_v=d_v,
    )
