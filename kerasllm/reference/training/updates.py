"""What the steps of all optimizers share: their state, their checks, their numbers."""

from typing import NamedTuple

import numpy as np

from kerasllm.reference import checks

__all__ = ["OptimizerState"]


class OptimizerState(NamedTuple):
    """What an optimizer remembers, for each weight; names as in the equations."""

    step: int
    m: tuple = ()
    v: tuple = ()
    mean: tuple = ()
    largest: tuple = ()  # v, where it was largest
    rows: tuple = ()
    columns: tuple = ()


def checked(weights, grads):
    """Return weights and gradients as lists of arrays, after checking that they fit."""
    if len(weights) != len(grads):
        raise ValueError(
            f"expected one gradient for each of {len(weights)} weights, received {len(grads)}"
        )
    for k, (weight, grad) in enumerate(zip(weights, grads, strict=True)):
        checks.shape(f"gradient {k}", grad, np.shape(weight), because="its weight has that shape")
        checks.floats(**{f"weight {k}": weight, f"gradient {k}": grad})
    return [np.asarray(w) for w in weights], [np.asarray(g) for g in grads]


def scalars(dtype, *values):
    """Return hyper-parameters as Keras holds them: rounded to a dtype."""
    return [float(dtype(value)) for value in values]


def like(array, value):
    """Return a number in the dtype of an array."""
    return array.dtype.type(value)


def zeros_like_all(weights):
    """Return zeros in the shape of each weight."""
    return tuple(np.zeros_like(w) for w in weights)


def average(old, new, kept):
    """Return kept · old + (1 - kept) · new, for each array."""
    # Written as a step towards the new value, as in Keras; the last digits depend on it.
    return tuple(a + (b - a) * like(b, 1 - kept) for a, b in zip(old, new, strict=True))


def moved(weights, moves):
    """Return the weights after their moves, in their own dtype."""
    return [(w + move).astype(w.dtype) for w, move in zip(weights, moves, strict=True)]
