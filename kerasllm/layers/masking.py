"""Softmax over what a mask lets through, and recurrent layers of Keras that keep it."""

import keras
from keras import ops

DIRECTIONS = ("forward_layer", "backward_layer")


def lowest(dtype):
    """Return a number that stands for minus infinity, and is finite in `dtype`.

    >>> lowest("float32"), lowest("float16")
    (-1e+30, -30000.0)
    """
    return -3e4 if keras.backend.standardize_dtype(dtype) == "float16" else -1e30


def masked_softmax(scores, seen=None):
    """Return the softmax over the last axis of the scores, 0 where not `seen`.

        a_s = exp(e_s) / Σ_{r seen} exp(e_r)

    Args:
        scores: e (…, S).
        seen: boolean, broadcast to (…, S); None for all.

    Returns:
        Weights of the scores' shape and dtype. A row that sees nothing is spread evenly.
    """
    if seen is not None:
        scores = ops.where(seen, scores, ops.cast(lowest(scores.dtype), scores.dtype))
    if scores.shape[-1] == 1:  # a single key: right as it is, but `ops.softmax` would warn
        return ops.exp(ops.log_softmax(scores, axis=-1))
    return ops.softmax(scores, axis=-1)


def keep_masks(layer):
    """Make a recurrent layer of Keras pass on the mask that it is given; return the layer.

    From Keras 3.16 on, these layers use a mask but say that they do not support any: Keras then
    warns, and takes the mask off what they return. Says nothing new to a layer of Keras up to 3.15.

    Args:
        layer: an RNN, LSTM, GRU, SimpleRNN, or one of these in a Bidirectional.

    >>> keep_masks(keras.layers.LSTM(3)).supports_masking
    True
    """
    for part in (layer, *(getattr(layer, name, None) for name in DIRECTIONS)):
        if part is not None:
            part.supports_masking = True
    return layer
