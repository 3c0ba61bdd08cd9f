"""Long short-term memory with a gradient derived by hand."""

import keras
from keras import ops

from kerasllm.layers.recurrent.through_time import ThroughTime, over_steps


@keras.saving.register_keras_serializable("kerasllm")
class LSTM(ThroughTime, keras.layers.LSTM):
    """`keras.layers.LSTM`, faster: the same options, weights and numbers.

        i, f, g, o = σ, σ, tanh, σ of the gates  x · kernel + h_previous · recurrent_kernel + bias
        c = f · c_previous + i · g
        h = o · tanh(c)

    Args: as in `keras.layers.LSTM`, whose weights fit in, and the other way round.

    Differences from `keras.layers.LSTM`: the way back through time is that of
    `kerasllm.reference.lstm_backward`; see the head of `through_time` for the rest.

    Source: Hochreiter and Schmidhuber 1997; forget gate: Gers, Schmidhuber and Cummins 2000.

        >>> x = keras.random.normal((2, 5, 3), seed=1)
        >>> ours, keras_own = LSTM(7), keras.layers.LSTM(7)
        >>> _ = ours(x), keras_own(x)
        >>> ours.set_weights(keras_own.get_weights())
        >>> bool(ops.max(ops.abs(ours(x) - keras_own(x))) < 1e-6)
        True
    """

    def parts(self):
        """Return the bias of the input's share, and what a step multiplies its state by."""
        return self.cell.bias, (self.cell.recurrent_kernel,)

    @staticmethod
    def step(projected, state, weights):
        """Take one step: (B, 4H), (h, c) -> (h, c), gates."""
        (h, c), (recurrent_kernel,) = state, weights
        i, f, g, o = ops.split(projected + ops.matmul(h, recurrent_kernel), 4, axis=-1)
        i, f, g, o = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g), ops.sigmoid(o)
        c = f * c + i * g
        h = o * ops.tanh(c)
        return (h, c), (i, f, g, o)

    @staticmethod
    def step_backward(d_state, before, after, gates, weights):
        """Send the gradient of (h, c) back through one step.

            d_o = d_h · tanh(c)
            d_c = d_c + d_h · o · (1 - tanh²(c))
            d_i, d_f, d_g = d_c · g, d_c · c_previous, d_c · i

        Each of the four is then multiplied by the slope of its gate.
        """
        (d_h, d_c), (_, c_previous), (_, c) = d_state, before, after
        i, f, g, o = gates
        tanh_c = ops.tanh(c)
        d_c = d_c + d_h * o * (1 - tanh_c * tanh_c)
        d_i, d_f, d_g, d_o = d_c * g, d_c * c_previous, d_c * i, d_h * tanh_c
        slopes = i * (1 - i), f * (1 - f), 1 - g * g, o * (1 - o)
        bent = (d * slope for d, slope in zip((d_i, d_f, d_g, d_o), slopes, strict=True))
        d_projected = ops.concatenate(list(bent), axis=-1)  # (B, 4H)
        (recurrent_kernel,) = weights
        return (ops.matmul(d_projected, ops.transpose(recurrent_kernel)), d_c * f), (d_projected,)

    @staticmethod
    def weights_backward(d_gates, before, gates):  # noqa: ARG004 - a GRU's need the gates
        """Return the gradient of the recurrent kernel."""
        return (over_steps(before[0], d_gates[0]),)
