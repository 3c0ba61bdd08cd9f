"""A confusion matrix: where precision, recall and F1 are read off."""

import numpy as np

from kerasllm.plots.diagrams.canvas import Canvas
from kerasllm.plots.diagrams.checks import cut, index
from kerasllm.reference.training.evaluation import class_scores

WIDE, HIGH, LEFT, TOP = 84, 46, 130, 104
MOST_CLASSES = 8


def draw_confusion(parts, language, *, label=-1):
    """Draw counts of true class (row) and predicted class (column), and the scores of one class.

    `parts`: {"confusion": (C, C) counts, "labels": the C class names}. `label`: number of a class.
    """
    counts, labels = _read(parts)
    label, C = index("label", label, len(labels)), len(labels)
    precision, recall, f1 = (float(score[label]) for score in class_scores(counts))
    right, bottom = LEFT + C * WIDE, TOP + C * HIGH
    canvas = Canvas(right + 250, bottom + 84, language)
    canvas.text(LEFT + C * WIDE / 2, 56, canvas.word("predicted"), "soft")
    canvas.text(14, TOP + C * HIGH / 2, canvas.word("true"), "soft left")
    for place, name in enumerate(labels):
        canvas.text(LEFT + WIDE * (place + 0.5), TOP - 16, cut(name, 10), "small")
        canvas.text(LEFT - 10, TOP + HIGH * (place + 0.5), cut(name, 10), "small right")
    canvas.matrix(LEFT, TOP, counts, (WIDE, HIGH), scale=2.0 * counts.max(), written=True)
    canvas.chosen(LEFT + WIDE * label, TOP, WIDE, C * HIGH)
    canvas.chosen(LEFT, TOP + HIGH * label, C * WIDE, HIGH)
    hits, called, there = counts[label, label], counts[:, label].sum(), counts[label].sum()
    middle, across = LEFT + WIDE * (label + 0.5), TOP + HIGH * (label + 0.5)
    canvas.text(middle, bottom + 20, canvas.word("precision"), "small")
    canvas.text(middle, bottom + 40, f"{hits:g} / {called:g} = {precision:.3f}", "value")
    canvas.text(right + 14, across - 10, canvas.word("recall"), "small left")
    canvas.text(right + 14, across + 10, f"{hits:g} / {there:g} = {recall:.3f}", "value left")
    canvas.text(right + 70, bottom + 40, f"F1 = {f1:.3f}", "value left")
    return canvas.diagram(f"{canvas.word('confusion')} · {cut(labels[label], 20)}")


def _read(parts):
    missing = [name for name in ("confusion", "labels") if name not in parts]
    if missing:
        raise ValueError(
            f"expected a dict with confusion, labels, received one without {', '.join(missing)}"
        )
    counts, labels = np.asarray(parts["confusion"], float), tuple(map(str, parts["labels"]))
    if counts.shape != (len(labels),) * 2 or not labels:
        raise ValueError(
            f"expected a row, a column and a label for each class, received shape {counts.shape} "
            f"and {len(labels)} labels"
        )
    if len(labels) > MOST_CLASSES:
        raise ValueError(
            f"expected at most {MOST_CLASSES} classes, received {len(labels)}: "
            "plots.confusion_matrix draws more"
        )
    return counts, labels
