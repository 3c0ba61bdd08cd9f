"""Known mistakes in multi-head, additive (Bahdanau) and multiplicative (Luong) attention."""
# ruff: noqa: ARG001, D401 - forgotten arguments are mistakes; docstrings end a sentence

import math

import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.mistakes.mistake import mistake, with_part


@mistake("multi_head_attention")
def multi_head_scaled_by_width(query, *others, scale=None, **options):
    """The scores are divided by the root of the model's width D, not of the heads' size K."""
    wrong = 1 / math.sqrt(query.shape[-1])
    return ref.multi_head_attention(query, *others, scale=wrong, **options)


@mistake("multi_head_attention")
def multi_head_not_scaled(*arrays, scale=None, **options):
    """The scores are not divided by √K."""
    return ref.multi_head_attention(*arrays, scale=1.0, **options)


@mistake("multi_head_attention")
def multi_head_split_without_transpose(*arrays, **options):
    """The heads are cut by reshape alone: they get pieces of time, and not of the features."""

    def attend(q, k, v, *settings):
        q, k, v = (a.swapaxes(1, 2).reshape(a.shape) for a in (q, k, v))
        return ref.scaled_dot_product_attention(q, k, v, *settings)

    part = "scaled_dot_product_attention"
    return with_part(ref.multi_head_attention, part, attend, *arrays, **options)


@mistake("multi_head_attention")
def multi_head_joined_without_transpose(*arrays, **options):
    """The heads are joined by reshape alone, without bringing time back to the front."""

    def attend(q, k, v, *settings):
        z, trace = ref.scaled_dot_product_attention(q, k, v, *settings)
        B, N, T, V = z.shape
        return z.reshape(B, T, N, V).swapaxes(1, 2), trace

    part = "scaled_dot_product_attention"
    return with_part(ref.multi_head_attention, part, attend, *arrays, **options)


@mistake("multi_head_attention")
def multi_head_query_and_key_swapped(query, key, value, w_q, b_q, w_k, b_k, *others, **options):
    """The projections of query and key are swapped."""
    return ref.multi_head_attention(query, key, value, w_k, b_k, w_q, b_q, *others, **options)


@mistake("multi_head_attention")
def multi_head_output_bias_forgotten(*arrays, **options):
    """The bias of the last projection is not added."""
    output, trace = ref.multi_head_attention(*arrays, **options)
    return output - trace.b_o, trace


@mistake("multi_head_attention")
def multi_head_keras_argument_order(query, key, value, *weights, **options):
    """Key and value are given in the order in which Keras wants them: query, value, key."""
    return ref.multi_head_attention(query, value, key, *weights, **options)


@mistake("multi_head_attention")
def multi_head_mask_ignored(*arrays, mask=None, **options):
    """The mask is ignored, and padding or the future is read."""
    return ref.multi_head_attention(*arrays, mask=None, **options)


@mistake("multi_head_attention_backward")
def multi_head_backward_bias_averaged(d_output, trace):
    """The biases' gradients are means over batch and time, and not sums."""
    grads = ref.multi_head_attention_backward(d_output, trace)
    T, S = d_output[..., 0].size, trace.key[..., 0].size
    return grads._replace(
        d_b_q=grads.d_b_q / T, d_b_k=grads.d_b_k / S, d_b_v=grads.d_b_v / S, d_b_o=grads.d_b_o / T
    )


@mistake("additive_attention")
def additive_averages_what_is_hidden(*arrays, fully_masked="zero", **options):
    """A query that may see nothing averages all values (softmax of equal scores), and not 0."""
    return ref.additive_attention(*arrays, fully_masked="uniform", **options)


@mistake("additive_attention")
def additive_attention_without_tanh(query, key, value, w_q, w_k, v, mask=None, **options):
    """There is no tanh between the projections and v."""
    tiny = 1e-6  # where tanh is a straight line
    output, trace = ref.additive_attention(
        query, key, value, tiny * w_q, tiny * w_k, v / tiny, mask, **options
    )
    return output, trace._replace(w_q=w_q, w_k=w_k, v=v, hidden=trace.hidden / tiny)


@mistake("additive_attention")
def additive_attention_scaled(query, key, value, w_q, w_k, v, mask=None, **options):
    """The scores are divided by √H, which belongs to dot products only."""
    v = np.asarray(v) / math.sqrt(len(v))
    return ref.additive_attention(query, key, value, w_q, w_k, v, mask, **options)


@mistake("additive_attention")
def additive_attention_reads_keys(query, key, value, w_q, w_k, v, mask=None, **options):
    """The weights average other values than they should: those of the reversed sequence."""
    value = np.asarray(value)[..., ::-1, :]
    return ref.additive_attention(query, key, value, w_q, w_k, v, mask, **options)


@mistake("additive_attention_backward")
def additive_attention_backward_slope_forgotten(d_output, trace):
    """The slope of tanh, 1 - hidden², is missing."""
    right = ref.additive_attention_backward(d_output, trace)
    flat = ref.additive_attention_backward(d_output, trace._replace(hidden=0 * trace.hidden))
    return flat._replace(d_v=right.d_v)


@mistake("dot_attention")
def dot_attention_scaled(query, key, value, mask=None, **options):
    """The scores are divided by √K: Luong's dot product has no factor."""
    return ref.scaled_dot_product_attention(query, key, value, mask, **options)


@mistake("general_attention")
def general_attention_scaled(query, key, value, w, mask=None, **options):
    """The scores are divided by √K: Luong's product has no factor."""
    return ref.general_attention(query / math.sqrt(key.shape[-1]), key, value, w, mask, **options)


@mistake("concat_attention")
def concat_attention_key_first(query, key, value, w, v, mask=None, **options):
    """The key's weights come first: [key; query], where the paper has [query; key]."""
    split = key.shape[-1]
    turned = np.concatenate([w[split:], w[:split]])
    return ref.concat_attention(query, key, value, turned, v, mask, **options)
