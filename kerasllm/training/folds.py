"""k-fold cross-validation of a fine-tuned model, for sets too small to hold a test split back."""

import json

from kerasllm import datasets
from kerasllm.baselines import classification as baselines
from kerasllm.metrics.classification import classification_metrics
from kerasllm.training.classification import classify, train_classifier
from kerasllm.training.data import Reading
from kerasllm.training.engine.freezing import METHODS
from kerasllm.training.engine.progress import Progress
from kerasllm.training.experiments.crossvalidation import cross_validate
from kerasllm.training.finetuning import inherit
from kerasllm.training.run import Run, load_run, write_text
from kerasllm.training.settings.base import resolve
from kerasllm.training.settings.classification import FinetuneSettings
from kerasllm.utils.errors import check_choice

SCORES = ("accuracy", "f1_macro", "matthews")


def crossvalidate(run, data, output=None, *, folds=5, settings=None, quiet=False, **overrides):
    """Fine-tune and score k times, each time on another fold, beside the linear baseline.

    Duplicates are removed before the rows are divided, and a tenth of each fold's training rows
    chooses the weights: the fold that is scored takes no part in it.

    Args:
        run: run folder or `Run` of `pretrain`.
        data: name of a data set, path of a file, or a `Dataset`.
        output: JSON file to write; none when None.
        folds: k.
        settings: `FinetuneSettings`; the defaults when None.
        quiet: print nothing.
        **overrides: single settings.

    Returns:
        `FoldReport`: its rows hold the network's scores, and the linear baseline's as `linear_…`.
    """
    settings = resolve(FinetuneSettings, settings, **overrides)
    check_choice("method", settings.method, METHODS)
    run = run if isinstance(run, Run) else load_run(run)
    report = Progress(quiet)
    settings = inherit(settings, run, report)

    def train_and_score(train, test):
        validation, rest = datasets.split(train, (0.1, 0.9), seed=settings.seed)
        model, _, _ = train_classifier(run.model, run.tokenizer, rest, validation, settings)
        logits = classify(model, run.tokenizer, test.texts, Reading.of(settings))
        network = classification_metrics(test.label_ids, logits.argmax(axis=1), test.labels)
        linear = baselines.linear(train, test).metrics
        scores = {name: network[name] for name in SCORES}
        scores |= {f"linear_{name}": linear[name] for name in SCORES}
        report.say("  fold: " + "  ".join(f"{n} {v:.4f}" for n, v in scores.items()))
        return scores

    found = cross_validate(train_and_score, whole(data), folds, settings.seed)
    if output is not None:
        write_text(output, json.dumps(found.to_json(), indent=2) + "\n")
    report.say(str(found))
    return found


def whole(data):
    """Return all labelled rows of a data set, each text once."""
    if not isinstance(data, datasets.Dataset):
        data = datasets.load(data, split="all")
    seen = {}
    for row, text in enumerate(data.texts):
        seen.setdefault(text.strip(), row)
    return data.select(seen.values())
