"""Fine-tuning: from a pretrained backbone and labelled texts to a classifier.

    scratch   the same architecture with new weights, all trained
    frozen    the backbone stays as it is, the head is trained; where there is no dropout,
              the backbone reads each text once, and the head is trained on those features
    full      everything is trained
    gradual   the head first, then one group of layers more at a time, from the top
              (Howard and Ruder 2018, section 3.3)
    lora      low-rank corrections of the backbone's matrices, and the head (Hu et al. 2022);
              adapter.npz holds them alone, model.keras has them merged

The report says which weights did move.
"""

import dataclasses
from pathlib import Path

from kerasllm import datasets
from kerasllm.layers.pooling import MODES
from kerasllm.models.classification.preprocessor import (
    check_known,
    class_names,
    is_multilabel,
    read_labelled,
)
from kerasllm.training.classification import train_classifier
from kerasllm.training.data import found_again
from kerasllm.training.engine.freezing import METHODS
from kerasllm.training.engine.progress import Progress
from kerasllm.training.pretraining import check_resumable
from kerasllm.training.run import Run, load_run, weights_hash
from kerasllm.training.settings.base import resolve
from kerasllm.training.settings.classification import FinetuneSettings
from kerasllm.utils.errors import check_choice


def finetune(
    run, data, output="runs/finetuned", *, settings=None, resume=False, quiet=False, **overrides
):
    """Fine-tune a pretrained run on labelled texts, and write a run folder.

    Settings left out are inherited from the pretraining run; the log says which.

    Args:
        run: run folder, or `Run`, of `pretrain`.
        data: name of a data set, path of a file, or a pair of `Dataset` (train, validation).
        output: the run folder.
        settings: `FinetuneSettings`; the defaults when None.
        resume: go on where an earlier call with the same settings was cut off.
        quiet: print nothing.
        **overrides: single settings, such as `method="gradual"`.

    Returns:
        The `Run`, whose model is a `TextClassifier`.

    Raises:
        ValueError: a setting or the data cannot be used.
        TrainingDivergedError: the loss became NaN or infinite.
    """
    settings = resolve(FinetuneSettings, settings, **overrides)
    check_choice("method", settings.method, METHODS)
    if settings.pooling:
        check_choice("pooling", settings.pooling, MODES)
    report = Progress(quiet)
    run = run if isinstance(run, Run) else load_run(run)
    settings = inherit(settings, run, report)
    train, validation = read_labelled(data)
    if settings.held_out:
        shares = (1 - settings.held_out, settings.held_out)
        train, validation = datasets.split(train, shares, seed=settings.seed)
    config = {
        "kind": "finetune",
        "settings": dataclasses.asdict(settings),
        "seed": settings.seed,
        "pretrained": str(run.path),
        "pretrained_weights": weights_hash(run.model),
        "labels": list(class_names(train)),
        "multilabel": is_multilabel(train),
        "language": train.language,
        "data": {"name": train.name, "source": found_again(data), "hash": train.fingerprint},
        "tokenizer": run.tokenizer.fingerprint,
    }
    check_output(output, run)
    lengths = check_known(train, run.tokenizer, settings.length)
    if resume:
        check_resumable(output, config)
    folder = Run.create(output)
    folder.begin(config, run.tokenizer, resume)
    report.say(f"Fine-tuning ({settings.method}) on {train!r} into {folder.path}", style="bold")
    report.say(_of_windows(lengths) if settings.long_texts == "windows" else lengths)
    model, rows, distances = train_classifier(
        run.model, run.tokenizer, train, validation, settings, folder, resume, report
    )
    folder.save(model, run.tokenizer)
    folder.write_json("moved.json", distances)
    folder.write_json("metrics.json", {k: v for k, v in rows[-1].items() if "val" in k})
    _draw(folder, rows)
    report.say(f"  saved in {folder.path}")
    return folder


def _of_windows(lengths):
    longest = lengths.percentiles[100]
    return (
        f"  {len(lengths.lengths):,} texts of up to {longest:,} tokens, longer ones read in "
        f"overlapping windows of {lengths.max_length}: nothing is cut"
    )


def inherit(settings, run, report):
    """Fill settings that are None from the pretraining run, and say which."""
    inherited = {
        f.name: run.settings[f.name]
        for f in dataclasses.fields(settings)
        if getattr(settings, f.name) is None and run.settings.get(f.name) is not None
    }
    limit = getattr(run.backbone.settings, "max_length", None)
    if limit and settings.length and settings.length > limit:
        raise ValueError(
            f"length={settings.length} is longer than the {limit} tokens that the pretrained "
            "model can read: lower it, or pretrain with a larger length."
        )
    given = {
        f.name: getattr(settings, f.name)
        for f in dataclasses.fields(settings)
        if f.name not in inherited and getattr(settings, f.name) != f.default
    }
    report.say(f"  inherited from {run.path}: {inherited}; overridden here: {given}")
    settings = dataclasses.replace(settings, **inherited)
    layer = -1 if settings.layer is None else settings.layer
    return dataclasses.replace(settings, pooling=settings.pooling or "mean", layer=layer)


def check_output(output, run):
    """Raise where fine-tuning would overwrite what it starts from."""
    if Path(output).resolve() == run.path.resolve():
        raise ValueError(
            f"the output {output} is the pretrained run itself, which would be lost: choose "
            "another --output."
        )


def _draw(folder, rows):
    from kerasllm import plots

    names = ("loss", "val_loss", "val_accuracy")
    figure = plots.learning_curves({n: [row[n] for row in rows] for n in names})
    folder.write_figure("learning_curves", figure)
