"""Keras' own attention layers: MultiHeadAttention, Attention (Luong) and AdditiveAttention.

- On TensorFlow, Keras takes 1/√K as float32 even in a float64 model; the twin does the same.
- A query that may look at nothing reads, depending on the path that Keras takes, zeros or an
  average over all keys. Its output is padding, which nothing should read.
"""

from typing import NamedTuple

import keras
import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.twins.registry import register, unsupported


def multi_head_attention(
    layer, weights, query, value, key=None, query_mask=None, value_mask=None, key_mask=None,
    attention_mask=None, return_attention_scores=False, use_causal_mask=False,
):  # fmt: skip
    """Compute keras.layers.MultiHeadAttention."""
    _check_multi_head(layer, query, return_attention_scores)
    T, S = query.shape[1], value.shape[1]
    masks = _masks(T, S, query_mask, value_mask, key_mask, attention_mask, use_causal_mask)
    weights = list(weights)
    if not layer.use_bias:
        weights = [w for kernel in weights for w in (kernel, None)]
    # Keras' fused attention averages over all keys where none is seen; its own softmax gives 0.
    fused = layer.dropout == 0
    masks.append(_window(T, S, layer._sliding_window))
    return ref.multi_head_attention(
        # A view of the key, so that the trace tells it from a value that stands in for it.
        query, value if key is None else key[...], value, *weights, mask=_joined(masks),
        scale=float(np.float32(layer.key_dim**-0.5)),
        fully_masked="uniform" if fused else "zero",
    )  # fmt: skip


def _check_multi_head(layer, query, return_attention_scores):
    if return_attention_scores:
        raise unsupported(layer, "return_attention_scores=True in a model (see Twin.trace)")
    if getattr(layer, "_use_gate", False) or query.ndim != 3:
        raise unsupported(layer, "a gate, or inputs of other shape than (B, T, D)")


def grouped_attention(
    layer, weights, query, value, key=None, query_mask=None, value_mask=None, key_mask=None,
    attention_mask=None, return_attention_scores=False, use_causal_mask=False,
):  # fmt: skip
    """Compute keras.layers.GroupQueryAttention: groups of heads share keys and values."""
    if return_attention_scores or layer.use_gate:
        raise unsupported(layer, "return_attention_scores=True or use_gate=True")
    T, S = query.shape[1], value.shape[1]
    masks = _masks(T, S, query_mask, value_mask, key_mask, attention_mask, use_causal_mask)
    if not layer.use_bias:
        weights = [w for kernel in weights for w in (kernel, None)]
    scale = float(np.float32(layer.head_dim**-0.5))
    return ref.grouped_query_attention(
        query, value if key is None else key[...], value, *weights, scale=scale,
        mask=_joined([*masks, _window(T, S, layer.sliding_window)]),
        fully_masked="uniform" if layer.dropout == 0 else "zero",
    )  # fmt: skip


def grouped_attention_backward(_layer, d_output, trace):
    """Go back through keras.layers.GroupQueryAttention."""
    d_query, d_key, d_value, *d_weights = ref.grouped_query_attention_backward(d_output, trace)
    d_inputs = _of_inputs(trace, d_query, d_key, d_value)
    return d_inputs, [d for d in d_weights if d is not None]


def _masks(T, S, query_mask, value_mask, key_mask, attention_mask, use_causal_mask):
    """Return what hides keys from queries, each broadcast to (B, T, S) or None."""
    return [
        None if query_mask is None else query_mask[:, :, None],
        None if value_mask is None else value_mask[:, None, :],
        None if key_mask is None else key_mask[:, None, :],
        ref.causal_mask(T, S)[None] if use_causal_mask else None,
        None if attention_mask is None else np.asarray(attention_mask, bool),
    ]


def _window(T, S, width):
    if width is None:
        return None
    return np.abs(np.arange(T)[:, None] - np.arange(S))[None] < width


def _joined(masks):
    """Return where all masks allow, (B, T, S), or None."""
    given = [mask for mask in masks if mask is not None]
    if not given:
        return None
    joined = given[0]
    for mask in given[1:]:
        joined = joined & mask
    return joined


def multi_head_attention_backward(_layer, d_output, trace):
    """Go back through keras.layers.MultiHeadAttention."""
    d_query, d_key, d_value, *d_weights = ref.multi_head_attention_backward(d_output, trace)
    d_inputs = _of_inputs(trace, d_query, d_key, d_value)
    return d_inputs, [d for d in d_weights if d is not None]


def _of_inputs(trace, d_query, d_key, d_value):
    """Return the gradients in the order of `call`: query, value, key."""
    # A layer called without a key reads its keys from the value.
    if trace.key is trace.value:
        return d_query, d_key + d_value
    return d_query, d_value, d_key


def query_mask(layer, inputs, mask):  # noqa: ARG001 - every mask rule has these
    """Keep the mask of the query."""
    return mask


class AttentionLayerTrace(NamedTuple):
    """Every symbol of keras.layers.Attention or AdditiveAttention; `attention` has the weights."""

    query: np.ndarray
    key: np.ndarray
    value: np.ndarray
    scale: np.ndarray | float
    real: np.ndarray | None  # (B, T, 1), False where the output is set to 0
    attention: tuple
    output: np.ndarray
    inputs: int


def attention(layer, weights, inputs, mask=None, **options):
    """Compute keras.layers.Attention, by dot product or by a sum under tanh."""
    query, value, key, seen, real = _arguments(layer, inputs, mask, **options)
    weights = list(weights)
    scale = weights.pop(0) if layer.use_scale else query.dtype.type(1)
    if layer.score_mode == "dot":
        output, trace = ref.scaled_dot_product_attention(scale * query, key, value, seen, scale=1)
    else:
        features = query.shape[-1]
        same, v = scale * np.eye(features), np.full(features, weights[0])
        output, trace = _additive(query, key, value, same, v, seen)
    output = output if real is None else np.where(real, output, 0)
    return output, AttentionLayerTrace(query, key, value, scale, real, trace, output, len(inputs))


def _additive(query, key, value, same, v, seen):
    same, v = same.astype(query.dtype), v.astype(query.dtype)
    return ref.additive_attention(query, key, value, same, same, v, seen)


def attention_backward(layer, d_output, trace):
    """Go back through keras.layers.Attention."""
    d_output = d_output if trace.real is None else np.where(trace.real, d_output, 0)
    if layer.score_mode == "dot":
        grads = ref.scaled_dot_product_attention_backward(d_output, trace.attention)
        d_weights = [(grads.d_query * trace.query).sum()]
        d_query = grads.d_query * trace.scale
    else:
        grads = ref.additive_attention_backward(d_output, trace.attention)
        d_weights = [np.trace(grads.d_w_q) + np.trace(grads.d_w_k), grads.d_v.sum()]
        d_query = grads.d_query
    d_weights = d_weights if layer.use_scale else d_weights[1:]
    return _by_input(d_query, grads, trace.inputs), d_weights


def additive_attention(layer, weights, inputs, mask=None, **options):
    """Compute keras.layers.AdditiveAttention: no projections, one weight for each feature."""
    query, value, key, seen, real = _arguments(layer, inputs, mask, **options)
    v = weights[0] if layer.use_scale else np.ones(query.shape[-1])
    output, trace = _additive(query, key, value, np.eye(query.shape[-1]), v, seen)
    output = output if real is None else np.where(real, output, 0)
    return output, AttentionLayerTrace(query, key, value, v, real, trace, output, len(inputs))


def additive_attention_backward(layer, d_output, trace):
    """Go back through keras.layers.AdditiveAttention."""
    d_output = d_output if trace.real is None else np.where(trace.real, d_output, 0)
    grads = ref.additive_attention_backward(d_output, trace.attention)
    d_weights = [grads.d_v] if layer.use_scale else []
    return _by_input(grads.d_query, grads, trace.inputs), d_weights


def _arguments(layer, inputs, mask, return_attention_scores=False, use_causal_mask=False):
    """Return query, value, key, the mask of the keys (B, T, S) and that of the queries."""
    if return_attention_scores:
        raise unsupported(layer, "return_attention_scores=True in a model (see Twin.trace)")
    query, value = inputs[:2]
    key = inputs[2] if len(inputs) > 2 else value
    real, seen = (None, None) if mask is None else mask[:2]
    causal = ref.causal_mask(query.shape[1], key.shape[1])[None] if use_causal_mask else None
    seen = _joined([None if seen is None else seen[:, None, :], causal])
    if seen is not None:
        # Keras subtracts 1e9 from every hidden score: where all are hidden, none is.
        seen = seen | ~seen.any(axis=-1, keepdims=True)
    return query, value, key, seen, None if real is None else real[..., None]


def _by_input(d_query, grads, count):
    if count == 2:
        return d_query, grads.d_value + grads.d_key
    return d_query, grads.d_value, grads.d_key


def attention_mask(_layer, _inputs, mask):
    """Keep the mask of the query."""
    return None if mask is None else mask[0]


register(
    keras.layers.MultiHeadAttention, multi_head_attention, multi_head_attention_backward,
    mask=query_mask, forgets=True,
)  # fmt: skip
register(
    keras.layers.GroupQueryAttention, grouped_attention, grouped_attention_backward,
    mask=query_mask,
)  # fmt: skip
register(keras.layers.Attention, attention, attention_backward, mask=attention_mask)
register(
    keras.layers.AdditiveAttention, additive_attention, additive_attention_backward,
    mask=attention_mask,
)  # fmt: skip
