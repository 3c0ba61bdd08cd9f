"""How far probabilities can be believed: of answers given with p = 0.8, four in five are right."""

from typing import NamedTuple

import numpy as np


class Reliability(NamedTuple):
    """Answers in bins of like probability; empty bins are left out.

    Attributes:
        confidence: mean probability of each bin (K,).
        accuracy: share of right answers of each bin (K,).
        count: answers of each bin (K,).
        error: Σ_k (n_k / R) |accuracy_k - confidence_k|, the expected calibration error.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray
    error: float


def reliability(p, right, bins=10):
    """Return the `Reliability` of answers, in bins of equal width.

    Args:
        p: (R,) probability that each answer was given with.
        right: (R,) whether it was right.
        bins: number of bins from 0 to 1.

    Raises:
        ValueError: no answers, unequal lengths, or p outside of [0, 1].

    Example:
        >>> found = reliability([0.9, 0.9, 0.6, 0.6], [1, 1, 1, 0])
        >>> found.accuracy.tolist(), found.count.tolist(), round(found.error, 3)
        ([0.5, 1.0], [2, 2], 0.1)

    Source: Guo et al. 2017, "On calibration of modern neural networks", equations 2 to 5.
    """
    p, right = np.asarray(p, "float64"), np.asarray(right, "float64")
    if p.shape != right.shape or p.ndim != 1 or not p.size or p.min() < 0 or p.max() > 1:
        raise ValueError(
            "expected a probability from 0 to 1 for each answer, and whether it was right, "
            f"received shapes {p.shape} and {right.shape}; give one of each a row"
        )
    place = np.minimum((p * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    there = count > 0
    sums = (np.bincount(place, values, bins)[there] for values in (p, right))
    confidence, accuracy = (total / count[there] for total in sums)
    error = float((count[there] / len(p)) @ np.abs(accuracy - confidence))
    return Reliability(confidence, accuracy, count[there], error)
