"""Scores of classifiers: scikit-learn's, and their intervals from the confusion matrix.

- 0/0 counts as 0: the precision of a class that was never predicted, the recall of one without
  rows, the Matthews coefficient where everything is one class.
- Non-standard: the intervals need the scores of a thousand confusion matrices at once, which
  scikit-learn does not have (one by one takes seconds); `scores_of` has them, by the same
  equations.
"""

import warnings

import numpy as np

from kerasllm.metrics.bootstrap import percentile_interval
from kerasllm.metrics.counts import check_rows, precision_recall_f1, ratio

SCORES = ("accuracy", "precision_macro", "recall_macro", "f1_macro", "matthews")


def confusion_matrix(true, predicted, labels):
    """Count how often class i (row) was predicted as class j (column).

    Args:
        true: (R,) class ids, or class names out of `labels`.
        predicted: (R,) predictions in either form.
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
    from sklearn import metrics

    true, predicted = _as_ids(true, predicted, labels)
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # "a single label"
        return metrics.confusion_matrix(true, predicted, labels=range(len(labels)))


def classification_metrics(true, predicted, labels):
    r"""Score the predictions of a classifier.

    Equation:
        precision_c = right_c / predicted_c,  recall_c = right_c / support_c,
        f1_c = 2 precision_c recall_c / (precision_c + recall_c),  macro = mean over classes,
        matthews = (r s - sum_c p_c t_c) / sqrt((s^2 - sum_c p_c^2) (s^2 - sum_c t_c^2))
        with s rows, r right, p_c predicted as c, t_c truly c.  0/0 counts as 0.

    Args:
        true: (R,) class ids or names.
        predicted: (R,) class ids or names.
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
    from sklearn import metrics

    confusion = confusion_matrix(true, predicted, labels).tolist()
    true, predicted = _as_ids(true, predicted, labels)
    per_class = metrics.precision_recall_fscore_support(
        true, predicted, labels=range(len(labels)), zero_division=0
    )
    macro = [float(scores.mean()) for scores in per_class[:3]]
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # "a single label"
        matthews = metrics.matthews_corrcoef(true, predicted)
    scores = (metrics.accuracy_score(true, predicted), *macro, matthews)
    names = ("label", "precision", "recall", "f1", "support")
    rows = zip(map(str, labels), *(column.tolist() for column in per_class), strict=True)
    return {
        **dict(zip(SCORES, map(float, scores), strict=True)),
        "rows": len(true),
        "per_class": [dict(zip(names, row, strict=True)) for row in rows],
        "confusion": confusion,
    }


def classification_intervals(true, predicted, labels, samples=1000, confidence=0.95, seed=0):
    """Return the bootstrap interval of every score in `SCORES`.

    Rows drawn with replacement fall into the cells of the confusion matrix as a multinomial, so
    the matrix alone is enough and no row is touched again.

    Args:
        true: (R,) class ids or names.
        predicted: (R,) class ids or names.
        labels: the C class names.
        samples: how many times the test set is drawn.
        confidence: probability that the interval should hold, between 0 and 1.
        seed: of the draws.

    Returns:
        {name: (low, high)}.

    Raises:
        ValueError: see `confusion_matrix` and `bootstrap_interval`.

    Example:
        >>> true, predicted = [0] * 50 + [1] * 50, [0] * 45 + [1] * 50 + [0] * 5
        >>> low, high = classification_intervals(true, predicted, ["ham", "spam"])["accuracy"]
        >>> 0.80 < low < 0.90 < high < 1.0
        True
    """
    matrix = confusion_matrix(true, predicted, labels)
    generator, share = np.random.default_rng(seed), matrix.ravel() / matrix.sum()
    draws = generator.multinomial(matrix.sum(), share, size=samples)
    scores = scores_of(draws.reshape(samples, *matrix.shape))
    return {name: percentile_interval(values, confidence) for name, values in scores.items()}


def scores_of(matrices):
    """Read the scores named in `SCORES` off a stack of confusion matrices.

    Args:
        matrices: (..., C, C) counts.

    Returns:
        {name: array of shape (...)}.

    Example:
        >>> scores_of(np.array([np.eye(2), np.ones((2, 2))]))["matthews"]
        array([1., 0.])
    """
    matrices = np.asarray(matrices, dtype=float)
    right = np.diagonal(matrices, axis1=-2, axis2=-1)  # (..., C)
    true, predicted = matrices.sum(-1), matrices.sum(-2)
    rows, hits = true.sum(-1), right.sum(-1)
    precision, recall, f1 = precision_recall_f1(right, predicted, true)
    spread = (rows**2 - (true**2).sum(-1)) * (rows**2 - (predicted**2).sum(-1))
    return {
        "accuracy": ratio(hits, rows),
        "precision_macro": precision.mean(-1),
        "recall_macro": recall.mean(-1),
        "f1_macro": f1.mean(-1),
        "matthews": ratio(hits * rows - (true * predicted).sum(-1), np.sqrt(spread)),
    }


def _as_ids(true, predicted, labels):
    true, predicted = list(true), list(predicted)
    check_rows(true, predicted)
    labels = [str(label) for label in labels]
    return _class_ids(true, labels, "true"), _class_ids(predicted, labels, "predicted")


def _class_ids(values, labels, name):
    if all(isinstance(value, str) for value in values):
        if strange := sorted(set(values) - set(labels)):
            raise ValueError(
                f"expected {name} to hold classes of {labels}, received {strange[:5]}; score with "
                "the labels that the model was trained on"
            )
        position = {label: i for i, label in enumerate(labels)}
        return np.array([position[value] for value in values])
    if not all(isinstance(value, (int, np.integer)) for value in values):
        kinds = sorted({type(value).__name__ for value in values})
        raise TypeError(
            f"expected {name} to be class ids (int) or class names (str), received {kinds}; "
            "remove NaN and convert every label to one type"
        )
    ids = np.array(values, dtype=np.int64)
    if ids.min() < 0 or ids.max() >= len(labels):
        raise ValueError(
            f"expected {name} between 0 and {len(labels) - 1}, received ids from {ids.min()} to "
            f"{ids.max()}; give every class a name in labels"
        )
    return ids
