"""What a report shows of a `TextClassifier`: its surest errors, and how sure it should be."""

import numpy as np

from kerasllm.metrics.classification import classification_metrics
from kerasllm.metrics.multilabel import binary_nats
from kerasllm.models.classification.scoring import log_softmax, text_logits
from kerasllm.models.review import Case, Piece, Review

CLASSES = ("label", "precision", "recall", "f1", "support")


def review(task, dataset):
    """Return the `Review` of labelled texts.

    A case is as wrong as its label was unlikely: -ln p(true label), of several labels the sum of
    -ln p of each yes and no.
    """
    reader, logits = task.preprocessor, text_logits(task, dataset.texts)
    if reader.multilabel:
        return _several(dataset, logits, reader.targets(dataset), reader.labels)
    y, labels = reader.targets(dataset), list(reader.labels)
    log_p, said = log_softmax(logits), logits.argmax(axis=1)
    cases = [
        Case((Piece(text),), labels[true], _sure(labels[a], np.exp(row[a])), -row[true], a == true)
        for text, true, a, row in zip(dataset.texts, y, said, log_p, strict=True)
    ]
    scores = classification_metrics(y, said, labels)
    rows = [tuple(row[name] for name in CLASSES) for row in scores["per_class"]]
    return Review(
        cases,
        classes=(CLASSES, rows),
        confusion=(np.array(scores["confusion"]), labels),
        confidence=(np.exp(log_p.max(axis=1)), said == y),
    )


def _several(dataset, logits, y, labels):
    p, said, y = 1 / (1 + np.exp(-logits)), logits > 0, y > 0
    nats = binary_nats(logits, y).sum(axis=1)
    cases = [
        Case(
            (Piece(text),),
            ", ".join(name for name, yes in zip(labels, true, strict=True) if yes) or "–",
            ", ".join(_sure(labels[k], row[k]) for k in np.flatnonzero(given)) or "–",
            float(wrong),
            bool((true == given).all()),
        )
        for text, true, given, row, wrong in zip(dataset.texts, y, said, p, nats, strict=True)
    ]
    rows = [_of_label(name, y[:, k], said[:, k]) for k, name in enumerate(labels)]
    confidence = np.maximum(p, 1 - p).ravel(), (said == y).ravel()
    return Review(cases, classes=(CLASSES, rows), confidence=confidence)


def _of_label(name, true, said):
    """Return the scores of the texts that have one of several labels."""
    scores = classification_metrics(true.astype(int), said.astype(int), ["no", "yes"])
    return tuple({**scores["per_class"][1], "label": name}[column] for column in CLASSES)


def _sure(label, p):
    return f"{label} ({p:.2f})"
