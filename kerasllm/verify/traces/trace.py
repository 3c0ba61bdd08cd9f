"""See the numbers: every gate, state and attention weight of a model, beside the text it reads.

    seen = trace("runs/pretrained", "The cat sat on the mat")
    print(seen)                                  # the layers and their symbols
    seen.table("lstm_0", "f")                    # the forget gate at each token
    seen.figure("lstm_0", "f")
    seen.equations("lstm_0", step=3, unit=5)     # the LSTM with the numbers in it
    seen.predictions()                           # the likeliest next tokens at each step

The numbers are those of the NumPy twin in float64.
"""

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from kerasllm.utils.errors import nearest
from kerasllm.utils.tables import TokenTable, readable
from kerasllm.verify.traces.equations import Equations, equations_of
from kerasllm.verify.traces.inputs import Reading, read
from kerasllm.verify.traces.layers import GATES, LayerSymbols, layer_symbols
from kerasllm.verify.twins.model import Twin

__all__ = ["TextTrace", "read_text", "trace"]

SHOWN = 8  # units that a table shows


def trace(run_or_model, text_or_ids, tokenizer=None):
    """Run a model on one text, and keep every symbol of every layer.

    Args:
        run_or_model: a run folder, a `Run`, or a built Keras model of token ids (1, T) or of
            float features (1, T, D).
        text_or_ids: a text, or one row of token ids (T,); for features, (T, D).
        tokenizer: that of a model given without a run; needed for a text.

    Returns:
        A `TextTrace`.

    Raises:
        FileNotFoundError: no run folder, or one without a model.
        TypeError: neither a run nor a model; a text without a tokenizer.
        ValueError: an empty text, a model with inputs that cannot be guessed.

    Example:
        >>> model = keras.Sequential([keras.Input((None,), dtype="int32"),
        ...                           keras.layers.Embedding(11, 3),
        ...                           keras.layers.LSTM(5, name="lstm")])
        >>> seen = trace(model, [4, 9, 2])
        >>> seen.array("lstm", "f").shape
        (3, 5)
    """
    reading = read_text(run_or_model, text_or_ids, tokenizer)
    twin = Twin(reading.model, dtype="float64")
    calls = [call for call in twin.calls(reading.inputs) if call.trace is not None]
    layers = layer_symbols({call.name: call.trace for call in calls}, len(reading.tokens))
    return TextTrace(reading, layers, reading.probabilities(twin))


def read_text(source, text_or_ids, tokenizer=None):
    """Return the `Reading` of a text by a run or a model; see `trace`."""
    from kerasllm.training.run import Run, load_run

    if isinstance(source, keras.Model):
        return read((source, tokenizer, None), text_or_ids)
    if isinstance(source, (str, Path)):
        source = load_run(source)
    if not isinstance(source, Run):
        raise TypeError(
            f"expected a run folder, a Run or a Keras model, received {type(source).__name__}."
        )
    return read((source.model, tokenizer or source.tokenizer, source), text_or_ids)


class TextTrace:
    """What a model computed while it read a text; see `trace`.

    Attributes:
        tokens: the tokens, as a person can read them.
        ids: their ids, (T,).
        layers: {name: `LayerSymbols`}.
        probabilities: (T, V) of the next token (of a hidden one for a masked language model), or
            (C,) of the classes; None where the model is neither.
        note: what to know about this reading, for instance that the text was cut.
    """

    def __init__(self, reading: Reading, layers: dict[str, LayerSymbols], probabilities):
        self.reading, self.layers, self.probabilities = reading, layers, probabilities
        self.tokens = [readable(token) for token in reading.tokens]
        self.ids, self.note = reading.ids, reading.note

    def array(self, layer=None, symbol=None):
        """Return a symbol in the order of the tokens: (T,), (T, H), or (N, T, S) for N heads."""
        return self._find(layer, symbol).array

    def table(self, layer=None, symbol=None, units=None):
        """Return a symbol as a `TokenTable`: a row for each token.

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
        rows = [(str(t), token, *body[t]) for t, token in enumerate(self.tokens)]
        return TokenTable(found.title, ("step", "token", *columns), tuple(rows))

    def figure(self, layer=None, symbol=None, title=None):
        """Draw a symbol as a heat map: units against tokens, or one panel a head.

        Args:
            layer: name, or its end; the first recurrent or attention layer if left out.
            symbol: name; "h" or "weights" if left out.
            title: what the figure says; the names of layer and symbol if left out.
        """
        from kerasllm import plots

        found = self._find(layer, symbol)
        array, title = found.array, title or found.title
        if found.symbol == "weights" and array.shape[-2:] == (len(self.tokens),) * 2:
            return plots.attention_map(self.tokens, array, title=title)
        flat = _flat(np.nan_to_num(array, neginf=0.0))  # masked scores
        signed = not (found.recurrent and found.symbol in GATES)
        return plots.gate_heatmap(self.tokens, flat, title=title, signed=signed)

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
        symbols, count = self.layers[name], len(self.tokens)
        step = count - 1 if step is None else _in_range("step", step, count, "tokens")
        _in_range("unit", unit, symbols.arrays["h"].shape[-1], "units")
        processed = count - 1 - step if symbols.backwards else step
        made, note = equations_of(symbols.trace, processed, unit)
        if symbols.backwards and not note:
            note = "reads backwards: h_previous is the state at the token to the right"
        title = f"{name}, step {step} ({self.tokens[step]}), unit {unit}"
        return Equations(title, made, note, digits)

    def predictions(self, top=5):
        """Return the likeliest tokens at each step, or the classes, as a `TokenTable`.

        Raises:
            ValueError: the model gives no probabilities.
        """
        p = self.probabilities
        if p is None:
            raise ValueError("this model predicts neither tokens nor classes: see .table().")
        if p.ndim == 1:
            order = np.argsort(-p, kind="stable")
            rows = tuple((str(k), self.reading.label(k), f"{p[k]:.4f}") for k in order)
            return TokenTable("Classes", ("class", "label", "probability"), rows)
        ahead = 0 if self.reading.masked else 1
        what = ("token hidden", "its p") if self.reading.masked else ("next token", "its p")
        rows = tuple(self._prediction(t, p[t], ahead, top) for t in range(len(self.tokens)))
        columns = ("step", "token", *(what if ahead else what[1:]))
        names = tuple(f"top {k + 1}" for k in range(min(top, p.shape[1])))
        return TokenTable("Predictions", (*columns, *names), rows)

    def _prediction(self, t, p, ahead, top):
        known = t + ahead < len(self.tokens)
        came = [self.tokens[t + ahead] if known else "?"] * ahead
        own = f"{p[self.ids[t + ahead]]:.3f}" if known else ""
        order = np.argsort(-p, kind="stable")[:top]
        best = (f"{readable(self.reading.token(k))} {p[k]:.3f}" for k in order)
        return (str(t), self.tokens[t], *came, own, *best)

    def _most_attended(self, weights):
        heads = weights if weights.ndim == 3 else weights[None]
        if heads.shape[-1] != len(self.tokens):
            return _columns_of(weights, None)
        columns = [f"head {n + 1} looks at" for n in range(len(heads))]

        def cell(row):
            return f"{self.tokens[row.argmax()]} {row.max():.2f}"

        return columns, [tuple(cell(head[t]) for head in heads) for t in range(heads.shape[1])]

    def find_layer(self, layer=None):
        """Return the whole name of a layer that is named by its end; the default for None."""
        names = list(self.layers)
        if layer is None:
            return next((n for n in names if self.layers[n].interesting), names[-1])
        ends = [n for n in names if n == layer or n.endswith(f"/{layer}")]
        if layer in ends or len(ends) == 1:
            return layer if layer in ends else ends[0]
        said = f"several layers end in {layer!r}: {ends}" if ends else f"no layer {layer!r}"
        raise ValueError(
            f"{said}; the layers are {names}.{nearest(layer, [*names, *_ends(names)])}"
        )

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
        return _Found(f"{name}: {symbol}", symbol, array, recurrent)

    def __str__(self):
        names = (f"  {name}: {', '.join(symbols.arrays)}" for name, symbols in self.layers.items())
        note = [f"({self.note})"] if self.note else []
        return "\n".join([f"{len(self.tokens)} tokens: {' '.join(self.tokens)}", *note, *names])

    __repr__ = __str__

    __repr__ = __str__

    def _repr_html_(self):
        rows = tuple((name, ", ".join(s.arrays)) for name, s in self.layers.items())
        table = TokenTable(" ".join(self.tokens), ("layer", "symbols"), rows)
        return table._repr_html_()


class _Found(NamedTuple):
    title: str
    symbol: str
    array: np.ndarray
    recurrent: bool


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
