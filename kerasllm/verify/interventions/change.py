"""One change of a symbol: where it is made, and what is put there."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from kerasllm.verify.interventions.changed import Place


class Change(NamedTuple):
    """What is done to a symbol.

    Attributes:
        text: what is done, in words.
        place: where.
        new: (values, position, chosen) -> what is put in their place; `values` are those that the
            change is for, `row[chosen]`.
        positions: of the tokens; None for all.
        unit: a number, several, or None for all.
        head: a number, or None for all.
        backwards: whether the layer reads from the last token to the first.
    """

    text: str
    place: Place
    new: Callable
    positions: tuple | None = None
    unit: Any = None
    head: int | None = None
    backwards: bool = False

    def position_of(self, step, steps):
        """Return the position of the token that is read in a step."""
        return steps - 1 - step if self.backwards else step

    def of_row(self, row, position):
        """Return a row (B, H) or (B, N, K) as it is after the change."""
        if self.positions is not None and position not in self.positions:
            return row
        chosen = self._chosen(row)
        row = row.copy()  # the trace holds the one before
        row[chosen] = self.new(row[chosen], position, chosen)
        return row

    def of_array(self, array):
        """Return an array (B, T, D), (B, N, T, K) or (B, D) as it is after the change."""
        if array.ndim == 2:
            return self.of_row(array, None)
        steps = array.shape[-2]
        rows = (array[..., step, :] for step in range(steps))
        places = (self.position_of(step, steps) for step in range(steps))
        return np.stack([self.of_row(*pair) for pair in zip(rows, places, strict=True)], axis=-2)

    def _chosen(self, row):
        every = slice(None)
        unit = every if self.unit is None else self.unit
        if row.ndim == 2:
            return (every, unit)
        return (every, every if self.head is None else self.head, unit)


def put(value):
    """Put a number, or one for each chosen unit."""
    return lambda values, _position, _chosen: np.broadcast_to(value, values.shape)


def plus(value):
    """Add a number, or one for each chosen unit."""
    return lambda values, _position, _chosen: values + value


def taken_from(row_at):
    """Put what another row (B, H) or (B, N, K) has: `row_at(position)`."""

    def new(values, position, chosen):
        return np.broadcast_to(row_at(position)[chosen], values.shape)

    return new


def without(key):
    """Put attention weights of which one key has none, and the others share what it had.

    That is the softmax over the other keys alone; a query that saw no other one reads zeros.
    """

    def new(values, _position, _chosen):
        values = values.copy()
        values[..., key] = 0
        total = values.sum(axis=-1, keepdims=True)
        return values / np.where(total == 0, 1, total)

    return new
