"""Evaluation: scores with intervals, and what a network has to beat, on the same rows."""

import dataclasses
from pathlib import Path

import numpy as np

from kerasllm import datasets
from kerasllm.baselines import classification as baselines
from kerasllm.baselines.classification import linear_multilabel
from kerasllm.baselines.language import kneser_ney
from kerasllm.metrics.bootstrap import bootstrap_interval
from kerasllm.metrics.classification import (
    classification_intervals,
    classification_metrics,
    confusion_matrix,
)
from kerasllm.metrics.language import language_metrics
from kerasllm.metrics.multilabel import multilabel_intervals, multilabel_metrics
from kerasllm.models import TextEncoder
from kerasllm.models.classification.preprocessor import label_ids, label_targets
from kerasllm.models.language.scoring import token_nats
from kerasllm.training import shapes
from kerasllm.training.classification import classify
from kerasllm.training.data import (
    Reading,
    Source,
    document_rows,
    found_again,
    read_source,
    token_rows,
)
from kerasllm.training.engine.progress import Progress
from kerasllm.training.objectives import masked_nats
from kerasllm.training.run import Run, load_run
from kerasllm.training.settings.pretraining import PretrainSettings

BLOCK = 256  # tokens that are drawn together for the interval of a language model's loss
FEWEST_BLOCKS = 20  # of one block alone the interval would have no width


def evaluate(run, data=None, *, split="test", with_baselines=True, quiet=False):
    """Score a run on held-out data, beside the baselines, and write metrics.json.

    Args:
        run: run folder or `Run`.
        data: name, path or `Dataset`, or texts for a language model; the run's own data when
            None. A `Dataset`, texts and a text file other than the run's own are scored whole.
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
    return {"pretrain": _language, "imported": _language, "finetune": _classification}[kind]


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
    if run.config.get("multilabel"):
        return _several(run, data, split, test, labels, with_baselines)
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


def _several(run, data, split, test, labels, with_baselines):
    y_true = label_targets(test, labels)
    said = classify(run.model, run.tokenizer, test.texts, Reading.of(run.settings)) > 0
    result = {
        "data": test.name,
        "split": split,
        "rows": len(test),
        "model": multilabel_metrics(y_true, said),
        "interval": multilabel_intervals(y_true, said),
        "unseen_labels": sum(name not in labels for own in test.label_sets for name in own),
        "baselines": {},
    }
    source = data if isinstance(data, str | Path) else run.config["data"]["source"]
    if with_baselines and source is not None:
        train = datasets.load(source, split="train")
        linear = linear_multilabel(train, test.texts, label_targets(train, labels))
        result["baselines"]["linear"] = multilabel_metrics(y_true, linear)
    return result


def _language(run, data, split, with_baselines):
    if isinstance(run.model, TextEncoder):
        raise ValueError(
            f"{run.path} holds a TextEncoder, an imported model without a head: there is nothing "
            "to score before `kerasllm finetune`."
        )
    settings = PretrainSettings(**run.settings)
    source, split = _source(run, data, split)
    if settings.objective == "masked":
        _, ids = document_rows(source, run.tokenizer, settings.length, quiet=True)
        nats = masked_nats(run.model, ids, settings, run.tokenizer)
        metrics = language_metrics(float(nats.sum()), len(nats))
        return _language_result(data, split, metrics, nats)
    train, tokens = token_rows(source, run.tokenizer, quiet=True)
    nats = token_nats(run.model, tokens, settings.length)
    text = run.tokenizer.decode(np.asarray(tokens[1:]).tolist())
    size = {"characters": max(1, len(text)), "bytes": max(1, len(text.encode("utf-8")))}
    metrics = language_metrics(float(nats.sum()), len(nats), **size)
    result = _language_result(data, split, metrics, nats)
    if with_baselines and source.train is not source.validation:
        vocabulary = run.tokenizer.vocabulary_size
        ngram = kneser_ney(np.asarray(train), np.asarray(tokens), vocabulary, **size)
        result["baselines"]["kneser_ney"] = ngram.metrics
    return result


def _source(run, data, split):
    """Return what the baseline learns from and, as its validation, what is scored; and its split.

    Of the run's own text file the last tenth is scored, which took no part in training, and of a
    data set by name the split; a `Dataset`, texts and other text files are scored whole.
    """
    own = run.config["data"]["source"]
    is_path = isinstance(data, str | Path)
    is_text = is_path and Path(data).suffix == ".txt" and Path(data).is_file()
    if is_text and found_again(data) == own:
        return read_source(data), "validation"
    if is_path and not is_text:
        texts = datasets.load(data, split=split).texts
        return dataclasses.replace(read_source(data), validation=texts), split
    texts = Path(data) if is_text else getattr(data, "texts", data)
    learned = read_source(own).train if own else texts
    return Source("", learned, texts), getattr(data, "split", "all")


def _language_result(data, split, metrics, nats):
    # Tokens of one stretch depend on each other: whole blocks are drawn, many enough to vary.
    size = max(1, min(BLOCK, len(nats) // FEWEST_BLOCKS))
    blocks = [nats[i : i + size] for i in range(0, len(nats), size)]
    sums, counts = np.array([b.sum() for b in blocks]), np.array([len(b) for b in blocks])
    low, high = bootstrap_interval(lambda s, c: s.sum() / c.sum(), sums, counts)
    return {
        "data": getattr(data, "name", data if isinstance(data, str) else "texts"),
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
    unit = "tokens" if "perplexity" in result["model"] else "rows"
    table = Table(title=f"{result['data']} ({result['split']}, {result['rows']:,} {unit})")
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
