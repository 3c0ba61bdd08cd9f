"""Normalisation: of each position (layer norm, RMS norm), or of each feature (batch norm)."""

from collections import namedtuple

import numpy as np

from kerasllm.reference import checks

__all__ = [
    "BatchNormGrads", "BatchNormTrace", "LayerNormGrads", "LayerNormTrace", "RMSNormGrads",
    "RMSNormTrace", "batch_norm", "batch_norm_backward", "layer_norm", "layer_norm_backward",
    "rms_norm", "rms_norm_backward",
]  # fmt: skip


class LayerNormTrace(
    namedtuple("LayerNormTrace", "x gamma beta mean variance deviation normalized")
):
    """Every symbol of `layer_norm`."""


class LayerNormGrads(namedtuple("LayerNormGrads", "d_x d_gamma d_beta")):
    """Gradients of `layer_norm`; None for a weight that was not given."""


def layer_norm(x, gamma=None, beta=None, epsilon=1e-3):
    """Give the features of each position mean 0 and variance 1, then a learned scale and offset.

        mean       = Σ x / D
        variance   = Σ (x - mean)² / D            D, not D - 1
        deviation  = √(variance + epsilon)
        normalized = (x - mean) / deviation
        output     = gamma · normalized + beta

    Args:
        x: (…, D).
        gamma: (D,), or None for 1.
        beta: (D,), or None for 0.
        epsilon: keeps the division finite. Keras' default is 1e-3, torch's 1e-5, BERT's 1e-12.

    Returns:
        output, trace: the output has the shape of x.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> layer_norm(np.array([[1.0, 3.0]]), epsilon=0.0)[0]
        array([[-1.,  1.]])

    Source:
        Ba, Kiros and Hinton, Layer Normalization (2016), equation 3.
    """
    x, gamma, beta = _check(x, gamma=gamma, beta=beta)
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    deviation = np.sqrt(variance + epsilon)
    normalized = (x - mean) / deviation
    output = normalized if gamma is None else gamma * normalized
    output = output if beta is None else output + beta
    return output, LayerNormTrace(x, gamma, beta, mean, variance, deviation, normalized)


def layer_norm_backward(d_output, trace):
    """Send a gradient back through `layer_norm`.

        d_normalized = d_output · gamma
        d_x = (d_normalized - mean(d_normalized)
               - normalized · mean(d_normalized · normalized)) / deviation

    The two means are what mean and variance send back: they depend on every feature.

    Args:
        d_output: (…, D).
        trace: from `layer_norm`.

    Returns:
        `LayerNormGrads`.

    Example:
        >>> _, trace = layer_norm(np.array([[1.0, 3.0, 8.0]]))
        >>> d_x = layer_norm_backward(np.array([[1.0, 0.0, 0.0]]), trace).d_x
        >>> abs(d_x.sum()) < 1e-12  # moving all features together changes nothing
        np.True_
    """
    normalized = trace.normalized
    d_normalized = d_output if trace.gamma is None else d_output * trace.gamma
    d_x = (
        d_normalized
        - d_normalized.mean(-1, keepdims=True)
        - normalized * (d_normalized * normalized).mean(-1, keepdims=True)
    ) / trace.deviation
    d_gamma = None if trace.gamma is None else _over_positions(d_output * normalized)
    d_beta = None if trace.beta is None else _over_positions(d_output)
    return LayerNormGrads(d_x, d_gamma, d_beta)


class RMSNormTrace(namedtuple("RMSNormTrace", "x scale rms normalized")):
    """Every symbol of `rms_norm`."""


class RMSNormGrads(namedtuple("RMSNormGrads", "d_x d_scale")):
    """Gradients of `rms_norm`; `d_scale` is None where there was no scale."""


def rms_norm(x, scale=None, epsilon=1e-6):
    """Divide the features of each position by their root mean square.

        rms        = √(Σ x² / D + epsilon)
        normalized = x / rms
        output     = scale · normalized

    Args:
        x: (…, D).
        scale: (D,), or None for 1.
        epsilon: keeps the division finite (Keras' default).

    Returns:
        output, trace: the output has the shape of x.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> rms_norm(np.array([[1.0, 7.0]]), epsilon=0.0)[0]
        array([[0.2, 1.4]])

    Source:
        Zhang and Sennrich, Root Mean Square Layer Normalization (2019), equation 4.
    """
    x, scale = _check(x, scale=scale)
    rms = np.sqrt((x**2).mean(-1, keepdims=True) + epsilon)
    normalized = x / rms
    output = normalized if scale is None else scale * normalized
    return output, RMSNormTrace(x, scale, rms, normalized)


def rms_norm_backward(d_output, trace):
    """Send a gradient back through `rms_norm`.

        d_normalized = d_output · scale
        d_x = (d_normalized - normalized · mean(d_normalized · normalized)) / rms

    Args:
        d_output: (…, D).
        trace: from `rms_norm`.

    Returns:
        `RMSNormGrads`.

    Example:
        >>> x = np.array([[1.0, 7.0]])
        >>> _, trace = rms_norm(x, epsilon=0.0)
        >>> d_x = rms_norm_backward(np.array([[1.0, 0.0]]), trace).d_x
        >>> abs((d_x * x).sum()) < 1e-12  # making x longer changes nothing
        np.True_
    """
    _, scale, rms, normalized = trace
    d_normalized = d_output if scale is None else d_output * scale
    shared = (d_normalized * normalized).mean(-1, keepdims=True)
    d_scale = None if scale is None else _over_positions(d_output * normalized)
    return RMSNormGrads((d_normalized - normalized * shared) / rms, d_scale)


class BatchNormTrace(
    namedtuple("BatchNormTrace", "x gamma beta weight mean variance deviation normalized")
):
    """Every symbol of `batch_norm`; `weight` is None where mean and variance were given."""


class BatchNormGrads(namedtuple("BatchNormGrads", "d_x d_gamma d_beta")):
    """Gradients of `batch_norm`; None for a weight that was not given."""


def batch_norm(
    x, gamma=None, beta=None, mean=None, variance=None, mask=None, epsilon=1e-3, extra=0.0
):
    """Give each feature mean 0 and variance 1 over all positions, then a learned scale and offset.

        weight     = mask / (Σ mask + extra)
        mean       = Σ weight · x                  over all positions of all texts
        variance   = Σ weight · (x - mean)²
        deviation  = √(variance + epsilon)
        normalized = (x - mean) / deviation
        output     = gamma · normalized + beta

    Given a mean and a variance (those that training remembers), it takes these: a text's result
    does not depend on the texts beside it.

    Args:
        x: (…, D).
        gamma: (D,), or None for 1.
        beta: (D,), or None for 0.
        mean: (D,), or None for that of x.
        variance: (D,), or None for that of x.
        mask: (…), the positions that are averaged over; all if left out.
        epsilon: keeps the division finite.
        extra: added to the number of positions, 1e-7 in Keras where there is a mask.

    Returns:
        output, trace: the output has the shape of x.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> batch_norm(np.array([[1.0, 5.0], [3.0, 7.0]]), epsilon=0.0)[0]
        array([[-1., -1.],
               [ 1.,  1.]])

    Source:
        Ioffe and Szegedy, Batch Normalization (2015), algorithm 1.
    """
    x, gamma, beta, mean, variance = _check(x, gamma=gamma, beta=beta, mean=mean, variance=variance)
    weight = None
    if mean is None:
        real = np.ones(x.shape[:-1]) if mask is None else checks.booleans("mask", mask)
        weight = (real / (real.sum() + extra)).astype(x.dtype)[..., None]
        mean = _over_positions(weight * x)
        variance = _over_positions(weight * (x - mean) ** 2)
    deviation = np.sqrt(variance + epsilon)
    normalized = (x - mean) / deviation
    output = normalized if gamma is None else gamma * normalized
    output = output if beta is None else output + beta
    return output, BatchNormTrace(x, gamma, beta, weight, mean, variance, deviation, normalized)


def batch_norm_backward(d_output, trace):
    """Send a gradient back through `batch_norm`.

        d_normalized = d_output · gamma
        d_variance   = -Σ d_normalized · normalized / (2 deviation²)
        d_mean       = -Σ d_normalized / deviation - 2 d_variance · Σ weight · (x - mean)
        d_x          = d_normalized / deviation + weight · (d_mean + 2 d_variance · (x - mean))

    Where mean and variance were given, the first term of d_x is all.

    Args:
        d_output: (…, D).
        trace: from `batch_norm`.

    Returns:
        `BatchNormGrads`.

    Example:
        >>> _, trace = batch_norm(np.array([[1.0], [3.0], [8.0]]))
        >>> d_x = batch_norm_backward(np.array([[1.0], [0.0], [0.0]]), trace).d_x
        >>> abs(d_x.sum()) < 1e-12  # moving all positions together changes nothing
        np.True_
    """
    d_normalized = d_output if trace.gamma is None else d_output * trace.gamma
    d_x = d_normalized / trace.deviation
    if trace.weight is not None:
        centred = trace.x - trace.mean
        d_variance = -_over_positions(d_normalized * trace.normalized) / (2 * trace.deviation**2)
        d_mean = -_over_positions(d_x) - 2 * d_variance * _over_positions(trace.weight * centred)
        d_x = d_x + trace.weight * (d_mean + 2 * d_variance * centred)
    d_gamma = None if trace.gamma is None else _over_positions(d_output * trace.normalized)
    d_beta = None if trace.beta is None else _over_positions(d_output)
    return BatchNormGrads(d_x, d_gamma, d_beta)


def _over_positions(rows):
    return rows.reshape(-1, rows.shape[-1]).sum(0)  # (…, D) -> (D,)


def _check(x, **weights):
    x = checks.floats(x=x)
    for name, weight in weights.items():
        checks.shape(name, weight, x.shape[-1:], because=f"x has shape {x.shape}")
    return x, *(checks.floats(**{name: weight}) for name, weight in weights.items())
