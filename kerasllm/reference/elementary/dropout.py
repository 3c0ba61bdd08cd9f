"""Dropout with a given mask, so that the equation has no randomness in it."""

from collections import namedtuple

import numpy as np

from kerasllm.reference import checks

__all__ = ["DropoutGrads", "DropoutTrace", "dropout", "dropout_backward"]


class DropoutTrace(namedtuple("DropoutTrace", "x keep rate scale")):
    """What `dropout` was given, and the factor of each entry."""


class DropoutGrads(namedtuple("DropoutGrads", "d_x")):
    """Gradient of `dropout`."""


def dropout(x, keep, rate):
    """Silence some entries and enlarge the others, so that the expected sum does not change.

        output = x · keep / (1 - rate)

    Args:
        x: any shape.
        keep: booleans, True where an entry survives; drawn by the caller, for instance with
            `rng.random(x.shape) >= rate`. Axes of length 1 share one draw (as in Keras'
            `noise_shape`).
        rate: the probability of being silenced, 0 ≤ rate < 1.

    Returns:
        output, trace: the output has the shape of x.

    Raises:
        ValueError: a rate outside of [0, 1), or a mask that does not fit.

    Example:
        >>> dropout(np.array([1.0, 2.0]), np.array([True, False]), rate=0.5)[0]
        array([2., 0.])

    Source:
        Srivastava et al., Dropout (2014), section 4, in the inverted form that Keras uses.
    """
    x = checks.floats(x=x)
    if not 0 <= rate < 1:
        raise ValueError(f"expected a rate from 0 up to but not 1, received {rate}")
    keep = checks.booleans("keep", keep)
    fits = keep.ndim == x.ndim and all(np.equal(keep.shape, x.shape) | np.equal(keep.shape, 1))
    if not fits:
        raise ValueError(
            f"expected a keep mask of shape {x.shape} (or 1 on some axes), like x; "
            f"received shape {keep.shape}"
        )
    scale = (keep / (1 - rate)).astype(x.dtype)
    return x * scale, DropoutTrace(x, keep, rate, scale)


def dropout_backward(d_output, trace):
    """Send a gradient back through `dropout`: d_x = d_output · keep / (1 - rate).

    Example:
        >>> _, trace = dropout(np.array([1.0, 2.0]), np.array([True, False]), rate=0.5)
        >>> dropout_backward(np.ones(2), trace).d_x
        array([2., 0.])
    """
    return DropoutGrads(d_output * trace.scale)
