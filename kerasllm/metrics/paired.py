"""Two models on the same rows: how far apart they are, and whether chance alone does as much.

Two intervals that overlap do not say that two models are equally good: on the rows that both get
right, or both wrong, their scores go up and down together. What counts is the difference.
"""

import numpy as np

from kerasllm.metrics.bootstrap import bootstrap_interval
from kerasllm.metrics.counts import check_rows
from kerasllm.reference.training.evaluation import mcnemar


def paired_metrics(true, first, second, **options):
    """Compare the answers of two models to the same rows.

    Args:
        true: (R,) what is right.
        first: (R,) the answers of one model.
        second: (R,) the answers of another one.
        **options: samples, confidence and seed of `bootstrap_interval`.

    Returns:
        {"first", "second": the accuracies, "difference": first - second, "interval": (low, high)
        of the difference, whose rows are drawn in pairs, "first_only", "second_only": on how many
        rows exactly this one is right, "p": McNemar's exact p}.

    Raises:
        ValueError: no rows, or not an answer for each row.

    Example:
        >>> true = ["a"] * 8
        >>> found = paired_metrics(true, ["a"] * 7 + ["b"], ["a"] * 2 + ["b"] * 6)
        >>> found["difference"], found["first_only"], found["second_only"], found["p"]
        (0.625, 5, 0, 0.0625)

    Source: McNemar 1947; the interval by the bootstrap (Efron 1979).
    """
    right = []
    for answers in (first, second):
        check_rows(true, answers)
        pairs = zip(true, answers, strict=True)
        right.append(np.array([bool(a == b) for a, b in pairs]))
    ours, theirs = right
    difference = ours.astype(float) - theirs
    return {
        "first": float(ours.mean()),
        "second": float(theirs.mean()),
        "difference": float(difference.mean()),
        "interval": bootstrap_interval(np.mean, difference, **options),
        "first_only": int((ours & ~theirs).sum()),
        "second_only": int((~ours & theirs).sum()),
        "p": float(mcnemar(ours, theirs)),
    }
