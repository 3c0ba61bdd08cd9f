"""Span extraction: from questions on contexts to a model that points at the answers."""

import dataclasses
from pathlib import Path

import keras
import numpy as np

from kerasllm import datasets
from kerasllm.metrics.spans import span_metrics
from kerasllm.models.span.preprocessor import SpanReader, window_batches, window_targets
from kerasllm.models.span.span_extractor import SpanExtractor, check_reads_all
from kerasllm.training.data import found_again
from kerasllm.training.engine.loop import Stage, run_stage
from kerasllm.training.engine.progress import Progress
from kerasllm.training.finetuning import check_output
from kerasllm.training.pretraining import check_resumable, compile_model, prepare, tensorboard
from kerasllm.training.run import Run, load_run, weights_hash
from kerasllm.training.settings.base import resolve
from kerasllm.training.settings.span import METHODS, SpanSettings
from kerasllm.training.span_answers import (
    answer_texts,
    answer_windows,
    check_spans,
    evaluate_span,
    predict_span,
    threshold_of,
    window_logits,
)
from kerasllm.utils.errors import check_choice

__all__ = ["evaluate_span", "predict_span", "train_span"]

LONGEST = 256  # tokens of a window, where neither the settings nor the pretrained run say less


def train_span(
    data,
    output="runs/span",
    *,
    pretrained,
    settings=None,
    resume=False,
    quiet=False,
    **overrides,
):
    """Train a model to find answers in contexts, and write a run folder.

    Args:
        data: name of a data set, path of a file as SQuAD writes it, or a pair of `Dataset`
            (train, validation).
        output: the run folder.
        pretrained: run folder, or `Run`, whose backbone to begin from: an imported BERT, or one
            pretrained with objective="masked".
        settings: `SpanSettings`; the defaults when None.
        resume: go on where an earlier call with the same settings was cut off.
        quiet: print nothing.
        **overrides: single settings, such as `length=384`.

    Returns:
        The `Run`, whose model is a `SpanExtractor`.

    Raises:
        ValueError: a setting, the data or the backbone cannot be used.
        TrainingDivergedError: the loss became NaN or infinite.
    """
    settings = resolve(SpanSettings, settings, **overrides)
    check_choice("method", settings.method, METHODS)
    report = Progress(quiet)
    pretrained = pretrained if isinstance(pretrained, Run) else load_run(pretrained)
    check_reads_all(pretrained.backbone)
    settings = _with_length(settings, pretrained, report)
    train, validation = read_spans(data)
    config = _config(settings, pretrained, train, found_again(data))
    check_output(output, pretrained)
    if resume:
        check_resumable(output, config)
    reader = SpanReader(pretrained.tokenizer, config["settings"])
    windows, targets = window_targets(reader, train)
    folder = Run.create(output)
    folder.begin(config, pretrained.tokenizer, resume)
    report.say(f"Training ({settings.method}) on {train!r} into {folder.path}", style="bold")
    report.say(_told(windows, targets, reader, train))
    model = _model(pretrained, settings)
    batches = window_batches(windows, targets, settings)
    rows = _train(model, batches, reader, validation, config, settings, folder, resume, report)
    folder.save(model, pretrained.tokenizer)
    _write_scores(folder, rows, settings)
    report.say(f"  saved in {folder.path}")
    return folder


def read_spans(data):
    """Return (training, validation) data sets of questions on contexts, or say what is wrong."""
    if isinstance(data, str | Path):
        train, validation = (datasets.load(data, split=s) for s in ("train", "validation"))
    else:
        train, validation = data
    for part in (train, validation):
        check_spans(part)
    if not any(example.answers for example in train):
        raise ValueError(
            f"expected questions with answers, {train!r} has none: look at the answers of the file."
        )
    return train, validation


def _with_length(settings, pretrained, report):
    """Return the settings with a length that the backbone can read."""
    limit = getattr(pretrained.backbone.settings, "max_length", None)
    if settings.length is None:
        length = min(LONGEST, limit or LONGEST, pretrained.settings.get("length") or LONGEST)
        report.say(f"  inherited from {pretrained.path}: {{'length': {length}}}")
        return dataclasses.replace(settings, length=length)
    if limit and settings.length > limit:
        raise ValueError(
            f"length={settings.length} is longer than the {limit} tokens that the pretrained model "
            "can read: lower it; long contexts are read in windows."
        )
    return settings


def _config(settings, pretrained, train, source):
    return {
        "kind": "span",
        "settings": dataclasses.asdict(settings),
        "seed": settings.seed,
        "pretrained": str(pretrained.path),
        "pretrained_weights": weights_hash(pretrained.model),
        "always_answered": all(example.answers for example in train),
        "language": train.language,
        "data": {"name": train.name, "source": source, "hash": train.fingerprint},
        "tokenizer": pretrained.tokenizer.fingerprint,
    }


def _told(windows, targets, reader, train):
    """Say how many windows there are, and what is lost in them."""
    limit, held = reader.settings["max_question"], targets.any(axis=1)
    questions = {example.question for example in train}
    cut = sum(len(reader.tokenizer.encode(question)) > limit for question in questions)
    whole = {w.question for w, kept in zip(windows, held, strict=True) if kept}
    lost = sum(bool(e.answers) for e in train) - len(whole)
    return (
        f"  {len(windows):,} windows, {held.mean():.0%} of them with an answer; {lost:,} answers "
        f"in no window as a whole, {cut:,} questions cut to {limit} tokens"
    )


def _model(pretrained, settings):
    """Return a `SpanExtractor` on a copy of the run's backbone."""
    prepare(settings)
    source = pretrained.backbone
    backbone = source.__class__.from_config(source.get_config())
    if settings.method != "scratch":
        backbone.set_weights(source.get_weights())
    backbone.trainable = settings.method != "frozen"
    return SpanExtractor(backbone, settings.dropout)


def _train(model, batches, reader, validation, config, settings, folder, resume, report):
    """Compile and train; answer validation questions each epoch; return the history."""
    steps = max(1, round(settings.epochs * batches.steps_per_epoch))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compile_model(model, loss, settings, steps, batches)
    some = validation.take(min(settings.validation_rows, len(validation)))
    stage = Stage(
        "span",
        model,
        batches,
        steps,
        validate=_validator(model, reader, some, threshold_of(config)),
        eval_every=min(steps, batches.steps_per_epoch),
        patience=settings.patience,
        monitor="val_f1",
        keep_best=settings.keep_best,
        tensorboard=tensorboard(settings, folder),
    )
    rows = run_stage(stage, folder, resume, report=report)
    model.backbone.trainable = True  # for whoever begins from this run
    return rows


def _validator(model, reader, validation, threshold):
    """Return () -> the loss of the windows, and the scores of the answers."""
    windows, targets = window_targets(reader, validation)

    def validate():
        scored = list(window_logits(model, windows))
        answers = answer_windows(scored, reader, windows, validation.texts)
        metrics = span_metrics(answer_texts(answers, validation.texts, threshold), validation)
        nats = window_nats(scored, targets)
        return {"val_loss": float(nats.mean()), **{f"val_{n}": s for n, s in metrics.items()}}

    return validate


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


def _write_scores(folder, rows, settings):
    """Write the scores of the weights that were kept, and draw the learning curves."""
    from kerasllm import plots

    best = max(rows, key=lambda row: row["val_f1"]) if settings.keep_best else rows[-1]
    folder.write_json("metrics.json", {k: v for k, v in best.items() if "val" in k})
    names = ("loss", "val_loss", "val_f1")
    figure = plots.learning_curves({n: [row[n] for row in rows] for n in names})
    folder.write_figure("learning_curves", figure)
