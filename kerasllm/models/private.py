"""Private training, DP-SGD: the gradient of each example is clipped, and noise is added to the sum.

    g = (Σ_i g_i · min(1, C / ‖g_i‖) + σ C z) / B          see `kerasllm.reference.private_gradient`

- A batch goes through the model one example after the other, as accumulation takes its parts:
  slower than a usual step, on any backend, and with any layer.
- B is the batch size that was asked for, not the rows at hand: it must say nothing of the data.
- The noise is drawn from a seed of the operating system, which is written nowhere: whoever knew it
  could subtract the noise. So no two private trainings are the same. It is drawn by a
  generator of the backend, of NumPy on torch: none is a cryptographic one.
"""

import secrets
from typing import NamedTuple

import keras
import numpy as np
from keras import ops


class Private(NamedTuple):
    """How a training is made private.

    Attributes:
        clip: C, the longest gradient of one example.
        noise: σ, the noise multiplier.
        seed: of the noise.
    """

    clip: float
    noise: float
    seed: int

    @classmethod
    def drawn(cls, clip, noise):
        """Return one with a seed that nobody knows."""
        return cls(clip, noise, secrets.randbits(31))


def clipped(private, gradients, parts):
    """Return the gradients of one example, already divided by the parts, none too long together."""
    if private is None:
        return gradients
    squares = [ops.sum(ops.square(ops.cast(g, "float32"))) for g in gradients if g is not None]
    norm = ops.sqrt(sum(squares))
    limit = ops.cast(private.clip / parts, norm.dtype)
    factor = limit / ops.maximum(norm, limit)
    return [None if g is None else g * ops.cast(factor, g.dtype) for g in gradients]


def noisy(private, gradients, parts, iteration):
    """Return the sums of clipped gradients with their noise; `iteration` numbers the steps."""
    if private is None:
        return gradients
    draw = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]
    size = private.noise * private.clip / parts
    return [
        None if g is None else g + ops.cast(size, g.dtype) * draw(private.seed, iteration, k, g)
        for k, g in enumerate(gradients)
    ]


def _tensorflow(seed, iteration, number, like):
    import tensorflow as tf

    pair = tf.stack([tf.constant(seed, "int64") * 65_536 + number, tf.cast(iteration, "int64")])
    return tf.random.stateless_normal(tf.shape(like), pair, dtype=like.dtype)


def _jax(seed, iteration, number, like):
    import jax

    key = jax.random.fold_in(jax.random.fold_in(jax.random.PRNGKey(seed), iteration), number)
    return jax.random.normal(key, like.shape, like.dtype)


def _torch(seed, iteration, number, like):
    import torch

    # Not by torch's own generator, which takes 32 bits of a seed and drops the others.
    noise = np.random.default_rng((seed, int(iteration), number)).standard_normal(tuple(like.shape))
    return torch.as_tensor(noise, dtype=like.dtype, device=like.device)
