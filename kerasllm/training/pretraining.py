"""Pretraining: from bare text to a run folder with a language model."""

import dataclasses
import importlib.util
from pathlib import Path

import keras

from kerasllm.text.batching import StreamBatches
from kerasllm.training.data import cleaned, found_again, make_tokenizer, read_source
from kerasllm.training.engine.loop import Stage, run_stage
from kerasllm.training.engine.optimizers import make_optimizer
from kerasllm.training.engine.progress import Progress
from kerasllm.training.objectives import make_objective
from kerasllm.training.run import Run, load_run
from kerasllm.training.settings.base import resolve
from kerasllm.training.settings.pretraining import PretrainSettings


def pretrain(
    source, output="runs/pretrained", *, settings=None, resume=False, quiet=False, **overrides
):
    """Train a language model on text, and write a run folder.

    Args:
        source: name of a data set, path of a file, `Dataset`, or list of texts.
        output: the run folder.
        settings: `PretrainSettings`; the defaults when None.
        resume: go on where an earlier call with the same settings was cut off.
        quiet: print nothing.
        **overrides: single settings, such as `steps=2000`.

    Returns:
        The `Run`.

    Raises:
        ValueError: a setting or the text cannot be used.
        TypeError: an unknown setting, or one text where a list is wanted.
        OSError: the folder cannot be written.
        TrainingDivergedError: the loss became NaN or infinite.
    """
    settings = resolve(PretrainSettings, settings, **overrides)
    report = Progress(quiet)
    prepare(settings)
    where, source = found_again(source), read_source(source)
    config = {"kind": "pretrain", "settings": dataclasses.asdict(settings), "seed": settings.seed}
    config["data"] = {"name": source.name, "source": where, "language": source.language}
    config["data"]["hash"] = source.fingerprint
    if resume:
        check_resumable(output, config)
    run = Run.create(output)
    report.say(f"Pretraining on {source.name} into {run.path}", style="bold")
    if settings.clean:
        source = cleaned(source, report)
    tokenizer = make_tokenizer(source, settings)
    objective = make_objective(settings, source, tokenizer, quiet)
    config |= {"tokenizer": tokenizer.fingerprint, "training_tokens": objective.tokens}
    run.begin(config, tokenizer, resume)
    model = objective.model
    report.say(
        f"  {objective.tokens:,} tokens, {tokenizer.vocabulary_size:,} in the vocabulary, "
        f"{model.count_params():,} weights"
    )
    compile_model(
        model,
        objective.loss,
        settings,
        settings.steps,
        objective.batches,
        loss_weights=objective.loss_weights,
    )
    stage = Stage(
        "pretrain",
        model,
        objective.batches,
        settings.steps,
        validate=lambda: {"val_loss": float(objective.validate().mean())},
        eval_every=settings.eval_every or max(1, settings.steps // 10),
        patience=settings.patience,
        keep_best=True,
        tensorboard=tensorboard(settings, run),
    )
    rows = run_stage(stage, run, resume, report=report)
    run.save(model, tokenizer)
    run.write_json("metrics.json", {"val_loss": min(r["val_loss"] for r in rows)})
    _draw(run, rows)
    report.say(f"  saved in {run.path}")
    return run


def prepare(settings):
    """Seed every generator and set the precision, before any work is done.

    Raises:
        ImportError: the settings ask for TensorBoard, which is not installed.
    """
    if settings.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ImportError(
            "tensorboard=True needs the package of that name, which is not installed: "
            "pip install 'kerasllm[tensorboard]', or leave --tensorboard out."
        )
    keras.utils.set_random_seed(settings.seed)
    keras.mixed_precision.set_global_policy(
        "mixed_bfloat16" if settings.mixed_precision else keras.config.floatx()
    )


def compile_model(
    model, loss, settings, steps, batches, factors=None, metrics=(), loss_weights=None
):
    """Compile with a fresh optimizer: Keras reads `trainable` when it compiles, not later.

    XLA compiles anew for each shape, which takes seconds: it pays where all batches have one.
    """
    on_tensorflow = keras.backend.backend() == "tensorflow"
    xla = isinstance(batches, StreamBatches) if settings.xla is None else settings.xla
    model.compile(
        make_optimizer(settings, steps, factors),
        loss,
        metrics=list(metrics) or None,
        loss_weights=loss_weights,
        jit_compile=xla if on_tensorflow else "auto",
    )


class _ContinuedTensorBoard(keras.callbacks.TensorBoard):
    """Count the steps of the whole stage: Keras begins at 0 in each `fit`, and the loop has many.

    Attributes:
        first: steps done before the next `fit`; the loop sets it.
    """

    first = 0

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self._global_train_batch = self.first


def tensorboard(settings, run):
    """Return the TensorBoard callback where it is asked for."""
    if not settings.tensorboard:
        return None
    return _ContinuedTensorBoard(run.path / "tensorboard", update_freq="batch")


def check_resumable(output, config):
    """Raise unless the folder holds a run of the same settings; an empty place is fine."""
    if not (Path(output) / "config.json").exists():
        return
    before = load_run(output).config
    changed = {
        name: (before["settings"].get(name), value)
        for name, value in config["settings"].items()
        if before["settings"].get(name) != value
    }
    if before["kind"] != config["kind"] or changed:
        raise ValueError(
            f"cannot resume {output}: its settings differ from those given (setting: there, here): "
            f"{changed or before['kind']}. Give the same settings, or another --output."
        )
    if before["data"]["hash"] != config["data"]["hash"]:
        raise ValueError(f"cannot resume {output}: the data changed since. Use another --output.")
    if before.get("pretrained_weights") != config.get("pretrained_weights"):
        raise ValueError(
            f"cannot resume {output}: it began from other weights than those in "
            f"{config['pretrained']}. Give the pretrained run that it began from, unchanged, or "
            "another --output."
        )


def _draw(run, rows):
    from kerasllm import plots

    names = ("step", "loss", "val_loss")
    run.write_figure(
        "learning_curves", plots.learning_curves({n: [r[n] for r in rows] for n in names})
    )
