"""Labelled texts, looked over before anything is trained on them."""

from pathlib import Path

import numpy as np

from kerasllm import datasets
from kerasllm.text import length_report


def check_known(dataset, tokenizer, length):
    """Return the length report of the texts, or raise if the tokenizer knows nothing of them."""
    report = length_report(dataset.texts, tokenizer, tokenizer.room(length))
    if report.all_unknown + report.empty == len(dataset):
        raise ValueError(
            f"every token of {dataset.name} is unknown to the tokenizer (or the texts are empty): "
            "it was trained on another language or script. Pretrain on text like this, or with "
            'tokenizer="bpe", which knows every text.'
        )
    return report


def label_ids(dataset, labels):
    """Return the position in `labels` of each text's label (R,); raise where one is not there."""
    if unknown := set(dataset.labels_of) - set(labels):
        raise ValueError(
            f"expected labels among {list(labels)}, the data {dataset!r} also has "
            f"{sorted(unknown)}: use data of the same task, or fine-tune again."
        )
    return np.array([tuple(labels).index(label) for label in dataset.labels_of])


def is_multilabel(dataset):
    """Return whether a text of the data set may have several labels."""
    return bool(dataset.info.get("label_separator"))


def class_names(dataset):
    """Return the classes, sorted; labels that may stand together are counted one by one."""
    if not is_multilabel(dataset):
        return dataset.labels
    return tuple(sorted({label for labels in dataset.label_sets for label in labels}))


def label_targets(dataset, labels):
    """Return positions in `labels` (R,); for several labels a text, 1 where it has one (R, C).

    Of several labels, those that are not among `labels` are left out.
    """
    if not is_multilabel(dataset):
        return label_ids(dataset, labels)
    return np.array([[name in own for name in labels] for own in dataset.label_sets], "float32")


def read_labelled(data):
    """Return (training, validation) data sets with labels, or say what is missing."""
    if isinstance(data, str | Path):
        train, validation = (datasets.load(data, split=s) for s in ("train", "validation"))
    else:
        train, validation = data
    if train.task != "classification":
        raise ValueError(
            f"expected labelled texts, received {train!r}, a set for {train.task}: choose a "
            "classification set, or name the label column of your file."
        )
    if len(train.labels) < 2:
        raise ValueError(
            f"expected at least 2 classes, {train.name} has one only: {train.labels}. A "
            "classifier cannot learn from that; look at the label column."
        )
    label_targets(validation, class_names(train))
    return train, validation
