"""What a `TextClassifier` answers, and how good that is."""

import numpy as np

from kerasllm import plots
from kerasllm.metrics.classification import (
    classification_intervals,
    classification_metrics,
    confusion_matrix,
)
from kerasllm.metrics.multilabel import (
    best_thresholds,
    binary_nats,
    multilabel_intervals,
    multilabel_metrics,
)
from kerasllm.text import pool_windows
from kerasllm.text.batching import pad_bucketed

AT_ONCE = 256  # rows in a batch of prediction


def text_logits(task, texts):
    """Return logits (B, C) of texts, in their order; those of a text's windows are averaged."""
    ids, owners = task.preprocessor.rows(texts)
    order = np.argsort([len(row) for row in ids], kind="stable")
    logits = np.zeros((len(ids), task.task_config["num_classes"]))
    for start in range(0, len(order), AT_ONCE):
        rows = order[start : start + AT_ONCE]
        padded = pad_bucketed([ids[row] for row in rows], limit=task.preprocessor.length)
        logits[rows] = task.predict_on_batch(padded)
    return pool_windows(logits, owners) if len(ids) else logits


def answers(task, texts):
    """Return, for each text or pair, its label (or labels) and the probability of every label.

    Of several labels, all are given that reach their threshold.
    """
    reader = task.preprocessor
    single = isinstance(texts, str) or (reader.pairs and isinstance(texts, tuple))
    texts = [texts] if single else list(texts)
    if not texts:
        return []
    labels = reader.labels or list(map(str, range(task.task_config["num_classes"])))
    logits = text_logits(task, texts)
    p = 1 / (1 + np.exp(-logits)) if reader.multilabel else np.exp(log_softmax(logits))
    said = _given(reader, logits) if reader.multilabel else logits.argmax(axis=1)
    return [
        {
            **_named(text),
            **_found(labels, one),
            "probabilities": {name: float(x) for name, x in zip(labels, row, strict=True)},
            "warning": reader.warning(text),
        }
        for text, row, one in zip(texts, p, said, strict=True)
    ]


def _named(text):
    return {"text": text} if isinstance(text, str) else {"text": text[0], "text_b": text[1]}


def _found(labels, said):
    if np.ndim(said):
        return {"labels": [name for name, on in zip(labels, said, strict=True) if on]}
    return {"label": labels[int(said)]}


def _given(reader, logits):
    """Return which labels are given (B, C): σ(logit) ≥ threshold."""
    p = np.full(logits.shape[1], 0.5) if reader.thresholds is None else np.array(reader.thresholds)
    return logits >= np.log(p) - np.log1p(-p)


def scores(task, dataset):
    """Return the loss in nats, accuracy and F1; of several labels, all must be right."""
    y, logits = task.preprocessor.targets(dataset), text_logits(task, dataset.readings)
    if task.preprocessor.multilabel:
        nats, found = (
            binary_nats(logits, y),
            multilabel_metrics(y, _given(task.preprocessor, logits)),
        )
    else:
        nats, said = -log_softmax(logits)[np.arange(len(y)), y], logits.argmax(axis=1)
        labels = task.preprocessor.labels
        found = classification_metrics(y, said, labels or list(range(logits.shape[1])))
        found["f1_micro"] = found["accuracy"]  # of one label a text they are the same
    names = ("accuracy", "f1_macro", "f1_micro", "matthews")
    return {"loss": float(nats.mean()), **{name: found[name] for name in names if name in found}}


def evaluation(task, test, train=None):
    """Return scores, intervals and baselines on the same rows, and the confusion matrix drawn."""
    if task.preprocessor.multilabel:
        return _multilabel(task, test, train)
    labels = task.preprocessor.labels
    y_true = task.preprocessor.targets(test)
    y_pred = text_logits(task, test.readings).argmax(axis=1)
    matrix = confusion_matrix(y_true, y_pred, labels)
    return {
        "model": classification_metrics(y_true, y_pred, labels),
        "interval": classification_intervals(y_true, y_pred, labels),
        "baselines": task.baseline_scores(test, train),
        "figures": {"confusion_matrix": lambda: plots.confusion_matrix(matrix, labels)},
    }


def _multilabel(task, test, train):
    reader = task.preprocessor
    y_true, said = reader.targets(test), _given(reader, text_logits(task, test.readings))
    found = {} if train is None else task.baselines_for(test)
    return {
        "model": multilabel_metrics(y_true, said),
        "interval": multilabel_intervals(y_true, said),
        "unseen_labels": sum(name not in reader.labels for own in test.label_sets for name in own),
        "baselines": {
            name: baseline(train, test, reader.labels).metrics for name, baseline in found.items()
        },
    }


def choose_thresholds(task, dataset):
    """Set the thresholds of the labels to those of the best F1 on validation texts.

    Returns:
        {label: threshold}.
    """
    reader = task.preprocessor
    p = 1 / (1 + np.exp(-text_logits(task, dataset.readings)))
    reader.thresholds = best_thresholds(reader.targets(dataset), p).tolist()
    return dict(zip(reader.labels, reader.thresholds, strict=True))


def log_softmax(logits):
    """Return ln softmax of logits (R, C) over the classes."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
