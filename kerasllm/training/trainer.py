"""Training: one engine for every shape of task, from data to a run folder.

The engine knows no shape. What is read, built, validated and drawn, the settings of the shape say
(`kerasllm.training.settings`), and what is scored and answered, its task (`kerasllm.models`).
"""

import dataclasses
import math
from pathlib import Path

from kerasllm import datasets
from kerasllm.datasets.sources import found_again
from kerasllm.text.cleaning import speechless
from kerasllm.training.engine.checkpoints import own_checkpoint
from kerasllm.training.engine.compilation import check_tensorboard, precision_kept, prepare
from kerasllm.training.engine.freezing import check_method
from kerasllm.training.engine.interruption import told_how_to_go_on
from kerasllm.training.engine.memory import check_step, check_weights
from kerasllm.training.engine.minutes import fitted
from kerasllm.training.engine.minutes import told as told_what_fits
from kerasllm.training.engine.privacy import privacy_spent, privacy_told
from kerasllm.training.engine.processes import check_same, join, wait
from kerasllm.training.engine.progress import Progress, silent
from kerasllm.training.engine.stages import train_in_stages
from kerasllm.training.evaluation import verdict
from kerasllm.training.run_folder.folder import check_free, in_use, weights_hash
from kerasllm.training.run_folder.history import curves
from kerasllm.training.run_folder.run import Run, as_run, load_run
from kerasllm.training.settings import settings_for
from kerasllm.training.settings.base import resolve
from kerasllm.training.settings.pretraining import PretrainSettings
from kerasllm.utils import ranks


def train(
    data,
    output="runs/trained",
    *,
    pretrained=None,
    settings=None,
    resume=False,
    overwrite=False,
    quiet=False,
    **overrides,
):
    """Train on data of any task, and write a run folder; the task follows from the data.

    Labelled texts give a `TextClassifier`, tagged sentences a `TokenTagger`, questions on contexts
    a `SpanExtractor`, pairs a `Seq2Seq`, conversations a `ChatLM`, bare texts a language model.

    Args:
        data: name of a data set, path of a file, a `Dataset`, or (train, validation).
        output: the run folder.
        pretrained: run folder, or `Run`, whose backbone to begin from; None begins from scratch.
        settings: settings of the task; the defaults when None.
        resume: go on where an earlier call with the same settings was cut off.
        overwrite: lose the run that is in the folder already.
        quiet: print nothing.
        **overrides: single settings, such as `method="gradual"`.

    Returns:
        The `Run`.

    Raises:
        ValueError: a setting or the data cannot be used.
        TypeError: an unknown setting, or one of a wrong type.
        FileExistsError: the folder holds a run already.
        OSError: the folder cannot be written.
        InUseError: another training writes there.
        MemoryError: there is too little for the batches or the model.
        TrainingDivergedError: the loss became NaN or infinite.
    """
    _check_output(output, pretrained, overwrite, resume)
    shape = settings_for(task_of(data))
    return _train(shape, data, output, pretrained, settings, resume, quiet, overrides)


def finetune(
    run,
    data,
    output="runs/finetuned",
    *,
    settings=None,
    resume=False,
    overwrite=False,
    quiet=False,
    **overrides,
):
    """Fine-tune a pretrained run on data of any task: `train(data, output, pretrained=run, …)`.

    Settings left out are inherited from the pretraining run; the log says which. On bare texts a
    language model goes on learning.

    Args:
        run: run folder, or `Run`.
        data: as in `train`, and so are the others.
        output: the run folder.
        settings: settings of the task.
        resume: go on where an earlier call was cut off.
        overwrite: lose the run that is in the folder already.
        quiet: print nothing.
        **overrides: single settings.
    """
    _check_output(output, run, overwrite, resume)
    shape = settings_for(task_of(data))
    return _train(shape, data, output, run, settings, resume, quiet, overrides)


def pretrain(
    data,
    output="runs/pretrained",
    *,
    settings=None,
    resume=False,
    overwrite=False,
    quiet=False,
    **overrides,
):
    """Train a language model on text, and write a run folder.

    Args:
        data: name of a data set, path of a file, `Dataset`, or list of texts; of sets for other
            tasks the texts are read.
        output: the run folder.
        settings: `PretrainSettings`; the defaults when None.
        resume: go on where an earlier call with the same settings was cut off.
        overwrite: lose the run that is in the folder already.
        quiet: print nothing.
        **overrides: single settings, such as `steps=2000`.

    Returns:
        The `Run`.

    Raises:
        ValueError: a setting or the text cannot be used.
        TypeError: an unknown setting, or one text where a list is wanted.
        FileExistsError: the folder holds a run already.
        OSError: the folder cannot be written.
        InUseError: another training writes there.
        MemoryError: there is too little for the batches or the model.
        TrainingDivergedError: the loss became NaN or infinite.
    """
    check_free(output, overwrite, resume)
    return _train(PretrainSettings, data, output, None, settings, resume, quiet, overrides)


def task_of(data):
    """Return the task that data is for, of `datasets.TASKS`.

    Args:
        data: name of a data set, path of a file, a `Dataset`, (train, validation), or texts.
    """
    if isinstance(data, str | Path):
        return datasets.task_of(data)
    part = data if isinstance(data, datasets.Dataset) else next(iter(data), None)
    if not isinstance(part, datasets.Dataset | str | None):
        raise TypeError(
            "expected the name of a data set, a path, a Dataset, (train, validation), or texts, "
            f"received a list of {type(part).__name__}: put examples into a kerasllm.datasets."
            "Dataset."
        )
    return part.task if isinstance(part, datasets.Dataset) else "language_model"


@precision_kept()
def trained_task(settings, examples, pretrained=None, report=None):
    """Return a task trained as the settings say; nothing is written.

    Args:
        settings: resolved settings of the task's shape, with nothing left to inherit.
        examples: `Examples`.
        pretrained: a `Run`, or None.
        report: a `Progress`; quiet when None.
    """
    check_weights(settings)
    task, batches = _begun(settings, examples, pretrained)
    if found := fitted(settings, task, examples, batches, pretrained):
        settings = settings.lasting(found["steps"], batches)
    train_in_stages(task, examples, batches, settings, pretrained, report=report)
    return task


def _begun(settings, examples, pretrained, *quiet):
    """Return a task with new weights, or those of a run, and its batches."""
    prepare(settings)
    task = settings.make_task(settings.make_preprocessor(examples, pretrained), pretrained)
    check_method(task, settings)
    batches = settings.make_batches(task, examples, *quiet)
    check_step(task, batches, settings.batch_size, settings.accumulate)
    return task, batches


@precision_kept()
def _train(shape, data, output, pretrained, settings, resume, quiet, overrides):
    """Check what can be checked at once, then train with the run folder in use."""
    settings = resolve(shape, settings, **overrides)
    report = Progress(quiet) if join().rank == 0 else silent()
    pretrained = None if pretrained is None else as_run(pretrained)
    settings.check(pretrained)
    check_tensorboard(settings)
    check_weights(settings)
    with in_use(output), told_how_to_go_on(Run(output), report):
        return _trained(shape, data, output, pretrained, settings, resume, report)


def _trained(shape, data, output, pretrained, settings, resume, report):
    divided = settings.divided(data)
    given = shape.read(divided)
    examples = settings.prepared(given, report) if divided is data else given
    settings = settings.suited(examples, pretrained, report)
    config = _config(settings, examples, pretrained, found_again(divided))
    check_same([config["settings"], config["data"]["hash"]], "settings and data")
    if resume:
        _check_resumable(output, config)
    task, batches = _begun(settings, examples, pretrained, report.quiet)
    config |= {
        "tokenizer": task.preprocessor.tokenizer.fingerprint,
        "monitor": settings.monitor(task),
        **settings.facts(task, examples, batches),
    }
    folder = Run.create(output)
    if found := _fitting(folder, settings, task, examples, batches, pretrained, resume):
        config["fitted"], settings = found, settings.lasting(found["steps"], batches)
        report.say(f"  {told_what_fits(found, settings.minutes, batches)}")
    if settings.private_noise:
        config["private"] = privacy_spent(settings, task, batches)
    folder.begin(config, task.preprocessor.tokenizer, resume)
    wait()  # for the first process, which writes that
    settings.recorded(task, given, config["data"]["source"]).save(folder.path)
    report.say(f"Training ({settings.method}) on {examples.name} into {folder.path}", style="bold")
    told = (*settings.told(task, examples, batches), *privacy_told(config.get("private")))
    for line in (*told, *_warnings(task, examples.train)):
        report.say(f"  {line}")
    rows, distances = train_in_stages(
        task, examples, batches, settings, pretrained, folder, resume, report
    )
    if ranks.is_first():
        _finish(folder, task, settings, examples, batches, rows, distances, report)
    wait()
    return folder


def _fitting(folder, settings, task, examples, batches, pretrained, resume):
    """Return what fits into the minutes that are given: decided already where a run goes on."""
    begun = settings.minutes and resume and (folder.path / "config.json").exists()
    known = folder.config.get("fitted") if begun else None
    return known or fitted(settings, task, examples, batches, pretrained)


def _finish(folder, task, settings, examples, batches, rows, distances, report):
    """Write what is known at the end: scores, model and figures."""
    folder.write_json("moved.json", distances)
    for line in settings.finished(task, examples):
        report.say(f"  {line}")
    kept = _kept(rows, settings.monitor(task), settings.keep_best)
    _write_scores(folder, kept, batches, settings, task, report)
    folder.save(settings.kept(task), task.preprocessor.tokenizer)
    _compare(settings, task, examples, report)
    with report.despite("the figures"):
        _draw(folder, rows, settings, task, examples)
    report.say(f"  saved in {folder.path}")


def _config(settings, examples, pretrained, source):
    return {
        "task": settings.task,
        "settings": dataclasses.asdict(settings),
        "seed": settings.seed,
        "pretrained": None if pretrained is None else str(pretrained.path),
        "pretrained_weights": None if pretrained is None else weights_hash(pretrained.model),
        "language": examples.language,
        "data": {
            "name": examples.name,
            "source": source,
            "language": examples.language,
            "hash": examples.fingerprint,
        },
    }


def _warnings(task, train):
    """Yield what is unusual: another precision, training texts that hold no word."""
    policy = task.backbone.dtype_policy.name
    if policy != "float32":
        yield f"computes in {policy}"
    texts = getattr(train, "texts", ())
    found = [text for text in texts if speechless(text)]
    if found:
        yield (
            f"warning: {len(found):,} of {len(texts):,} training texts hold neither a letter nor a "
            f"digit, such as {found[0]!r:.40}"
        )


def _check_output(output, pretrained, overwrite, resume):
    """Raise where a training would overwrite what it starts from, or what is there already."""
    begins = getattr(pretrained, "path", pretrained)
    same = isinstance(begins, str | Path) and Path(output).resolve() == Path(begins).resolve()
    if same:
        raise ValueError(
            f"the output {output} is the pretrained run itself, which would be lost: choose "
            "another --output."
        )
    check_free(output, overwrite, resume)


def _check_resumable(output, config):
    """Raise unless the folder holds a run of the same settings; an empty place is fine."""
    there = Run(output)
    if not (there.path / "config.json").exists():
        if there.checkpoint.exists():
            raise ValueError(
                f"cannot resume {output}: it has a checkpoint, and no config.json to say of which "
                "run. Restore that file from a copy, or train again without --resume."
            )
        return
    own_checkpoint(there)
    before = load_run(output).config
    fields = dataclasses.fields(settings_for(before["task"]))
    # A setting that is younger than the run was at its default.
    known = {field.name: field.default for field in fields} | before["settings"]
    changed = {
        name: (known.get(name), value)
        for name, value in config["settings"].items()
        if known.get(name) != value
    }
    if before["task"] != config["task"] or changed:
        raise ValueError(
            f"cannot resume {output}: its settings differ from those given (setting: there, here): "
            f"{changed or before['task']}. Give the same settings, or another --output."
        )
    if before["data"]["hash"] != config["data"]["hash"]:
        raise ValueError(f"cannot resume {output}: the data changed since. Use another --output.")
    if before.get("pretrained_weights") != config.get("pretrained_weights"):
        raise ValueError(
            f"cannot resume {output}: it began from other weights than those in "
            f"{config['pretrained']}. Give the pretrained run that it began from, unchanged, or "
            "another --output."
        )


def _kept(rows, monitor, keep_best):
    """Return the validation of the weights that were kept."""
    stage = [row for row in rows if row["stage"] == rows[-1]["stage"]]
    stage = [row for row in stage if not math.isnan(row.get(monitor, math.nan))]
    if not (keep_best and stage):
        return rows[-1]
    if monitor.endswith("loss"):
        return min(stage, key=lambda row: row[monitor])
    return max(reversed(stage), key=lambda row: row[monitor])  # of equal ones the last


def _write_scores(folder, kept, batches, settings, task, report):
    """Write and tell the validation scores of the weights that were kept, and when that was."""
    scores = {name: score for name, score in kept.items() if name.startswith("val_")}
    when, place = {"stage": kept["stage"], "step": kept["step"]}, f"step {kept['step']}"
    if hasattr(settings, "epochs"):
        when["epoch"] = round(kept["step"] / batches.steps_per_epoch, 2)
        place = f"epoch {when['epoch']:g}, {place}"
    why = settings.monitor(task) if settings.keep_best else "end of the training"
    folder.write_json("metrics.json", {**scores, "kept": {**when, "chosen_by": why}})
    numbers = "  ".join(f"{n.removeprefix('val_')} {v:.4g}" for n, v in scores.items())
    report.say(f"  kept: the weights of {place} ({why}), validation {numbers}", style="bold")


def _compare(settings, task, examples, report):
    """Say whether the network is above its baselines on the validation rows."""
    rows = None if report.quiet else settings.compared(examples)
    if rows is None:
        report.say("  kerasllm evaluate scores it beside its baselines")
        return
    try:
        with report.despite("the comparison with the baselines"):
            report.say(f"  {verdict(task, rows, examples.train)}", style="bold")
    except ValueError as error:  # what a baseline cannot learn from, the network has learned from
        report.say(f"  no baseline: {error}")


def _draw(folder, rows, settings, task, examples):
    from kerasllm import plots

    folder.write_figure("learning_curves", plots.learning_curves(curves(rows, settings.curves)))
    for name, draw in settings.figures(task, examples).items():
        folder.write_figure(name, draw())
