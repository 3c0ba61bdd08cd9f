"""The training loop: `model.fit` in intervals, with a validation and a checkpoint after each.

- Batches are a function of (seed, step), and a checkpoint holds weights, seeds and optimizer: a run
  cut off at any moment and resumed ends with the weights of one that was never cut off.
- A loss that stops being a number stops the run, with the last good weights kept.
"""

import csv
import io
import math
import time
from dataclasses import dataclass, field

import keras
import numpy as np

from kerasllm.models.feeding import feed
from kerasllm.training.engine.checkpoints import load_checkpoint, save_checkpoint
from kerasllm.training.engine.progress import Progress
from kerasllm.training.folder import write_text

FIRST_STEPS = 20  # after so many it is known how long a step takes


class TrainingDivergedError(ArithmeticError):
    """The loss became NaN or infinite; the last good checkpoint is kept."""


class _StopAtNaN(keras.callbacks.Callback):
    """Note the first step whose loss is no number, and stop there."""

    def __init__(self):
        super().__init__()
        self.batch = None

    def on_train_batch_end(self, batch, logs=None):
        if self.batch is None and not math.isfinite(float(logs["loss"])):
            self.batch = batch
            self.model.stop_training = True


@dataclass
class Stage:
    """One stretch of training with one compiled model.

    Attributes:
        name: for messages, history and the checkpoint.
        model: compiled with its optimizer and loss.
        batches: a `Batches`.
        steps: how many.
        validate: () -> {name: number}, with "val_loss"; or None.
        eval_every: steps between validations.
        patience: stop after so many validations without a better `monitor`; 0: never.
        monitor: what is watched: lower is better for a loss, higher otherwise.
        loss_name: of several losses the one that the validation measures too.
        keep_best: end with the best weights rather than the last.
        checkpoint_seconds: also save a checkpoint about so often; 0: at validations only.
    """

    name: str
    model: object
    batches: object
    steps: int
    validate: object = None
    eval_every: int = 100
    patience: int = 0
    monitor: str = "val_loss"
    loss_name: str = "loss"
    keep_best: bool = False
    checkpoint_seconds: float = 60.0
    tensorboard: object = None
    history: list = field(default_factory=list)


def run_stage(stage, folder=None, resume=False, history=(), report=None):
    """Train one stage, and return the history so far: a list of dicts, one a validation.

    Args:
        stage: a `Stage`.
        folder: the run folder for history.csv and checkpoint/; None writes nothing.
        resume: go on from the checkpoint of this stage if there is one.
        history: rows of earlier stages; a checkpoint knows them too.
        report: a `Progress`; a quiet one when None.

    Raises:
        TrainingDivergedError: with the step, and what to try.
    """
    state = _State(stage, folder, list(history))
    if not (resume and state.restore()):
        state.save()
    report = report or Progress(quiet=True)
    with report.stage(stage.name, stage.steps, state.step):
        while state.step < stage.steps and not state.finished:
            _interval(state, report)
    if stage.keep_best and state.best_weights is not None:
        stage.model.set_weights(state.best_weights)
    return state.earlier + state.rows


def _interval(state, report):
    """Train up to the next validation or checkpoint."""
    stage, began = state.stage, time.perf_counter()
    last = min(stage.steps, (state.step // stage.eval_every + 1) * stage.eval_every)
    if stage.checkpoint_seconds:
        seconds = state.seconds_a_step
        affordable = int(stage.checkpoint_seconds / seconds) if seconds else FIRST_STEPS
        last = min(last, state.step + max(1, affordable))
    guard = _StopAtNaN()
    extra = [stage.tensorboard] if stage.tensorboard else []
    for board in extra:
        board.first = state.step
    fit = stage.model.fit(
        feed(stage.batches, state.step),
        shuffle=False,
        steps_per_epoch=last - state.step,
        initial_epoch=len(state.rows),
        epochs=len(state.rows) + 1,
        verbose=0,
        callbacks=[guard, report.callback(stage), *extra],
    )
    if guard.batch is not None:
        state.fail(state.step + guard.batch)
    if not all(np.isfinite(weight).all() for weight in stage.model.get_weights()):
        state.fail(last - 1)  # the loss was sound still, the update after it was not
    elapsed = time.perf_counter() - began
    state.losses.append((last - state.step, fit.history[stage.loss_name][-1]))
    state.seconds_a_step, state.step = elapsed / (last - state.step), last
    state.seconds += elapsed
    if last % stage.eval_every == 0 or last == stage.steps:
        state.validated(report)
    state.save()


_KEPT = ("step", "seconds", "rows", "earlier", "losses", "best", "waited", "finished")


class _State:
    """Where a stage stands; what its checkpoint holds beside the weights."""

    def __init__(self, stage, folder, history):
        self.stage, self.folder, self.earlier = stage, folder, history
        self.step, self.seconds, self.seconds_a_step = 0, 0.0, None
        self.rows, self.losses = [], []  # of this stage; `earlier` has those before it
        self.best, self.best_weights, self.waited, self.finished = None, None, 0, False

    @property
    def path(self):
        return self.folder.path / "checkpoint" / "last.npz"

    def validated(self, report):
        """Add a row to the history, and see whether it is the best one."""
        stage, steps = self.stage, sum(n for n, _ in self.losses)
        row = {
            "stage": stage.name,
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "learning_rate": float(stage.model.optimizer.learning_rate),
            "loss": sum(n * loss for n, loss in self.losses) / steps,
            **(stage.validate() if stage.validate else {}),
        }
        self.losses = []
        self.rows.append(row)
        report.row(row)
        value = row.get(stage.monitor)
        if value is not None:
            better = _better(value, self.best, stage.monitor)
            self.waited = 0 if better else self.waited + 1
            if better:
                self.best = value
                self._keep_best()
            self.finished = bool(stage.patience) and self.waited >= stage.patience
        elif stage.validate and self.step >= stage.steps and self.best is None:
            raise ValueError(
                f"expected the score {stage.monitor!r}, which chooses the weights, in a validation "
                f"of {stage.name!r}; it had {sorted(row)}."
            )

    def _keep_best(self):
        if self.stage.keep_best:
            self.best_weights = self.stage.model.get_weights()
            if self.folder is not None:
                best = self.path.with_name("best.npz")
                save_checkpoint(best, self.stage.model, {"best": self.best})

    def save(self):
        if self.folder is None:
            return
        meta = {name: getattr(self, name) for name in _KEPT}
        save_checkpoint(self.path, self.stage.model, {"stage": self.stage.name, **meta})
        if rows := self.earlier + self.rows:
            write_history(self.folder.path / "history.csv", rows)

    def restore(self):
        """Go on where this stage was cut off; return False if its checkpoint is of another."""
        if self.folder is None or not self.path.exists():
            return False
        meta = load_checkpoint(self.path)
        if meta.pop("stage") != self.stage.name:
            return False
        best = self.path.with_name("best.npz")
        if self.stage.keep_best and meta["best"] is not None and best.exists():
            load_checkpoint(best, self.stage.model)
            self.best_weights = self.stage.model.get_weights()
        load_checkpoint(self.path, self.stage.model)
        for name, value in meta.items():
            setattr(self, name, value)
        return True

    def fail(self, step):
        kept = ""
        if self.folder is not None and self.path.exists():
            load_checkpoint(self.path, self.stage.model)
            kept = f" The weights of step {self.step} are kept in {self.path}."
        raise TrainingDivergedError(
            f"the loss became NaN or infinite at step {step} of {self.stage.name!r} (batch {step} "
            f"of seed {getattr(self.stage.batches, 'seed', '?')}).{kept} Try a smaller "
            "learning_rate, a longer warmup, clip=1.0, or mixed_precision=False; and look for "
            "broken texts or labels in that batch."
        )


def _better(value, best, monitor):
    if math.isnan(value):
        return False
    if best is None:
        return True
    return value < best if monitor.endswith("loss") else value > best


def write_history(path, rows):
    """Write one row a validation as csv, with the union of the rows' columns."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
