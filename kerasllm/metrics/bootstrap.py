"""Intervals by the bootstrap: the rows of the test set are drawn again with replacement.

SciPy draws. A row is what is independent of the others: a text, a sentence with all its words, a
context with all its questions, a block of a running text. So whole clusters are drawn, and a score
over them is `pooled_mean`, a ratio of two sums.
"""

import inspect

import numpy as np

from kerasllm.metrics.counts import ratio

AT_ONCE = 2_000_000  # row numbers drawn at once: bounds the memory


def bootstrap_interval(statistic, *arrays, samples=1000, confidence=0.95, seed=0):
    """Return the percentile interval of a statistic, whose rows are drawn again with replacement.

    Args:
        statistic: function of the arrays that returns one number. One that takes `axis` (as
            `np.mean` and `pooled_mean` do) is called on many draws at once, others one by one.
        *arrays: each (R, ...): row r of every array belongs together and is drawn together.
        samples: number of draws.
        confidence: probability that the interval should hold, between 0 and 1.
        seed: of the draws.

    Returns:
        (low, high). Of a single row both are its value.

    Raises:
        ValueError: no arrays, no rows, unequal lengths, fewer than 2 draws or an impossible
            confidence.

    Example:
        >>> right = np.array([1, 0, 1, 1, 0, 1, 1, 1, 1, 1])
        >>> low, high = bootstrap_interval(np.mean, right)
        >>> bool(low <= right.mean() <= high)
        True

    Source: Efron 1979; the percentile method.
    """
    from scipy.stats import bootstrap

    arrays = [np.asarray(array) for array in arrays]
    rows = _row_count(arrays)
    _check_draws(samples, confidence)
    if rows == 1:  # every draw is this row
        value = float(statistic(*arrays))
        return value, value
    at_once = _takes_axis(statistic)
    options = {"axis": 1} if at_once else {}  # of the draws (draws, R, ...) it is the second

    def drawn(numbers, axis=-1):  # noqa: ARG001 - SciPy counts it from the end
        return statistic(*(array[numbers] for array in arrays), **options)

    found = bootstrap(
        (np.arange(rows),), drawn, vectorized=at_once, batch=max(1, AT_ONCE // rows),
        n_resamples=samples, confidence_level=confidence, method="percentile", rng=seed,
    )  # fmt: skip
    return tuple(map(float, found.confidence_interval))


def pooled_mean(sums, counts, axis=None):
    """Return the mean over clusters of unequal size: larger ones weigh more.

    Args:
        sums: (R,) the sum of each cluster, such as the nats of a sequence.
        counts: (R,) how many it is the sum of, such as its real tokens.
        axis: the axis of the clusters.

    Returns:
        total sum / total count: the statistic for `bootstrap_interval(pooled_mean, sums, counts)`.

    Example:
        >>> float(pooled_mean(np.array([3.0, 1.0]), np.array([3, 5])))
        0.5
    """
    return ratio(np.sum(sums, axis=axis), np.sum(counts, axis=axis))


def percentile_interval(values, confidence=0.95):
    """Return the quantiles that hold the middle `confidence` of the values of a statistic.

    Args:
        values: (samples, ...) one value a draw.
        confidence: probability that the interval should hold, between 0 and 1.

    Example:
        >>> percentile_interval(range(9), confidence=0.75)
        (1.0, 7.0)
    """
    _check_draws(len(values), confidence)
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.asarray(values, dtype=float), [tail, 1 - tail])
    return float(low), float(high)


def _check_draws(samples, confidence):
    if samples < 2 or not 0 < confidence < 1:
        raise ValueError(
            "expected at least 2 samples and a confidence between 0 and 1, received "
            f"samples={samples}, confidence={confidence}; say 1000 and 0.95"
        )


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
