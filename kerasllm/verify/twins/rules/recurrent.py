"""Recurrent layers: SimpleRNN, LSTM, GRU, stacks of cells, both directions, TimeDistributed."""

from typing import NamedTuple

import keras
import numpy as np

from kerasllm import layers
from kerasllm import reference as ref
from kerasllm.verify.twins.registry import register, unsupported

_BACKWARD = {
    ref.lstm: ref.lstm_backward,
    ref.gru: ref.gru_backward,
    ref.simple_rnn: ref.simple_rnn_backward,
}
_BEHIND = (keras.activations.softmax, keras.activations.sigmoid)
_RNN_ACTIVATIONS = ("tanh", "sigmoid", "relu", "linear")


class CellsTrace(NamedTuple):
    """The traces of the cells of one `keras.layers.RNN`, from the bottom to the top."""

    cells: tuple
    output: np.ndarray


def equation(layer, cell):
    """Return the reference function of a cell and its options.

    Raises:
        UnsupportedLayerError: a cell that is not Keras' own, or has other activations than Keras'
            defaults.
    """
    acts = keras.activations
    if type(cell) is keras.layers.SimpleRNNCell:
        name = getattr(cell.activation, "__name__", None)
        if name in _RNN_ACTIVATIONS and cell.activation is getattr(acts, name):
            return ref.simple_rnn, {"activation": name}
    elif type(cell) in (keras.layers.LSTMCell, keras.layers.GRUCell):
        if (cell.activation, cell.recurrent_activation) == (acts.tanh, acts.sigmoid):
            if type(cell) is keras.layers.LSTMCell:
                return ref.lstm, {}
            return ref.gru, {"reset_after": cell.reset_after}
    else:
        raise unsupported(layer, f"the cell {type(cell).__name__}")
    raise unsupported(layer, f"these activations of {type(cell).__name__} (defaults only)")


def rnn(layer, weights, x, mask=None, initial_state=None):
    """Compute keras.layers.LSTM, GRU, SimpleRNN, and RNN with one cell or several."""
    if layer.stateful:
        raise unsupported(layer, "stateful=True")
    if layer.unroll and getattr(layer, "activation", None) in _BEHIND:
        raise unsupported(layer, "unroll=True and an activation behind which Keras' losses look")
    if layer.unroll and layer.zero_output_for_mask and layer.go_backwards:
        raise unsupported(layer, "unroll, zero_output_for_mask and go_backwards (the mask is not)")
    cells = getattr(layer.cell, "cells", [layer.cell])
    states = _states_by_cell(initial_state, len(cells))
    weights, traces = list(weights), []
    for number, (cell, state) in enumerate(zip(cells, states, strict=True)):
        function, options = equation(layer, cell)
        arrays, weights = weights[: len(cell.weights)], weights[len(cell.weights) :]
        last, first = number == len(cells) - 1, number == 0
        x, trace = function(
            x, *arrays, mask=mask, initial_state=state,
            go_backwards=layer.go_backwards and first,
            return_sequences=layer.return_sequences or not last,
            zero_output_for_mask=layer.zero_output_for_mask and last, **options,
        )  # fmt: skip
        # The cells above read the states in the order in which the first one was processed.
        mask = mask[:, ::-1] if mask is not None and first and layer.go_backwards else mask
        traces.append(trace)
    output = _with_states(x, traces) if layer.return_state else x
    return output, traces[0] if len(cells) == 1 else CellsTrace(tuple(traces), x)


def _states_by_cell(initial_state, cells):
    """Return one tuple of initial states for each cell, or None."""
    if initial_state is None:
        return [None] * cells
    if cells == 1:
        return [tuple(keras.tree.flatten(initial_state))]
    return [tuple(keras.tree.flatten(state)) for state in initial_state]


def _with_states(output, traces):
    """Return the output and the final states, nested as Keras nests them."""
    if len(traces) == 1:
        return (output, *traces[0].state)
    states = (list(t.state) if len(t.state) > 1 else t.state[0] for t in traces)
    return (output, *states)


def rnn_backward(layer, d_output, trace):
    """Go back through the cells, from the top to the bottom."""
    traces = trace.cells if isinstance(trace, CellsTrace) else (trace,)
    d_states = [None] * len(traces)
    if layer.return_state:
        d_output, *d_states = d_output
        d_states = _states_by_cell(d_states, len(traces))
    cells = getattr(layer.cell, "cells", [layer.cell])
    d_weights, d_first = [], []
    for cell, step, d_state in reversed(list(zip(cells, traces, d_states, strict=True))):
        grads = _BACKWARD[equation(layer, cell)[0]](d_output, step, d_state)
        d_output = grads.d_x
        d_weights = [d for d in grads[1:4] if d is not None] + d_weights
        d_first = [*grads.d_initial_state, *d_first]
    return (d_output, *d_first), d_weights


def bidirectional(layer, weights, x, mask=None, initial_state=None):
    """Compute keras.layers.Bidirectional."""
    ours, theirs = layer.forward_layer, layer.backward_layer
    function, options = equation(layer, ours.cell)
    same = all(
        getattr(ours, name, None) == getattr(theirs, name, None)
        for name in ("units", "use_bias", "zero_output_for_mask", "unroll")
    )
    equal = same and equation(layer, theirs.cell) == (function, options)
    if not equal or ours.go_backwards or not theirs.go_backwards or layer.stateful:
        raise unsupported(layer, "two directions that differ, go_backwards or stateful=True")
    if ours.unroll and mask is not None:  # what the wrapper makes both layers do
        raise unsupported(layer, "unroll, zero_output_for_mask and go_backwards (the mask is not)")
    state = None if initial_state is None else tuple(keras.tree.flatten(initial_state))
    output, trace = ref.bidirectional(
        x, *weights, layer=function, merge_mode=layer.merge_mode, mask=mask, initial_state=state,
        return_sequences=layer.return_sequences, **options,
    )  # fmt: skip
    if not layer.return_state:
        return output, trace
    outputs = output if layer.merge_mode is None else (output,)
    return (*outputs, *trace.state), trace


def bidirectional_backward(layer, d_output, trace):
    """Go back through both directions."""
    d_state = None
    if layer.return_state:
        count = 2 if layer.merge_mode is None else 1
        d_state = tuple(d_output[count:])
        d_output = d_output[:count] if count == 2 else d_output[0]
    grads = ref.bidirectional_backward(d_output, trace, d_state)
    return (grads.d_x, *grads.d_initial_state), list(grads.d_weights)


def rnn_mask(layer, _inputs, mask):
    """Keep the mask where every step is returned."""
    mask = keras.tree.flatten(mask)[0]
    return mask if layer.return_sequences else None


def bidirectional_mask(layer, _inputs, mask):
    """Keep the mask where every step is returned, once for each of the outputs."""
    mask = keras.tree.flatten(mask)[0] if layer.return_sequences else None
    return (mask, mask) if layer.merge_mode is None else mask


def time_distributed(tape, layer, x, mask=None):
    """Compute keras.layers.TimeDistributed: the inner layer on all steps as one long batch."""
    if mask is not None and layer.layer._call_has_mask_arg:
        raise unsupported(layer, "a masked input and an inner layer that reads masks")
    if any(p.activity_regularizer is not None for p in layer.layer._flatten_layers()):
        raise unsupported(layer, "an activity regularizer")  # Keras' depends on the backend
    B, T = x.array.shape[:2]

    def fold(a):
        return a.reshape(B * T, *a.shape[2:]), None

    def unfold(a):
        return a.reshape(B, T, *a.shape[1:]), None

    steps = tape.apply(fold, lambda d, _: (unfold(d)[0],), x)
    outputs = tape.call(layer.layer, steps)
    return tape.apply(unfold, lambda d, _: (fold(d)[0],), outputs)


for _house in (keras.layers, layers):
    for _layer in (_house.LSTM, _house.GRU, _house.SimpleRNN):
        register(_layer, rnn, rnn_backward, mask=rnn_mask)
    register(_house.Bidirectional, bidirectional, bidirectional_backward, mask=bidirectional_mask)
register(keras.layers.RNN, rnn, rnn_backward, mask=rnn_mask)
register(keras.layers.TimeDistributed, compose=time_distributed)
