"""Scores of entities, by the rules of conlleval: type and both ends must be right."""

import numpy as np

from kerasllm.text.entities import find_spans


def count_entities(true_tags, predicted_tags):
    """Return for each sentence and type how many entities were right, found and there.

    Args:
        true_tags: lists of tags, in any scheme.
        predicted_tags: likewise.

    Returns:
        (counts (R, types, 3), types): right, found and true entities.

    Raises:
        ValueError: the two do not have the same sentences.
    """
    if len(true_tags) != len(predicted_tags):
        raise ValueError(
            f"expected as many rows of predicted tags as of true ones, received "
            f"{len(predicted_tags)} and {len(true_tags)}."
        )
    found = [
        _spans_of(row, *pair)
        for row, pair in enumerate(zip(true_tags, predicted_tags, strict=True))
    ]
    types = sorted({kind for pair in found for spans in pair for kind, _, _ in spans})
    counts = np.zeros((len(found), len(types), 3), dtype=np.int64)
    for row, (true, predicted) in enumerate(found):
        for column, spans in enumerate((true & predicted, predicted, true)):
            for kind, _, _ in spans:
                counts[row, types.index(kind), column] += 1
    return counts, tuple(types)


def _spans_of(row, true, predicted):
    if len(true) != len(predicted):
        raise ValueError(
            f"expected one tag a token, received {len(predicted)} predicted tags for the "
            f"{len(true)} tokens of sentence {row}."
        )
    return set(find_spans(true)), set(find_spans(predicted))


def ratios(counts):
    """Return (precision, recall, f1) of counts (..., 3); 0 where nothing was found or there.

    Example:
        >>> precision, recall, f1 = ratios(np.array([6, 8, 12]))
        >>> float(precision), float(recall), round(float(f1), 3)
        (0.75, 0.5, 0.6)
    """
    right, found, true = (counts[..., i].astype(float) for i in range(3))
    divide = lambda a, b: np.divide(a, b, out=np.zeros_like(a), where=b > 0)  # noqa: E731
    return divide(right, found), divide(right, true), divide(2 * right, found + true)


def entity_scores(true_tags, predicted_tags):
    """Score entities: both ends and the type must be right.

    Args:
        true_tags: lists of tags, in any scheme.
        predicted_tags: likewise.

    Returns:
        {"precision", "recall", "f1", "types": {type: {"precision", "recall", "f1", "entities"}}}.

    Example:
        >>> true, predicted = ["B-PER", "I-PER", "O", "B-LOC"], ["B-PER", "O", "O", "B-LOC"]
        >>> scores = entity_scores([true], [predicted])
        >>> scores["f1"], scores["types"]["LOC"]["f1"]
        (0.5, 1.0)

    Source: conlleval, the scorer of the CoNLL-2000 shared task.
    """
    counts, types = count_entities(true_tags, predicted_tags)
    total = counts.sum(axis=0)
    names = ("precision", "recall", "f1")
    per_type = {
        kind: {**dict(zip(names, map(float, ratios(row)), strict=True)), "entities": int(row[2])}
        for kind, row in zip(types, total, strict=True)
    }
    overall = ratios(total.sum(axis=0))
    return {**dict(zip(names, map(float, overall), strict=True)), "types": per_type}
