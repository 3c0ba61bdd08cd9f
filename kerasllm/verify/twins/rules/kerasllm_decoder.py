"""The project's layers of encoder-decoder models: scored attention, the Transformer's decoder."""

from typing import NamedTuple

import numpy as np

from kerasllm import layers
from kerasllm import reference as ref
from kerasllm.verify.twins.registry import register, unsupported


class ScoredTrace(NamedTuple):
    """Every symbol of Bahdanau's or Luong's attention; `attention` has the scores and weights."""

    query: np.ndarray
    source: np.ndarray
    attention: tuple
    projection: tuple | None
    output: np.ndarray
    weights: np.ndarray
    itself: bool


def scored_attention(
    layer, weights, query, source=None, mask=None, source_mask=None, keys=None,
    return_weights=False,
):  # fmt: skip
    """Compute BahdanauAttention and LuongAttention."""
    if keys is not None or return_weights:
        raise unsupported(layer, "keys computed before, or return_weights, in a model")
    itself = source is None
    source, seen = (query, mask) if itself else (source, source_mask)
    seen = None if seen is None else seen[:, None, :]
    projection = None
    if len(weights) < 2:  # dot, general
        projected = query
        if weights:
            projected, projection = ref.dense(query, weights[0])
        output, attention = ref.scaled_dot_product_attention(
            projected, source, source, seen, scale=1, fully_masked="uniform"
        )
    else:
        w_q, w_k, v = _three(weights, query.shape[-1])
        output, attention = ref.additive_attention(
            query, source, source, w_q, w_k, v, seen, fully_masked="uniform"
        )
    weights = attention.weights
    return output, ScoredTrace(query, source, attention, projection, output, weights, itself)


def _three(weights, width):
    """Return W_q, W_k and v; Luong's concat holds the first two on top of each other."""
    if len(weights) == 3:
        return weights
    return weights[0][:width], weights[0][width:], weights[1]


def scored_attention_backward(layer, d_output, trace):
    """Go back through BahdanauAttention and LuongAttention."""
    if isinstance(trace.attention, ref.AttentionTrace):
        grads = ref.scaled_dot_product_attention_backward(d_output, trace.attention)
        d_query, d_weights = grads.d_query, []
        if trace.projection:
            d_query, d_kernel, _ = ref.dense_backward(d_query, trace.projection)
            d_weights = [d_kernel]
    else:
        grads = ref.additive_attention_backward(d_output, trace.attention)
        d_query, d_weights = grads.d_query, [grads.d_w_q, grads.d_w_k, grads.d_v]
        if len(layer.weights) == 2:
            d_weights = [np.concatenate(d_weights[:2]), grads.d_v]
    d_source = grads.d_key + grads.d_value
    return (d_query + d_source if trace.itself else (d_query, d_source)), d_weights


def transformer_decoder(
    tape, layer, x, source, mask=None, source_mask=None, cache=None, start=0,
    return_weights=False,
):  # fmt: skip
    """Compute a decoder block: three residual steps, each with its norm before or after."""
    if cache is not None or start or isinstance(source, tuple):
        raise unsupported(layer, "a cache, start > 0 or a projected source")
    kept = {}

    def attend(y):
        return tape.call(layer.attention, y, mask=mask)

    def attend_source(y):
        y, kept["weights"] = tape.call(
            layer.cross_attention, y, source=source, source_mask=source_mask, return_weights=True
        )
        return y

    def think(y):
        return tape.call(layer.feed_forward, y)

    for norm, sublayer in zip(layer.norms, (attend, attend_source, think), strict=True):
        if layer.norm == "pre":
            x = tape.add(x, sublayer(tape.call(norm, x)))
        else:
            x = tape.call(norm, tape.add(x, sublayer(x)))
    return (x, kept["weights"]) if return_weights else x


for _layer in (layers.BahdanauAttention, layers.LuongAttention):
    register(_layer, scored_attention, scored_attention_backward)
register(layers.TransformerDecoder, compose=transformer_decoder)
