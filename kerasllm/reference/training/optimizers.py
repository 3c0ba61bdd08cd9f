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

import numpy as np

from kerasllm.reference.training.updates import (
    OptimizerState,
    average,
    checked,
    like,
    moved,
    scalars,
    zeros_like_all,
)

__all__ = ["adam", "adamw", "lion", "rmsprop", "sgd"]


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
    weights, grads = checked(weights, grads)
    learning_rate, momentum = scalars(scalar_dtype, learning_rate, momentum)
    state = state or OptimizerState(0, m=zeros_like_all(weights))
    steps = [-learning_rate * g for g in grads]
    m = tuple(momentum * a + s for a, s in zip(state.m, steps, strict=True))
    moves = [momentum * a + s for a, s in zip(m, steps, strict=True)] if nesterov else m
    # Without momentum m is the plain step, so that one rule serves all three.
    return moved(weights, moves), OptimizerState(state.step + 1, m=m)


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
    weights, grads = checked(weights, grads)
    (learning_rate,) = scalars(scalar_dtype, learning_rate)
    state = state or OptimizerState(0, *(zeros_like_all(weights) for _ in range(3)))
    v = average(state.v, [g**2 for g in grads], rho)
    mean = average(state.mean, grads, rho) if centered else state.mean
    steps = [
        learning_rate * g / np.sqrt(a - b**2 + epsilon)
        for g, a, b in zip(grads, v, mean, strict=True)
    ]
    m = tuple(momentum * a + s for a, s in zip(state.m, steps, strict=True))
    return moved(weights, [-a for a in m]), OptimizerState(state.step + 1, m, v, mean)


def adam(
    weights, grads, state=None, *, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7,
    amsgrad=False, scalar_dtype=np.float64,
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
        amsgrad: divide by the largest v so far, so that steps do not grow again (Reddi et al.,
            2018, algorithm 2).
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
    weights, grads = checked(weights, grads)
    learning_rate, power_1, power_2 = scalars(scalar_dtype, learning_rate, beta_1, beta_2)
    zeros = zeros_like_all(weights)
    state = state or OptimizerState(0, m=zeros, v=zeros, largest=zeros)
    t = state.step + 1
    m = average(state.m, grads, beta_1)
    v = average(state.v, [g**2 for g in grads], beta_2)
    largest = state.largest
    if amsgrad:
        largest = tuple(np.maximum(a, b) for a, b in zip(largest, v, strict=True))
    alpha = learning_rate * np.sqrt(1 - power_2**t) / (1 - power_1**t)
    below = largest if amsgrad else v
    moves = [-(a * alpha) / (np.sqrt(b) + epsilon) for a, b in zip(m, below, strict=True)]
    return moved(weights, moves), OptimizerState(t, m, v, largest=largest)


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
        **options: `beta_1`, `beta_2`, `epsilon` and `amsgrad` of `adam`.

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
    weights, grads = checked(weights, grads)
    rate, decay = scalars(scalar_dtype, learning_rate, weight_decay)
    decayed = [True] * len(weights) if decayed is None else decayed
    weights = [
        w - w * like(w, decay) * like(w, rate) if d else w
        for w, d in zip(weights, decayed, strict=True)
    ]
    return adam(
        weights, grads, state, learning_rate=learning_rate, scalar_dtype=scalar_dtype, **options
    )


def lion(
    weights, grads, state=None, *, learning_rate=0.001, beta_1=0.9, beta_2=0.99,
    scalar_dtype=np.float64,
):  # fmt: skip
    """Step by the sign of the gradient and its average: every entry moves equally far.

        w ← w - learning_rate · sign(beta_1 · m + (1 - beta_1) · grad)        then
        m ← beta_2 · m + (1 - beta_2) · grad

    Args:
        weights: list of arrays.
        grads: list of arrays of the same shapes.
        state: from the step before; None at the first step.
        learning_rate: size of the step.
        beta_1: share of the average in the direction of the step.
        beta_2: how much of m is kept.
        scalar_dtype: precision of the hyper-parameters (see the head of this module).

    Returns:
        weights, state: new ones.

    Raises:
        ValueError: gradients that do not fit the weights, or hold NaN.

    Example:
        >>> weights, _ = lion([np.array([0.0, 0.0])], [np.array([50.0, -0.5])])
        >>> weights[0]
        array([-0.001,  0.001])

    Source:
        Chen et al., Symbolic Discovery of Optimization Algorithms (2023), program 2.
    """
    weights, grads = checked(weights, grads)
    learning_rate, beta_1, beta_2 = scalars(scalar_dtype, learning_rate, beta_1, beta_2)
    state = state or OptimizerState(0, m=zeros_like_all(weights))
    pairs = list(zip(state.m, grads, strict=True))
    moves = [-learning_rate * np.sign(m * beta_1 + g * (1 - beta_1)) for m, g in pairs]
    m = tuple(m * beta_2 + g * (1 - beta_2) for m, g in pairs)
    return moved(weights, moves), OptimizerState(state.step + 1, m=m)
