"""Optimizers that know that a weight is a matrix; conventions as in `optimizers`."""

import numpy as np

from kerasllm.reference.training.updates import (
    OptimizerState,
    checked,
    moved,
    scalars,
    zeros_like_all,
)

__all__ = ["adafactor", "muon", "orthogonalized"]


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
        scalar_dtype: precision of the hyper-parameters (see the head of `optimizers`).

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
    weights, grads = checked(weights, grads)
    (learning_rate,) = scalars(scalar_dtype, learning_rate)
    state = state or OptimizerState(0, m=zeros_like_all(weights))
    m = tuple(a + (g + a * (momentum - 1)) for a, g in zip(state.m, grads, strict=True))
    moves = []
    for g, a in zip(grads, m, strict=True):
        step = -learning_rate * orthogonalized(
            g + momentum * a if nesterov else a, steps, coefficients
        )
        moves.append(step if rms_rate is None else step * np.sqrt(max(step.shape)) * rms_rate)
    return moved(weights, moves), OptimizerState(state.step + 1, m=m)


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
        scalar_dtype: precision of the hyper-parameters (see the head of `optimizers`).

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
    weights, grads = checked(weights, grads)
    learning_rate, epsilon_2 = scalars(scalar_dtype, learning_rate, epsilon_2)
    state = state or OptimizerState(
        0, v=zeros_like_all(weights), rows=tuple(np.zeros(w.shape[:-1], w.dtype) for w in weights),
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
    return moved(weights, moves), OptimizerState(t, v=v, rows=rows, columns=columns)


def _rms(x):
    return np.sqrt((x**2).mean())
