"""Scores of classifiers and language models, each derived in one place.

- Every classification score is read off the confusion matrix, so scores cannot disagree.
- A loss is the mean negative log-likelihood in nats per real (unpadded) token; perplexity and bits
  are derived from the same total.
- 95 % intervals are bootstrapped (see `kerasllm.metrics.bootstrap`).
"""

from collections.abc import Sequence

import numpy as np

from kerasllm.metrics.bootstrap import bootstrap_interval, mean_loss, middle

__all__ = [
    "SCORES", "bootstrap_interval", "classification_intervals", "classification_metrics",
    "confusion_matrix", "mean_loss", "scores_of",
]  # fmt: skip

SCORES = ("accuracy", "precision_macro", "recall_macro", "f1_macro", "matthews")


def confusion_matrix(y_true: Sequence, y_pred: Sequence, labels: Sequence[str]) -> np.ndarray:
    """Count how often class i (row) was predicted as class j (column).

    Args:
        y_true: (R,) class ids, or class names out of `labels`.
        y_pred: (R,) predictions in either form.
        labels: the C class names, in the order of the ids.

    Returns:
        (C, C) int64 counts; the rows sum to the support of each class.

    Raises:
        ValueError: no rows, unequal lengths, or a class that `labels` does not hold.
        TypeError: labels of mixed types, or NaN.

    Example:
        >>> confusion_matrix([0, 0, 1], ["ham", "spam", "spam"], ["ham", "spam"])
        array([[1, 1],
               [0, 1]])
    """
    true, predicted = (
        _class_ids(y, labels, n) for y, n in ((y_true, "y_true"), (y_pred, "y_pred"))
    )
    if len(true) != len(predicted):
        raise ValueError(
            f"expected as many predictions as labels, received {len(predicted)} predictions for "
            f"{len(true)} labels; predict exactly the rows that are scored"
        )
    if len(true) == 0:
        raise ValueError("expected at least one row to score, received none; is the split empty?")
    count = len(labels)
    return np.bincount(true * count + predicted, minlength=count**2).reshape(count, count)


def classification_metrics(y_true: Sequence, y_pred: Sequence, labels: Sequence[str]) -> dict:
    r"""Score the predictions of a classifier.

    Equation:
        precision_c = right_c / predicted_c,  recall_c = right_c / support_c,
        f1_c = 2 precision_c recall_c / (precision_c + recall_c),  macro = mean over classes,
        matthews = (r s - sum_c p_c t_c) / sqrt((s^2 - sum_c p_c^2) (s^2 - sum_c t_c^2))
        with s rows, r right, p_c predicted as c, t_c truly c.  0/0 counts as 0.

    Args:
        y_true: (R,) class ids or names.
        y_pred: (R,) class ids or names.
        labels: the C class names.

    Returns:
        dict with the names in `SCORES` (floats), `rows`, `per_class` (a dict a class: label,
        precision, recall, f1, support) and `confusion` (C lists of C counts): ready for JSON.

    Raises:
        ValueError: see `confusion_matrix`.

    Example:
        >>> scores = classification_metrics([0, 0, 1, 1], [0, 1, 1, 1], ["ham", "spam"])
        >>> scores["accuracy"], round(scores["matthews"], 4)
        (0.75, 0.5774)

    Source: Gorodkin 2004 (the Matthews coefficient for C classes).
    """
    matrix = confusion_matrix(y_true, y_pred, labels)
    precision, recall, f1 = _per_class(matrix)
    per_class = [
        {
            "label": str(label),
            "precision": float(p),
            "recall": float(r),
            "f1": float(f),
            "support": s,
        }
        for label, p, r, f, s in zip(
            labels, precision, recall, f1, matrix.sum(1).tolist(), strict=True
        )
    ]
    scores = {name: float(value) for name, value in scores_of(matrix).items()}
    return scores | {
        "rows": int(matrix.sum()),
        "per_class": per_class,
        "confusion": matrix.tolist(),
    }


def scores_of(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Read the scores named in `SCORES` off one confusion matrix or a whole stack of them.

    Args:
        matrix: (..., C, C) counts.

    Returns:
        dict of arrays of shape (...).

    Example:
        >>> {name: float(value) for name, value in scores_of(np.eye(2)).items()}["matthews"]
        1.0
    """
    matrix = np.asarray(matrix, dtype=float)
    precision, recall, f1 = _per_class(matrix)
    rows, right = matrix.sum((-2, -1)), np.trace(matrix, axis1=-2, axis2=-1)
    true, predicted = matrix.sum(-1), matrix.sum(-2)  # (..., C)
    spread = (rows**2 - (true**2).sum(-1)) * (rows**2 - (predicted**2).sum(-1))
    return {
        "accuracy": right / rows,
        "precision_macro": precision.mean(-1),
        "recall_macro": recall.mean(-1),
        "f1_macro": f1.mean(-1),
        "matthews": _divide(right * rows - (true * predicted).sum(-1), np.sqrt(spread)),
    }


def classification_intervals(
    matrix: np.ndarray, samples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Bootstrap the interval of every classification score.

    Rows drawn with replacement fall into the cells of the confusion matrix as a multinomial, so
    the matrix alone is enough and no row is touched again.

    Args:
        matrix: (C, C) counts.
        samples: how many times the test set is drawn.
        confidence: probability that the interval should hold, between 0 and 1.
        seed: of the draws.

    Returns:
        dict of (low, high) under the names in `SCORES`.

    Example:
        >>> low, high = classification_intervals([[45, 5], [5, 45]])["accuracy"]
        >>> 0.80 < low < 0.90 < high < 1.0
        True
    """
    matrix = np.asarray(matrix)
    rows, shape = int(matrix.sum()), (samples, *matrix.shape)
    generator = np.random.default_rng(seed)
    draws = generator.multinomial(rows, matrix.ravel() / rows, size=samples).reshape(shape)
    return {name: middle(values, confidence) for name, values in scores_of(draws).items()}


def _per_class(matrix):
    right = np.diagonal(matrix, axis1=-2, axis2=-1)  # (..., C)
    true, predicted = matrix.sum(-1), matrix.sum(-2)
    # f1 = 2pr/(p+r) with p and r put in: no second division by zero
    return _divide(right, predicted), _divide(right, true), _divide(2 * right, true + predicted)


def _divide(numerator, denominator):
    numerator, denominator = np.broadcast_arrays(
        np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    )
    return np.divide(numerator, denominator, out=np.zeros(denominator.shape), where=denominator > 0)


def _class_ids(values, labels, name):
    labels = [str(label) for label in labels]
    values = list(values)
    if all(isinstance(value, str) for value in values):
        position = {label: i for i, label in enumerate(labels)}
        strange = sorted(set(values) - set(labels))
        if strange:
            raise ValueError(
                f"expected {name} to hold classes of {labels}, received {strange[:5]}; score with "
                "the labels that the model was trained on"
            )
        return np.array([position[value] for value in values], dtype=np.int64)
    if not all(isinstance(value, (int, np.integer)) for value in values):
        kinds = sorted({type(value).__name__ for value in values})
        raise TypeError(
            f"expected {name} to be class ids (int) or class names (str), received {kinds}; "
            "remove NaN and convert every label to one type"
        )
    ids = np.array(values, dtype=np.int64)
    if len(ids) and (ids.min() < 0 or ids.max() >= len(labels)):
        raise ValueError(
            f"expected {name} between 0 and {len(labels) - 1}, received ids from {ids.min()} to "
            f"{ids.max()}; give every class a name in labels"
        )
    return ids
