"""Asking a tagger: tags of sentences, their scores beside the baselines, entities in typed text."""

from pathlib import Path

import numpy as np

from kerasllm import datasets
from kerasllm.baselines.tagging import frequent_tags, linear_tags
from kerasllm.metrics.bootstrap import bootstrap_interval
from kerasllm.metrics.entities import count_entities, entity_scores, ratios
from kerasllm.models.tagging.preprocessor import SentenceReader, collate, typed_words
from kerasllm.text.entities import convert_tags, find_spans
from kerasllm.training.run import Run, load_run

AT_ONCE = 4096  # tokens in a batch of prediction


def tag_sentences(model, reader, sentences, labels):
    """Return a list of tags for each sentence.

    Args:
        model: a `TokenTagger`.
        reader: the `SentenceReader` that it was trained with.
        sentences: lists of words.
        labels: the model's tags.
    """
    rows = reader.rows(sentences)
    answers = [["O"] * len(words) for words in sentences]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
    start = 0
    while start < len(order):
        # Long sentences in small batches: memory stays level.
        size = max(1, min(256, AT_ONCE // len(rows[order[start]].ids)))
        chosen = [rows[i] for i in order[start : start + size]]
        inputs = collate(chosen, reader.settings["length"], reader.settings["word_length"])
        best = model.decoder.predict_on_batch(inputs)
        for row, numbers in zip(chosen, best, strict=True):
            tags = [labels[number] for number in numbers[: len(row.positions)]]
            answers[row.sentence][row.first : row.first + len(tags)] = tags
        start += size
    return answers


def tag_metrics(true, predicted, entities):
    """Return the scores of tags: accuracy, and for entities precision, recall, f1 and each type's.

    Args:
        true: lists of tags, in any scheme.
        predicted: likewise.
        entities: whether the tags mark entities.

    Returns:
        dict. Accuracy compares the tags in BIO, so that it does not depend on the scheme.
    """
    if not entities:
        pairs = [
            pair for rows in zip(true, predicted, strict=True) for pair in zip(*rows, strict=True)
        ]
        return {"accuracy": float(np.mean([a == b for a, b in pairs]))}
    scores = entity_scores(true, predicted)
    same = [[convert_tags(tags) for tags in rows] for rows in (true, predicted)]
    right = [a == b for rows in zip(*same, strict=True) for a, b in zip(*rows, strict=True)]
    return {**scores, "accuracy": float(np.mean(right))}


def evaluate_tagger(run, data=None, split="test", with_baselines=True):
    """Score a tagger beside the baselines, all on the same sentences.

    Args:
        run: run folder or `Run` of `train_tagger`.
        data: name, path or `Dataset`; the run's own data when None.
        split: "test" or "validation".
        with_baselines: train and score the baselines too.

    Returns:
        {"data", "split", "rows", "model", "interval", "baselines"}.

    Raises:
        ValueError: the data are not tagged sentences.
    """
    run = run if isinstance(run, Run) else load_run(run)
    config = run.config
    data = config["data"]["source"] if data is None else data
    if data is None:
        raise ValueError(f"{run.path} was trained on data given in Python: give the data to score.")
    test = data if isinstance(data, datasets.Dataset) else datasets.load(data, split=split)
    if test.task != "tagging":
        raise ValueError(f"expected tagged sentences, received {test!r}: choose a tagging set.")
    true = [list(example.tags) for example in test]
    predicted = tag_sentences(
        run.model, _reader(run), [example.tokens for example in test], config["labels"]
    )
    result = {
        "data": test.name,
        "split": split,
        "rows": len(test),
        "model": tag_metrics(true, predicted, config["entities"]),
        "interval": _intervals(true, predicted, config["entities"]),
        "baselines": {},
    }
    source = data if isinstance(data, str | Path) else config["data"]["source"]
    if with_baselines and source is not None:
        train = datasets.load(source, split="train")
        for name, baseline in (("frequent", frequent_tags), ("linear", linear_tags)):
            scores = tag_metrics(true, baseline(train, test), config["entities"])
            result["baselines"][name] = {k: v for k, v in scores.items() if k != "types"}
    return result


def _reader(run):
    config = run.config
    return SentenceReader(run.tokenizer, config["settings"], config["characters"])


def _intervals(true, predicted, entities):
    """Draw whole sentences again: their words depend on each other."""
    if not entities:
        right = [
            np.sum([a == b for a, b in zip(*pair, strict=True)])
            for pair in zip(true, predicted, strict=True)
        ]
        words = [len(tags) for tags in true]
        return {"accuracy": bootstrap_interval(lambda r, w: r.sum() / w.sum(), right, words)}
    counts = count_entities(true, predicted)[0].sum(axis=1)  # (R, types, 3) -> (R, 3)
    return {
        name: bootstrap_interval(lambda c, n=n: ratios(c.sum(axis=0))[n], counts)
        for n, name in enumerate(("precision", "recall", "f1"))
    }


def predict_tagger(run, texts):
    """Tag typed sentences.

    Args:
        run: run folder or `Run` of `train_tagger`.
        texts: list of sentences (one sentence alone is taken for a list of one).

    Returns:
        list of dicts: text, tokens, tags, entities (each with text, type, start and end in
        characters), and a warning where the sentence is empty or was read in parts.

    Example:
        >>> predict_tagger("runs/tagger", ["Angela Merkel visited Paris."])  # doctest: +SKIP
        [{'text': 'Angela Merkel visited Paris.', 'tokens': ['Angela', 'Merkel', ...
    """
    run = run if isinstance(run, Run) else load_run(run)
    texts = [texts] if isinstance(texts, str) else list(texts)
    config, reader = run.config, _reader(run)
    splitter = config["settings"]["word_splitter"]
    spans = [typed_words(text, splitter, config["by_character"]) for text in texts]
    sentences = [[t[a:b] for a, b in places] for t, places in zip(texts, spans, strict=True)]
    answers = tag_sentences(run.model, reader, sentences, config["labels"])
    return [
        _answer(*row, config, reader) for row in zip(texts, spans, sentences, answers, strict=True)
    ]


def _answer(text, spans, tokens, tags, config, reader):
    entities = find_spans(tags) if config["entities"] else []
    places = [(kind, spans[start][0], spans[end - 1][1]) for kind, start, end in entities]
    return {
        "text": text,
        "tokens": tokens,
        "tags": convert_tags(tags) if config["entities"] else tags,
        "entities": [
            {"text": text[start:end], "type": kind, "start": start, "end": end}
            for kind, start, end in places
        ],
        "warning": _warning(tokens, reader),
    }


def _warning(tokens, reader):
    if not tokens:
        return "the text is empty: there is nothing to tag"
    parts = len(reader.rows([tokens]))
    if parts > 1:
        return f"the text is longer than length={reader.settings['length']}: read in {parts} parts"
    ids = [i for place, token in enumerate(tokens) for i in reader.pieces(token, place)]
    if set(ids) == {reader.tokenizer.unk_id} and not reader.characters:
        return "every word is unknown to the tokenizer: the tags say nothing about this text"
    return None
