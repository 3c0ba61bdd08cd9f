"""Intervals by the bootstrap: the rows of the test set are drawn again with replacement."""

import inspect
from collections.abc import Callable

import numpy as np


def bootstrap_interval(
    statistic: Callable,
    *arrays: np.ndarray,
    samples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic, by drawing its rows again with replacement.

    Args:
        statistic: function of the arrays that returns one number. One that takes `axis` (as
            `np.mean` and `mean_loss` do) is called on many draws at once, any other one by one.
        *arrays: each (R, ...): row r of every array belongs together and is drawn together.
        samples: number of draws.
        confidence: probability that the interval should hold, between 0 and 1.
        seed: of the draws.

    Returns:
        (low, high).

    Raises:
        ValueError: no arrays, no rows, unequal lengths or an impossible confidence.

    Example:
        >>> right = np.array([1, 0, 1, 1, 0, 1, 1, 1, 1, 1])
        >>> low, high = bootstrap_interval(np.mean, right)
        >>> bool(low <= right.mean() <= high)
        True

    Source: Efron 1979; the percentile method.
    """
    arrays = [np.asarray(array) for array in arrays]
    rows = _row_count(arrays)
    if not 0 < confidence < 1:
        raise ValueError(f"expected a confidence between 0 and 1, received {confidence}; say 0.95")
    generator = np.random.default_rng(seed)
    at_once = max(1, 2_000_000 // rows) if _takes_axis(statistic) else 1
    values = []
    for start in range(0, samples, at_once):
        count = min(at_once, samples - start)
        draw = generator.integers(rows, size=(count, rows))
        if _takes_axis(statistic):
            values.append(statistic(*(array[draw] for array in arrays), axis=1))
        else:
            values.append([statistic(*(array[draw[0]] for array in arrays))])
    return middle(np.concatenate(values), confidence)


def mean_loss(nats: np.ndarray, tokens: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Loss in nats per token of sequences of unequal length: longer ones weigh more.

    Args:
        nats: (R,) summed negative log-likelihood of each sequence.
        tokens: (R,) real tokens of each sequence.
        axis: the axis of the sequences.

    Returns:
        total nats / total tokens: the statistic for `bootstrap_interval(mean_loss, nats, tokens)`.

    Example:
        >>> float(mean_loss(np.array([3.0, 1.0]), np.array([3, 5])))
        0.5
    """
    return np.sum(nats, axis=axis) / np.sum(tokens, axis=axis)


def _row_count(arrays):
    lengths = sorted({len(array) for array in arrays})
    if len(lengths) != 1 or lengths[0] == 0:
        raise ValueError(
            f"expected arrays of one length with at least one row, received lengths {lengths}; "
            "give one value for each row of the test set"
        )
    return lengths[0]


def _takes_axis(statistic):
    try:
        return "axis" in inspect.signature(statistic).parameters
    except (TypeError, ValueError):  # some compiled functions have no signature
        return False


def middle(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Return the quantiles that hold the middle `confidence` of the values.

    Example:
        >>> middle(range(9), confidence=0.75)
        (1.0, 7.0)
    """
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.asarray(values, dtype=float), [tail, 1 - tail])
    return float(low), float(high)
