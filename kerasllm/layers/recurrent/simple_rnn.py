"""The simple recurrent layer with a gradient derived by hand."""

import keras
from keras import ops

from kerasllm.layers.recurrent.through_time import ThroughTime, over_steps


@keras.saving.register_keras_serializable("kerasllm")
class SimpleRNN(ThroughTime, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN`, faster: the same options, weights and numbers.

        h = tanh(x · kernel + h_previous · recurrent_kernel + bias)

    Args: as in `keras.layers.SimpleRNN`, whose weights fit in, and the other way round.

    Differences from `keras.layers.SimpleRNN`: as in `LSTM`.

    Source: Elman 1990.

        >>> SimpleRNN(7)(keras.random.normal((2, 5, 3), seed=1)).shape
        TensorShape([2, 7])
    """

    def parts(self):
        """Return the bias of the input's share, and what a step multiplies its state by."""
        return self.cell.bias, (self.cell.recurrent_kernel,)

    @staticmethod
    def step(projected, state, weights):
        """Take one step: (B, H), (h,) -> (h,), no gates."""
        return (ops.tanh(projected + ops.matmul(state[0], weights[0])),), ()

    @staticmethod
    def step_backward(d_state, before, after, gates, weights):  # noqa: ARG004 - no gates
        """Send the gradient of h back: through the tanh, then through the product."""
        (d_h,), (h,) = d_state, after
        d_projected = d_h * (1 - h * h)
        return (ops.matmul(d_projected, ops.transpose(weights[0])),), (d_projected,)

    @staticmethod
    def weights_backward(d_gates, before, gates):  # noqa: ARG004 - no gates
        """Return the gradient of the recurrent kernel."""
        return (over_steps(before[0], d_gates[0]),)
