"""Asking a `SpanExtractor`: answers to questions, their scores beside the baselines."""

from typing import NamedTuple

import keras
import numpy as np

from kerasllm import datasets
from kerasllm.baselines.spans import BASELINES
from kerasllm.metrics.spans import span_intervals, span_metrics
from kerasllm.models.span.preprocessor import SpanReader
from kerasllm.models.span.span_extractor import best_spans
from kerasllm.text.batching import pad_bucketed
from kerasllm.training.run import Run, load_run

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
        reader: the `SpanReader` that cut the windows.
        windows: list of `Window`.
        contexts: the context of each question.
    """
    answers = [NOTHING] * len(contexts)
    for chosen, logits in scored:
        best = zip(*best_spans(logits, reader.settings["max_answer"]), strict=True)
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
    return [
        context[answer.start : answer.end] if answer.score > threshold else ""
        for answer, context in zip(answers, contexts, strict=True)
    ]


def threshold_of(config):
    """Return the score that an answer needs: -inf where a model never learned to give none."""
    given = config["settings"]["null_threshold"]
    return given if given is not None else -np.inf if config["always_answered"] else 0.0


def answer_pairs(model, reader, pairs):
    """Return the best `Answer` to each (question, context); none where one of them is empty."""
    windows = [
        window
        for number, (question, context) in enumerate(pairs)
        if question.strip() and context.strip()
        for window in reader.windows(number, question, context)
    ]
    contexts = [context for _, context in pairs]
    return answer_windows(window_logits(model, windows), reader, windows, contexts)


def evaluate_span(run, data=None, split="test", with_baselines=True):
    """Score answers beside the baselines, all on the same questions.

    Args:
        run: run folder or `Run` of `train_span`.
        data: name, path or `Dataset`; the run's own data when None.
        split: "test" or "validation".
        with_baselines: score the baselines too.

    Returns:
        {"data", "split", "rows", "model", "interval", "baselines"}; "exact" and "f1" in percent.

    Raises:
        ValueError: the data are not questions on contexts.
    """
    run = run if isinstance(run, Run) else load_run(run)
    data = run.config["data"]["source"] if data is None else data
    if data is None:
        raise ValueError(f"{run.path} was trained on data given in Python: give the data to score.")
    test = data if isinstance(data, datasets.Dataset) else datasets.load(data, split=split)
    check_spans(test)
    reader = SpanReader(run.tokenizer, run.settings)
    answers = answer_pairs(run.model, reader, [(e.question, e.context) for e in test])
    texts = answer_texts(answers, test.texts, threshold_of(run.config))
    baselines = BASELINES if with_baselines else {}
    return {
        "data": test.name,
        "split": split,
        "rows": len(test),
        "model": span_metrics(texts, test),
        "interval": span_intervals(texts, test),
        "baselines": {
            name: span_metrics([baseline(e.question, e.context) for e in test], test)
            for name, baseline in baselines.items()
        },
    }


def check_spans(dataset):
    """Raise unless a data set holds questions on contexts that their answers stand in."""
    if dataset.task != "span":
        raise ValueError(
            f"expected questions on contexts, received {dataset!r}, a set for {dataset.task}: "
            "choose a span set, or give a JSON file as SQuAD writes it."
        )
    for row, example in enumerate(dataset):
        for name in ("question", "context"):
            if not getattr(example, name).strip():
                raise ValueError(
                    f"question {row} of {dataset!r} has an empty {name}: leave it out."
                )
        for text, start in example.answers:
            _check_answer(dataset, row, example, text, start)


def _check_answer(dataset, row, example, text, start):
    if text.strip() and start >= 0 and example.context.startswith(text, start):
        return
    found = example.context.find(text) if text.strip() else -1
    cure = (
        f"It stands at {found}: correct the place."
        if found >= 0
        else ("It stands nowhere in the context: correct it, or leave it out.")
    )
    raise ValueError(
        f"expected each answer in its context, question {row} of {dataset!r} "
        f"({example.question!r:.80}) has the answer {text!r:.80} at {start}. {cure}"
    )


def predict_span(run, pairs):
    """Answer questions, each on its context.

    Args:
        run: run folder or `Run` of `train_span`.
        pairs: list of (question, context), or one such pair.

    Returns:
        list of dicts: question, text (the context), answer ("" for none) and start in it (None for
        none), score (logarithm of how much likelier the best span is than no answer; None where
        there is no span), and a warning where something is empty or was cut.

    Raises:
        TypeError: something else than pairs of texts.

    Example:
        >>> predict_span("runs/span", ("Who came?", "Then Ada came."))  # doctest: +SKIP
        [{'question': 'Who came?', 'text': 'Then Ada came.', 'answer': 'Ada', 'start': 5, ...
    """
    run = run if isinstance(run, Run) else load_run(run)
    pairs = _pairs(pairs)
    reader, threshold = SpanReader(run.tokenizer, run.settings), threshold_of(run.config)
    answers = answer_pairs(run.model, reader, pairs)
    texts = answer_texts(answers, [context for _, context in pairs], threshold)
    return [
        {
            "question": question,
            "text": context,
            "answer": text,
            "start": answer.start if text else None,
            "score": answer.score if np.isfinite(answer.score) else None,
            "warning": _warning(question, context, reader),
        }
        for (question, context), text, answer in zip(pairs, texts, answers, strict=True)
    ]


def _pairs(pairs):
    if len(pairs) == 2 and all(isinstance(part, str) for part in pairs):
        pairs = [pairs]
    for pair in pairs:
        if isinstance(pair, str) or len(pair) != 2 or not all(isinstance(p, str) for p in pair):
            raise TypeError(
                f"expected pairs of a question and its context, received {pair!r:.80}: write "
                '[("Who came?", "Then Ada came.")].'
            )
    return [tuple(pair) for pair in pairs]


def _warning(question, context, reader):
    for name, text in (("question", question), ("context", context)):
        ids = reader.tokenizer.encode(text)
        if not ids or not text.strip():
            return f"the {name} is empty: there is nothing to answer"
        if set(ids) == {reader.tokenizer.unk_id}:
            return f"every token of the {name} is unknown: the answer says nothing about it"
    limit = reader.settings["max_question"]
    if len(reader.tokenizer.encode(question)) > limit:
        return f"only the first {limit} tokens of the question were read"
    return None
