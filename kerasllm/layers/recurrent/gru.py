"""The gated recurrent unit, in both of its forms, with a gradient derived by hand."""

import keras
from keras import ops

from kerasllm.layers.recurrent.through_time import ThroughTime, over_steps


@keras.saving.register_keras_serializable("kerasllm")
class GRU(ThroughTime, keras.layers.GRU):
    """`keras.layers.GRU`, faster: the same options, weights and numbers.

        z = σ(x W_z + h_previous U_z + b_z)                         update gate
        r = σ(x W_r + h_previous U_r + b_r)                         reset gate
        g = tanh(x W_g + b_g + r · (h_previous U_g + b'_g))         reset_after=True
        g = tanh(x W_g + b_g + (r · h_previous) U_g)                reset_after=False
        h = z · h_previous + (1 - z) · g

    W and U are kernel and recurrent_kernel, cut into the three gates. With `reset_after` each gate
    has a second bias, that of the state's share.

    Args: as in `keras.layers.GRU`, whose weights fit in, and the other way round.

    Differences from `keras.layers.GRU`: as in `LSTM`. From the paper: z and 1 - z are swapped, as
    in Keras, and reset_after=True is cuDNN's form.

    Source: Cho et al. 2014, equations 5 to 8.

        >>> GRU(7, return_sequences=True)(keras.random.normal((2, 5, 3), seed=1)).shape
        TensorShape([2, 5, 7])
    """

    def parts(self):
        """Return the bias of the input's share, and what a step multiplies its state by."""
        cell = self.cell
        if not self.reset_after:
            update_reset, candidate = ops.split(cell.recurrent_kernel, [2 * self.units], axis=-1)
            return cell.bias, (update_reset, candidate)
        if cell.bias is None:
            return None, (cell.recurrent_kernel, ops.zeros((3 * self.units,), self.compute_dtype))
        bias = ops.convert_to_tensor(cell.bias)
        return bias[0], (cell.recurrent_kernel, bias[1])

    def step(self, projected, state, weights):
        """Take one step: (B, 3H), (h,) -> (h,), gates."""
        return (_reset_after if self.reset_after else _reset_before)(projected, state[0], *weights)

    def step_backward(self, d_state, before, after, gates, weights):  # noqa: ARG002 - not `after`
        """Send the gradient of h back through one step.

            d_g = d_h · (1 - z) · (1 - g²)
            d_z = d_h · (h_previous - g) · z · (1 - z)
            d_r = d_g · (h_previous U_g + b'_g) · r · (1 - r)        reset_after=True
            d_r = (d_g U_gᵀ) · h_previous · r · (1 - r)              reset_after=False

        Each of them is the gradient before the gate bends.
        """
        (d_h,), (h,), (z, r, g, *_) = d_state, before, gates
        d_g = d_h * (1 - z) * (1 - g * g)
        d_z = d_h * (h - g) * z * (1 - z)
        if self.reset_after:
            d_r = d_g * gates[3] * r * (1 - r)
            d_inner = ops.concatenate([d_z, d_r, d_g * r], axis=-1)
            d_h = d_h * z + ops.matmul(d_inner, ops.transpose(weights[0]))
            return (d_h,), (ops.concatenate([d_z, d_r, d_g], axis=-1), d_inner)
        d_reset = ops.matmul(d_g, ops.transpose(weights[1]))  # of r · h
        d_update_reset = ops.concatenate([d_z, d_reset * h * r * (1 - r)], axis=-1)
        d_h = d_h * z + d_reset * r + ops.matmul(d_update_reset, ops.transpose(weights[0]))
        return (d_h,), (ops.concatenate([d_update_reset, d_g], axis=-1),)

    def weights_backward(self, d_gates, before, gates):
        """Return the gradients of what the step multiplies by, and of the state's bias."""
        (h,), (_, r, *_) = before, gates
        if self.reset_after:
            return over_steps(h, d_gates[1]), ops.sum(d_gates[1], axis=(0, 1))
        d_update_reset, d_g = ops.split(d_gates[0], [2 * self.units], axis=-1)
        return over_steps(h, d_update_reset), over_steps(r * h, d_g)


def _reset_after(projected, h, recurrent_kernel, bias):
    """Reset what the state's product gives."""
    x_z, x_r, x_g = ops.split(projected, 3, axis=-1)
    h_z, h_r, h_g = ops.split(ops.matmul(h, recurrent_kernel) + bias, 3, axis=-1)
    z, r = ops.sigmoid(x_z + h_z), ops.sigmoid(x_r + h_r)
    g = ops.tanh(x_g + r * h_g)
    return (z * h + (1 - z) * g,), (z, r, g, h_g)


def _reset_before(projected, h, update_reset, candidate):
    """Reset the state before its product."""
    x_zr, x_g = ops.split(projected, [update_reset.shape[-1]], axis=-1)
    z, r = ops.split(ops.sigmoid(x_zr + ops.matmul(h, update_reset)), 2, axis=-1)
    g = ops.tanh(x_g + ops.matmul(r * h, candidate))
    return (z * h + (1 - z) * g,), (z, r, g)
