"""What the recurrent layers share: one product before the loop, one after the way back.

- The input is multiplied by its kernel for all steps at once, before the loop: inside, a step
  multiplies the state alone.
- The way back through time is derived by hand. Its loop finds the gradients of the gates; those of
  the weights are one product of matrices after it, over all steps at once.
- A masked step leaves the state as it was. Its output repeats the step before; before the first
  real step the output is zero, on every backend (Keras on JAX repeats the initial state there).
- Keras' own loop is used where an option changes the equations (other activations,
  `recurrent_dropout`, `unroll`) and where it is faster: on torch, and on a GPU for cuDNN.
"""

import keras
from keras import ops

from kerasllm.layers.kernels import backend

DEFAULTS = {"activation": keras.activations.tanh, "recurrent_activation": keras.activations.sigmoid}


class ThroughTime:
    """The loop of a recurrent layer of Keras, with a gradient derived by hand.

    A layer says its equations by three methods:

        step(projected, state, weights)                         -> state, gates
        step_backward(d_state, before, after, gates, weights)   -> d_state, d_gates
        weights_backward(d_gates, before, gates)                -> d_weights, of all steps at once

    where `projected` (B, G) is the input's share of the gates, states and gates are tuples of
    (B, H), and the first of `d_gates` is the gradient of `projected`.
    """

    def build(self, sequences_shape, initial_state_shape=None):
        """Build the layer, and keep the masks of what it returns."""
        super().build(sequences_shape, initial_state_shape)
        self.supports_masking = True  # Keras from 3.16 on takes the mask off what its own return

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Return the last output, all outputs and the last states; `keras.layers.RNN` calls it."""
        cell = self.cell
        own = all(getattr(cell, name, acts) is acts for name, acts in DEFAULTS.items())
        dropped = training and cell.recurrent_dropout
        if not own or dropped or self.unroll or not backend().walks():
            return super().inner_loop(sequences, initial_state, mask, training)
        if training and cell.dropout:
            sequences = sequences * cell.get_dropout_mask(sequences[:, 0])[:, None]
        real = None if mask is None else ops.cast(keras.tree.flatten(mask)[0], "bool")[..., None]
        steps, real = (None if x is None else self._in_order(x) for x in (sequences, real))
        bias, weights = self.parts()
        projected = ops.matmul(ops.reshape(steps, (-1, steps.shape[-1])), cell.kernel)
        projected = projected if bias is None else projected + bias
        projected = ops.reshape(projected, (*ops.shape(steps)[:2], projected.shape[-1]))
        first = tuple(keras.tree.flatten(initial_state))
        h, states = walk(self, projected, first, weights, real)
        outputs = ops.swapaxes(h if real is None else self._shown(h, real), 0, 1)
        return outputs[:, -1], outputs, states

    def _in_order(self, x):
        x = ops.swapaxes(x, 0, 1)  # (B, T, …) -> (T, B, …)
        return ops.flip(x, axis=0) if self.go_backwards else x

    def _shown(self, h, real):
        if not self.zero_output_for_mask:
            real = ops.cumsum(ops.cast(real, "int32"), axis=0) > 0
        return ops.where(real, h, ops.zeros_like(h))


def walk(equations, projected, first, weights, real=None):
    """Take all steps: return h of every step (T, B, H), and each state after the last one.

    Args:
        equations: a `ThroughTime`.
        projected: the input's share of the gates, (T, B, G), in the order of processing.
        first: the states before the first step, a tuple of (B, H), of which h is the first.
        weights: what the step multiplies its states by, a tuple.
        real: boolean (T, B, 1), or None: which steps are taken.
    """
    states, products = len(first), len(weights)
    masks = () if real is None else (real,)

    def forward(projected, *given):
        first, weights, real = _cut(given, states, products)

        def step(state, inputs):
            projected, real = inputs
            new, gates = equations.step(projected, state, weights)
            new = _where(real, new, state)
            return new, (new, gates)

        last, (after, gates) = backend().scan(step, first, (projected, real))
        return (after[0], *last), (given, after, gates)

    def backward(kept, d_h, *d_last):
        given, after, gates = kept
        first, weights, real = _cut(given, states, products)
        before = tuple(map(_before, first, after))

        def step(d_state, inputs):
            d_h, before, after, gates, real = inputs
            d_state = (d_state[0] + d_h, *d_state[1:])
            nothing = tuple(map(ops.zeros_like, d_state))
            d_new = _where(real, d_state, nothing)
            d_before, d_gates = equations.step_backward(d_new, before, after, gates, weights)
            if real:
                d_old = _where(real, nothing, d_state)
                d_before = tuple(new + old for new, old in zip(d_before, d_old, strict=True))
            return d_before, d_gates

        steps = (d_h, before, after, gates, real)
        d_first, d_gates = backend().scan(step, d_last, steps, reverse=True)
        d_weights = equations.weights_backward(d_gates, before, gates)
        return (d_gates[0], *d_first, *d_weights, *(None for _ in real))

    run = backend().differentiable(forward, backward)
    h, *last = run(projected, *first, *map(_value, weights), *masks)
    return h, last


def over_steps(left, right):
    """Return Σ_t left_tᵀ · right_t of (T, B, …) as one product: the gradient of a kernel."""
    left, right = (ops.reshape(x, (-1, x.shape[-1])) for x in (left, right))
    return ops.matmul(ops.transpose(left), right)


def _cut(given, states, products):
    """Cut a tuple into first states, weights, and the mask if there is one."""
    return given[:states], given[states : states + products], given[states + products :]


def _where(real, new, old):
    """Return the new states of the rows that are real, the old ones of the others."""
    return tuple(ops.where(real[0], a, b) for a, b in zip(new, old, strict=True)) if real else new


def _before(first, after):
    """Return the state before each step: the first one, then all but the last."""
    return ops.concatenate([first[None], after[:-1]])


def _value(weight):
    """Return a variable's value as a tensor that has a gradient."""
    return ops.reshape(weight, weight.shape)
