"""What a report shows of a `TokenTagger`: entities found, missed and made up, in their places."""

import numpy as np

from kerasllm.metrics.classification import classification_metrics
from kerasllm.metrics.entities import tagging_metrics
from kerasllm.models.review import MISSED, RIGHT, WRONG, Case, Piece, Review
from kerasllm.models.tagging.scoring import tag_sentences
from kerasllm.text.entities import find_spans

TYPES = ("label", "precision", "recall", "f1", "support")
MOST_TAGS = 20  # of which a confusion matrix can be read


def review(task, dataset):
    """Return the `Review` of tagged sentences: as wrong as many entities, or tags, are."""
    reader = task.preprocessor
    words = [list(example.tokens) for example in dataset]
    true, said = [list(example.tags) for example in dataset], tag_sentences(task, words)
    space = "" if reader.by_character else " "
    of_one = _entities if reader.entities else _tags
    cases = [of_one(*row, space) for row in zip(words, true, said, strict=True)]
    if not reader.entities:
        return Review(cases, "errors", *_of_tags(true, said))
    types = tagging_metrics(true, said)["types"]
    columns = ("precision", "recall", "f1", "entities")
    rows = [(kind, *(found[name] for name in columns)) for kind, found in types.items()]
    return Review(cases, "errors", classes=(TYPES, rows))


def _entities(words, true, said, space):
    """Return the `Case` of a sentence whose tags mark entities."""
    there, found = set(find_spans(true)), set(find_spans(said))
    marked = [(s, e, RIGHT if (kind, s, e) in there else WRONG, kind) for kind, s, e in found]
    taken = {place for start, end, *_ in marked for place in range(start, end)}
    marked += [
        (start, end, MISSED, kind)
        for kind, start, end in there - found
        if not taken & set(range(start, end))
    ]
    pieces, place = [], 0
    for start, end, mark, kind in [*sorted(marked), (len(words), len(words), "", "")]:
        if start > place:
            pieces.append(Piece(space.join(words[place:start])))
        if mark:
            pieces.append(Piece(space.join(words[start:end]), mark, kind))
        place = end
    errors = len(there ^ found)
    listed = (_listed(words, spans, space) for spans in (there, found))
    return Case(_spaced(pieces, space), *listed, errors, not errors)


def _listed(words, spans, space):
    """Return the entities of a sentence as a text, in their order."""
    order = sorted(spans, key=lambda span: span[1:])
    return ", ".join(f"{kind}: {space.join(words[s:e])}" for kind, s, e in order) or "–"


def _tags(words, true, said, space):
    """Return the `Case` of a sentence of parts of speech and the like."""
    wrong = [a != b for a, b in zip(true, said, strict=True)]
    pieces = [
        Piece(word, WRONG if bad else "", f"{b} ({a})" if bad else "")
        for word, a, b, bad in zip(words, true, said, wrong, strict=True)
    ]
    tags = (" ".join(row) for row in (true, said))
    return Case(_spaced(pieces, space), *tags, sum(wrong), not any(wrong))


def _spaced(pieces, space):
    """Return the pieces with the space that stands between words."""
    gap = (Piece(space),) * bool(space)
    between = [part for piece in pieces for part in (piece, *gap)]
    return tuple(between[:-1] if gap else between)


def _of_tags(true, said):
    """Return the table of the tags, and their confusion matrix where it can be read."""
    true, said = ([tag for row in rows for tag in row] for rows in (true, said))
    labels = sorted({*true, *said})
    scores = classification_metrics(true, said, labels)
    rows = [tuple(row[name] for name in TYPES) for row in scores["per_class"]]
    matrix = (np.array(scores["confusion"]), labels) if len(labels) <= MOST_TAGS else None
    return (TYPES, rows), matrix
