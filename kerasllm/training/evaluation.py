"""Evaluation: scores with intervals, and what a network has to beat, on the same rows."""

import dataclasses
from pathlib import Path

import numpy as np

from kerasllm import datasets
from kerasllm.training import baselines, shapes
from kerasllm.training.bootstrap import bootstrap_interval
from kerasllm.training.corpora import Reading, read_source, text_ids, token_rows
from kerasllm.training.finetuning import classify
from kerasllm.training.labelled import label_ids
from kerasllm.training.language import token_nats
from kerasllm.training.metrics import (
    classification_intervals,
    classification_metrics,
    confusion_matrix,
    language_metrics,
)
from kerasllm.training.objectives import masked_nats, text_lists
from kerasllm.training.progress import Progress
from kerasllm.training.run import Run, load_run
from kerasllm.training.settings import PretrainSettings

BLOCK = 256  # tokens that are drawn together for the interval of a language model's loss


def evaluate(run, data=None, *, split="test", with_baselines=True, quiet=False):
    """Score a run on held-out data, beside the baselines, and write metrics.json.

    Args:
        run: run folder or `Run`.
        data: name, path or `Dataset`; the run's own data when None.
        split: "test" or "validation".
        with_baselines: train and score the baselines on the same rows too.
        quiet: print nothing.

    Returns:
        dict with the scores, their 95 % bootstrap intervals, and those of the baselines.

    Raises:
        ValueError: the labels of the data are not those of the model.
    """
    run = run if isinstance(run, Run) else load_run(run)
    data = data if data is not None else _own_data(run)
    result = _scorer(run)(run, data, split, with_baselines)
    run.write_json("metrics.json", result)
    report = Progress(quiet)
    report.result(table_of(result))
    return result


def _scorer(run):
    kind = run.config["kind"]
    if kind in shapes.SHAPES:
        return shapes.function("evaluate", kind)
    return {"pretrain": _language, "finetune": _classification}[kind]


def _own_data(run):
    source = run.config["data"]["source"]
    if source is None:
        raise ValueError(
            f"{run.path} was trained on data given in Python, which is not kept: call "
            "evaluate(run, data) with the data to score."
        )
    return source


def _classification(run, data, split, with_baselines):
    test = data if isinstance(data, datasets.Dataset) else datasets.load(data, split=split)
    labels = tuple(run.config["labels"])
    y_true = label_ids(test, labels)
    logits = classify(run.model, run.tokenizer, test.texts, Reading.of(run.settings))
    y_pred = logits.argmax(axis=1)
    matrix = confusion_matrix(y_true, y_pred, labels)
    _draw_confusion(run, matrix, labels)
    metrics = classification_metrics(y_true, y_pred, labels)
    result = {
        "data": test.name,
        "split": split,
        "rows": len(test),
        "model": metrics,
        "interval": classification_intervals(matrix),
        "baselines": {},
    }
    if with_baselines:
        source = data if isinstance(data, str | Path) else run.config["data"]["source"]
        if source is not None:
            train = datasets.load(source, split="train")
            for baseline in (baselines.majority(train, test), baselines.linear(train, test)):
                result["baselines"][baseline.name] = baseline.metrics
    return result


def _language(run, data, split, with_baselines):
    settings = PretrainSettings(**run.settings)
    source = _source(data, split)
    if settings.objective == "masked":
        ids = text_ids(text_lists(source)[1], run.tokenizer, settings.length)
        nats = masked_nats(run.model, ids, settings, run.tokenizer)
        metrics = language_metrics(float(nats.sum()), len(nats))
        return _language_result(data, split, metrics, nats)
    train, tokens = token_rows(source, run.tokenizer, quiet=True)
    nats = token_nats(run.model, tokens, settings.length)
    text = run.tokenizer.decode(np.asarray(tokens[1:]).tolist())
    size = {"characters": max(1, len(text)), "bytes": max(1, len(text.encode("utf-8")))}
    metrics = language_metrics(float(nats.sum()), len(nats), **size)
    result = _language_result(data, split, metrics, nats)
    if with_baselines:
        vocabulary = run.tokenizer.vocabulary_size
        ngram = baselines.kneser_ney(np.asarray(train), np.asarray(tokens), vocabulary, **size)
        result["baselines"]["kneser_ney"] = ngram.metrics
    return result


def _source(data, split):
    """Return the texts, with those of the split asked for in the place of the validation."""
    source = read_source(data)
    if split == "test" and isinstance(data, str | Path) and source.validation is not None:
        source = dataclasses.replace(source, validation=datasets.load(data, split="test").texts)
    return source


def _language_result(data, split, metrics, nats):
    # Tokens of one stretch depend on each other: whole blocks are drawn.
    blocks = [nats[i : i + BLOCK] for i in range(0, len(nats), BLOCK)]
    sums, counts = np.array([b.sum() for b in blocks]), np.array([len(b) for b in blocks])
    low, high = bootstrap_interval(lambda s, c: s.sum() / c.sum(), sums, counts)
    return {
        "data": str(getattr(data, "name", data)),
        "split": split,
        "rows": len(nats),
        "model": metrics,
        "interval": {"loss": (low, high), "perplexity": (np.exp(low), np.exp(high))},
        "baselines": {},
    }


def _draw_confusion(run, matrix, labels):
    from kerasllm import plots

    run.write_figure("confusion_matrix", plots.confusion_matrix(matrix, labels))


def table_of(result):
    """Return a rich table of the scores, the network's first."""
    from rich.table import Table

    if "perplexity" in result["model"]:
        names = ("loss", "perplexity", "bits_per_character")
    elif "matthews" in result["model"]:
        names = ("accuracy", "precision_macro", "recall_macro", "f1_macro", "matthews")
    else:
        names = [name for name, score in result["model"].items() if isinstance(score, float)]
    table = Table(title=f"{result['data']} ({result['split']}, {result['rows']:,} rows)")
    table.add_column("model")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    rows = {"network": result["model"], **result["baselines"]}
    for model, scores in rows.items():
        cells = []
        for name in names:
            cell = f"{scores[name]:.4g}" if name in scores else "-"
            if model == "network" and name in result["interval"]:
                low, high = result["interval"][name]
                cell += f"\n[{low:.4g}, {high:.4g}]"
            cells.append(cell)
        table.add_row(model, *cells)
    return table
