"""Change what a model computes while it reads a text, and see what follows.

    reads = intervene("runs/lm", "The cats on the mat")
    print(reads)                                                 # what can be changed
    reads.set("lstm_0", "c", 0, unit=3, position=2).answer       # before, after
    reads.swap("lstm_0", "c", "The cat on the mat", unit=3)      # its value in another text
    reads.cut("attention", query=4, key=1, head=0)
    reads.silence("block_0")

Each returns a new reading with the change; several follow one another, as in
`reads.set(…).freeze(…)`. Everything is computed by the NumPy twin in float64.
"""

import functools

import numpy as np

from kerasllm import layers, plots
from kerasllm.utils.tables import Shown, Table
from kerasllm.verify.interventions import change
from kerasllm.verify.interventions.answers import Answer
from kerasllm.verify.interventions.reading import Start, in_range
from kerasllm.verify.traces.inputs import read

_BRANCHES = (layers.MultiHeadAttention, layers.FeedForward)


def intervene(run_or_model, x, tokenizer=None):
    """Read a text with a model, ready to change any symbol of it.

    Layers and symbols have the names that `kerasllm.verify.trace` shows: the gates, cell and state
    of a recurrent layer ("i", "f", "g", "o", "c", "h"; "z", "r", "candidate", "h"), "q", "k", "v",
    "scores", "weights" and "z" of an attention, and "output" of every layer: an embedding, or the
    branch that an attention adds to the residual stream.

    Args:
        run_or_model: a run folder, a `Run`, or a Keras model that the twin knows.
        x: a text, or what else `kerasllm.verify.trace` takes.
        tokenizer: that of a model given without a run.

    Returns:
        An `Intervention` without changes.

    Raises:
        FileNotFoundError, TypeError, ValueError: as `kerasllm.verify.trace`.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((None,), dtype="int32"),
        ...                           keras.layers.Embedding(11, 3),
        ...                           keras.layers.LSTM(5, name="lstm")])
        >>> reads = intervene(model, [4, 9, 2])
        >>> reads.set("lstm", "f", 0).after.array("lstm", "f").max().item()
        0.0

    Source:
        Pearl, Causality (2000), section 3.2 (the do-operator); Vig et al., Investigating Gender
        Bias in Language Models Using Causal Mediation Analysis (2020); Geiger et al., Causal
        Abstractions of Neural Networks (2021), section 3 (values from another run).
    """
    return Intervention(Start(read(run_or_model, x, tokenizer)), tokenizer)


class Intervention(Shown):
    """A text as a model reads it, with some symbols changed; see `intervene`.

    Attributes:
        start: what there was before anything was changed.
        changes: the `Change`s, in the order in which they are made.
    """

    def __init__(self, start, tokenizer=None, changes=()):
        self.start, self.tokenizer, self.changes = start, tokenizer, tuple(changes)

    def set(self, layer, symbol, value=0.0, *, unit=None, position=None, head=None):
        """Put a number in the place of a symbol.

        Args:
            layer: its name in a trace, or the end of it ("lstm_0" for "stack/lstm_0").
            symbol: its name; "output" for what the layer hands on.
            value: a number, or one for each of the units.
            unit: number from 0, or several; all if left out. Of "scores" and "weights" the
                position of the key.
            position: of the token from 0, or the token itself; or several. All if left out.
            head: number from 0; all if left out.

        Raises:
            ValueError: no such layer, symbol, unit, position or head; a value that does not fit.
        """
        value = _numbers(value)
        text = f":= {_written(value)}"
        return self._and(text, layer, symbol, change.put(value), unit, position, head, value)

    def add(self, layer, symbol, value, *, unit=None, position=None, head=None):
        """Add a number to a symbol; arguments as of `set`."""
        value = _numbers(value)
        text = f"+ {_written(value)}"
        return self._and(text, layer, symbol, change.plus(value), unit, position, head, value)

    def freeze(self, layer, symbol, *, unit=None, position=None, head=None):
        """Keep what a symbol was without any change, whatever is changed before it.

        A change that no longer has an effect had it through the frozen symbol, and one that keeps
        it has it along another way (direct and indirect effect: Vig et al. 2020, section 3).
        Arguments as of `set`.
        """
        name, place = self.start.find(layer, symbol)
        new = change.taken_from(self.start.rows(name, place))
        return self._and("kept as it was", layer, symbol, new, unit, position, head)

    def swap(
        self, layer, symbol, other, *, unit=None, position=None, other_position=None, head=None
    ):
        """Put in the place of a symbol what it is in another text (an interchange intervention).

        Args:
            layer: as of `set`.
            symbol: as of `set`.
            other: another text, or another `Intervention` of this model, changes and all.
            unit: as of `set`.
            position: as of `set`; all if left out, which needs texts of equal length.
            other_position: where to look in the other text; at `position` if left out.
            head: as of `set`.

        Raises:
            ValueError: as of `set`; texts that differ in length, or another model read the other.
        """
        name, place = self.start.find(layer, symbol)
        other = other if isinstance(other, Intervention) else self._reading(other)
        if place not in other.start.recorded:
            raise ValueError(f"the other text was read by another model, without {name}: {symbol}.")
        theirs = other._computed.rows(name, place)
        ours, there = self.start.recorded[place], other.start.recorded[place]
        if other_position is not None:
            (at,) = other.start.positions(name, place, other_position)
            new = change.taken_from(lambda _position: theirs(at))
        else:
            _check_lengths(name, place, ours, there, self.start.positions(name, place, position))
            new = change.taken_from(theirs)
        text = f"as in {' '.join(other.start.trace.tokens)!r}"
        return self._and(text, layer, symbol, new, unit, position, head)

    def average(self, layer, symbol, texts, *, unit=None, position=None, head=None):
        """Put in the place of a symbol its mean over all positions of many texts.

        It takes away what the symbol says about this text, and leaves what it says about any
        (mean ablation). Other arguments as of `set`.

        Args:
            layer: as of `set`.
            symbol: as of `set`.
            texts: the corpus, a list.
            unit: as of `set`.
            position: as of `set`.
            head: as of `set`.

        Raises:
            ValueError: as of `set`; no texts; attention weights, which have no mean.
        """
        _, place = self.start.find(layer, symbol)
        if symbol in ("weights", "scores") or isinstance(texts, str) or not len(texts):
            raise ValueError(
                "expected a symbol that is the same for texts of any length (not the weights or "
                f"scores of an attention) and a list of texts, received {symbol!r} and {texts!r}."
            )
        arrays = [self._reading(text).start.recorded[place] for text in texts]
        steps = [np.moveaxis(a, -2, 0) if a.ndim > 2 else a[None] for a in arrays]
        mean = np.concatenate(steps).mean(axis=0)  # (T, B, H) -> (B, H); (T, B, N, K) -> (B, N, K)
        new = change.taken_from(lambda _position: mean)
        text = f"the mean over {len(texts)} texts"
        return self._and(text, layer, symbol, new, unit, position, head)

    def cut(self, layer, query, key, *, head=None):
        """Forbid an attention to look from one position at another.

        As if the mask hid it: the other keys share the weight (attention knockout; Geva et al.,
        Dissecting Recall of Factual Associations (2023), section 4).

        Args:
            layer: an attention.
            query: position that looks, or its token; several, or None for all.
            key: position that is looked at, or its token.
            head: number from 0; all if left out.

        Raises:
            ValueError: a layer without attention weights; no such position or head.
        """
        name, place = self.start.find(layer, "weights")
        key = self._key(name, place, key)
        text = f"cannot look at {key}"
        return self._and(text, layer, "weights", change.without(key), None, query, head)

    def silence(self, layer, *, head=None):
        """Let a layer, or one head of it, say nothing: what it hands on is 0.

        A Transformer block then hands on what it read: its attention and its feed-forward network
        add nothing to the residual stream.

        Args:
            layer: as of `set`.
            head: number from 0 of one head of an attention; the whole layer if left out.
        """
        if head is not None:
            return self.set(layer, "z", 0, head=head)
        name, _ = self.start.find(layer, "output")
        inside = [n for n, part in self.start.layers.items()
                  if n.startswith(f"{name}/") and issubclass(part.kind, _BRANCHES)]  # fmt: skip
        silent = self
        for part in inside or [name]:
            silent = silent.set(part, "output", 0)
        return silent

    def _and(self, text, layer, symbol, new, unit, position, head, value=None):
        """Return this intervention with one more change."""
        name, place = self.start.find(layer, symbol)
        shape = self.start.recorded[place].shape
        _check(name, place, shape, unit, head, value)
        positions = self.start.positions(name, place, position)
        where = (("head", head), ("position", positions), ("unit", unit))
        said = [f"{what} {_written(number)}" for what, number in where if number is not None]
        text = f"{', '.join([f'{name}: {symbol}', *said])} {text}"
        backwards = self.start.layers[name].backwards
        one = change.Change(text, place, new, positions, unit, head, backwards)
        return Intervention(self.start, self.tokenizer, (*self.changes, one))

    def _reading(self, x):
        seen = read(self.start.seen.model, x, self.tokenizer)
        return Intervention(Start(seen, self.start.twin.with_changes(())), self.tokenizer)

    def _key(self, name, place, key):
        tokens = self.start.trace.tokens_of(name)
        count = self.start.recorded[place].shape[-1]
        if isinstance(key, str) and len(tokens) == count:
            (key,) = self.start.positions(name, place, key)
        return in_range("key", key, count)

    @functools.cached_property
    def _computed(self):
        """The `Start` of the changed model."""
        made = Start(self.start.seen, self.start.twin.with_changes(self.changes))
        made.trace.changed = "; ".join(change.text for change in self.changes)
        return made

    @property
    def before(self):
        """The `TextTrace` without any change."""
        return self.start.trace

    @property
    def after(self):
        """The `TextTrace` with the changes: tables, figures and arrays of every symbol."""
        return self._computed.trace if self.changes else self.start.trace

    @functools.cached_property
    def answer(self):
        """The `Answer` before and after."""
        return Answer(self.before, self.after, self.after.changed)

    def difference(self, layer=None, symbol=None):
        """Return a symbol after the changes minus before; layer and symbol as in `TextTrace`."""
        before, after = self.before.array(layer, symbol), self.after.array(layer, symbol)
        return np.where(before == after, 0.0, after - before)  # -inf of both is no difference

    def effects(self):
        """Return what changed at every symbol, in the order of computation, as a `Table`.

        The largest change stands with its position; the last column is the size of all changes of
        the symbol, ‖after - before‖ / ‖before‖.
        """
        rows = []
        for layer, symbols in self.before.layers.items():
            for symbol in symbols.arrays:
                rows += self._effect(layer, symbol)
        columns = ("layer", "symbol", "from position", "largest change", "at", "relative size")
        return Table(columns, rows, "What changed" if rows else "Nothing changed")

    def _effect(self, layer, symbol):
        moved = self.difference(layer, symbol)
        moved = np.moveaxis(moved, -2, 0) if moved.ndim == 3 else moved  # (N, T, K) -> (T, N, K)
        moved = moved.reshape(len(moved), -1)
        by_position = np.abs(moved).max(axis=1)
        if not by_position.any():
            return []
        at, tokens = by_position.argmax(), self.before.tokens_of(layer)
        largest = moved[at][np.abs(moved[at]).argmax()]
        before = np.linalg.norm(np.nan_to_num(self.before.array(layer, symbol), neginf=0.0))
        size = f"{np.linalg.norm(moved) / before:.1%}" if before else "–"
        first = np.flatnonzero(by_position)[0]
        return [(layer, symbol, str(first), float(largest), f"{at} {tokens[at]}", size)]

    def figure(self, layer=None, symbol=None, title=None):
        """Draw after minus before as a heat map: units against tokens."""
        layer = self.before.find_layer(layer)
        symbol = symbol or self.before.layers[layer].default
        moved = self.difference(layer, symbol)
        flat = np.concatenate(list(moved), axis=-1) if moved.ndim == 3 else moved
        flat = flat.reshape(len(flat), -1)
        title = title or f"{layer}: {symbol}, after minus before"
        return plots.gate_heatmap(self.before.tokens_of(layer), flat, title=title, signed=True)

    def places(self):
        """Return what can be changed, as a `Table`."""
        rows = [(name, ", ".join(sorted(self.start.symbols(name)))) for name in self.start.layers]
        return Table(("layer", "symbols"), rows, "What can be changed")

    @property
    def table(self):
        """What can be changed; of an intervention what it changed."""
        return self.effects() if self.changes else self.places()

    def __str__(self):
        answers = self.before.probabilities is not None
        said = str(self.answer) if answers else self.after.changed
        return "\n".join([" ".join(self.before.tokens), *([said] if self.changes else []),
                          str(self.table)])  # fmt: skip


def _check(name, place, shape, unit, head, value):
    """Refuse a head, a unit or a value that does not fit a symbol of this shape."""
    if head is not None:
        if len(shape) != 4:
            raise ValueError(f"{name}: {place.symbol} has no heads: leave head out.")
        in_range("head", head, shape[1])
    several = unit if isinstance(unit, (list, tuple, range)) else [] if unit is None else [unit]
    for one in several:
        in_range("unit", one, shape[-1])
    chosen = shape[-1] if unit is None else len(several)
    if value is not None and np.size(value) not in (1, chosen):
        raise ValueError(
            f"expected one number, or {chosen}, one for each unit; received {np.size(value)}."
        )


def _check_lengths(name, place, ours, theirs, positions):
    """Refuse a text that has nothing to put at some of the positions; None stands for all."""
    if ours.shape == theirs.shape:
        return
    if positions is not None and ours.shape[-1] == theirs.shape[-1]:
        for position in positions:
            in_range("position", position, theirs.shape[-2])
        return
    raise ValueError(
        f"{name}: {place.symbol} has the shape {ours.shape[1:]} in this text and "
        f"{theirs.shape[1:]} in the other: choose a position (and other_position), or take texts "
        "of as many tokens."
    )


def _numbers(value):
    try:
        numbers = np.asarray(value, float)
    except (TypeError, ValueError):
        numbers = np.asarray(np.nan)
    if not np.isfinite(numbers).all() or numbers.ndim > 1:
        raise ValueError(f"expected a finite number, or one for each unit; received {value!r}.")
    return numbers


def _written(value):
    several = np.ravel(value).tolist()
    shown = ", ".join(f"{number:g}" for number in several[:4])
    return shown + (", …" if len(several) > 4 else "")
