"""See the numbers: every gate, state and attention weight of a model, beside the text it reads.

    seen = trace("runs/pretrained", "The cat sat on the mat")
    print(seen)                                  # the layers and their symbols
    seen.table("lstm_0", "f")                    # the forget gate at each token
    seen.figure("lstm_0", "f")
    seen.equations("lstm_0", step=3, unit=5)     # the LSTM with the numbers in it
    seen.predictions()                           # the likeliest next tokens at each step

The numbers are those of the NumPy twin in float64.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from kerasllm import plots
from kerasllm.utils.errors import nearest
from kerasllm.utils.tables import Shown, Table, readable
from kerasllm.verify.traces.equations import Equations, equations_of
from kerasllm.verify.traces.inputs import read
from kerasllm.verify.traces.layers import GATES, layer_symbols, steps_of, stream_of
from kerasllm.verify.twins.model import Twin

SHOWN = 8  # units that a table shows


def trace(run_or_model, x, tokenizer=None):
    """Run a model on one text, and keep every symbol of every layer.

    A run reads the text as its task does: a tagger in words, an encoder-decoder with the target
    that it writes itself.

    Args:
        run_or_model: a run folder, a `Run`, or a built Keras model of token ids (1, T) or of
            float features (1, T, D).
        x: a text; (question, context) for a model that finds answers, (source, target) for an
            encoder-decoder; or one row of token ids (T,); for features, (T, D).
        tokenizer: that of a model given without a run; needed for a text.

    Returns:
        A `TextTrace`.

    Raises:
        FileNotFoundError: no run folder, or one without a model.
        TypeError: neither a run nor a model; a text without a tokenizer.
        ValueError: an empty text, a model with inputs that cannot be guessed.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((None,), dtype="int32"),
        ...                           keras.layers.Embedding(11, 3),
        ...                           keras.layers.LSTM(5, name="lstm")])
        >>> seen = trace(model, [4, 9, 2])
        >>> seen.array("lstm", "f").shape
        (3, 5)
    """
    seen = read(run_or_model, x, tokenizer)
    twin = Twin(seen.model, dtype="float64")
    return trace_of(seen, twin, twin.calls(seen.reading.inputs))


def trace_of(seen, twin, calls):
    """Return the `TextTrace` of what was read and of the `Call`s that a twin computed of it."""
    traces = {call.name: call.trace for call in calls if call.trace is not None}
    layers = layer_symbols(traces, partial(steps_of, seen.reading.streams))
    return TextTrace(seen, layers, seen.probabilities(twin))


class TextTrace(Shown):
    """What a model computed while it read a text; see `trace`.

    Attributes:
        tokens: the tokens, as a person can read them; of an encoder-decoder those of the target.
        ids: their ids, (T,).
        layers: {name: `LayerSymbols`}.
        probabilities: (T, V) of the next token (of a hidden one for a masked language model),
            (C,) of the classes, (M, C) of the tags of M words, (2, T) of where an answer begins
            and ends; None where the model gives none.
        note: what to know about this reading, for instance that the text was cut.
        changed: what an intervention changed; "" where there was none.
    """

    changed = ""

    def __init__(self, seen, layers, probabilities):
        self.seen, self.layers, self.probabilities = seen, layers, probabilities
        self.streams = seen.reading.streams
        self.tokens = self.tokens_of(None)
        self.ids, self.note = seen.reading.ids, seen.reading.note

    def tokens_of(self, layer):
        """Return the tokens that are the steps of a layer; the main ones for None."""
        stream = self.streams[0] if layer is None else stream_of(self.streams, layer)
        return [readable(token) for token in stream.tokens]

    def array(self, layer=None, symbol=None):
        """Return a symbol in the order of the tokens: (T,), (T, H), or (N, T, S) for N heads."""
        return self._find(layer, symbol).array

    def table(self, layer=None, symbol=None, units=None):
        """Return a symbol as a `Table`: a row for each token.

        Args:
            layer: name, or its end ("lstm_0" for "stack/lstm_0"); the first recurrent or
                attention layer if left out.
            symbol: name; "h" or "weights" if left out.
            units: which units to show; those that vary most along the text if left out.

        Raises:
            ValueError: an unknown layer, symbol or unit.
        """
        found = self._find(layer, symbol)
        if found.symbol == "weights":
            columns, body = self._most_attended(found.array)
        else:
            columns, body = _columns_of(found.array, units)
        rows = [(str(t), token, *body[t]) for t, token in enumerate(found.tokens)]
        return Table(("step", "token", *columns), rows, found.title)

    def figure(self, layer=None, symbol=None, title=None):
        """Draw a symbol as a heat map: units against tokens, or one panel a head.

        Args:
            layer: name, or its end; the first recurrent or attention layer if left out.
            symbol: name; "h" or "weights" if left out.
            title: what the figure says; the names of layer and symbol if left out.
        """
        found = self._find(layer, symbol)
        array, title = found.array, title or found.title
        looked = self._looked_at(array) if found.symbol == "weights" else None
        if looked is not None:
            return plots.attention_map(found.tokens, array, looked, title=title)
        flat = _flat(np.nan_to_num(array, neginf=0.0))  # masked scores
        signed = not (found.recurrent and found.symbol in GATES)
        return plots.gate_heatmap(found.tokens, flat, title=title, signed=signed)

    def equations(self, layer=None, step=None, unit=0, digits=4):
        """Return the equations of a recurrent layer with the numbers in them.

        Args:
            layer: name; the first recurrent layer if left out.
            step: which token, from 0; the last one if left out.
            unit: which unit, from 0.
            digits: decimals that are shown; the values themselves are exact.

        Raises:
            ValueError: a layer without recurrence; a step or unit out of range.
        """
        recurrent = [name for name, symbols in self.layers.items() if symbols.recurrent]
        if layer is None and not recurrent:
            raise ValueError(f"this model has no recurrent layer; it has {list(self.layers)}.")
        name = self.find_layer(recurrent[0] if layer is None else layer)
        if name not in recurrent:
            raise ValueError(
                f"the layer {name!r} has no steps: choose a recurrent one, {recurrent}."
            )
        symbols, tokens = self.layers[name], self.tokens_of(name)
        count = len(tokens)
        step = count - 1 if step is None else _in_range("step", step, count, "tokens")
        _in_range("unit", unit, symbols.arrays["h"].shape[-1], "units")
        processed = count - 1 - step if symbols.backwards else step
        made, note = equations_of(symbols.trace, processed, unit)
        if symbols.backwards and not note:
            note = "reads backwards: h_previous is the state at the token to the right"
        if self.changed:
            note += f"{'; ' * bool(note)}what was changed is no longer what its equation gives: "
            note += self.changed
        title = f"{name}, step {step} ({tokens[step]}), unit {unit}"
        return Equations(title, made, note, digits)

    def predictions(self, top=5):
        """Return the likeliest tokens at each step, or the classes, as a `Table`.

        Raises:
            ValueError: the model gives no probabilities.
        """
        p = self.probabilities
        if p is None:
            raise ValueError("this model predicts neither tokens nor classes: see .table().")
        predicts = self.seen.reading.predicts or ("class" if p.ndim == 1 else "next")
        if predicts == "class":
            order = np.argsort(-p, kind="stable")
            rows = ((str(k), self.seen.label(k), f"{p[k]:.4f}") for k in order)
            return Table(("class", "label", "probability"), rows, "Classes")
        if predicts == "span":
            rows = (
                (str(t), token, f"{p[0, t]:.3f}", f"{p[1, t]:.3f}")
                for t, token in enumerate(self.tokens)
            )
            return Table(("step", "token", "begins", "ends"), rows, "Where the answer stands")
        names = tuple(f"top {k + 1}" for k in range(min(top, p.shape[1])))
        if predicts == "tag":
            words = [readable(word) for word in self.streams[-1].tokens]
            rows = ((str(t), word, *self._best(p[t], top)) for t, word in enumerate(words))
            return Table(("step", "word", *names), rows, "Tags of each word by itself")
        ahead = 0 if predicts == "hidden" else 1
        columns = ("step", "token", *(("next token", "its p") if ahead else ("its p",)))
        rows = (self._prediction(t, p[t], ahead, top) for t in range(len(self.tokens)))
        return Table((*columns, *names), rows, "Predictions")

    def _prediction(self, t, p, ahead, top):
        known = t + ahead < len(self.tokens)
        came = [self.tokens[t + ahead] if known else "?"] * ahead
        own = f"{p[self.ids[t + ahead]]:.3f}" if known else ""
        return (str(t), self.tokens[t], *came, own, *self._best(p, top))

    def _best(self, p, top):
        """Return the likeliest entries of p with their probabilities, as texts."""
        order = np.argsort(-p, kind="stable")[:top]
        return [f"{readable(self.seen.label(k))} {p[k]:.3f}" for k in order]

    def _looked_at(self, weights):
        """Return the tokens that are the last axis of weights, or None."""
        for stream in self.streams:
            if weights.shape[-1] == len(stream.tokens):
                return [readable(token) for token in stream.tokens]
        return None

    def _most_attended(self, weights):
        heads, looked = weights if weights.ndim == 3 else weights[None], self._looked_at(weights)
        if looked is None:
            return _columns_of(weights, None)
        columns = [f"head {n + 1} looks at" for n in range(len(heads))]

        def cell(row):
            return f"{looked[row.argmax()]} {row.max():.2f}"

        return columns, [tuple(cell(head[t]) for head in heads) for t in range(heads.shape[1])]

    def find_layer(self, layer=None):
        """Return the whole name of a layer that is named by its end; the default for None."""
        names = list(self.layers)
        if layer is None:
            return next((n for n in names if self.layers[n].interesting), names[-1])
        return find_name(layer, names)

    def _find(self, layer, symbol):
        name = self.find_layer(layer)
        symbols = self.layers[name]
        symbol = symbols.default if symbol is None else symbol
        if symbol not in symbols.arrays:
            raise ValueError(
                f"no symbol {symbol!r} in the layer {name!r}; it has {list(symbols.arrays)}."
                + nearest(symbol, symbols.arrays)
            )
        array, recurrent = symbols.arrays[symbol], symbols.recurrent
        return _Found(f"{name}: {symbol}", symbol, array, recurrent, self.tokens_of(name))

    def __str__(self):
        names = (f"  {name}: {', '.join(symbols.arrays)}" for name, symbols in self.layers.items())
        note = [f"({self.note})"] if self.note else []
        return "\n".join([f"{len(self.tokens)} tokens: {' '.join(self.tokens)}", *note, *names])

    def _repr_html_(self):
        rows = ((name, ", ".join(s.arrays)) for name, s in self.layers.items())
        return Table(("layer", "symbols"), rows, " ".join(self.tokens))._repr_html_()


def find_name(layer, names):
    """Return the whole name of a layer that is named by its end.

    Raises:
        ValueError: none of the names ends so, or several.
    """
    ends = [n for n in names if n == layer or n.endswith(f"/{layer}")]
    if layer in ends or len(ends) == 1:
        return layer if layer in ends else ends[0]
    said = f"several layers end in {layer!r}: {ends}" if ends else f"no layer {layer!r}"
    raise ValueError(f"{said}; the layers are {names}.{nearest(layer, [*names, *_ends(names)])}")


class _Found(NamedTuple):
    title: str
    symbol: str
    array: np.ndarray
    recurrent: bool
    tokens: list


def _ends(names):
    return [name.rsplit("/", 1)[-1] for name in names]


def _flat(array):
    """Return (T, H) of (T,), (T, H) or (N, T, K), the heads side by side."""
    if array.ndim == 1:
        return array[:, None]
    return array if array.ndim == 2 else np.concatenate(list(array), axis=-1)


def _columns_of(array, units):
    """Return the heads of the columns, and a tuple of cells for each token."""
    flat = _flat(array)
    if array.ndim == 1:
        return ["value"], [(f"{value:.4g}",) for value in array]
    if units is None:
        spread = np.nan_to_num(flat, neginf=0.0).std(axis=0)
        units = np.sort(np.argsort(-spread, kind="stable")[:SHOWN])
    units = [_in_range("unit", unit, flat.shape[1], "units") for unit in units]
    means = flat.mean(axis=1)
    rows = zip(means, flat[:, units], strict=True)
    columns = ["mean", *(f"unit {unit}" for unit in units)]
    return columns, [tuple(f"{value:.3f}" for value in (mean, *row)) for mean, row in rows]


def _in_range(name, number, count, what):
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
        raise ValueError(f"expected {name} as a whole number, received {number!r}.")
    if not 0 <= number < count:
        raise ValueError(
            f"expected {name} from 0 to {count - 1} (there are {count} {what}), received {number}."
        )
    return int(number)
