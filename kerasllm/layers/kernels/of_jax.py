"""Kernels on JAX."""

import jax
import jax.numpy as jnp


def fold(step, carry, arrays, rows):
    """Go over arrays in blocks of rows; see `of_tensorflow.fold`."""
    count = arrays[0].shape[0]
    blocks = -(-count // rows)
    missing = blocks * rows - count
    filled = [jnp.pad(x, [(0, missing), *[(0, 0)] * (x.ndim - 1)]) for x in arrays]
    parts = tuple(x.reshape(blocks, rows, *x.shape[1:]) for x in filled)
    carry, y = jax.lax.scan(step, carry, parts)
    return carry, y.reshape(blocks * rows, *y.shape[2:])[:count]


def on_gpu():
    """Return whether there is a GPU, for which Keras' recurrent layers look for cuDNN."""
    return jax.default_backend() == "gpu"


def native(layer, steps, first, real):
    """Return None: the loop below is faster than what JAX has."""


def differentiable(forward, backward):
    """Return a function that has a gradient of its own; see `of_tensorflow.differentiable`."""
    function = jax.custom_vjp(lambda *arrays: forward(*arrays)[0])
    function.defvjp(forward, lambda kept, d_outputs: backward(kept, *d_outputs))
    return function


def scan(step, carry, inputs, reverse=False):
    """Go through time; see `of_tensorflow.scan`."""
    return jax.lax.scan(step, carry, inputs, reverse=reverse)
