"""Layers that bend each number by itself: ReLU and its relatives, with a slope below zero."""

from typing import NamedTuple

import keras
import numpy as np

from kerasllm.verify.twins.registry import register, unsupported
from kerasllm.verify.twins.rules.core import elu as elu_of
from kerasllm.verify.twins.rules.core import elu_backward
from kerasllm.verify.twins.rules.ops import unbroadcast


class BentTrace(NamedTuple):
    """What a layer was given, how steep it was there, and its output."""

    x: np.ndarray
    slope: np.ndarray
    output: np.ndarray


def relu(layer, _weights, x):
    """Compute keras.layers.ReLU."""
    if layer.threshold or (layer.negative_slope and layer.max_value is not None):
        raise unsupported(layer, "a threshold, or negative_slope with max_value")
    return _bent(x, layer.negative_slope, np.inf if layer.max_value is None else layer.max_value)


def leaky_relu(layer, _weights, x):
    """Compute keras.layers.LeakyReLU."""
    return _bent(x, layer.negative_slope)


def _bent(x, below, most=np.inf):
    if keras.backend.backend() == "tensorflow" and np.ndim(below) == 0:
        below = float(np.float32(below))  # as TensorFlow's kernel holds it
    slope = np.where(x > 0, x < most, below).astype(x.dtype)
    output = np.minimum(np.where(x > 0, x, below * x), most)
    return output, BentTrace(x, slope, output)


def bent_backward(_layer, d_output, trace):
    """Multiply by the slope."""
    return d_output * trace.slope, []


def elu(layer, _weights, x):
    """Compute keras.layers.ELU."""
    return elu_of(x, layer.alpha)


def prelu(_layer, weights, x):
    """Compute keras.layers.PReLU: the slope below zero is trained."""
    output, trace = _bent(x, weights[0])
    return output, (trace, weights[0])


def prelu_backward(_layer, d_output, trace):
    """Send the gradient to x, and to the slopes, which several steps may share."""
    (x, slope, _), alpha = trace
    return d_output * slope, [unbroadcast(d_output * np.minimum(x, 0), alpha)]


register(keras.layers.ReLU, relu, bent_backward)
register(keras.layers.LeakyReLU, leaky_relu, bent_backward)
register(keras.layers.ELU, elu, lambda _, d, trace: (*elu_backward(d, trace), []))
register(keras.layers.PReLU, prelu, prelu_backward)
