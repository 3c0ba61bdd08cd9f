"""Scaled dot-product attention, and the masks that say who may look at whom.

- Masks are boolean, True = may be seen. Keras and this package agree; torch means the opposite.
- A query that may look at nothing (a *fully masked row*) reads zeros and sends back no gradient.
  A softmax has no answer there, and Keras has three: `MultiHeadAttention` gives zeros when it
  returns its scores and the plain average over all keys when it does not; `Attention` and
  `AdditiveAttention` give what rounding leaves of scores - 1e9. `fully_masked="uniform"` is the
  second answer, for a comparison with such a layer.
"""

import math
from collections import namedtuple

import numpy as np

from kerasllm.reference import checks

__all__ = [
    "AttentionGrads", "AttentionTrace", "causal_mask", "padding_mask",
    "scaled_dot_product_attention", "scaled_dot_product_attention_backward",
]  # fmt: skip


class AttentionTrace(
    namedtuple("AttentionTrace", "query key value mask scale scores weights output")
):
    """Every symbol of scaled dot-product attention."""


class AttentionGrads(namedtuple("AttentionGrads", "d_query d_key d_value")):
    """Gradients of scaled dot-product attention."""


def causal_mask(T, S=None):
    """Let query t see the keys 0..t: itself and its past.

        mask[t, s] = s <= t

    Args:
        T: number of queries.
        S: number of keys; as many as queries if left out.

    Returns:
        Boolean array (T, S), True = may be seen.

    Example:
        >>> causal_mask(3).astype(int)
        array([[1, 0, 0],
               [1, 1, 0],
               [1, 1, 1]])
    """
    return np.tri(T, T if S is None else S, dtype=bool)


def padding_mask(ids, pad=0):
    """Hide the padding among the keys from every query.

        mask[b, 0, s] = ids[b, s] != pad

    Args:
        ids: token ids of the keys (B, S).
        pad: the id that fills up short sequences.

    Returns:
        Boolean array (B, 1, S): the axis of length 1 stands for every query. Join it to a causal
        mask with `&`.

    Example:
        >>> padding_mask([[5, 6, 0], [7, 0, 0]]).astype(int)
        array([[[1, 1, 0]],
               [[1, 0, 0]]])
    """
    return (np.asarray(ids) != pad)[:, None, :]  # (B, S) -> (B, 1, S)


def scaled_dot_product_attention(query, key, value, mask=None, scale=None, fully_masked="zero"):
    r"""Average the values, each weighted by how well its key answers the query.

        scores  = scale · query keyᵀ                scale = 1 / √K
        weights = softmax(scores) over the keys, only where mask is True
        output  = weights value

    Args:
        query: (..., T, K).
        key: (..., S, K).
        value: (..., S, V); there is one value to each key.
        mask: boolean, broadcast to (..., T, S); True = query t may look at key s.
        scale: factor of the scores, 1/√K if left out.
        fully_masked: what a query that may look at nothing reads: `"zero"`, or `"uniform"`, the
            average of all values.

    Returns:
        (output, trace): output (..., T, V), and an `AttentionTrace`.

    Raises:
        ValueError: if shapes do not fit, or `fully_masked` is neither word.

    Example:
        The query matches the first key, so it reads mostly the first value.

        >>> output, trace = scaled_dot_product_attention(
        ...     query=np.array([[4.0, 0.0]]),
        ...     key=np.array([[2.0, 0.0], [0.0, 2.0]]),
        ...     value=np.array([[10.0], [20.0]]),
        ... )
        >>> trace.weights.round(3), output.round(2)
        (array([[0.997, 0.003]]), array([[10.03]]))

    Source:
        Vaswani et al. 2017, "Attention is all you need", equation 1.
    """
    query, key, value, mask = check_attention(query, key, value, mask)
    expected = (*key.shape[:-1], query.shape[-1])
    checks.shape("key", key, expected, because=f"query has shape {query.shape}")
    checks.choice("fully_masked", fully_masked, ("zero", "uniform"))
    # Not numpy's sqrt: its float64 result would turn float32 scores into float64.
    scale = 1 / math.sqrt(key.shape[-1]) if scale is None else scale
    scores = (scale * query) @ key.swapaxes(-1, -2)  # (..., T, K) (..., K, S) -> (..., T, S)
    weights = masked_softmax(scores, mask, fully_masked)
    output = weights @ value  # (..., T, S) (..., S, V) -> (..., T, V)
    return output, AttentionTrace(query, key, value, mask, scale, scores, weights, output)


def check_attention(query, key, value, mask):
    """Return the arguments of any attention as arrays, once their shapes are seen to fit."""
    query, key, value = checks.floats(query=query, key=key, value=value)
    for name, array in (("query", query), ("key", key)):
        if array.ndim < 2 or 0 in array.shape:
            raise ValueError(
                f"expected {name} of shape (..., time, features), none of them 0, "
                f"received {array.shape}; drop empty sequences before"
            )
    batch, T, S = query.shape[:-2], query.shape[-2], key.shape[-2]
    because = f"query has shape {query.shape}"
    checks.shape("key", key, (*batch, S, key.shape[-1]), because=because)
    because = f"there is one value to each key, and key has shape {key.shape}"
    checks.shape("value", value, (*batch, S, *value.shape[-1:]), because=because)
    return query, key, value, _check_mask(mask, (*batch, T, S))


def _check_mask(mask, shape):
    """Return the mask as booleans that broadcast to the shape of the scores."""
    if mask is None:
        return None
    mask = np.asarray(mask)
    fits = mask.ndim <= len(shape) and all(
        m in (1, n) for m, n in zip(mask.shape[::-1], shape[::-1], strict=False)
    )
    if not fits:
        raise ValueError(
            f"expected a mask that broadcasts to (..., queries, keys) = {shape}, received shape "
            f"{mask.shape}; for a mask (B, S) of real keys write mask[:, None, :]"
        )
    return checks.booleans("mask", mask)


def masked_softmax(scores, mask, fully_masked="zero"):
    """Return the softmax over the last axis, 0 where the mask is False."""
    # A large negative number, not -inf: a row of -inf alone would give nan.
    seen = scores if mask is None else np.where(mask, scores, np.finfo(scores.dtype).min / 2)
    weights = seen - seen.max(axis=-1, keepdims=True)
    np.exp(weights, out=weights)  # in place: scores are the largest array of a Transformer
    if mask is not None and fully_masked == "zero":
        weights *= mask  # changes only rows without any key: elsewhere exp gave 0 already
    total = weights.sum(axis=-1, keepdims=True)
    weights /= np.where(total == 0, 1, total)
    return weights


def masked_softmax_backward(d_weights, weights, mask):
    """Return the gradient of the scores: none flows to where the mask is False."""
    shared = np.einsum("...s,...s->...", d_weights, weights)[..., None]  # (..., T, 1)
    d_scores = weights * (d_weights - shared)
    return d_scores if mask is None else d_scores * mask


def scaled_dot_product_attention_backward(d_output, trace):
    """Send the gradient of attention back to query, key and value.

        d_value   = weightsᵀ d_output
        d_weights = d_output valueᵀ
        d_scores  = weights * (d_weights - Σ_s weights * d_weights)       0 where mask is False
        d_product = scale · d_scores
        d_query   = d_product key
        d_key     = d_productᵀ query

    Args:
        d_output: gradient of the loss with respect to the output (..., T, V).
        trace: the trace of the forward pass.

    Returns:
        `AttentionGrads`, each the shape of its argument.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 5.0]])
        >>> output, trace = scaled_dot_product_attention(x, x, x, mask=causal_mask(2))
        >>> grads = scaled_dot_product_attention_backward(np.ones((2, 2)), trace)
        >>> float(grads.d_value.sum())  # each query hands out weights that sum to 1
        4.0
    """
    query, key, value, mask, scale, _, weights, _ = trace
    d_value = weights.swapaxes(-1, -2) @ d_output  # (..., S, T) (..., T, V) -> (..., S, V)
    d_weights = d_output @ value.swapaxes(-1, -2)  # (..., T, V) (..., V, S) -> (..., T, S)
    d_scores = masked_softmax_backward(d_weights, weights, mask)
    d_product = scale * d_scores  # of query keyᵀ
    d_query = d_product @ key  # (..., T, S) (..., S, K) -> (..., T, K)
    d_key = d_product.swapaxes(-1, -2) @ query  # (..., S, T) (..., T, K) -> (..., S, K)
    return AttentionGrads(d_query, d_key, d_value)
