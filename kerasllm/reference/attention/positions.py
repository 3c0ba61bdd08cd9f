"""Positions: attention alone cannot tell the order of its keys, so it has to be told.

- Sinusoidal: add a fixed pattern. Learned: add a row of a table. Both go in once, below the first
  block.
- Rotary: turn queries and keys by an angle that grows with the position, inside every attention.
  Their dot product then depends only on how far apart they are.
"""

from collections import namedtuple

import numpy as np

from kerasllm.reference import checks

__all__ = [
    "LearnedPositionsGrads", "LearnedPositionsTrace", "RotaryGrads", "RotaryTrace",
    "SinusoidalPositionsGrads", "SinusoidalPositionsTrace", "learned_positions",
    "learned_positions_backward", "rotary", "rotary_backward", "sinusoidal_positions",
    "sinusoidal_positions_backward", "sinusoidal_table",
]  # fmt: skip


class SinusoidalPositionsTrace(namedtuple("SinusoidalPositionsTrace", "x table output")):
    """Every symbol of sinusoidal positions."""


class SinusoidalPositionsGrads(namedtuple("SinusoidalPositionsGrads", "d_x")):
    """Gradient of sinusoidal positions: the table is fixed, so there is only x."""


class LearnedPositionsTrace(namedtuple("LearnedPositionsTrace", "x table output")):
    """Every symbol of learned positions."""


class LearnedPositionsGrads(namedtuple("LearnedPositionsGrads", "d_x d_table")):
    """Gradients of learned positions."""


class RotaryTrace(namedtuple("RotaryTrace", "x angles cos sin interleaved output")):
    """Every symbol of rotary positions."""


class RotaryGrads(namedtuple("RotaryGrads", "d_x")):
    """Gradient of rotary positions."""


def _check_even(name, features):
    if features % 2:
        raise ValueError(
            f"expected an even number of features {name}, because positions turn pairs of them; "
            f"received {features}"
        )


def _angles(T, D, base, offset=0):
    """Return position · base^(-2i/D), (T, D/2): one frequency for each pair of features."""
    frequencies = base ** (-np.arange(0, D, 2) / D)
    return np.arange(offset, offset + T)[:, None] * frequencies


def sinusoidal_table(T, D, base=10000.0):
    r"""Return the fixed pattern of positions: sines and cosines of falling frequency.

        table[t, 2i]     = sin(t / base^(2i/D))
        table[t, 2i + 1] = cos(t / base^(2i/D))

    Args:
        T: number of positions.
        D: number of features, even.
        base: the slowest wave takes about 2π · base positions.

    Returns:
        Array (T, D), float64.

    Raises:
        ValueError: if D is odd.

    Example:
        >>> sinusoidal_table(2, 4).round(2)
        array([[0.  , 1.  , 0.  , 1.  ],
               [0.84, 0.54, 0.01, 1.  ]])

    Source:
        Vaswani et al. 2017, "Attention is all you need", section 3.5.
    """
    _check_even("D", D)
    angles = _angles(T, D, base)
    # (T, D/2) twice -> (T, D/2, 2) -> (T, D): sine and cosine take turns
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(T, D)


def sinusoidal_positions(x, base=10000.0):
    """Add the sinusoidal table to x.

        output = x + table

    Args:
        x: (B, T, D).
        base: as in `sinusoidal_table`.

    Returns:
        (output, trace): output (B, T, D), and a `SinusoidalPositionsTrace`.

    Example:
        >>> output, trace = sinusoidal_positions(np.zeros((1, 1, 4)))
        >>> output
        array([[[0., 1., 0., 1.]]])

    Source:
        Vaswani et al. 2017, section 3.5.
    """
    x = checks.floats(x=x)
    table = sinusoidal_table(*x.shape[-2:], base).astype(x.dtype)
    output = x + table
    return output, SinusoidalPositionsTrace(x, table, output)


def sinusoidal_positions_backward(d_output, trace):  # noqa: ARG001 - every backward takes a trace
    """Pass the gradient on: d_x = d_output.

    Args:
        d_output: (B, T, D).
        trace: the trace of the forward pass.

    Returns:
        `SinusoidalPositionsGrads`.

    Example:
        >>> output, trace = sinusoidal_positions(np.zeros((1, 2, 2)))
        >>> sinusoidal_positions_backward(np.ones((1, 2, 2)), trace).d_x.sum().item()
        4.0
    """
    return SinusoidalPositionsGrads(d_output)


def learned_positions(x, table):
    """Add to the features at position t the t-th row of a learned table.

        output[b, t] = x[b, t] + table[t]

    Args:
        x: (B, T, D).
        table: (T_max, D), T_max ≥ T.

    Returns:
        (output, trace): output (B, T, D), and a `LearnedPositionsTrace`.

    Raises:
        ValueError: if x is longer than the table, or has other features.

    Example:
        >>> output, trace = learned_positions(np.zeros((1, 2, 1)), np.array([[5.0], [6.0], [7.0]]))
        >>> output.ravel()
        array([5., 6.])

    Source:
        Gehring et al. 2017, "Convolutional sequence to sequence learning", section 3.1.
    """
    x, table = checks.floats(x=x, table=table)
    checks.rank("table", table, "TD")
    T, D = x.shape[-2:]
    checks.shape("table", table, (len(table), D), because=f"x has shape {x.shape}")
    if len(table) < T:
        raise ValueError(
            f"expected at most {len(table)} steps, because table has shape {table.shape}; received "
            f"x of shape {x.shape}; cut x, or learn a longer table"
        )
    output = x + table[:T]
    return output, LearnedPositionsTrace(x, table, output)


def learned_positions_backward(d_output, trace):
    """Send the gradient to x, and summed over the batch to the rows that were used.

        d_x = d_output
        d_table[t] = Σ_b d_output[b, t]     0 for rows beyond T

    Args:
        d_output: (B, T, D).
        trace: the trace of the forward pass.

    Returns:
        `LearnedPositionsGrads`.

    Example:
        >>> output, trace = learned_positions(np.zeros((3, 2, 1)), np.zeros((3, 1)))
        >>> learned_positions_backward(np.ones((3, 2, 1)), trace).d_table.ravel()
        array([3., 3., 0.])
    """
    T = d_output.shape[-2]
    d_table = np.zeros_like(trace.table)
    d_table[:T] = d_output.reshape(-1, *d_output.shape[-2:]).sum(axis=0)  # (B, T, D) -> (T, D)
    return LearnedPositionsGrads(d_output, d_table)


def rotary(x, base=10000.0, offset=0, interleaved=False):
    r"""Turn each pair of features (a, b) by an angle that grows with the position.

        angle = (offset + t) / base^(2i/K)          for the i-th pair
        a' = a cos(angle) - b sin(angle)
        b' = a sin(angle) + b cos(angle)

    Args:
        x: queries or keys (..., T, K), K even. For heads put the time second to last.
        base: the slowest pair turns once in about 2π · base positions.
        offset: position of the first step, for decoding with a cache.
        interleaved: pairs are neighbours (0, 1), (2, 3), … as in the paper; otherwise feature i of
            the first half and feature i of the second half, as in GPT-NeoX and Llama.

    Returns:
        (output, trace): output the shape of x, and a `RotaryTrace`.

    Raises:
        ValueError: if K is odd.

    Example:
        A quarter turn brings the first axis to the second.

        >>> output, trace = rotary(np.array([[1.0, 0.0], [1.0, 0.0]]))
        >>> trace.angles.ravel(), output.round(2)
        (array([0., 1.]), array([[1.  , 0.  ],
           [0.54, 0.84]]))

    Source:
        Su et al. 2021, "RoFormer: enhanced transformer with rotary position embedding",
        equation 34.
    """
    x = checks.floats(x=x)
    T, K = x.shape[-2:]
    _check_even("K", K)
    angles = _angles(T, K, base, offset)
    cos, sin = np.cos(angles).astype(x.dtype), np.sin(angles).astype(x.dtype)
    output = _turn(x, cos, sin, interleaved)
    return output, RotaryTrace(x, angles, cos, sin, interleaved, output)


def _turn(x, cos, sin, interleaved):
    """Turn the pairs of features in the last axis."""
    half = x.shape[-1] // 2
    first = slice(0, None, 2) if interleaved else slice(0, half)
    second = slice(1, None, 2) if interleaved else slice(half, None)
    a, b = x[..., first], x[..., second]
    output = np.empty_like(x)
    output[..., first] = a * cos - b * sin
    output[..., second] = a * sin + b * cos
    return output


def rotary_backward(d_output, trace):
    """Turn the gradient back: the transpose of a rotation is the rotation by the negative angle.

    Args:
        d_output: the shape of x.
        trace: the trace of the forward pass.

    Returns:
        `RotaryGrads`.

    Example:
        >>> output, trace = rotary(np.array([[3.0, 4.0], [3.0, 4.0]]))
        >>> rotary_backward(output, trace).d_x.round(12)
        array([[3., 4.],
               [3., 4.]])
    """
    return RotaryGrads(_turn(d_output, trace.cos, -trace.sin, trace.interleaved))
