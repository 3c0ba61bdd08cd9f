"""What a report shows of a `SpanExtractor`: its answer and the right one, in their context."""

from kerasllm.metrics.spans import squad_score
from kerasllm.metrics.writing import writing_of
from kerasllm.models.review import MISSED, RIGHT, WRONG, Case, Review, pieces_of
from kerasllm.models.span.scoring import answer_pairs, answer_texts


def review(task, dataset):
    """Return the `Review` of questions: as wrong as 1 - F1 of the answer."""
    pairs = [(example.question, example.context) for example in dataset]
    found = answer_pairs(task, pairs)
    texts = answer_texts(found, dataset.texts, task.preprocessor.threshold)
    writing = writing_of(dataset.texts)
    return Review(
        [_case(*row, writing) for row in zip(dataset, found, texts, strict=True)], "overlap"
    )


def _case(example, answer, text, writing):
    exact, f1 = squad_score(text, [a for a, _ in example.answers], writing)
    spans = [(answer.start, answer.end, RIGHT if exact else WRONG, "")] if text else []
    if example.answers and not exact:
        right, start = example.answers[0]
        spans += _beside(spans, start, start + len(right))
    truth = " | ".join(dict.fromkeys(a for a, _ in example.answers)) or "–"
    pieces = pieces_of(example.context, spans)
    return Case(pieces, truth, text or "–", 1 - f1, bool(exact), example.question)


def _beside(spans, start, end):
    """Return the spans of a right answer that was missed, without what was answered."""
    if not spans:
        return [(start, end, MISSED, "")]
    first, last = spans[0][:2]
    parts = (start, min(end, first)), (max(start, last), end)
    return [(a, b, MISSED, "") for a, b in parts if a < b]
