"""What a model answers before and after an intervention."""

import numpy as np

from kerasllm.utils.tables import Shown, Table, readable

SHOWN = 5  # tokens of a table


class Answer(Shown):
    """What a model answers, before and after.

    Attributes:
        before: probabilities before: of the next token at each position (T, V), of the classes
            (C,), of the tags of words (M, C), of where an answer begins and ends (2, T).
        after: the same after the changes.
        change: how far the two are from each other, ½ Σ |after - before| (total variation), at
            each position; 0 for the same, 1 for nothing in common.
        title: what was changed.

    Raises:
        ValueError: the model gives no probabilities.
    """

    def __init__(self, before, after, title=""):
        if before.probabilities is None:
            raise ValueError(
                "this model answers with no probabilities: look at .after, .difference() and "
                ".effects()."
            )
        self._trace, self.title = before, title
        self.before, self.after = before.probabilities, after.probabilities
        self.change = np.abs(self.after - self.before).sum(axis=-1) / 2

    @property
    def label(self):
        """The likeliest answer after the changes: of the last position, the text, or each word."""
        return self._best(self.after)

    @property
    def label_before(self):
        """The likeliest answer before them."""
        return self._best(self.before)

    def probability(self, label):
        """Return (before, after) of a token or class: of the last position, the text, each word.

        Raises:
            ValueError: no such token or class.
        """
        count = self.before.shape[-1]
        found = [k for k in range(count) if label in (self._label(k), self._shown(k), k)]
        if not found:
            raise ValueError(f"no token or class {label!r} among the {count} of this model.")
        return tuple(p[..., found[0]] for p in map(self._last, (self.before, self.after)))

    @property
    def table(self):
        """The likeliest answers before and after: at the last position, or for every word."""
        if self._predicts in ("class", "next"):
            before, after = self._last(self.before), self._last(self.after)
            order = np.argsort(-np.maximum(before, after), kind="stable")[:SHOWN]
            rows = [(self._shown(k), *_numbers(before[k], after[k])) for k in order]
            what = "class" if self._predicts == "class" else "next token"
            return Table((what, "before", "after", "change"), rows, self.title)
        steps = zip(self._words, self.before, self.after, self.change, strict=True)
        rows = [(word, *map(self._with_p, pair), float(far)) for word, *pair, far in steps]
        return Table(("", "before", "after", "change"), rows, self.title)

    @property
    def _predicts(self):
        given = self._trace.seen.reading.predicts
        return given or ("class" if self.before.ndim == 1 else "next")

    @property
    def _words(self):
        if self._predicts == "span":
            return ("begins", "ends")
        tokens = self._trace.streams[-1].tokens if self._predicts == "tag" else self._trace.tokens
        return [readable(token) for token in tokens]

    def _last(self, p):
        return p[-1] if self._predicts == "next" else p

    def _best(self, p):
        best = self._last(p).argmax(axis=-1)
        return self._label(best) if np.ndim(best) == 0 else [self._label(k) for k in best]

    def _label(self, k):
        return str(k) if self._predicts == "span" else self._trace.seen.label(int(k))

    def _shown(self, k):
        return readable(self._label(k))

    def _with_p(self, p):
        return f"{self._shown(p.argmax())} {p.max():.3f}"


def _numbers(before, after):
    return float(before), float(after), float(after - before)
