"""The pay-off meter: what pretraining is worth, at several numbers of labels, with its spread."""

import dataclasses
import json

import numpy as np

from kerasllm import datasets
from kerasllm.training import baselines
from kerasllm.training.corpora import Reading
from kerasllm.training.features import semantic_space
from kerasllm.training.finetuning import METHODS, classify, inherit, train_classifier
from kerasllm.training.labelled import label_ids, read_labelled
from kerasllm.training.progress import Progress
from kerasllm.training.run import Run, load_run, write_text
from kerasllm.training.settings import FinetuneSettings, check_choice, resolve


def payoff(
    run,
    data,
    output=None,
    *,
    label_counts=(100, 1000),
    methods=METHODS,
    seeds=5,
    settings=None,
    unlabelled=None,
    quiet=False,
    **overrides,
):
    """Compare fine-tuning methods and baselines at several numbers of labels, over several draws.

    For each number of labels and each seed, rows are drawn from the training split; every method
    and every baseline is trained on exactly these, and scored on the whole test split. Weights
    are chosen on validation rows, of which there are as many as training rows at most.

    Args:
        run: run folder or `Run` of `pretrain`.
        data: name of a data set or path of a file, or (train, validation, test).
        output: folder for payoff.json and figures; the run folder's `payoff` when None.
        label_counts: numbers of labelled training rows.
        methods: of "scratch", "frozen", "full", "gradual".
        seeds: number of draws.
        settings: `FinetuneSettings`, or {method: `FinetuneSettings`}; the defaults when None.
        unlabelled: texts for latent semantic analysis; the training texts when None.
        quiet: print nothing.
        **overrides: single settings.

    Returns:
        dict: `rows` (method, labels, seed, accuracy, matthews) and `summary` (mean, sd).
    """
    for method in methods:
        check_choice("method", method, METHODS)
    run = run if isinstance(run, Run) else load_run(run)
    report = Progress(quiet)
    settings = _settings_by_method(settings, methods, overrides, run, report)
    train, validation, test = _splits(data)
    if max(label_counts) > len(train):
        raise ValueError(
            f"expected at most {len(train)} labels, the training rows of {train.name}, received "
            f"label_counts={tuple(label_counts)}: ask for fewer."
        )
    folder = Run(output or run.path / "payoff")
    (folder.path / "figures").mkdir(parents=True, exist_ok=True)
    space = semantic_space(unlabelled or train.texts)
    rows = []
    for count in label_counts:
        for seed in range(seeds):
            drawn = draw(train, count, seed)
            held = draw(validation, min(count, len(validation)), seed)
            scores = _baseline_scores(drawn, test, space)
            for method in methods:
                chosen = dataclasses.replace(settings[method], method=method, seed=seed)
                model, _, _ = train_classifier(run.model, run.tokenizer, drawn, held, chosen)
                logits = classify(model, run.tokenizer, test.texts, Reading.of(chosen))
                scores[method] = _scores(test, logits.argmax(axis=1), train.labels)
            for method, metrics in scores.items():
                rows.append({"method": method, "labels": count, "seed": seed, **metrics})
            report.say(
                f"  {count} labels, draw {seed + 1}: "
                + "  ".join(f"{name} {m['accuracy']:.3f}" for name, m in scores.items())
            )
    result = {"data": train.name, "test_rows": len(test), "rows": rows, "summary": summary(rows)}
    write_text(folder.path / "payoff.json", json.dumps(result, indent=2) + "\n")
    _draw(folder, rows)
    report.result(table_of(result))
    return result


def _settings_by_method(settings, methods, overrides, run, report):
    if not isinstance(settings, dict):
        settings = dict.fromkeys(
            methods, inherit(resolve(FinetuneSettings, settings, **overrides), run, report)
        )
        return settings
    return {
        m: inherit(resolve(FinetuneSettings, settings[m], **overrides), run, report)
        for m in methods
    }


def draw(dataset, count, seed):
    """Draw `count` rows with the same share of each class as in the whole, every class present.

    Draws of one seed are nested: a larger one holds the smaller ones.
    """
    if count >= len(dataset):
        return dataset
    rng, ids = np.random.default_rng(seed), dataset.label_ids
    classes = np.unique(ids)
    if count < len(classes):
        raise ValueError(f"expected at least a label a class ({len(classes)}), received {count}.")
    rank = np.empty(len(ids))  # a class of n rows: 1/2n, 3/2n, ...; its first row before all others
    for label in classes:
        rows = rng.permutation(np.flatnonzero(ids == label))
        rank[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
        rank[rows[0]] = -1
    chosen = np.argsort(rank, kind="stable")[:count]
    return dataset.select(rng.permutation(chosen))


def summary(rows):
    """Return mean and standard deviation over the seeds for each method and number of labels."""
    groups = {}
    for row in rows:
        groups.setdefault((row["method"], row["labels"]), []).append(row["accuracy"])
    return [
        {
            "method": method,
            "labels": labels,
            "accuracy": float(np.mean(values)),
            "sd": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
        }
        for (method, labels), values in groups.items()
    ]


def table_of(result):
    """Return a rich table: one row a method, one column a number of labels."""
    from rich.table import Table

    counts = sorted({row["labels"] for row in result["summary"]})
    table = Table(title=f"{result['data']}: accuracy on {result['test_rows']:,} test rows")
    table.add_column("method")
    for count in counts:
        table.add_column(f"{count} labels", justify="right")
    cells = {(r["method"], r["labels"]): r for r in result["summary"]}
    for method in dict.fromkeys(r["method"] for r in result["summary"]):
        found = [cells[method, count] for count in counts]
        table.add_row(method, *(f"{r['accuracy']:.3f} ± {r['sd']:.3f}" for r in found))
    return table


def _splits(data):
    if isinstance(data, tuple | list):
        train, validation, test = data
    else:
        train, validation, test = (datasets.load(data, s) for s in ("train", "validation", "test"))
    return *read_labelled((train, validation)), test


def _scores(test, y_pred, labels):
    metrics = baselines.classification_metrics(label_ids(test, labels), y_pred, labels)
    return {name: float(metrics[name]) for name in ("accuracy", "matthews")}


def _baseline_scores(train, test, space):
    found = (
        baselines.majority(train, test),
        baselines.linear(train, test),
        baselines.latent_semantic(train, test, space),
    )
    return {b.name: {n: float(b.metrics[n]) for n in ("accuracy", "matthews")} for b in found}


def _draw(folder, rows):
    from kerasllm import plots

    points = [{**row, "score": row["accuracy"]} for row in rows]
    folder.write_figure("payoff", plots.payoff(points))
