"""What a `SpanExtractor` answers, and how good that is."""

from typing import NamedTuple

import keras
import numpy as np

from kerasllm.metrics.spans import span_intervals, span_metrics, span_signature
from kerasllm.models.span.preprocessor import question_pairs, window_targets
from kerasllm.models.span.selection import best_spans
from kerasllm.text.batching import pad_bucketed

AT_ONCE = 8192  # tokens in a batch of prediction


class Answer(NamedTuple):
    """The best span of a context.

    Attributes:
        score: logarithm of how much likelier it is than no answer; -inf where there is no span.
        start: first character.
        end: the character behind the last.
    """

    score: float
    start: int
    end: int


NOTHING = Answer(-np.inf, 0, 0)


def window_logits(model, windows):
    """Yield (numbers of windows, logits (B, 2, T)): batches of windows of like lengths.

    Args:
        model: a `SpanExtractor`.
        windows: list of `Window`.
    """
    if not model.compiled and keras.backend.backend() == "tensorflow":
        model.jit_compile = False  # XLA would compile anew for each length
    order = sorted(range(len(windows)), key=lambda i: len(windows[i].ids))
    start = 0
    while start < len(order):
        size = max(1, min(256, AT_ONCE // len(windows[order[start]].ids)))
        chosen = order[start : start + size]
        bounds = [(windows[i].first, windows[i].stop) for i in chosen]
        ids = pad_bucketed([windows[i].ids for i in chosen], 16)
        inputs = {"ids": ids, "context": np.array(bounds, "int32")}
        yield chosen, model.predict_on_batch(inputs)
        start += size


def answer_windows(scored, reader, windows, contexts):
    """Return the best `Answer` to each question, over all windows of its context.

    Args:
        scored: what `window_logits` gives.
        reader: the `SpanPreprocessor` that cut the windows.
        windows: list of `Window`.
        contexts: the context of each question.
    """
    answers = [NOTHING] * len(contexts)
    for chosen, logits in scored:
        best = zip(*best_spans(logits, reader.max_answer), strict=True)
        for i, (score, first, last) in zip(chosen, best, strict=True):
            window = windows[i]
            if score[0] > answers[window.question].score:
                move = window.shift - window.first  # from positions to tokens of the context
                tokens = first[0] + move, last[0] + move
                place = reader.characters(contexts[window.question], *tokens)
                answers[window.question] = Answer(float(score[0]), *place)
    return answers


def answer_texts(answers, contexts, threshold):
    """Return the text of each answer, "" where its score is not above the threshold."""
    threshold = -np.inf if threshold is None else threshold
    return [
        context[answer.start : answer.end] if answer.score > threshold else ""
        for answer, context in zip(answers, contexts, strict=True)
    ]


def answer_pairs(task, pairs):
    """Return the best `Answer` to each (question, context); none where one of them is empty."""
    reader = task.preprocessor
    windows = [
        window
        for number, (question, context) in enumerate(pairs)
        if question.strip() and context.strip()
        for window in reader.windows(number, question, context)
    ]
    contexts = [context for _, context in pairs]
    return answer_windows(window_logits(task, windows), reader, windows, contexts)


def window_nats(scored, targets):
    """Return the loss of each window (W,): the mean of -ln p of its start and of its end.

    Args:
        scored: what `window_logits` gives.
        targets: int array (W, 2).
    """
    nats = np.zeros(len(targets))
    for chosen, logits in scored:
        logits = logits.astype("float64")
        peak = logits.max(axis=-1, keepdims=True)
        log_p = logits - peak - np.log(np.exp(logits - peak).sum(axis=-1, keepdims=True))
        picked = np.take_along_axis(log_p, targets[chosen][..., None], axis=-1)  # (B, 2, 1)
        nats[chosen] = -picked.mean(axis=(1, 2))
    return nats


def answers(task, pairs):
    """Answer questions, each on its context.

    Args:
        task: a `SpanExtractor` with its preprocessor.
        pairs: list of (question, context), or one such pair.

    Returns:
        list of dicts: question, text (the context), answer ("" for none) and start in it (None for
        none), score (logarithm of how much likelier the best span is than no answer; None where
        there is no span), and a warning where something is empty or was cut.
    """
    pairs, reader = question_pairs(pairs), task.preprocessor
    found = answer_pairs(task, pairs)
    texts = answer_texts(found, [context for _, context in pairs], reader.threshold)
    return [
        {
            "question": question,
            "text": context,
            "answer": text,
            "start": answer.start if text else None,
            "score": answer.score if np.isfinite(answer.score) else None,
            "warning": reader.warning(question, context),
        }
        for (question, context), text, answer in zip(pairs, texts, found, strict=True)
    ]


def scores(task, dataset):
    """Return the loss of the windows in nats, and the scores of the answers."""
    reader = task.preprocessor
    windows, targets = window_targets(reader, dataset)
    scored = list(window_logits(task, windows))
    found = answer_windows(scored, reader, windows, dataset.texts)
    metrics = span_metrics(dataset, answer_texts(found, dataset.texts, reader.threshold))
    return {"loss": float(window_nats(scored, targets).mean()), **metrics}


def evaluation(task, test, train=None):
    """Return scores, intervals, and baselines, which need no training, on the same questions."""
    found = answer_pairs(task, [(e.question, e.context) for e in test])
    texts = answer_texts(found, test.texts, task.preprocessor.threshold)
    return {
        "model": span_metrics(test, texts),
        "interval": span_intervals(test, texts),
        "baselines": task.baseline_scores(test, train),
        "signatures": {"f1, exact": span_signature(test)},
    }
