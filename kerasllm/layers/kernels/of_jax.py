"""Kernels on JAX."""

from functools import partial

import jax
import jax.numpy as jnp


def fold(step, carry, arrays, rows, counted=None):
    """Go over arrays in blocks of rows; see `of_tensorflow.fold`."""
    count = arrays[0].shape[0]
    blocks = -(-count // rows)
    missing = blocks * rows - count
    filled = [jnp.pad(x, [(0, missing), *[(0, 0)] * (x.ndim - 1)]) for x in arrays]
    parts = tuple(x.reshape(blocks, rows, *x.shape[1:]) for x in filled)
    if counted is None:
        carry, y = jax.lax.scan(step, carry, parts)
    else:
        carry, y = _first_blocks(step, carry, parts, -(-counted // rows))
    return carry, y.reshape(blocks * rows, *y.shape[2:])[:count]


def _first_blocks(step, carry, parts, wanted):
    """Go over the first blocks alone; of the others y is 0."""

    def body(state):
        number, carry, ys = state
        carry, y = step(carry, tuple(part[number] for part in parts))
        return number + 1, carry, ys.at[number].set(y)

    begin = jnp.zeros_like(wanted), carry, jnp.zeros_like(parts[0])
    _, carry, ys = jax.lax.while_loop(lambda state: state[0] < wanted, body, begin)
    return carry, ys


def walks():
    """Return whether `scan` is faster than the recurrent loop of Keras, which knows cuDNN."""
    return jax.default_backend() != "gpu"


def differentiable(forward, backward):
    """Return a function that has a gradient of its own; see `of_tensorflow.differentiable`."""
    function = jax.custom_vjp(lambda *arrays: forward(*arrays)[0])
    function.defvjp(forward, lambda kept, d_outputs: backward(kept, *d_outputs))
    return function


def scan(step, carry, inputs, reverse=False):
    """Go through time; see `of_tensorflow.scan`."""
    return jax.lax.scan(step, carry, inputs, reverse=reverse)


@partial(jax.jit, donate_argnums=0)
def _with_rows(array, first, rows):
    return jax.lax.dynamic_update_slice_in_dim(array, rows.astype(array.dtype), first, axis=0)


def set_rows(variable, first, rows):
    """Set the rows of a variable from `first` on; what it held is given up, not copied."""
    variable.assign(_with_rows(variable.value, first, rows))
