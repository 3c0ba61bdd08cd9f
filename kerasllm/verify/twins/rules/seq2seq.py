"""The project's layers of encoder-decoder models: attention, both decoders, copying."""

from typing import NamedTuple

import numpy as np

from kerasllm import layers
from kerasllm import reference as ref
from kerasllm.reference.recurrent.attention_decoder import ATTENTIONS
from kerasllm.verify.twins.registry import register, unsupported


class ScoredTrace(NamedTuple):
    """Every symbol of Bahdanau's or Luong's attention; `attention` has all of the equation's."""

    query: np.ndarray
    source: np.ndarray
    attention: tuple
    output: np.ndarray
    weights: np.ndarray
    itself: bool


def scored_attention(
    layer, arrays, query, source=None, mask=None, source_mask=None, keys=None,
    return_weights=False,
):  # fmt: skip
    """Compute BahdanauAttention and LuongAttention."""
    if keys is not None or return_weights:
        raise unsupported(layer, "keys computed before, or return_weights, in a model")
    itself = source is None
    source, seen = (query, mask) if itself else (source, source_mask)
    seen = None if seen is None else seen[:, None, :]
    output, attention = _equation(layer)[0](
        query, source, source, *arrays, mask=seen, fully_masked="uniform"
    )
    return output, ScoredTrace(query, source, attention, output, attention.weights, itself)


def _equation(layer):
    """Return the reference's forward and backward of an attention."""
    return ATTENTIONS[getattr(layer, "score", "bahdanau")]


def scored_attention_backward(layer, d_output, trace):
    """Go back through BahdanauAttention and LuongAttention."""
    d_query, d_key, d_value, *d_weights = _equation(layer)[1](d_output, trace.attention)
    d_source = d_key + d_value
    return (d_query + d_source if trace.itself else (d_query, d_source)), d_weights


def attention_decoder(layer, arrays, x, source, source_mask=None):
    """Compute AttentionDecoder: the features, and where they looked."""
    options = {name: layer.options[name] for name in ("cell", "attention")}
    return ref.attention_decoder(x, source, *arrays, source_mask=source_mask, **options)


def attention_decoder_backward(_layer, d_output, trace):
    """Go back through AttentionDecoder."""
    d_x, d_source, d_weights = ref.attention_decoder_backward(d_output, trace)
    return (d_x, d_source), d_weights


def pointer_generator(_layer, arrays, x, logits, weights, source):
    """Compute PointerGenerator."""
    return ref.pointer_generator(x, logits, weights, source, *arrays)


def pointer_generator_backward(_layer, d_output, trace):
    """Go back through PointerGenerator: the source's ids have no gradient."""
    d_x, d_logits, d_alpha, *d_weights = ref.pointer_generator_backward(d_output, trace)
    return (d_x, d_logits, d_alpha, None), d_weights


def first_mask(_layer, _inputs, mask):
    """Keep the mask of the first input: of the target, not of the source."""
    return mask


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
register(layers.AttentionDecoder, attention_decoder, attention_decoder_backward, mask=first_mask)
register(layers.PointerGenerator, pointer_generator, pointer_generator_backward, mask=first_mask)
