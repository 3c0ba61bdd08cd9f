"""Convolution over time, and the same vector at every step."""

from typing import NamedTuple

import keras
import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.twins.registry import register, unsupported
from kerasllm.verify.twins.rules.core import ACTIVATIONS, activation_name, logits_of_dense


class ConvolvedTrace(NamedTuple):
    """Every symbol of a convolution with an activation: a = x ∗ kernel + bias, output = f(a)."""

    x: np.ndarray
    kernel: np.ndarray
    activation: str
    a: np.ndarray
    output: np.ndarray
    parts: tuple


def conv1d(layer, weights, x):
    """Compute keras.layers.Conv1D."""
    if layer.groups != 1 or layer.data_format != "channels_last":
        raise unsupported(layer, "groups, or data_format='channels_first'")
    name = activation_name(layer)
    (stride,), (dilation,) = layer.strides, layer.dilation_rate
    a, product = ref.conv1d(x, *weights, stride=stride, dilation=dilation, padding=layer.padding)
    output, bend = ACTIVATIONS[name][0](a)
    return output, ConvolvedTrace(x, weights[0], name, a, output, (product, bend))


def conv1d_backward(layer, d_output, trace):
    """Go back through keras.layers.Conv1D."""
    (d_a,) = ACTIVATIONS[trace.activation][1](d_output, trace.parts[1])
    return product_backward(layer, d_a, trace)


def product_backward(_layer, d_a, trace):
    """Go back through what stands before the activation."""
    d_x, *d_weights = ref.conv1d_backward(d_a, trace.parts[0])
    return d_x, [d for d in d_weights if d is not None]


def repeat_vector(layer, _weights, x):
    """Compute keras.layers.RepeatVector: (B, D) -> (B, n, D)."""
    return np.repeat(x[:, None], layer.n, axis=1), None


register(keras.layers.Conv1D, conv1d, conv1d_backward, logits=(logits_of_dense, product_backward))
register(keras.layers.RepeatVector, repeat_vector, lambda _, d, _trace: (d.sum(axis=1), []))
