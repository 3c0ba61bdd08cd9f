"""Optimizers as pure steps: weights, gradients and state in, new weights and new state out.

    state = None
    for x, y in batches:
        ...
        weights, state = adam(weights, gradients, state, learning_rate=0.001)

- Weights and gradients are lists of arrays, in the same order.
- The formulas are Keras', also where they differ from the papers (see each function).
- Keras holds hyper-parameters as float32 numbers, even in a float64 model: its Adam raises
  0.99900001287 to the power of the step, not 0.999. `scalar_dtype=np.float32` does the same; after
  300 steps it decides whether weights agree to 11 digits or to 1.
"""

from typing import NamedTuple

import numpy as np

from kerasllm.reference import checks

__all__ = [
    "OptimizerState", "adam", "adamw", "clip_by_global_norm", "clip_by_norm", "clip_by_value",
    "rmsprop", "sgd",
]  # fmt: skip


class OptimizerState(NamedTuple):
    """What an optimizer remembers, for each weight; names as in the equations."""

    step: int
    m: tuple = ()
    v: tuple = ()
    mean: tuple = ()


def sgd(
    weights, grads, state=None, *, learning_rate=0.01, momentum=0.0, nesterov=False,
    scalar_dtype=np.float64,
):  # fmt: skip
    """Go downhill, with or without momentum.

        w ← w - learning_rate · grad                                 momentum = 0
        m ← momentum · m - learning_rate · grad                      otherwise, and
        w ← w + m                                                    or, with nesterov,
        w ← w + momentum · m - learning_rate · grad

    Args:
        weights: list of arrays.
        grads: list of arrays of the same shapes.
        state: from the step before; None at the first step.
        learning_rate: size of the step.
        momentum: share of the last step that is kept.
        nesterov: look ahead along the momentum.
        scalar_dtype: precision of the hyper-parameters (see the head of this module).

    Returns:
        weights, state: new ones; the given ones stay as they are.

    Raises:
        ValueError: gradients that do not fit the weights, or hold NaN.

    Example:
        >>> weights, _ = sgd([np.array([1.0])], [np.array([10.0])], learning_rate=0.05)
        >>> weights[0]
        array([0.5])

    Source:
        Sutskever et al., On the Importance of Initialization and Momentum (2013), equations 1
        to 4.
    """
    weights, grads = _check(weights, grads)
    learning_rate, momentum = _scalars(scalar_dtype, learning_rate, momentum)
    state = state or OptimizerState(0, m=_zeros(weights))
    steps = [-learning_rate * g for g in grads]
    m = tuple(momentum * a + s for a, s in zip(state.m, steps, strict=True))
    moves = [momentum * a + s for a, s in zip(m, steps, strict=True)] if nesterov else m
    # Without momentum m is the plain step, so that one rule serves all three.
    return _moved(weights, moves), OptimizerState(state.step + 1, m=m)


def rmsprop(
    weights, grads, state=None, *, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7,
    centered=False, scalar_dtype=np.float64,
):  # fmt: skip
    """Divide every step by the recent size of the gradient.

        v    ← rho · v + (1 - rho) · grad²
        mean ← rho · mean + (1 - rho) · grad                         only if centered, else 0
        m    ← momentum · m + learning_rate · grad / √(v - mean² + epsilon)
        w    ← w - m

    Epsilon stands inside of the root (in Adam outside).

    Args:
        weights: list of arrays.
        grads: list of arrays of the same shapes.
        state: from the step before; None at the first step.
        learning_rate: size of the step.
        rho: how much of v is kept.
        momentum: share of the last step that is kept.
        epsilon: keeps the division finite.
        centered: divide by the standard deviation instead of the root mean square.
        scalar_dtype: precision of the learning rate (see the head of this module).

    Returns:
        weights, state: new ones.

    Raises:
        ValueError: gradients that do not fit the weights, or hold NaN.

    Example:
        The first step does not depend on the gradient's size: learning_rate / √(1 - rho).

        >>> weights, _ = rmsprop([np.array([0.0])], [np.array([50.0])], rho=0.75)
        >>> weights[0].round(9)
        array([-0.002])

    Source:
        Hinton, Neural Networks for Machine Learning (2012), lecture 6e.
    """
    weights, grads = _check(weights, grads)
    (learning_rate,) = _scalars(scalar_dtype, learning_rate)
    state = state or OptimizerState(0, *(_zeros(weights) for _ in range(3)))
    v = _average(state.v, [g**2 for g in grads], rho)
    mean = _average(state.mean, grads, rho) if centered else state.mean
    steps = [
        learning_rate * g / np.sqrt(a - b**2 + epsilon)
        for g, a, b in zip(grads, v, mean, strict=True)
    ]
    m = tuple(momentum * a + s for a, s in zip(state.m, steps, strict=True))
    return _moved(weights, [-a for a in m]), OptimizerState(state.step + 1, m, v, mean)


def adam(
    weights, grads, state=None, *, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7,
    scalar_dtype=np.float64,
):  # fmt: skip
    """Average the gradient and its square, and divide one by the root of the other.

        m ← beta_1 · m + (1 - beta_1) · grad
        v ← beta_2 · v + (1 - beta_2) · grad²
        α = learning_rate · √(1 - beta_2ᵗ) / (1 - beta_1ᵗ)           t = 1, 2, 3, …
        w ← w - α · m / (√v + epsilon)

    This is the paper's efficient form (end of its section 2), with epsilon beside the uncorrected
    √v; torch adds it to the corrected one.

    Args:
        weights: list of arrays.
        grads: list of arrays of the same shapes.
        state: from the step before; None at the first step.
        learning_rate: size of the step.
        beta_1: how much of m is kept.
        beta_2: how much of v is kept.
        epsilon: keeps the division finite.
        scalar_dtype: precision of the learning rate and of the betas in their powers (see the
            head of this module).

    Returns:
        weights, state: new ones.

    Raises:
        ValueError: gradients that do not fit the weights, or hold NaN.

    Example:
        The first step has the size of the learning rate, whatever the gradient.

        >>> weights, _ = adam([np.array([0.0, 0.0])], [np.array([50.0, -0.5])])
        >>> weights[0].round(6)
        array([-0.001,  0.001])

    Source:
        Kingma and Ba, Adam (2015), algorithm 1.
    """
    weights, grads = _check(weights, grads)
    learning_rate, power_1, power_2 = _scalars(scalar_dtype, learning_rate, beta_1, beta_2)
    state = state or OptimizerState(0, m=_zeros(weights), v=_zeros(weights))
    t = state.step + 1
    m = _average(state.m, grads, beta_1)
    v = _average(state.v, [g**2 for g in grads], beta_2)
    alpha = learning_rate * np.sqrt(1 - power_2**t) / (1 - power_1**t)
    moves = [-(a * alpha) / (np.sqrt(b) + epsilon) for a, b in zip(m, v, strict=True)]
    return _moved(weights, moves), OptimizerState(t, m, v)


def adamw(
    weights, grads, state=None, *, learning_rate=0.001, weight_decay=0.004, decayed=None,
    scalar_dtype=np.float64, **options,
):  # fmt: skip
    """Adam, and weights that shrink by themselves.

        w ← w - learning_rate · weight_decay · w                     then
        w ← adam(w, grad)

    Weight decay is no part of the gradient: Adam would divide it by √v.

    Args:
        weights: list of arrays.
        grads: list of arrays of the same shapes.
        state: from the step before; None at the first step.
        learning_rate: size of the step.
        weight_decay: share of a weight that is lost in a step, times the learning rate.
        decayed: one boolean a weight, which of them shrink; all if left out. Biases and the
            scales of normalisations usually should not.
        scalar_dtype: precision of the hyper-parameters (see the head of this module).
        **options: `beta_1`, `beta_2` and `epsilon` of `adam`.

    Returns:
        weights, state: new ones.

    Raises:
        ValueError: gradients that do not fit the weights, or hold NaN.

    Example:
        >>> weights, _ = adamw([np.array([1.0])], [np.array([0.0])], learning_rate=0.5,
        ...                    weight_decay=0.5)
        >>> weights[0]
        array([0.75])

    Source:
        Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019), algorithm 2.
    """
    weights, grads = _check(weights, grads)
    rate, decay = _scalars(scalar_dtype, learning_rate, weight_decay)
    decayed = [True] * len(weights) if decayed is None else decayed
    weights = [
        w - w * _like(w, decay) * _like(w, rate) if d else w
        for w, d in zip(weights, decayed, strict=True)
    ]
    return adam(
        weights, grads, state, learning_rate=learning_rate, scalar_dtype=scalar_dtype, **options
    )


def clip_by_value(grads, limit):
    """Cut every entry to -limit … limit, which may turn the gradient's direction.

    Example:
        >>> clip_by_value([np.array([3.0, -0.5])], 1.0)
        [array([ 1. , -0.5])]
    """
    _check_limit(limit)
    return [np.clip(g, -limit, limit) for g in grads]


def clip_by_norm(grads, limit):
    """Shorten each array that is longer than the limit; its direction stays.

        grad · limit / max(‖grad‖, limit)

    Example:
        >>> clip_by_norm([np.array([3.0, 4.0]), np.array([0.1])], 1.0)
        [array([0.6, 0.8]), array([0.1])]
    """
    _check_limit(limit)
    return [g * limit / max(np.sqrt((g**2).sum()), _like(g, limit)) for g in grads]


def clip_by_global_norm(grads, limit):
    """Shorten all arrays by one factor if together they are longer than the limit.

        norm = √(Σ over all arrays ‖grad‖²)
        grad · limit · min(1 / norm, 1 / limit)

    Example:
        >>> clip_by_global_norm([np.array([3.0]), np.array([4.0])], 1.0)
        [array([0.6]), array([0.8])]

    Source:
        Pascanu, Mikolov and Bengio, On the Difficulty of Training RNNs (2013), algorithm 1.
    """
    _check_limit(limit)
    norm = np.sqrt(sum((g**2).sum() for g in grads))
    return [g * _like(g, limit * min(1 / norm, 1 / limit) if norm > 0 else 1) for g in grads]


def _check(weights, grads):
    if len(weights) != len(grads):
        raise ValueError(
            f"expected one gradient for each of {len(weights)} weights, received {len(grads)}"
        )
    for k, (weight, grad) in enumerate(zip(weights, grads, strict=True)):
        checks.shape(f"gradient {k}", grad, np.shape(weight), because="its weight has that shape")
        checks.floats(**{f"weight {k}": weight, f"gradient {k}": grad})
    return [np.asarray(w) for w in weights], [np.asarray(g) for g in grads]


def _check_limit(limit):
    if not limit > 0:
        raise ValueError(f"expected a limit above 0, received {limit}")


def _scalars(dtype, *values):
    return [float(dtype(value)) for value in values]


def _like(array, value):
    return array.dtype.type(value)


def _zeros(weights):
    return tuple(np.zeros_like(w) for w in weights)


def _average(old, new, kept):
    # Written as a step towards the new value, as in Keras; the last digits depend on it.
    return tuple(a + (b - a) * _like(b, 1 - kept) for a, b in zip(old, new, strict=True))


def _moved(weights, moves):
    return [(w + move).astype(w.dtype) for w, move in zip(weights, moves, strict=True)]
