"""Normalisations: of a position's features (layer norm, RMS norm), of a feature (batch norm)."""

import keras
import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.twins.registry import register, unsupported


def _check_axis(layer, x):
    axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    if [axis % x.ndim for axis in axes] != [x.ndim - 1]:
        raise unsupported(layer, "another axis than the last")


def _given(d_weights):
    return [d for d in d_weights if d is not None]


def layer_norm(layer, weights, x):
    """Compute keras.layers.LayerNormalization over the last axis."""
    _check_axis(layer, x)
    if getattr(layer, "rms_scaling", False):
        raise unsupported(layer, "rms_scaling")
    weights = iter(weights)
    gamma = next(weights) if layer.gamma is not None else None
    beta = next(weights) if layer.beta is not None else None
    return ref.layer_norm(x, gamma, beta, epsilon=layer.epsilon)


def layer_norm_backward(_layer, d_output, trace):
    """Go back through keras.layers.LayerNormalization."""
    d_x, *d_weights = ref.layer_norm_backward(d_output, trace)
    return d_x, _given(d_weights)


def rms_norm(layer, weights, x):
    """Compute keras.layers.RMSNormalization over the last axis."""
    _check_axis(layer, x)
    return ref.rms_norm(x, *weights, epsilon=layer.epsilon)


def rms_norm_backward(_layer, d_output, trace):
    """Go back through keras.layers.RMSNormalization."""
    d_x, d_scale = ref.rms_norm_backward(d_output, trace)
    return d_x, [d_scale]


def batch_norm(layer, weights, x, mask=None, training=False):
    """Compute keras.layers.BatchNormalization; in training, the moving averages are moved too."""
    _check_axis(layer, x)
    if getattr(layer, "renorm", False) or layer.synchronized:
        raise unsupported(layer, "renorm or synchronized")
    *weights, mean, variance = weights
    weights = iter(weights)
    gamma = next(weights) if layer.scale else None
    beta = next(weights) if layer.center else None
    options = {"epsilon": layer.epsilon}
    if not (training and layer.trainable):
        return *ref.batch_norm(x, gamma, beta, mean, variance, **options), {}
    options |= {} if mask is None else {"mask": mask, "extra": keras.config.epsilon()}
    output, trace = ref.batch_norm(x, gamma, beta, **options)
    kept, last = layer.momentum, len(layer.weights)
    pairs = zip((mean, variance), (trace.mean, trace.variance), strict=True)
    moved = [kept * old + (1 - kept) * new for old, new in pairs]
    return output, trace, {last - 2: moved[0], last - 1: moved[1]}


def batch_norm_backward(_layer, d_output, trace):
    """Go back through keras.layers.BatchNormalization; moving averages have no gradient."""
    d_x, *d_weights = ref.batch_norm_backward(d_output, trace)
    still = np.zeros(d_x.shape[-1], d_x.dtype)
    return d_x, [*_given(d_weights), still, still]


register(keras.layers.LayerNormalization, layer_norm, layer_norm_backward)
register(keras.layers.RMSNormalization, rms_norm, rms_norm_backward)
register(keras.layers.BatchNormalization, batch_norm, batch_norm_backward)
