"""Known mistakes in attention and its masks."""
# ruff: noqa: ARG001, D401 - forgotten arguments are mistakes; docstrings end a sentence

import math

import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.mistakes.mistake import mistake


def _attended(query, key, value, mask, scale, weigh):
    """Attend with other weights: `weigh(scores)` in the place of the masked softmax."""
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = scale * query @ key.swapaxes(-1, -2)
    weights = weigh(scores)
    output = weights @ value
    return output, ref.AttentionTrace(query, key, value, mask, scale, scores, weights, output)


@mistake("scaled_dot_product_attention")
def attention_not_scaled(query, key, value, mask=None, scale=None, fully_masked="zero"):
    """The scores are not divided by √K."""
    scale = 1.0 if scale is None else scale * math.sqrt(query.shape[-1])
    return ref.scaled_dot_product_attention(query, key, value, mask, scale, fully_masked)


@mistake("scaled_dot_product_attention")
def attention_scaled_by_key_size(query, key, value, mask=None, scale=None, fully_masked="zero"):
    """The scores are divided by K, and not by its root."""
    K = query.shape[-1]
    scale = 1 / K if scale is None else scale / math.sqrt(K)
    return ref.scaled_dot_product_attention(query, key, value, mask, scale, fully_masked)


@mistake("scaled_dot_product_attention")
def attention_softmax_over_queries(query, key, value, mask=None, scale=None, fully_masked="zero"):
    """The softmax runs over the queries, and not over the keys."""

    def weigh(scores):
        seen = scores if mask is None else np.where(mask, scores, -1e9)
        return ref.softmax(seen, axis=-2)[0]

    return _attended(query, key, value, mask, scale, weigh)


@mistake("scaled_dot_product_attention")
def attention_mask_sign(query, key, value, mask=None, scale=None, fully_masked="zero"):
    """The mask is inverted, as torch's is where True hides: only what should be hidden is seen."""
    mask = None if mask is None else ~np.asarray(mask, bool)
    return ref.scaled_dot_product_attention(query, key, value, mask, scale, fully_masked)


@mistake("scaled_dot_product_attention")
def attention_mask_ignored(query, key, value, mask=None, scale=None, fully_masked="zero"):
    """The mask is ignored, and padding or the future is read."""
    output, trace = ref.scaled_dot_product_attention(query, key, value, None, scale, fully_masked)
    return output, trace._replace(mask=mask)


@mistake("scaled_dot_product_attention")
def attention_averages_what_is_hidden(
    query, key, value, mask=None, scale=None, fully_masked="zero"
):
    """A query that may see nothing averages all values (softmax of equal scores), and not 0."""
    return ref.scaled_dot_product_attention(query, key, value, mask, scale, "uniform")


@mistake("scaled_dot_product_attention")
def attention_of_nothing_is_nan(query, key, value, mask=None, scale=None, fully_masked="zero"):
    """A query that may see nothing has only scores of -∞, whose softmax is 0 / 0."""
    output, trace = ref.scaled_dot_product_attention(query, key, value, mask, scale, fully_masked)
    if mask is None:
        return output, trace
    blind = ~np.broadcast_to(trace.mask, trace.scores.shape).any(-1, keepdims=True)
    return np.where(blind, np.nan, output), trace


@mistake("scaled_dot_product_attention")
def attention_mask_multiplies_scores(query, key, value, mask=None, scale=None, fully_masked="zero"):
    """The scores are multiplied by the mask: a score of 0 is not hidden, exp(0) is 1."""
    return _attended(
        query, key, value, mask, scale,
        lambda scores: ref.softmax(scores if mask is None else scores * mask)[0],
    )  # fmt: skip


@mistake("scaled_dot_product_attention")
def attention_mask_after_softmax(query, key, value, mask=None, scale=None, fully_masked="zero"):
    """The mask is applied after the softmax, so that the weights do not sum to 1."""
    return _attended(
        query, key, value, mask, scale,
        lambda scores: ref.softmax(scores)[0] * (1 if mask is None else mask),
    )  # fmt: skip


@mistake("scaled_dot_product_attention")
def attention_mask_transposed(query, key, value, mask=None, scale=None, fully_masked="zero"):
    """The mask lies on the wrong axes: transposed, it hides queries where it should hide keys."""
    if mask is not None and np.ndim(mask) >= 2 and query.shape[-2] == key.shape[-2]:
        mask = np.asarray(mask).swapaxes(-1, -2)
    return ref.scaled_dot_product_attention(query, key, value, mask, scale, fully_masked)


@mistake("scaled_dot_product_attention")
def attention_without_softmax(query, key, value, mask=None, scale=None, fully_masked="zero"):
    """There is no softmax: the raw scores weigh the values."""
    return _attended(
        query, key, value, mask, scale,
        lambda scores: scores * (1 if mask is None else np.asarray(mask)),
    )  # fmt: skip


@mistake("scaled_dot_product_attention_backward")
def attention_backward_scale_forgotten(d_output, trace):
    """The scores' factor 1/√K is missing on the way back."""
    return ref.scaled_dot_product_attention_backward(d_output, trace._replace(scale=1.0))


@mistake("scaled_dot_product_attention_backward")
def attention_backward_softmax_diagonal(d_output, trace):
    """Each weight is taken to depend on its own score only: w (1 - w)."""
    w = trace.weights
    d_product = trace.scale * w * (1 - w) * (d_output @ trace.value.swapaxes(-1, -2))
    grads = ref.scaled_dot_product_attention_backward(d_output, trace)
    d_key = d_product.swapaxes(-1, -2) @ trace.query
    return grads._replace(d_query=d_product @ trace.key, d_key=d_key)


@mistake("scaled_dot_product_attention_backward")
def attention_backward_softmax_forgotten(d_output, trace):
    """The gradient of the weights is taken for that of the scores."""
    d_product = trace.scale * (d_output @ trace.value.swapaxes(-1, -2))
    d_product = d_product if trace.mask is None else d_product * trace.mask
    grads = ref.scaled_dot_product_attention_backward(d_output, trace)
    d_key = d_product.swapaxes(-1, -2) @ trace.query
    return grads._replace(d_query=d_product @ trace.key, d_key=d_key)


@mistake("scaled_dot_product_attention_backward")
def attention_backward_value_unweighted(d_output, trace):
    """Every value gets the sum of all gradients, and not a sum weighted by the attention."""
    ones = np.ones_like(trace.weights) if trace.mask is None else trace.weights > 0
    grads = ref.scaled_dot_product_attention_backward(d_output, trace)
    return grads._replace(d_value=ones.swapaxes(-1, -2).astype(d_output.dtype) @ d_output)


@mistake("causal_mask")
def causal_mask_of_the_future(T, S=None):
    """The triangle is upside down: each query sees the future, and not the past."""
    return ref.causal_mask(T, S) & np.eye(T, S or T, dtype=bool) | ~ref.causal_mask(T, S)


@mistake("causal_mask")
def causal_mask_without_itself(T, S=None):
    """A query may not see its own position: s < t, and not s <= t."""
    return np.tri(T, S or T, -1, dtype=bool)


@mistake("causal_mask")
def causal_mask_sees_the_next(T, S=None):
    """The triangle is one too wide, so that each query sees the token it should predict."""
    return np.tri(T, S or T, 1, dtype=bool)


@mistake("padding_mask")
def padding_mask_inverted(ids, pad=0):
    """The mask is True at the padding, as torch's key_padding_mask is."""
    return ~ref.padding_mask(ids, pad)


@mistake("padding_mask")
def padding_mask_without_axis(ids, pad=0):
    """The mask is (B, S): without an axis for the queries the texts are taken for queries."""
    return ref.padding_mask(ids, pad)[:, 0]


@mistake("padding_mask")
def padding_mask_of_queries(ids, pad=0):
    """The mask lies on the axis of the queries, (B, T, 1), and not on that of the keys."""
    return ref.padding_mask(ids, pad).swapaxes(-1, -2)
