"""The project's layers that pick steps of a text: pooling, hidden tokens, and spans."""

import keras
import numpy as np

from kerasllm import layers
from kerasllm import reference as ref
from kerasllm.layers.masking import lowest
from kerasllm.models.language.masked_lm import GatherPositions
from kerasllm.models.span.span_extractor import MaskSpans
from kerasllm.verify.twins.registry import register
from kerasllm.verify.twins.rules.merging import PoolTrace, largest_share, pooling_backward


def masked_pooling(layer, weights, x, mask=None):
    """Compute MaskedPooling: each entry's share in the output, then the sum over time.

    Pooling by attention is an attention with one query, the same for every text.
    """
    mask = np.ones(x.shape[:2], bool) if mask is None else mask
    if layer.mode == "attention":
        query = np.broadcast_to(weights[0], (len(x), 1, x.shape[-1]))
        output, trace = ref.scaled_dot_product_attention(query, x, x, mask[:, None], scale=1)
        return output[:, 0], trace
    shares = [np.broadcast_to(_SHARES[m](x, mask), x.shape) for m in layer.mode.split("_")]
    share = np.concatenate(shares, axis=-1).astype(x.dtype)  # (B, T, D), or (B, T, 2D)
    output = (np.tile(x, len(shares)) * share).sum(axis=1)  # -> (B, D), or (B, 2D)
    return output, PoolTrace(x, share, output)


def masked_pooling_backward(layer, d_output, trace):
    """Go back through MaskedPooling."""
    if layer.mode != "attention":
        d_x, none = pooling_backward(layer, d_output, trace)
        # the parts of "mean_max" read the same features
        return d_x.reshape(*d_x.shape[:2], -1, trace.x.shape[-1]).sum(axis=2), none
    grads = ref.scaled_dot_product_attention_backward(d_output[:, None], trace)
    return grads.d_key + grads.d_value, [grads.d_query.sum(axis=(0, 1))]


def _mean(_x, mask):
    return (mask / np.maximum(mask.sum(axis=1, keepdims=True), 1))[..., None]


def _max(x, mask):
    hidden = np.where(mask[..., None], x, -np.inf)
    return np.where(mask.any(axis=1)[:, None, None], largest_share(hidden), 0)


def _last(_x, mask):
    last = np.where(mask, np.arange(mask.shape[1]), 0).max(axis=1)
    return (np.arange(mask.shape[1]) == last[:, None])[..., None]


def _first(_x, mask):
    return (np.arange(mask.shape[1]) == 0)[None, :, None]


_SHARES = {"mean": _mean, "max": _max, "last": _last, "first": _first}


def gather(_layer, _weights, inputs):
    """Compute GatherPositions and GatherWords: rows (B, M, D) of x (B, T, D) at positions (B, M).

    A position of -1, of no word, takes the first row, which nobody reads.
    """
    x, positions = inputs
    places = (np.arange(len(x))[:, None], np.maximum(positions, 0))
    return x[places], (x.shape, places)


def gather_backward(_layer, d_output, trace):
    """Add each row's gradient to the place where it was taken."""
    shape, places = trace
    d_x = np.zeros(shape, d_output.dtype)
    np.add.at(d_x, places, d_output)
    return (d_x, None), []


def mask_spans(_layer, _weights, inputs):
    """Compute MaskSpans: scores (B, 2, T) of x (B, T, 2), -∞ outside of context (B, 2)."""
    x, context = inputs
    t = np.arange(x.shape[1])
    allowed = (t == 0) | (t >= context[:, :1]) & (t < context[:, 1:])  # (B, T)
    # Keras rounds the number that stands for -∞ to float32 on its way.
    outside = keras.ops.convert_to_numpy(keras.ops.cast(lowest(x.dtype), x.dtype.name))
    return np.where(allowed[:, None], x.swapaxes(1, 2), outside), allowed[:, None]


def mask_spans_backward(_layer, d_output, allowed):
    """Send the gradient to the scores that count."""
    return ((d_output * allowed).swapaxes(1, 2), None), []


def nothing(*_):
    """Return None: no mask."""
    return None


register(layers.MaskedPooling, masked_pooling, masked_pooling_backward, mask=nothing)
register(GatherPositions, gather, gather_backward, mask=nothing)
register(MaskSpans, mask_spans, mask_spans_backward, mask=nothing)
