"""Activations: the functions between two matrix products, and their derivatives.

All are numerically stable: no argument overflows, and a small result keeps its relative accuracy.
"""

import math
from collections import namedtuple
from typing import NamedTuple

import numpy as np

from kerasllm.reference import checks

__all__ = [
    "ActivationGrads", "ActivationTrace", "GELUTrace", "SiLUTrace", "gelu", "gelu_backward",
    "log_softmax", "log_softmax_backward", "relu", "relu_backward", "sigmoid", "sigmoid_backward",
    "silu", "silu_backward", "softmax", "softmax_backward", "tanh", "tanh_backward",
]  # fmt: skip


class ActivationTrace(NamedTuple):
    """What an activation was given and what it returned; `axis` for softmax, else None."""

    x: np.ndarray
    output: np.ndarray
    axis: int | None = None


class ActivationGrads(namedtuple("ActivationGrads", "d_x")):
    """Gradient of an activation."""


def sigmoid(x):
    """Squash every entry into (0, 1): how far a gate is open.

        σ(x) = 1 / (1 + exp(-x))

    Args:
        x: any shape.

    Returns:
        output, trace: the output has the shape of x.

    Example:
        >>> sigmoid(np.array([0.0, 2.0]))[0].round(4)
        array([0.5   , 0.8808])
    """
    x = checks.floats(x=x)
    output = logistic(x)
    return output, ActivationTrace(x, output)


def sigmoid_backward(d_output, trace):
    """Send a gradient back through `sigmoid`: d_x = d_output · σ(x) · (1 - σ(x)).

    1 - σ(x) is σ(-x), which keeps its digits where σ(x) is nearly 1.

    Example:
        >>> _, trace = sigmoid(np.zeros(1))
        >>> sigmoid_backward(np.ones(1), trace).d_x  # steepest at 0
        array([0.25])
    """
    return ActivationGrads(d_output * trace.output * logistic(-trace.x))


def tanh(x):
    """Squash every entry into (-1, 1).

        tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x))

    Args:
        x: any shape.

    Returns:
        output, trace: the output has the shape of x.

    Example:
        >>> tanh(np.array([0.0, 1.0]))[0].round(4)
        array([0.    , 0.7616])
    """
    x = checks.floats(x=x)
    output = np.tanh(x)
    return output, ActivationTrace(x, output)


def tanh_backward(d_output, trace):
    """Send a gradient back through `tanh`: d_x = d_output · (1 - tanh(x)²).

    1 - tanh(x)² is 4 σ(2x) σ(-2x), which keeps its digits where tanh(x) is nearly ±1.

    Example:
        >>> _, trace = tanh(np.zeros(1))
        >>> tanh_backward(np.ones(1), trace).d_x  # steepest at 0
        array([1.])
    """
    return ActivationGrads(d_output * 4 * logistic(2 * trace.x) * logistic(-2 * trace.x))


def relu(x):
    """Keep what is positive.

        relu(x) = max(x, 0)

    Args:
        x: any shape.

    Returns:
        output, trace: the output has the shape of x.

    Example:
        >>> relu(np.array([-3.0, 3.0]))[0]
        array([0., 3.])
    """
    x = checks.floats(x=x)
    output = np.maximum(x, 0)
    return output, ActivationTrace(x, output)


def relu_backward(d_output, trace):
    """Send a gradient back through `relu`: only where x > 0 (at 0, like Keras, nothing).

    Example:
        >>> _, trace = relu(np.array([-3.0, 0.0, 3.0]))
        >>> relu_backward(np.ones(3), trace).d_x
        array([0., 0., 1.])
    """
    return ActivationGrads(d_output * (trace.x > 0))


def gelu(x, approximate=False):
    """Weigh every entry by the probability that a normal variable lies below it.

        gelu(x) = x · Φ(x),  Φ(x) = (1 + erf(x / √2)) / 2
        approximate:  Φ(x) ≈ (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2

    Far below 0 both forms of Φ lose all digits if they are computed as written: 1 - 1 = 0. So the
    code takes (1 + tanh(u)) / 2 = σ(2u), and the tail of the normal distribution by itself.

    Args:
        x: any shape.
        approximate: the tanh form, which BERT's and GPT-2's first code used.

    Returns:
        output, trace: the output has the shape of x.

    Example:
        >>> gelu(np.array([-1.0, 0.0, 1.0]))[0].round(4)
        array([-0.1587,  0.    ,  0.8413])

    Source:
        Hendrycks and Gimpel, Gaussian Error Linear Units (2016), section 2.
    """
    x = checks.floats(x=x)
    phi = logistic(2 * _GELU_SLOPE * (x + 0.044715 * x**3)) if approximate else normal_cdf(x)
    return x * phi, GELUTrace(x, phi, approximate)


class GELUTrace(namedtuple("GELUTrace", "x phi approximate")):
    """What `gelu` was given, and Φ(x)."""


def gelu_backward(d_output, trace):
    """Send a gradient back through `gelu`: d_x = d_output · (Φ + x Φ').

    Example:
        >>> _, trace = gelu(np.array([-9.0, 0.0, 9.0]))
        >>> gelu_backward(np.ones(3), trace).d_x.round(6) + 0.0
        array([0. , 0.5, 1. ])
    """
    x, phi, approximate = trace
    if approximate:
        # Φ = σ(2u), so Φ' = 2 Φ (1 - Φ) u'.
        d_phi = 2 * phi * (1 - phi) * _GELU_SLOPE * (1 + 3 * 0.044715 * x**2)
    else:
        d_phi = _exp_of_square(x) / math.sqrt(2 * math.pi)
    return ActivationGrads(d_output * (phi + x * d_phi))


class SiLUTrace(namedtuple("SiLUTrace", "x gate output")):
    """What `silu` was given, σ(x), and what it returned."""


def silu(x):
    """Let every entry open its own gate (also called swish).

        silu(x) = x · σ(x)

    Args:
        x: any shape.

    Returns:
        output, trace: the output has the shape of x.

    Example:
        >>> silu(np.array([-1.0, 0.0, 1.0]))[0].round(4)
        array([-0.2689,  0.    ,  0.7311])

    Source:
        Hendrycks and Gimpel, Gaussian Error Linear Units (2016), section 2.
    """
    x = checks.floats(x=x)
    gate = logistic(x)
    return x * gate, SiLUTrace(x, gate, x * gate)


def silu_backward(d_output, trace):
    """Send a gradient back through `silu`: d_x = d_output · σ(x) · (1 + x · σ(-x)).

    Example:
        >>> _, trace = silu(np.zeros(1))
        >>> silu_backward(np.ones(1), trace).d_x
        array([0.5])
    """
    return ActivationGrads(d_output * trace.gate * (1 + trace.x * logistic(-trace.x)))


def softmax(x, axis=-1):
    """Turn scores into probabilities along one axis.

        softmax(x)ᵢ = exp(xᵢ - max x) / Σⱼ exp(xⱼ - max x)

    Args:
        x: any shape.
        axis: the axis that sums to 1.

    Returns:
        output, trace: the output has the shape of x.

    Example:
        >>> softmax(np.log([1.0, 2.0, 5.0]))[0]
        array([0.125, 0.25 , 0.625])
    """
    x = checks.floats(x=x)
    # The largest score may be subtracted: the quotient does not change, and exp cannot overflow.
    weights = np.exp(x - x.max(axis, keepdims=True))
    output = weights / weights.sum(axis, keepdims=True)
    return output, ActivationTrace(x, output, axis)


def softmax_backward(d_output, trace):
    """Send a gradient back through `softmax`: d_x = p · (d_output - Σ d_output · p).

    Example:
        >>> _, trace = softmax(np.zeros(2))
        >>> softmax_backward(np.array([1.0, 0.0]), trace).d_x  # what one gains the other loses
        array([ 0.25, -0.25])
    """
    p = trace.output
    return ActivationGrads(p * (d_output - (d_output * p).sum(trace.axis, keepdims=True)))


def log_softmax(x, axis=-1):
    """Turn scores into logarithms of probabilities along one axis.

        log_softmax(x)ᵢ = xᵢ - max x - log Σⱼ exp(xⱼ - max x)

    Args:
        x: any shape.
        axis: the axis whose exponentials sum to 1.

    Returns:
        output, trace: the output has the shape of x.

    Example:
        >>> np.exp(log_softmax(np.array([1000.0, 1000.0]))[0])
        array([0.5, 0.5])
    """
    x = checks.floats(x=x)
    shifted = x - x.max(axis, keepdims=True)
    others, first = np.exp(shifted), x.argmax(axis)
    # The largest is exp(0) = 1: ln(1 + the others) keeps the digits of a small sum.
    np.put_along_axis(others, np.expand_dims(first, axis), 0, axis)
    output = shifted - np.log1p(others.sum(axis, keepdims=True))
    return output, ActivationTrace(x, output, axis)


def log_softmax_backward(d_output, trace):
    """Send a gradient back through `log_softmax`: d_x = d_output - softmax(x) · Σ d_output.

    Example:
        >>> _, trace = log_softmax(np.zeros(2))
        >>> log_softmax_backward(np.array([1.0, 0.0]), trace).d_x
        array([ 0.5, -0.5])
    """
    total = d_output.sum(trace.axis, keepdims=True)
    return ActivationGrads(d_output - np.exp(trace.output) * total)


def logistic(x):
    """Return σ(x) alone, without trace or check: what the gates of a recurrent step use."""
    tail = np.exp(-np.abs(x))  # in (0, 1], so that nothing overflows
    return np.where(x >= 0, 1, tail) / (1 + tail)


def normal_cdf(x):
    """Return Φ(x), the probability that a normal variable lies below x, to rounding accuracy.

        Φ(x) = exp(-x²/2) · mills(-x)   for x < 0,   1 - Φ(-x)   else

    NumPy has no such function. `mills` falls slowly, so it is the exponential that carries the
    smallness of the tail: Φ(-10) = 7.6e-24 has all its digits.
    """
    tail = _exp_of_square(x) * _mills(np.minimum(np.abs(x), _MILLS_END))
    return np.where(x < 0, tail, 1 - tail).astype(x.dtype)


def _exp_of_square(x):
    """Return exp(-x²/2): x² is rounded, so its large part is taken exactly."""
    x = np.clip(x, -_MILLS_END, _MILLS_END)
    near = np.rint(x * 16) / 16  # its square has few digits
    with np.errstate(under="ignore"):
        return np.exp(-(near**2) / 2) * np.exp(-(x - near) * (x + near) / 2)


def _mills(x):
    """Return (1 - Φ(x)) exp(x²/2) for 0 <= x, by the Taylor series around the nearest node."""
    node = np.rint(x / _STEP).astype(int)
    offset = x - (node * _STEP).astype(x.dtype)
    table = _MILLS_TAYLOR.astype(x.dtype)
    value = table[-1][node]
    for coefficient in table[-2::-1]:
        value = value * offset + coefficient[node]
    return value


def _mills_taylor(order=10):
    nodes = np.arange(_MILLS_END / _STEP + 1) * _STEP
    series = [np.array([_mills_at(node) for node in nodes])]
    # The derivatives follow from one another: g' = x g - 1/√(2π), g⁽ᵏ⁺¹⁾ = x g⁽ᵏ⁾ + k g⁽ᵏ⁻¹⁾.
    slope, before = nodes * series[0] - 1 / math.sqrt(2 * math.pi), series[0]
    for k in range(1, order + 1):
        series.append(slope / math.factorial(k))
        slope, before = nodes * slope + k * before, slope
    return np.stack(series)


def _mills_at(x):
    """Return (1 - Φ(x)) exp(x²/2); far out by a continued fraction, where erfc underflows."""
    if x < 4:
        return math.erfc(x * math.sqrt(0.5)) / 2 * math.exp(x * x / 2)
    fraction = x
    for k in range(120, 0, -1):
        fraction = x + k / fraction
    return 1 / fraction / math.sqrt(2 * math.pi)


_GELU_SLOPE = math.sqrt(2 / math.pi)
_STEP = 1 / 16
_MILLS_END = 40  # beyond it the tail is below the smallest number
_MILLS_TAYLOR = _mills_taylor()
