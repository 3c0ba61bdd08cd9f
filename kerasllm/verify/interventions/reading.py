"""A text as a model read it, before anything is changed, and where it can be changed."""

from typing import NamedTuple

import numpy as np

from kerasllm.utils.errors import nearest
from kerasllm.utils.tables import readable
from kerasllm.verify.interventions.changed import ChangedTwin
from kerasllm.verify.traces.layers import parts_of
from kerasllm.verify.traces.trace import find_name, trace_of


class Layer(NamedTuple):
    """One layer by the name that a trace shows.

    `part` is None for a layer of several recurrences, which has an output only.
    """

    call: str
    part: int | None
    backwards: bool
    kind: type


class Start:
    """What a model computed while it read one text, with every place that can be changed.

    Args:
        seen: a `Read`.
        twin: a `ChangedTwin` without changes; made of the model if left out.

    Attributes:
        twin: the `ChangedTwin`.
        trace: a `TextTrace`.
        layers: {name: `Layer`}.
        recorded: {Place: array}, see `ChangedTwin`.
    """

    def __init__(self, seen, twin=None):
        self.seen, self.twin = seen, twin or ChangedTwin(seen.model)
        calls = self.twin.calls(seen.reading.inputs)
        self.recorded, self.layers = self.twin.recorded, {}
        for call in calls:
            parts = parts_of(call.name, call.trace)
            for number, (name, _, backwards) in enumerate(parts):
                self.layers[name] = Layer(call.name, number, backwards, type(call.layer))
            self.layers.setdefault(call.name, Layer(call.name, None, False, type(call.layer)))
        self.trace = trace_of(seen, self.twin, calls)

    def find(self, layer, symbol):
        """Return the whole name of a layer, and the `Place` of its symbol.

        Raises:
            ValueError: no such layer, or no such symbol that can be changed.
        """
        name = find_name(layer, list(self.layers))
        symbols = self.symbols(name)
        if symbol not in symbols:
            raise ValueError(
                f"no symbol {symbol!r} of the layer {name!r} can be changed; these can: "
                f"{sorted(symbols)}.{nearest(symbol, symbols)}"
            )
        return name, symbols[symbol]

    def symbols(self, name):
        """Return {symbol: `Place`} of what can be changed in a layer."""
        call, part, *_ = self.layers[name]
        places = (p for p in self.recorded if p.call == call and p.part == (part or 0))
        own = {place.symbol: place for place in places}
        if part is None:
            return {"output": own["output"]}
        return own if name == call else {s: p for s, p in own.items() if s != "output"}

    def rows(self, name, place):
        """Return a function from the position of a token to a row (B, H) or (B, N, K)."""
        array, backwards = self.recorded[place], self.layers[name].backwards
        if array.ndim == 2:
            return lambda _position: array
        return lambda p: array[..., -1 - p if backwards else p, :]

    def positions(self, name, place, given):
        """Return positions as a tuple of numbers from 0; None for all.

        Args:
            name: of the layer.
            place: of the symbol.
            given: a number, a token that stands in the text once, several of them, or None.

        Raises:
            ValueError: a symbol without positions, one out of range, no or several such tokens.
        """
        if given is None:
            return None
        array = self.recorded[place]
        if array.ndim == 2:
            raise ValueError(
                f"{name}: {place.symbol} has no positions, it is of the whole text: leave position "
                "out."
            )
        several = given if isinstance(given, (list, tuple, range)) else [given]
        tokens = self.trace.tokens_of(name)
        return tuple(_position(one, tokens, array.shape[-2]) for one in several)


def _position(given, tokens, count):
    if isinstance(given, str):
        found = [
            t for t, token in enumerate(tokens) if readable(given).strip("␣") == token.strip("␣")
        ]
        if len(found) != 1:
            often = f"{len(found)} times" if found else "nowhere"
            raise ValueError(
                f"expected a token that stands in the text once, {given!r} stands there {often}: "
                f"give its number, from 0; the tokens are {tokens}."
            )
        return found[0]
    return in_range("position", given, count)


def in_range(name, number, count):
    """Return a number from 0 to count - 1.

    Raises:
        ValueError: another one, or none.
    """
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
        raise ValueError(f"expected {name} as a whole number, received {number!r}.")
    if not 0 <= number < count:
        raise ValueError(f"expected {name} from 0 to {count - 1}, received {number}.")
    return int(number)
