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
    "OptimizerState", "adafactor", "adam", "adamw", "clip_by_global_norm", "clip_by_norm",
    "clip_by_value", "lion", "muon", "orthogonalized", "rmsprop", "sgd",
]  # fmt: skip


class OptimizerState(NamedTuple):
    """What an optimizer remembers, for each weight; names as in the equations."""

    step: int
    m: tuple = ()
    v: tuple = ()
    mean: tuple = ()
    largest: tuple = ()  # v, where it was largest
    rows: tuple = ()
    columns: tuple = ()


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
    weights, grads = _check(weights, grads)
    learning_rate, power_1, power_2 = _scalars(scalar_dtype, learning_rate, beta_1, beta_2)
    zeros = _zeros(weights)
    state = state or OptimizerState(0, m=zeros, v=zeros, largest=zeros)
    t = state.step + 1
    m = _average(state.m, grads, beta_1)
    v = _average(state.v, [g**2 for g in grads], beta_2)
    largest = state.largest
    if amsgrad:
        largest = tuple(np.maximum(a, b) for a, b in zip(largest, v, strict=True))
    alpha = learning_rate * np.sqrt(1 - power_2**t) / (1 - power_1**t)
    below = largest if amsgrad else v
    moves = [-(a * alpha) / (np.sqrt(b) + epsilon) for a, b in zip(m, below, strict=True)]
    return _moved(weights, moves), OptimizerState(t, m, v, largest=largest)


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
    weights, grads = _check(weights, grads)
    learning_rate, beta_1, beta_2 = _scalars(scalar_dtype, learning_rate, beta_1, beta_2)
    state = state or OptimizerState(0, m=_zeros(weights))
    pairs = list(zip(state.m, grads, strict=True))
    moves = [-learning_rate * np.sign(m * beta_1 + g * (1 - beta_1)) for m, g in pairs]
    m = tuple(m * beta_2 + g * (1 - beta_2) for m, g in pairs)
    return _moved(weights, moves), OptimizerState(state.step + 1, m=m)


def muon(
    weights, grads, state=None, *, learning_rate=0.001, momentum=0.95, nesterov=True, rms_rate=0.2,
    steps=5, coefficients=(3.4445, -4.7750, 2.0315), scalar_dtype=np.float64,
):  # fmt: skip
    """Step along the gradient's average with all its singular values made equal; matrices only.

        m ← momentum · m + grad
        g = grad + momentum · m                                       with nesterov, else m
        w ← w - learning_rate · rms_rate · √max(rows, columns) · orthogonalized(g)

    Args:
        weights: list of matrices.
        grads: list of matrices of the same shapes.
        state: from the step before; None at the first step.
        learning_rate: size of the step.
        momentum: share of the last average that is kept.
        nesterov: look ahead along the average.
        rms_rate: makes a step about as long as one of Adam's; None leaves its factor out.
        steps: of `orthogonalized`.
        coefficients: of `orthogonalized`.
        scalar_dtype: precision of the hyper-parameters (see the head of this module).

    Returns:
        weights, state: new ones.

    Raises:
        ValueError: gradients that do not fit the weights, or hold NaN.

    Example:
        A matrix with singular values 3 and 1: the step has them nearly equal.

        >>> weights, _ = muon([np.zeros((2, 2))], [np.diag([3.0, 1.0])], rms_rate=None)
        >>> np.diag(weights[0] / weights[0][0, 0]).round(1)
        array([1. , 1.5])

    Source:
        Jordan et al., Muon (2024); Liu et al., Muon is Scalable for LLM Training (2025), equation 4
        (rms_rate).
    """
    weights, grads = _check(weights, grads)
    (learning_rate,) = _scalars(scalar_dtype, learning_rate)
    state = state or OptimizerState(0, m=_zeros(weights))
    m = tuple(a + (g + a * (momentum - 1)) for a, g in zip(state.m, grads, strict=True))
    moves = []
    for g, a in zip(grads, m, strict=True):
        step = -learning_rate * orthogonalized(
            g + momentum * a if nesterov else a, steps, coefficients
        )
        moves.append(step if rms_rate is None else step * np.sqrt(max(step.shape)) * rms_rate)
    return _moved(weights, moves), OptimizerState(state.step + 1, m=m)


def orthogonalized(x, steps=5, coefficients=(3.4445, -4.7750, 2.0315)):
    """Bring the singular values of a matrix near 1, without computing them.

        x ← x / ‖x‖                                                   then, `steps` times,
        x ← a x + (b x xᵀ + c (x xᵀ)²) x

    Each step maps a singular value σ to a σ + b σ³ + c σ⁵, which leads from anywhere in (0, 1] to
    between 0.7 and 1.2 with the coefficients given.

    Args:
        x: a matrix.
        steps: how often.
        coefficients: a, b, c.

    Returns:
        A matrix of the shape of x.

    Example:
        >>> values = np.linalg.svd(orthogonalized(np.diag([8.0, 4.0, 1.0])), compute_uv=False)
        >>> bool((0.6 < values).all() and (values < 1.3).all())
        True
    """
    a, b, c = coefficients
    wide = x.T if x.shape[0] > x.shape[1] else x
    wide = wide / (np.sqrt((wide**2).sum()) + 1e-7)
    for _ in range(steps):
        square = wide @ wide.T
        wide = a * wide + (b * square + c * square @ square) @ wide
    return wide.T if x.shape[0] > x.shape[1] else wide


def adafactor(
    weights, grads, state=None, *, learning_rate=0.001, beta_2_decay=-0.8, epsilon_1=1e-30,
    epsilon_2=1e-3, clip_threshold=1.0, squares=None, scalar_dtype=np.float64,
):  # fmt: skip
    """Divide by the recent size of the gradient, of a matrix by that of its rows and columns alone.

        β = 1 - t^beta_2_decay                                        t = 1, 2, 3, …
        rows    ← β · rows    + (1 - β) · mean over columns of (grad² + epsilon_1)
        columns ← β · columns + (1 - β) · mean over rows    of (grad² + epsilon_1)
        v = rows · columns / mean(rows)                               of vectors v is kept itself
        u = grad / √v,  u ← u / max(1, rms(u) / clip_threshold)
        w ← w - max(epsilon_2, rms(w)) · min(learning_rate, 1 / √t) · u

    The step is relative to the size of the weight. A matrix (m, n) is remembered by m + n numbers.
    (Keras takes the minimum with 1 / √t whatever its `relative_step` says.)

    Args:
        weights: list of arrays.
        grads: list of arrays of the same shapes.
        state: from the step before; None at the first step.
        learning_rate: largest share of a weight's size that a step moves it by.
        beta_2_decay: how fast β comes near 1.
        epsilon_1: keeps the division finite.
        epsilon_2: size of a weight at least, so that zeros move.
        clip_threshold: largest root mean square of u.
        squares: list of arrays in the place of grad², where a gradient is the sum of several that
            are squared apart (TensorFlow's gradients of a table); None for grad².
        scalar_dtype: precision of the hyper-parameters (see the head of this module).

    Returns:
        weights, state: new ones.

    Raises:
        ValueError: gradients that do not fit the weights, or hold NaN.

    Example:
        >>> weights, _ = adafactor([np.ones(2)], [np.array([5.0, -3.0])], learning_rate=0.5)
        >>> weights[0]
        array([0.5, 1.5])

    Source:
        Shazeer and Stern, Adafactor (2018), algorithms 4 and 5.
    """
    weights, grads = _check(weights, grads)
    learning_rate, epsilon_2 = _scalars(scalar_dtype, learning_rate, epsilon_2)
    state = state or OptimizerState(
        0, v=_zeros(weights), rows=tuple(np.zeros(w.shape[:-1], w.dtype) for w in weights),
        columns=tuple(np.zeros(w.shape[:-2] + w.shape[-1:], w.dtype) for w in weights),
    )  # fmt: skip
    t = state.step + 1
    kept, size = 1 - float(t) ** beta_2_decay, min(learning_rate, 1 / np.sqrt(t))
    squares = [g**2 for g in grads] if squares is None else squares
    parts = zip(weights, grads, squares, state.v, state.rows, state.columns, strict=True)
    found = []
    for w, g, g2, v, r, c in parts:
        square = g2 + epsilon_1
        if w.ndim < 2:
            v = kept * v + (1 - kept) * square
        else:
            r = kept * r + (1 - kept) * square.mean(axis=-1)
            c = kept * c + (1 - kept) * square.mean(axis=-2)
            v = (r / r.mean(axis=-1, keepdims=True))[..., None] * c[..., None, :]
        u = g / np.sqrt(v)
        u = u / max(1.0, np.sqrt((g2 / v).mean()) / clip_threshold)
        found.append((-max(epsilon_2, _rms(w)) * size * u, v, r, c))
    moves, v, rows, columns = zip(*found, strict=True)
    return _moved(weights, moves), OptimizerState(t, v=v, rows=rows, columns=columns)


def _rms(x):
    return np.sqrt((x**2).mean())


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
