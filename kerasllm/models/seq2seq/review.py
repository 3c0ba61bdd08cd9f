"""What a report shows of a `Seq2Seq`: what it wrote, and what it looked at meanwhile."""

import numpy as np

from kerasllm.metrics.generation import exact_matches
from kerasllm.models.review import Case, Piece, Review
from kerasllm.models.seq2seq.preprocessor import targets_of
from kerasllm.models.seq2seq.scoring import attention_of, pair_nats, write_answers, written_ids

DRAWN = 3  # rows whose attention is shown
LONGEST = 40  # tokens of a side that a map has room for


def review(task, dataset):
    """Return the `Review` of pairs: as wrong as the target is unlikely, in nats per token."""
    texts, targets = list(dataset.texts), list(targets_of(dataset))
    written = write_answers(task, texts)
    nats, tokens = pair_nats(task, *task.preprocessor.ids(dataset, truncate=True))
    right = exact_matches(targets, written).astype(bool)
    cases = [
        Case((Piece(text),), target, answer or "–", float(wrong), bool(same))
        for text, target, answer, wrong, same in zip(
            texts, targets, written, nats / np.maximum(tokens, 1), right, strict=True
        )
    ]
    return Review(cases, attention=tuple(_looks(task, texts)))


def _looks(task, texts):
    """Return (tokens of the answer, tokens of the source, weights) of the first texts with room."""
    drawn = []
    for text in texts[: 5 * DRAWN]:
        source, ids = task.preprocessor.source_ids([text])[0], written_ids(task, text)
        if ids and max(len(source), len(ids)) <= LONGEST:
            found = attention_of(task, source, ids)
            drawn.append((found.target, found.source, found.weights))
        if len(drawn) == DRAWN:
            break
    return drawn
