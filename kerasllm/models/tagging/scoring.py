"""What a `TokenTagger` answers, and how good that is."""

import numpy as np

from kerasllm.metrics.entities import tagging_intervals, tagging_metrics
from kerasllm.models.tagging.preprocessor import collate
from kerasllm.text.entities import convert_tags, find_spans

AT_ONCE = 4096  # tokens in a batch of prediction


def tag_sentences(task, sentences):
    """Return a list of tags for each sentence (a list of words)."""
    reader = task.preprocessor
    rows = reader.rows(sentences)
    tags = [["O"] * len(words) for words in sentences]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    start = 0
    while start < len(order):
        # Long sentences in small batches: memory stays level.
        size = max(1, min(256, AT_ONCE // len(rows[order[start]].ids)))
        chosen = [rows[i] for i in order[start : start + size]]
        best = task.decoder.predict_on_batch(collate(chosen, reader.length, reader.word_length))
        for row, numbers in zip(chosen, best, strict=True):
            found = [reader.labels[number] for number in numbers[: len(row.positions)]]
            tags[row.sentence][row.first : row.first + len(found)] = found
        start += size
    return tags


def scores(task, dataset):
    """Return the loss in nats per word, and the scores of the best tags.

    A tag that was never trained on has no probability: its sentence counts in the scores alone.
    """
    known = task.preprocessor.known(dataset)
    batches = task.preprocessor.batches(known, 64, None) if len(known) else None
    nats = words = 0.0
    for step in range(batches.steps_per_epoch if batches else 0):
        inputs, targets = batches.batch(step)
        count = np.count_nonzero(targets)
        nats += count * float(task.compute_loss(inputs, targets, task.predict_on_batch(inputs)))
        words += count
    true = [list(example.tags) for example in dataset]
    predicted = tag_sentences(task, [example.tokens for example in dataset])
    found = tagging_metrics(true, predicted, task.preprocessor.entities)
    numbers = {name: score for name, score in found.items() if isinstance(score, float)}
    return {"loss": nats / max(words, 1.0), **numbers}


def evaluation(task, test, train=None):
    """Return scores, intervals over sentences, and baselines on the same sentences."""
    entities = task.preprocessor.entities
    true = [list(example.tags) for example in test]
    predicted = tag_sentences(task, [example.tokens for example in test])
    return {
        "model": tagging_metrics(true, predicted, entities),
        "interval": tagging_intervals(true, predicted, entities),
        "baselines": task.baseline_scores(test, train),
    }


def answers(task, texts):
    """Return for each typed sentence its words, tags and entities, and a warning or None."""
    texts, reader = [texts] if isinstance(texts, str) else list(texts), task.preprocessor
    typed = [text if isinstance(text, str) else _written(text, reader) for text in texts]
    spans = [
        reader.word_spans(text) if isinstance(given, str) else _spans(given, reader)
        for given, text in zip(texts, typed, strict=True)
    ]
    sentences = [[t[a:b] for a, b in places] for t, places in zip(typed, spans, strict=True)]
    found = tag_sentences(task, sentences)
    return [
        {
            "text": text,
            "tokens": words,
            "tags": convert_tags(tags) if reader.entities else tags,
            "entities": _entities(text, places, tags) if reader.entities else [],
            "warning": reader.warning(words),
        }
        for text, places, words, tags in zip(typed, spans, sentences, found, strict=True)
    ]


def _entities(text, places, tags):
    found = [(kind, places[start][0], places[end - 1][1]) for kind, start, end in find_spans(tags)]
    return [
        {"text": text[start:end], "type": kind, "start": start, "end": end}
        for kind, start, end in found
    ]


def _written(words, reader):
    return ("" if reader.by_character else " ").join(words)


def _spans(words, reader):
    """Return where each word stands in the text that `_written` makes of them."""
    gap = 0 if reader.by_character else 1
    ends = np.cumsum([len(word) + gap for word in words])
    return [
        (int(end) - gap - len(word), int(end) - gap) for word, end in zip(words, ends, strict=True)
    ]
