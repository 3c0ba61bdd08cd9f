"""Scores of taggers: the share of right tags and, where tags mark entities, those found.

An entity is right by the rules of conlleval: its type and both its ends are. Sentences are drawn
whole for the intervals: their words depend on each other.
"""

from functools import partial

import numpy as np

from kerasllm.metrics.bootstrap import bootstrap_interval, pooled_mean
from kerasllm.metrics.counts import check_rows, precision_recall_f1
from kerasllm.text.entities import convert_tags, find_spans

SCORES = ("precision", "recall", "f1")


def tagging_metrics(true, predicted, entities=True):
    """Score tags, and the entities that they mark: both ends and the type must be right.

    Args:
        true: lists of tags, one a sentence; those of entities in any scheme.
        predicted: likewise.
        entities: whether the tags mark entities; False for parts of speech and the like.

    Returns:
        {"accuracy"}, the share of right tags. For entities also {"precision", "recall", "f1",
        "types": {type: {"precision", "recall", "f1", "entities"}}}; their accuracy is that of the
        tags in BIO, which does not depend on the scheme.

    Raises:
        ValueError: no sentences, or not a tag for each token.

    Example:
        >>> true, predicted = ["B-PER", "I-PER", "O", "B-LOC"], ["B-PER", "O", "O", "B-LOC"]
        >>> scores = tagging_metrics([true], [predicted])
        >>> scores["f1"], scores["types"]["LOC"]["f1"], scores["accuracy"]
        (0.5, 1.0, 0.75)
        >>> tagging_metrics([["DT", "NN"], ["VB"]], [["DT", "JJ"], ["VB"]], entities=False)
        {'accuracy': 0.6666666666666666}

    Source: conlleval, the scorer of the CoNLL-2000 shared task.
    """
    accuracy = {"accuracy": float(pooled_mean(*_right_tags(true, predicted, entities)))}
    if not entities:
        return accuracy
    counts, types = count_entities(true, predicted)
    total = counts.sum(axis=0)  # (types, 3)
    per_type = {
        kind: {**_scores(row), "entities": int(row[2])}
        for kind, row in zip(types, total, strict=True)
    }
    return {**_scores(total.sum(axis=0)), "types": per_type, **accuracy}


def tagging_intervals(true, predicted, entities=True, **options):
    """Return the bootstrap intervals: of precision, recall and F1, or of the accuracy.

    Args:
        true: lists of tags, one a sentence.
        predicted: likewise.
        entities: whether the tags mark entities.
        **options: samples, confidence and seed of `bootstrap_interval`.

    Returns:
        {name: (low, high)}.

    Raises:
        ValueError: no sentences, or not a tag for each token.

    Example:
        >>> tagging_intervals([["B-PER"], ["B-LOC"]], [["B-PER"], ["B-LOC"]])["f1"]
        (1.0, 1.0)
        >>> tagging_intervals([["DT", "NN"], ["VB"]], [["DT", "NN"], ["VB"]], entities=False)
        {'accuracy': (1.0, 1.0)}
    """
    if not entities:
        counts = _right_tags(true, predicted, entities)
        return {"accuracy": bootstrap_interval(pooled_mean, *counts, **options)}
    counts = count_entities(true, predicted)[0].sum(axis=1).T  # (R, types, 3) -> (3, R)
    return {
        name: bootstrap_interval(partial(_score_of_draws, number), *counts, **options)
        for number, name in enumerate(SCORES)
    }


def count_entities(true, predicted):
    """Return for each sentence and type how many entities were right, found and there.

    Args:
        true: lists of tags, in any scheme.
        predicted: likewise.

    Returns:
        (counts (R, types, 3), types): right, found and true entities.

    Raises:
        ValueError: no sentences, or not a tag for each token.

    Example:
        >>> count_entities([["B-PER", "O"], ["B-LOC", "I-LOC"]], [["B-PER", "O"], ["B-LOC", "O"]])
        (array([[[0, 0, 0], [1, 1, 1]],
                [[0, 1, 1], [0, 0, 0]]]), ('LOC', 'PER'))
    """
    _check_tags(true, predicted)
    pairs = [(set(find_spans(a)), set(find_spans(b))) for a, b in zip(true, predicted, strict=True)]
    types = sorted({kind for pair in pairs for spans in pair for kind, _, _ in spans})
    counts = np.zeros((len(pairs), len(types), 3), dtype=np.int64)
    for row, (there, found) in enumerate(pairs):
        for column, spans in enumerate((there & found, found, there)):
            for kind, _, _ in spans:
                counts[row, types.index(kind), column] += 1
    return counts, tuple(types)


def _scores(counts):
    return dict(zip(SCORES, map(float, precision_recall_f1(*counts)), strict=True))


def _score_of_draws(number, *counts, axis=None):
    return precision_recall_f1(*(count.sum(axis=axis) for count in counts))[number]


def _right_tags(true, predicted, entities):
    """Return how many tags of each sentence are right (R,), and how many there are (R,)."""
    _check_tags(true, predicted)
    read = convert_tags if entities else list
    pairs = [zip(read(a), read(b), strict=True) for a, b in zip(true, predicted, strict=True)]
    right = [sum(a == b for a, b in pair) for pair in pairs]
    return np.array(right), np.array([len(tags) for tags in true])


def _check_tags(true, predicted):
    check_rows(true, predicted)
    for row, (there, found) in enumerate(zip(true, predicted, strict=True)):
        if len(there) != len(found):
            raise ValueError(
                f"expected one tag a token, received {len(found)} predicted tags for the "
                f"{len(there)} tokens of sentence {row}."
            )
