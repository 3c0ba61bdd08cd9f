"""Fine-tuning: from a pretrained backbone and labelled texts to a classifier.

    scratch   the same architecture with new weights, all trained
    frozen    the backbone stays as it is, the head is trained
    full      everything is trained
    gradual   the head first, then one group of layers more at a time, from the top
              (Howard and Ruder 2018, section 3.3)

Keras reads `trainable` when a model is compiled. Each stage therefore sets it first and compiles
anew with a fresh optimizer, and the report says which weights did move.
"""

import dataclasses
from pathlib import Path

import keras
import numpy as np

from kerasllm.layers.pooling import MODES
from kerasllm.models import TextClassifier
from kerasllm.text import pool_windows
from kerasllm.training.batches import ArrayBatches, TextBatches, pad_bucketed
from kerasllm.training.corpora import Reading, found_again
from kerasllm.training.labelled import check_known, label_ids, read_labelled
from kerasllm.training.loop import Stage, run_stage
from kerasllm.training.movement import moved, weights_by_layer
from kerasllm.training.pretraining import check_resumable, compile_model, prepare, tensorboard
from kerasllm.training.progress import Progress
from kerasllm.training.run import Run, load_run
from kerasllm.training.settings import FinetuneSettings, check_choice, resolve

METHODS = ("scratch", "frozen", "full", "gradual")


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
    config = {
        "kind": "finetune",
        "settings": dataclasses.asdict(settings),
        "seed": settings.seed,
        "pretrained": str(run.path),
        "labels": list(train.labels),
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
    report.say(lengths)
    model, rows, distances = train_classifier(
        run.model, run.tokenizer, train, validation, settings, folder, resume, report
    )
    folder.save(model, run.tokenizer)
    folder.write_json("moved.json", distances)
    folder.write_json("metrics.json", {k: v for k, v in rows[-1].items() if "val" in k})
    _draw(folder, rows)
    report.say(f"  saved in {folder.path}")
    return folder


def inherit(settings, run, report):
    """Fill settings that are None from the pretraining run, and say which."""
    inherited = {
        f.name: run.settings[f.name]
        for f in dataclasses.fields(settings)
        if getattr(settings, f.name) is None and f.name in run.settings
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


def train_classifier(
    pretrained, tokenizer, train, validation, settings, folder=None, resume=False, report=None
):
    """Train a `TextClassifier`, and return (model, history rows, how far each layer moved).

    The pretrained task is not changed: the classifier gets a copy of its backbone, and of its
    pooling where that was pretrained too.

    Args:
        pretrained: a task; only its settings are used by the method "scratch".
        tokenizer: the task's.
        train: `Dataset` with labels.
        validation: `Dataset` with the same labels.
        settings: resolved `FinetuneSettings`.
        folder: `Run` to write into; None writes nothing.
        resume: go on from its checkpoint.
        report: a `Progress`; quiet when None.
    """
    prepare(settings)
    backbone = pretrained.backbone
    copy = backbone.__class__.from_config(backbone.get_config())
    model = TextClassifier(
        copy,
        len(train.labels),
        pooling=settings.pooling,
        layer=settings.layer,
        dropout=settings.dropout,
    )
    if settings.method != "scratch":
        copy.set_weights(backbone.get_weights())
        _copy_pooling(pretrained, model)
    ids, owners = Reading.of(settings).rows(train.texts, tokenizer)
    batches = TextBatches(
        ids, train.label_ids[np.asarray(owners)], settings.batch_size, settings.seed
    )
    validate = _validator(model, tokenizer, validation, train.labels, settings)
    before = weights_by_layer(model)
    rows = []
    for number, (groups, epochs) in enumerate(stages(model, settings)):
        stage = _stage(model, batches, groups, epochs, number, settings, validate, folder)
        rows = _run_or_skip(stage, number, folder, resume, rows, report)
    return model, rows, moved(before, model)


def _copy_pooling(pretrained, model):
    """Take over the weights of a pooling that was pretrained in the same mode."""
    names = [layer.name for layer in pretrained.layers]
    if (
        "pooling" in names
        and pretrained.get_layer("pooling").mode == model.get_layer("pooling").mode
    ):
        model.get_layer("pooling").set_weights(pretrained.get_layer("pooling").get_weights())


def stages(model, settings):
    """Return [(trainable groups, epochs)]: groups counted from the top, the head being 0."""
    groups, epochs = len(used_groups(model)), settings.epochs
    head = [(0, settings.head_epochs)] if settings.head_epochs else []
    if settings.method == "frozen":
        return [*head, (0, epochs)] if not head else [(0, settings.head_epochs + epochs)]
    if settings.method == "gradual":
        each = epochs / (groups + 1)
        return [*head, *((top, each) for top in range(groups + 1))]
    return [*head, (groups, epochs)]


def used_groups(model):
    """Return the backbone's groups of layers that the pooled features depend on."""
    layer = model.task_config["layer"]
    groups = model.backbone.layer_groups()
    return groups if layer == -1 else groups[: layer + 1]


def _stage(model, batches, top, epochs, number, settings, validate, folder):
    """Freeze all but the `top` highest groups, compile anew, and describe the stage."""
    for layer in (layer for group in model.backbone.layer_groups() for layer in group):
        layer.trainable = False
    groups = used_groups(model)
    factors = {}
    for height, group in enumerate(reversed(groups), start=1):
        for layer in group:
            layer.trainable = height <= top
            for variable in layer.trainable_variables:
                factors[variable.path] = settings.discriminative**-height
    steps = max(1, round(epochs * batches.steps_per_epoch))
    if not top and not model.backbone.settings.dropout:
        model, batches = _head_alone(model, batches)
    compile_model(
        model,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        settings,
        steps,
        batches,
        factors if settings.discriminative != 1 else None,
        metrics=["accuracy"],
    )
    watched = folder or settings.patience or settings.keep_best
    name = f"stage {number}: " + ("head" if not top else f"head and {top} of {len(groups)} groups")
    return Stage(
        name,
        model,
        batches,
        steps,
        validate=validate,
        eval_every=min(steps, batches.steps_per_epoch) if watched else steps,
        patience=settings.patience,
        keep_best=settings.keep_best,
        tensorboard=tensorboard(settings, folder) if folder else None,
    )


def _head_alone(model, batches):
    """Return the layers above the pooling as a model, and their inputs, computed once.

    Under a frozen backbone without dropout the pooled features of a text never change.
    """
    pooled = keras.Model(model.input, model.get_layer("pooling").output)
    features = np.zeros((len(batches.sequences), pooled.output.shape[-1]), "float32")
    order = np.argsort(batches.lengths, kind="stable")
    for start in range(0, len(order), 256):
        rows = order[start : start + 256]
        texts = [batches.sequences[row] for row in rows]
        ids = pad_bucketed(texts, batches.bucket, batches.lengths.max())
        features[rows] = pooled.predict_on_batch(ids)
    inputs = outputs = keras.Input((features.shape[1],), name="pooled")
    for name in ("pooled_norm", "dropout", "classes"):
        outputs = model.get_layer(name)(outputs)
    head = keras.Model(inputs, outputs)
    return head, ArrayBatches(features, batches.targets, batches.batch_size, batches.seed)


def _run_or_skip(stage, number, folder, resume, earlier, report):
    """Run a stage; when resuming, jump over those that were finished before the cut."""
    last = folder.path / "checkpoint" / "last.npz" if folder else None
    if resume and last.exists():
        from kerasllm.training.checkpoints import load_checkpoint

        there = load_checkpoint(last)["stage"]
        if int(there.split()[1].rstrip(":")) > number:
            return earlier
    return run_stage(stage, folder, resume, history=earlier, report=report)


def _validator(model, tokenizer, validation, labels, settings):
    """Return () -> validation loss and accuracy."""
    y = label_ids(validation, labels)

    def validate():
        logits = classify(model, tokenizer, validation.texts, Reading.of(settings))
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return {
            "val_loss": float(-log_p[np.arange(len(y)), y].mean()),
            "val_accuracy": float((logits.argmax(axis=1) == y).mean()),
        }

    return validate


def classify(model, tokenizer, texts, reading, batch_size=256):
    """Return logits (B, C) of texts, in their order; those of a text's windows are averaged.

    Args:
        model: a `TextClassifier`.
        tokenizer: the one that it was trained with.
        texts: list of str.
        reading: a `Reading`, or its length.
        batch_size: rows at once.
    """
    reading = reading if isinstance(reading, Reading) else Reading(reading)
    ids, owners = reading.rows(texts, tokenizer)
    order = np.argsort([len(row) for row in ids], kind="stable")
    logits = np.zeros((len(ids), model.output.shape[-1]))
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        padded = pad_bucketed([ids[row] for row in rows], limit=reading.length)
        logits[rows] = model.predict_on_batch(padded)
    return pool_windows(logits, owners) if len(ids) else logits


def _draw(folder, rows):
    from kerasllm import plots

    names = ("loss", "val_loss", "val_accuracy")
    figure = plots.learning_curves({n: [row[n] for row in rows] for n in names})
    folder.write_figure("learning_curves", figure)
