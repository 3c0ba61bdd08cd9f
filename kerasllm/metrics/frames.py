"""Scores of sentences understood: their intent, their slots, and whether all of it is right.

A frame is a sentence's tags, of which the first is its intent, such as `B-intent.flight`, as the
option `intents` of the slot-filling sets writes them.
"""

import numpy as np

from kerasllm.metrics.bootstrap import bootstrap_interval, pooled_mean
from kerasllm.metrics.counts import check_rows
from kerasllm.metrics.entities import tagging_metrics
from kerasllm.text.entities import find_spans


def frame_metrics(true, predicted):
    """Score intents, slots and whole frames.

    Args:
        true: lists of tags, one a sentence, the intent first.
        predicted: likewise.

    Returns:
        {"slot_f1", by the rules of conlleval; "intent", the share of right intents; "frame", that
        of sentences with a right intent and all slots right}.

    Raises:
        ValueError: no sentences, not a tag for each token, or a sentence of the intent alone.

    Example:
        >>> true = [["B-intent.flight", "O", "B-city"], ["B-intent.fare", "B-city"]]
        >>> said = [["B-intent.flight", "O", "O"], ["B-intent.fare", "B-city"]]
        >>> frame_metrics(true, said)
        {'slot_f1': 0.6666666666666666, 'intent': 1.0, 'frame': 0.5}
    """
    slots = tagging_metrics([row[1:] for row in true], [row[1:] for row in predicted])
    intents, frames = _right(true, predicted)
    return {
        "slot_f1": slots["f1"],
        "intent": float(intents.mean()),
        "frame": float(frames.mean()),
    }


def frame_intervals(true, predicted, **options):
    """Return the bootstrap intervals of intents and frames, over sentences.

    Args:
        true: lists of tags, the intent first.
        predicted: likewise.
        **options: samples, confidence and seed of `bootstrap_interval`.

    Example:
        >>> frame_intervals([["B-intent.fare", "O"]], [["B-intent.fare", "O"]])["frame"]
        (1.0, 1.0)
    """
    names = ("intent", "frame")
    return {
        name: bootstrap_interval(pooled_mean, right, np.ones(len(right)), **options)
        for name, right in zip(names, _right(true, predicted), strict=True)
    }


def _right(true, predicted):
    """Return whether the intent, and the whole frame, of each sentence is right, (R,) each."""
    check_rows(true, predicted)
    pairs = list(zip(true, predicted, strict=True))
    intents = np.array([a[0] == b[0] for a, b in pairs], "int64")
    slots = [set(find_spans(a[1:])) == set(find_spans(b[1:])) for a, b in pairs]
    return intents, intents * np.array(slots, "int64")
