"""The twin of a model in which symbols are changed while they are computed.

- A recurrent layer computes its symbols step by step, every other layer all of them at once. What
  is changed is always a *row*: what one position has of a symbol, (B, H), or (B, N, K) of N heads.
- Every symbol that could have been changed is recorded, in the order in which it was computed.
"""

import copy
from typing import NamedTuple

import keras
import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.interventions.lines import lines_behind
from kerasllm.verify.twins.model import Twin
from kerasllm.verify.twins.rules import core
from kerasllm.verify.twins.rules import kerasllm as house
from kerasllm.verify.twins.tape import Tape

# Where each symbol is computed: in a function for one step, or for all positions.
STEPS = {
    ref.lstm_step: ("i", "f", "g", "o", "c", "h"),
    ref.gru_step: ("z", "r", "inner", "candidate", "h"),
    ref.simple_rnn_step: ("h",),
}
WHOLE = {
    ref.scaled_dot_product_attention: ("scores", "weights"),
    ref.additive_attention: ("scores", "weights"),
    ref.multi_head_attention: ("q", "k", "v", "z"),
    ref.grouped_query_attention: ("q", "k", "v", "z"),
    ref.batch_norm: ("normalized",),
    ref.layer_norm: ("normalized",),
    ref.rms_norm: ("normalized",),
    ref.swiglu: ("a", "gate", "up", "h"),
    house.multi_head_attention: ("q", "k", "v", "z"),
    house.feed_forward: ("a", "gate", "up", "h"),
    house.token_embedding: ("rows",),
    core.dense: ("a",),
}


class Place(NamedTuple):
    """Where a symbol is computed.

    Attributes:
        call: name of the layer's call on the tape.
        part: which of the recurrences of the layer: 1 for the way back of both directions.
        symbol: its name; "output" for what the layer hands on.
    """

    call: str
    part: int
    symbol: str


class ChangedTwin(Twin):
    """A twin in which symbols are changed.

    Args:
        model: as of `Twin`.

    Attributes:
        changes: `Change`s, in the order in which they are made.
        recorded: {Place: array} of the last computation: (B, T, …) in the order of processing,
            (B, N, T, …) of heads, (B, D) where there are no positions.
    """

    def __init__(self, model):
        super().__init__(model, dtype="float64")
        self.changes, self.recorded = (), {}

    def with_changes(self, changes):
        """Return a twin of the same weights with these changes."""
        other = copy.copy(self)
        other.changes, other.recorded = tuple(changes), {}
        return other

    def _tape(self, _training):
        self._current = ChangedTape(self._weights, self.dtype, self.changes)
        return self._current

    def _forward(self, x, training=False):
        def of_step(symbol, row):
            return self._current.change_step(symbol, row)

        def of_all(symbol, array):
            return self._current.change_all(symbol, array)

        with lines_behind(STEPS, of_step), lines_behind(WHOLE, of_all):
            made = super()._forward(x, training)
        self.recorded = self._current.recorded()
        return made


class ChangedTape(Tape):
    """A tape that hands every symbol to the changes that are meant for it."""

    def __init__(self, weights, dtype, changes):
        super().__init__(weights, dtype)
        self._changes, self._call, self._steps = changes, None, 0
        self._rows, self._arrays = {}, {}

    def recorded(self):
        """Return {Place: array}."""
        found = dict(self._arrays)
        for (call, symbol), (steps, rows) in self._rows.items():
            for part in range(len(rows) // steps):
                own = rows[part * steps : (part + 1) * steps]
                found[Place(call, part, symbol)] = np.stack(own, axis=1)  # (B, H) -> (B, T, H)
        return found

    def change_step(self, symbol, row):
        """Return what a step goes on with instead of a row (B, H)."""
        if self._call is None:
            return row
        steps, rows = self._rows.setdefault((self._call, symbol), (self._steps, []))
        part, step = divmod(len(rows), steps)
        for change in self._of(Place(self._call, part, symbol)):
            row = change.of_row(row, change.position_of(step, steps))
        rows.append(row)
        return row

    def change_all(self, symbol, array):
        """Return what a layer goes on with instead of an array (B, T, D), (B, N, T, K), (B, D)."""
        if self._call is None:
            return array
        place = Place(self._call, 0, symbol)
        for change in self._of(place):
            array = change.of_array(array)
        self._arrays[place] = array
        return array

    def _of(self, place):
        return [change for change in self._changes if change.place == place]

    def _compute(self, name, forward, layer, args, kwargs):
        first = keras.tree.flatten([args])[0]
        self._call, self._steps = name, np.shape(first.array)[1] if first.array.ndim > 1 else 1
        output, trace = super()._compute(name, forward, layer, args, kwargs)
        self._call = None
        return output, (self._change_output(name, output, trace) if name else trace)

    def _compose(self, handler, layer, name, args, kwargs):
        output, trace, backward = super()._compose(handler, layer, name, args, kwargs)
        return output, self._change_output(name, output, trace), backward

    def _change_output(self, name, output, trace):
        """Change what a layer hands on, by the name "output"; return a trace that shows it."""
        value, self._call = keras.tree.flatten(output)[0], name
        before = value.array
        value.array = self.change_all("output", before)
        self._call = None
        if value.array is before or not hasattr(trace, "_replace"):
            return trace
        same = [field for field, array in trace._asdict().items() if array is before]
        return trace._replace(**dict.fromkeys(same, value.array))
