"""What every score is made of: rows that belong together, and ratios of counts.

    precision = right / predicted     recall = right / true     f1 = 2 right / (predicted + true)

A ratio over nothing counts as 0, in every score of this package.
"""

import numpy as np


def check_rows(true, predicted):
    """Raise unless there are as many predictions as rows, and at least one.

    Args:
        true: what is right, one item a row.
        predicted: likewise, what was predicted.

    Raises:
        ValueError: no rows, or unequal lengths.

    Example:
        >>> check_rows(["a", "b"], ["a"])
        Traceback (most recent call last):
        ValueError: expected as many predictions as rows, received 1 predictions for 2 rows; ...
    """
    if len(true) != len(predicted):
        raise ValueError(
            f"expected as many predictions as rows, received {len(predicted)} predictions for "
            f"{len(true)} rows; predict exactly the rows that are scored"
        )
    if len(true) == 0:
        raise ValueError("expected at least one row to score, received none; is the split empty?")


def ratio(part, whole):
    """Return part / whole, and 0 where the whole is 0.

    Args:
        part: array or number.
        whole: array or number, 0 or more.

    Returns:
        float64 array of their common shape.

    Example:
        >>> ratio(np.array([1, 0]), np.array([4, 0]))
        array([0.25, 0.  ])
    """
    part, whole = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (part, whole)))
    return np.divide(part, whole, out=np.zeros(whole.shape), where=whole > 0)


def precision_recall_f1(right, predicted, true):
    """Return precision, recall and their harmonic mean.

    Args:
        right: how many predicted items are right, array of any shape or number.
        predicted: how many were predicted, likewise.
        true: how many there are, likewise.

    Returns:
        Three arrays of that shape.

    Example:
        >>> precision, recall, f1 = precision_recall_f1(6, 8, 12)
        >>> float(precision), float(recall), round(float(f1), 3)
        (0.75, 0.5, 0.6)
    """
    # 2pr/(p+r) with p and r put in: no second division by zero
    f1 = ratio(2 * np.asarray(right), np.asarray(predicted) + np.asarray(true))
    return ratio(right, predicted), ratio(right, true), f1
