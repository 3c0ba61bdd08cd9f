"""From the traces of a twin to arrays that lie in the order of the tokens."""

from typing import Any, NamedTuple

import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.twins.rules.recurrent import CellsTrace

GATES = ("i", "f", "o", "z", "r")  # between 0 and 1, in recurrent layers
_RECURRENT = (ref.LSTMTrace, ref.GRUTrace, ref.SimpleRNNTrace)
_BY_HEAD = ("q", "k", "v", "z", "scores", "weights")  # (1, N, T, K)
_PARAMETERS = (
    "kernel",
    "recurrent_kernel",
    "bias",
    "table",
    "gamma",
    "beta",
    "scale",
    "mask",
    "real",
)


class LayerSymbols(NamedTuple):
    """The symbols of one layer that there are one of for each token.

    `arrays` are in the order of the tokens, also where the layer reads backwards; the trace is in
    the order of processing.
    """

    trace: Any
    arrays: dict
    backwards: bool = False

    @property
    def recurrent(self):
        """Whether the layer has steps, and equations for each of them."""
        return isinstance(self.trace, _RECURRENT)

    @property
    def interesting(self):
        """Whether the layer is recurrent or an attention."""
        return self.recurrent or "weights" in self.arrays

    @property
    def telling(self):
        """The symbols that tell most about the layer: what it keeps, and its state."""
        wanted = ("f", "z", "h") if self.recurrent else ("weights",)
        return [name for name in wanted if name in self.arrays]

    @property
    def default(self):
        """The symbol to show where none is named."""
        wanted = ("h",) if self.recurrent else ("weights", "output")
        return next((name for name in wanted if name in self.arrays), list(self.arrays)[-1])


def stream_of(streams, layer):
    """Return the `Stream` of tokens that are the steps of a layer, by the layer's name."""
    named = [s for s in streams if s.layers and layer.startswith(s.layers)]
    return (named or [s for s in streams if not s.layers] or streams)[0]


def steps_of(streams, layer):
    """Return how many steps a layer has."""
    return len(stream_of(streams, layer).tokens)


def layer_symbols(traces, steps):
    """Return {name: `LayerSymbols`} of the traces of one text.

    Args:
        traces: {name of the layer: its trace}.
        steps: (name of a layer) -> how many steps it has.

    A layer of both directions gives two, `name/forward` and `name/backward`; one with several
    cells gives `name/cell_0`, and so on.
    """
    layers = {}
    for name, trace in traces.items():
        for part, one, backwards in parts_of(name, trace):
            arrays = _arrays(one, steps(name), backwards)
            if arrays:
                layers[part] = LayerSymbols(one, arrays, backwards)
    return layers


def parts_of(name, trace):
    """Return (name, trace, whether it reads backwards) of each recurrence of a layer, or of it."""
    if isinstance(trace, ref.BidirectionalTrace):
        return [
            (f"{name}/forward", trace.forward, False),
            (f"{name}/backward", trace.backward, True),
        ]
    if isinstance(trace, CellsTrace):
        # The cells above read the states in the order in which the first one was processed.
        backwards = trace.cells[0].walk.go_backwards
        return [(f"{name}/cell_{k}", cell, backwards) for k, cell in enumerate(trace.cells)]
    return [(name, trace, isinstance(trace, _RECURRENT) and trace.walk.go_backwards)]


def _arrays(trace, steps, backwards):
    if not hasattr(trace, "_asdict"):
        return {}
    fields = trace._asdict()
    if hasattr(fields.get("attention"), "weights"):  # Keras' Attention keeps them one floor below
        fields |= {name: getattr(fields["attention"], name) for name in ("scores", "weights")}
    # x lies as it came in; all that was computed from it lies in the order of processing.
    turned = fields.keys() if backwards else ()
    if isinstance(trace, _RECURRENT) and trace.walk.go_backwards:
        turned = turned - {"x"}
    found = {name: array[0] for name, array in fields.items() if _of_tokens(name, array, steps)}
    return {name: array[::-1] if name in turned else array for name, array in found.items()}


def _of_tokens(name, array, steps):
    """Return whether an array of batch 1 has one row (or one a head) for each token."""
    if not isinstance(array, np.ndarray) or array.dtype == bool or array.shape[:1] != (1,):
        return False
    if name in _PARAMETERS or name.startswith(("w_", "b_")):
        return False
    if array.ndim == 4:
        return name in _BY_HEAD and array.shape[2] == steps
    return array.ndim in (2, 3) and array.shape[1] == steps
