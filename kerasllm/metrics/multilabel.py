"""Scores of texts with several labels each: scikit-learn's.

    p(label | text) = σ(logit),  said where p ≥ 1/2, or ≥ a threshold chosen on validation texts

Of each label, tp texts have it and are given it, fp are given it wrongly, fn lack it wrongly.

    micro F1 = 2 Σ tp / (2 Σ tp + Σ fp + Σ fn)      sums over the labels
    macro F1 = mean over the labels of 2 tp / (2 tp + fp + fn)
"""

import numpy as np

from kerasllm.metrics.bootstrap import bootstrap_interval
from kerasllm.metrics.counts import check_rows, ratio


def binary_nats(logits, targets):
    """Return the cross-entropy of each yes or no.

    Equation:
        nats = ln(1 + exp(logit)) - logit · target

    Args:
        logits: (R, C), one a label.
        targets: (R, C), 1 where the text has the label, else 0.

    Returns:
        (R, C) -ln p, in nats.

    Example:
        >>> binary_nats(np.array([[0.0]]), np.array([[1.0]])).round(4)
        array([[0.6931]])
    """
    logits = np.asarray(logits, dtype="float64")
    return np.logaddexp(0, logits) - logits * targets


def multilabel_metrics(true, predicted):
    """Return scores of decisions on several labels a text.

    Args:
        true: bool (R, C), the labels that each text has.
        predicted: bool (R, C), the labels that it was given.

    Returns:
        dict: precision, recall and F1 over all labels together (micro), the mean F1 of the labels
        that occur or were given (macro), and the share of texts whose labels are all right.

    Raises:
        ValueError: no rows, or unequal shapes.

    Example:
        >>> scores = multilabel_metrics(np.array([[1, 0], [1, 1]]), np.array([[1, 0], [1, 0]]))
        >>> scores["f1_micro"], scores["accuracy"]
        (0.8, 0.5)
    """
    from sklearn import metrics

    true, predicted = _as_decisions(true, predicted)
    # a column of zeros, which no score sees: scikit-learn needs two labels at least
    true, predicted = (np.pad(x, ((0, 0), (0, 1))) for x in (true, predicted))
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        true, predicted, average="micro", zero_division=0
    )
    each = metrics.f1_score(true, predicted, average=None, zero_division=0)
    seen = (true | predicted).any(axis=0)
    return {
        "f1_micro": float(f1),
        "precision_micro": float(precision),
        "recall_micro": float(recall),
        "f1_macro": float(each[seen].mean()) if seen.any() else 0.0,
        "accuracy": float(metrics.accuracy_score(true, predicted)),
    }


def best_thresholds(true, p, fewest=5):
    """Return for each label the probability from which to give it.

    One threshold is chosen for all labels together, of the highest micro F1; a label that at least
    `fewest` of these texts have gets its own, of its highest F1. A threshold lies half way between
    two probabilities that occur; of equally good ones that nearest to 1/2 counts.

    Args:
        true: bool (R, C), the labels that each text has.
        p: (R, C) probabilities.
        fewest: texts with a label that are too few for a threshold of its own.

    Returns:
        (C,) thresholds inside (0, 1).

    Raises:
        ValueError: no rows, or unequal shapes.

    Example:
        >>> best_thresholds([[1], [1], [0]], [[0.25], [0.375], [0.125]], fewest=2)
        array([0.1875])
    """
    p = np.asarray(p, dtype="float64")
    true, _ = _as_decisions(true, p)
    common = _best_threshold(true.ravel(), p.ravel())
    enough = true.sum(axis=0) >= fewest
    own = [_best_threshold(*column) for column in zip(true.T, p.T, strict=True)]
    return np.where(enough, own, common)


def _best_threshold(true, p):
    """Return the threshold of the highest F1 of one yes or no."""
    order = np.argsort(-p, kind="stable")
    p, tp = p[order], np.cumsum(true[order])
    f1 = 2 * tp / (np.arange(1, len(p) + 1) + max(tp[-1], 1))  # the first k are given
    cuts = (p + np.append(p[1:], 0.0)) / 2
    f1[np.append(p[1:] == p[:-1], False)] = -1.0  # equal probabilities stay together
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    chosen = cuts[best[np.abs(cuts[best] - 0.5).argmin()]] if tp[-1] else 0.5
    return float(np.clip(chosen, 1e-6, 1 - 1e-6))


def multilabel_intervals(true, predicted, **options):
    """Return the bootstrap interval of the micro F1, over texts.

    Args:
        true: bool (R, C), the labels that each text has.
        predicted: bool (R, C), the labels that it was given.
        **options: samples, confidence and seed of `bootstrap_interval`.

    Returns:
        {"f1_micro": (low, high)}.

    Raises:
        ValueError: no rows, or unequal shapes.

    Example:
        >>> multilabel_intervals(np.eye(3), np.eye(3))
        {'f1_micro': (1.0, 1.0)}
    """
    true, predicted = _as_decisions(true, predicted)
    counts = 2 * (true & predicted).sum(axis=1), true.sum(axis=1) + predicted.sum(axis=1)

    def f1_micro(right, total, axis=None):
        return ratio(right.sum(axis=axis), total.sum(axis=axis))

    return {"f1_micro": bootstrap_interval(f1_micro, *counts, **options)}


def _as_decisions(true, predicted):
    true, predicted = (np.asarray(x).astype(bool) for x in (true, predicted))
    check_rows(true, predicted)
    if true.ndim != 2 or true.shape != predicted.shape:
        raise ValueError(
            "expected true and predicted of one shape (rows, labels), received "
            f"{true.shape} and {predicted.shape}; give a yes or no for each label of each text"
        )
    return true, predicted
