"""Recurrent layers on top of one another: each reads the whole sequence of the one below."""

from collections import namedtuple

from kerasllm.reference.recurrent.bidirectional import (
    BACKWARD,
    bidirectional,
    bidirectional_backward,
)
from kerasllm.reference.recurrent.lstm import lstm

__all__ = ["StackGrads", "StackTrace", "stack", "stack_backward"]


class StackTrace(namedtuple("StackTrace", "layers state backward")):
    """The traces of the layers, from the bottom to the top, and their final states."""


class StackGrads(namedtuple("StackGrads", "d_x d_weights d_initial_state")):
    """Gradients of `stack`: for the weights and states one tuple a layer."""


def stack(
    x, weights, *, layer=lstm, both_directions=False, mask=None, initial_state=None,
    return_sequences=False, **options,
):  # fmt: skip
    """Run recurrent layers on top of one another.

        h¹ = layer(x,  weights of layer 1)
        h² = layer(h¹, weights of layer 2)      and so on; every layer gets the same mask

    Args:
        x: (B, T, D).
        weights: one tuple a layer: `[layer.get_weights() for layer in layers]`.
        layer: `lstm`, `gru` or `simple_rnn`.
        both_directions: whether every layer is `bidirectional`.
        mask: (B, T), True where the token is real.
        initial_state: one tuple of states a layer.
        return_sequences: return every step of the top layer, instead of the last.
        **options: passed on to the layer.

    Returns:
        output, trace: the output of the top layer. `trace.state` has one tuple a layer.

    Raises:
        ValueError: no layer, or another number of states than of layers.

    Example:
        Two running sums on top of one another:

        >>> import numpy as np
        >>> from kerasllm.reference import simple_rnn
        >>> one = np.ones((1, 1))
        >>> x = np.array([[[1.0], [1.0], [1.0]]])
        >>> stack(x, [(one, one), (one, one)], layer=simple_rnn, activation="linear")[0]
        array([[6.]])
    """
    weights = list(weights)
    states = [None] * len(weights) if initial_state is None else list(initial_state)
    if not weights or len(states) != len(weights):
        raise ValueError(
            f"expected weights of at least one layer and one tuple of states a layer, received "
            f"{len(weights)} layers and {len(states)} tuples of states"
        )
    run = bidirectional if both_directions else layer
    options |= {"mask": mask} | ({"layer": layer} if both_directions else {})
    traces = []
    for k, (arrays, state) in enumerate(zip(weights, states, strict=True)):
        every_step = return_sequences or k < len(weights) - 1
        x, trace = run(x, *arrays, initial_state=state, return_sequences=every_step, **options)
        traces.append(trace)
    backward = bidirectional_backward if both_directions else BACKWARD[layer]
    return x, StackTrace(tuple(traces), tuple(trace.state for trace in traces), backward)


def stack_backward(d_output, trace, d_state=None):
    """Send a gradient down through the layers.

    Args:
        d_output: like the output.
        trace: from `stack`.
        d_state: the gradients of `trace.state`, one tuple a layer, if the loss uses them.

    Returns:
        `StackGrads`.

    Example:
        >>> import numpy as np
        >>> from kerasllm.reference import simple_rnn
        >>> one = np.ones((1, 1))
        >>> output, trace = stack(np.ones((1, 3, 1)), [(one, one), (one, one)], layer=simple_rnn,
        ...                       activation="linear")
        >>> stack_backward(np.ones_like(output), trace).d_x.ravel()  # a running sum of running sums
        array([3., 2., 1.])
    """
    d_states = [None] * len(trace.layers) if d_state is None else d_state
    d_weights, d_first = [], []
    for layer, d_last in zip(reversed(trace.layers), reversed(d_states), strict=True):
        grads = trace.backward(d_output, layer, d_state=d_last)
        d_output = grads.d_x
        d_weights.append(_weights(grads))
        d_first.append(grads.d_initial_state)
    return StackGrads(d_output, tuple(reversed(d_weights)), tuple(reversed(d_first)))


def _weights(grads):
    if hasattr(grads, "d_weights"):
        return grads.d_weights
    return tuple(d for d in grads[1:4] if d is not None)
