"""What a score is worth: scores of a class, the interval of a mean, a test of two models."""

import math
from typing import NamedTuple

import numpy as np

from kerasllm.reference import checks

__all__ = ["ClassScores", "class_scores", "mcnemar", "percentile_bootstrap"]


class ClassScores(NamedTuple):
    """Precision, recall and F1 of every class."""

    precision: np.ndarray  # (C,)
    recall: np.ndarray  # (C,)
    f1: np.ndarray  # (C,)


def class_scores(confusion):
    """Score each class from the counts of a confusion matrix.

        precision_c = confusion[c, c] / Σ_r confusion[r, c]      of those called c
        recall_c    = confusion[c, c] / Σ_r confusion[c, r]      of those that are c
        f1_c        = 2 precision_c recall_c / (precision_c + recall_c)        0/0 is 0

    Args:
        confusion: (C, C) counts, the true class a row, the predicted class a column.

    Returns:
        `ClassScores`.

    Raises:
        ValueError: not a square matrix, or a negative count.

    Example:
        >>> scores = class_scores([[6, 2], [4, 8]])
        >>> [float(round(score[0], 3)) for score in scores]
        [0.6, 0.75, 0.667]

    Source:
        van Rijsbergen, Information Retrieval (1979), chapter 7.
    """
    confusion = np.asarray(confusion, dtype="float64")
    checks.rank("confusion", confusion, "CC")
    checks.shape("confusion", confusion, (len(confusion),) * 2, because="it has a row a class")
    if not (confusion >= 0).all():
        raise ValueError(
            f"expected counts of 0 or more in confusion, received {confusion.min():g}; count how "
            "often each class was predicted as each"
        )
    right = np.diagonal(confusion)
    precision = _ratio(right, confusion.sum(axis=0))
    recall = _ratio(right, confusion.sum(axis=1))
    return ClassScores(precision, recall, _ratio(2 * precision * recall, precision + recall))


def percentile_bootstrap(values, draws, confidence=0.95):
    """Return the interval of a mean: what the means of the redrawn rows have in their middle.

        mean_s = (1 / R) Σ_r values[draws[s, r]]
        low, high = quantiles (1 - confidence) / 2 and (1 + confidence) / 2 of all mean_s

    Args:
        values: (R,) one number a test row, such as 1 where the answer was right.
        draws: (S, R) numbers of rows, each line R rows drawn with replacement.
        confidence: between 0 and 1.

    Returns:
        low, high: two numbers.

    Raises:
        ValueError: shapes that do not fit, rows that there are not, another confidence.

    Example:
        >>> low, high = percentile_bootstrap([0.0, 1.0], [[0, 0], [0, 1], [1, 1]], 0.5)
        >>> float(low), float(high)
        (0.25, 0.75)

    Source:
        Efron, Bootstrap methods: another look at the jackknife (1979).
    """
    values, draws = checks.floats(values=values), np.asarray(draws)
    checks.rank("values", values, "R")
    checks.rank("draws", draws, "SR")
    checks.shape("draws", draws, (len(draws), len(values)), because=f"there are {len(values)} rows")
    if not draws.size or draws.min() < 0 or draws.max() >= len(values):
        raise ValueError(
            f"expected numbers of rows from 0 to {len(values) - 1} in draws, at least one line; "
            "draw them with rng.integers(R, size=(S, R))"
        )
    if not 0 < confidence < 1:
        raise ValueError(f"expected a confidence between 0 and 1, received {confidence}; say 0.95")
    means = values[draws].mean(axis=1)  # (S,)
    tail = (1 - confidence) / 2
    return np.quantile(means, tail), np.quantile(means, 1 - tail)


def mcnemar(first_right, second_right):
    """Return how often chance alone would part two equally good models as far as these.

        n = rows on which exactly one of the two is right,  k = those of the rarer kind
        p = min(1, 2 Σ_{i=0}^{k} C(n, i) / 2ⁿ)

    Rows on which both are right, or both wrong, say nothing about who is better. If neither is,
    each of the others is the toss of a fair coin.

    Args:
        first_right: (R,) bool, whether the first model answered the row rightly.
        second_right: (R,) bool, likewise for the second one.

    Returns:
        p, a number; 1 where the two are never of two minds.

    Raises:
        ValueError: not two lists of one length.

    Example:
        Five rows only one of them has right, and it is always the same one: 2 / 2⁵.

        >>> float(mcnemar([True] * 6, [False] * 5 + [True]))
        0.0625

    Source:
        McNemar, Note on the sampling error of the difference between correlated proportions
        (1947); the exact form is the sign test.
    """
    first, second = np.asarray(first_right, dtype=bool), np.asarray(second_right, dtype=bool)
    checks.rank("first_right", first, "R")
    checks.shape("second_right", second, first.shape, because=f"first_right has {len(first)} rows")
    counts = int((first & ~second).sum()), int((~first & second).sum())
    n = sum(counts)
    tail = sum(math.comb(n, i) for i in range(min(counts) + 1))
    return min(1.0, 2 * tail / 2**n)  # whole numbers until here: 2ⁿ does not overflow


def _ratio(part, whole):
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=whole > 0)
