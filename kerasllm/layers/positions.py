"""Positions as numbers: the sinusoids of the Transformer and the rotation of RoPE."""

import keras
import numpy as np
from keras import ops


def sinusoids(length, dim):
    """Return the fixed position table of the Transformer.

        P[t, 2i]   = sin(t / 10000^(2i/D))
        P[t, 2i+1] = cos(t / 10000^(2i/D))

    Args:
        length: number of positions T.
        dim: features D; even.

    Returns:
        float64 array (T, D).

    Source: Vaswani et al. 2017, section 3.5.

        >>> sinusoids(2, 4).round(3)
        array([[0.   , 1.   , 0.   , 1.   ],
               [0.841, 0.54 , 0.01 , 1.   ]])
    """
    if dim % 2:
        raise ValueError(f"sinusoidal positions need an even number of features, received {dim}.")
    angle = np.arange(length)[:, None] / 10000 ** (np.arange(0, dim, 2) / dim)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(length, dim)


def rotate(x, start=0, base=10000.0, interleaved=False):
    """Rotate pairs of features by an angle that grows with the position (RoPE).

        θ_i   = base^(-2i/K)
        y_i       = x_i cos tθ_i - x_{i+K/2} sin tθ_i
        y_{i+K/2} = x_{i+K/2} cos tθ_i + x_i sin tθ_i

    A query at t and a key at s rotated so have a product that depends on t - s alone.

    Args:
        x: queries or keys (B, T, N, K); K even.
        start: position of the first row, for decoding step by step.
        base: the slowest pair turns once in about 2π · base positions.
        interleaved: the pairs are x_{2i} and x_{2i+1}, as in the paper, in the place of the halves.

    Returns:
        Rotated x (B, T, N, K).

    Source: Su et al. 2021 (RoFormer), equation 34; in halves as in GPT-NeoX and Llama.
    """
    half = x.shape[-1] // 2
    frequency = float(base) ** (-np.arange(half) / half)
    # In half precision there are no odd numbers above 256: angles are at least float32.
    dtype = keras.backend.result_type(x.dtype, "float32")
    t = ops.cast(ops.arange(ops.shape(x)[1], dtype="int32") + start, dtype)
    angle = t[:, None, None] * ops.convert_to_tensor(frequency, dtype=dtype)  # (T, 1, K/2)
    sin, cos = ops.cast(ops.sin(angle), x.dtype), ops.cast(ops.cos(angle), x.dtype)
    if interleaved:
        a, b = x[..., ::2], x[..., 1::2]
        return ops.reshape(ops.stack([a * cos - b * sin, b * cos + a * sin], axis=-1), ops.shape(x))
    a, b = x[..., :half], x[..., half:]
    return ops.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
