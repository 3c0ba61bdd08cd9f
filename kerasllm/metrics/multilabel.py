"""Texts with several labels each: decisions, scores and the linear baseline.

    p(label | text) = σ(logit),  said where p ≥ 1/2

Of each label, tp texts have it and are given it, fp are given it wrongly, fn lack it wrongly.

    micro F1 = 2 Σ tp / (2 Σ tp + Σ fp + Σ fn)      sums over the labels
    macro F1 = mean over the labels of 2 tp / (2 tp + fp + fn)
"""

import numpy as np

from kerasllm.metrics.bootstrap import bootstrap_interval


def binary_nats(logits, targets):
    """Return the cross-entropy -ln p in nats of each label (R, C), from logits (R, C).

    Example:
        >>> binary_nats(np.array([[0.0]]), np.array([[1.0]])).round(4)
        array([[0.6931]])
    """
    logits = np.asarray(logits, dtype="float64")
    return np.logaddexp(0, logits) - logits * targets


def multilabel_metrics(targets, said):
    """Return scores of decisions on several labels a text.

    Args:
        targets: bool (R, C), the labels that each text has.
        said: bool (R, C), the labels that it was given.

    Returns:
        dict: precision, recall and F1 over all labels together (micro), their mean over the labels
        that occur or were said (macro), and the share of texts whose labels are all right.

    Example:
        >>> scores = multilabel_metrics(np.array([[1, 0], [1, 1]]), np.array([[1, 0], [1, 0]]))
        >>> scores["f1_micro"], scores["accuracy"]
        (0.8, 0.5)
    """
    targets, said = (np.asarray(x).astype(bool) for x in (targets, said))
    right, given, wanted = (x.sum(axis=0) for x in (targets & said, said, targets))
    seen = (given + wanted) > 0
    return {
        "f1_micro": _ratio(2 * right.sum(), (given + wanted).sum()),
        "precision_micro": _ratio(right.sum(), given.sum()),
        "recall_micro": _ratio(right.sum(), wanted.sum()),
        "f1_macro": float(np.mean(2 * right[seen] / (given + wanted)[seen])) if seen.any() else 0.0,
        "accuracy": float((targets == said).all(axis=1).mean()),
    }


def multilabel_intervals(targets, said):
    """Return the 95 % bootstrap interval of the micro F1, over texts."""
    targets, said = (np.asarray(x).astype(bool) for x in (targets, said))
    counts = (targets & said).sum(axis=1), (targets.sum(axis=1) + said.sum(axis=1))

    def f1_micro(right, total, axis=None):
        return 2 * right.sum(axis=axis) / np.maximum(total.sum(axis=axis), 1)

    return {"f1_micro": bootstrap_interval(f1_micro, *counts)}


def _ratio(part, whole):
    return float(part / whole) if whole else 0.0
