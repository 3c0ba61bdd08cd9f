"""What a diagram may be given."""

import operator

import numpy as np


def needed(trace, names, maker):
    """Return the parts of a trace that a diagram is drawn from.

    Raises:
        ValueError: the trace is another's.
    """
    missing = [name for name in names if not hasattr(trace, name)]
    if missing:
        raise ValueError(
            f"expected the trace of {maker}, received {type(trace).__name__} without "
            f"{', '.join(missing)}: draw `_, trace = {maker}(…)`"
        )
    return tuple(getattr(trace, name) for name in names)


def index(name, value, count):
    """Return a place among `count`, counted from the end where it is negative.

    Raises:
        ValueError: no whole number, or one outside.
    """
    try:
        place = operator.index(value)
    except TypeError:
        place = count
    if not -count <= place < count:
        raise ValueError(
            f"expected {name} as a whole number from 0 to {count - 1}, received {value!r}"
        )
    return place % count


def tokens_of(tokens, count, name="tokens"):
    """Return one text a step; empty ones where no tokens are given.

    Raises:
        ValueError: another number of tokens.
    """
    if tokens is None:
        return [""] * count
    if len(tokens) != count:
        raise ValueError(
            f"expected {count} {name}, one for each step of the trace, received {len(tokens)}"
        )
    return [cut(str(token)) for token in tokens]


def cut(token, longest=12):
    """Return a token that leaves room for what stands beside it."""
    return token if len(token) <= longest else f"{token[: longest - 1]}…"


def rms(values):
    """Return the root of the mean square: how large the numbers of an array are."""
    return float(np.sqrt(np.mean(np.square(values, dtype=float))))
