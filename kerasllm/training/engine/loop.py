"""The training loop: `model.fit` in intervals, with a validation and a checkpoint after each.

- Batches are a function of (seed, step), and so is dropout on torch; a checkpoint holds weights,
  seeds and optimizer: a run cut off at any moment and resumed ends with the weights of one that was
  never cut off.
- Ctrl-C and SIGTERM end the training after the step that runs, which is kept; of several processes
  that train together, all of them, within about a second.
- A loss that stops being a number stops the run, with the last good weights kept.
"""

import csv
import io
import math
import time
import zlib
from dataclasses import dataclass, field

import keras
import numpy as np

from kerasllm.models.feeding import feed
from kerasllm.training.engine import processes
from kerasllm.training.engine.checkpoints import load_checkpoint, own_checkpoint, save_checkpoint
from kerasllm.training.engine.interruption import after_the_step
from kerasllm.training.engine.progress import Progress
from kerasllm.training.run_folder.folder import write_text
from kerasllm.utils.errors import enough_memory
from kerasllm.utils.ranks import first_alone, place

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


class _StepByStep(keras.callbacks.Callback):
    """Draw the numbers of each step from (seed, stage, step), and stop after a step when asked to.

    On torch Keras' dropout draws from the global generator, whose state hangs on all that was drawn
    before: when the model was built, and in validations. The other backends keep theirs in
    variables, which a checkpoint holds.
    """

    def __init__(self, state, asked, every):
        super().__init__()
        self.first, self.done, self.asked, self.every = state.step, 0, asked, every
        self.seed = state.stage.seed, zlib.crc32(state.stage.name.encode())
        self.on_torch = keras.backend.backend() == "torch"

    def on_train_batch_begin(self, batch, logs=None):  # noqa: ARG002 - Keras passes it
        if self.on_torch:
            import torch

            drawn = np.random.SeedSequence([*self.seed, self.first + batch]).generate_state(2)
            torch.manual_seed(int(drawn[0]) << 31 | int(drawn[1]) >> 1)

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
        self.done += 1
        if self.done % self.every == 0:
            self.asked.agree()
            self.model.stop_training |= self.asked.signal is not None


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
        seed: of what dropout draws on torch.
        checkpoint_seconds: also save a checkpoint about so often; 0: at validations only.
        watchers: callbacks that count the steps of the stage, from their attribute `first` on.
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
    seed: int = 0
    checkpoint_seconds: float = 60.0
    watchers: list = field(default_factory=list)
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
    if state.step < stage.steps:
        processes.check_first_steps(stage.model, stage.batches, state.step, stage.loss_name)
    shown = report.stage(stage.name, stage.steps, state.step)
    with shown, enough_memory(), after_the_step() as asked:
        while state.step < stage.steps and not state.finished:
            _interval(state, report, asked)
    if stage.keep_best and state.best_weights is not None:
        stage.model.set_weights(state.best_weights)
    return state.earlier + state.rows


def _interval(state, report, asked):
    """Train up to the next validation or checkpoint, or to where a signal asks to stop."""
    stage, began = state.stage, time.perf_counter()
    last, every = processes.told(_planned(state))
    guard, steps = _StopAtNaN(), _StepByStep(state, asked, every)
    for watcher in stage.watchers:
        watcher.first = state.step
    with processes.in_common(stage.model):
        fit = stage.model.fit(
            feed(
                processes.slices(stage.batches, getattr(stage.model, "accumulate", 1)), state.step
            ),
            shuffle=False,
            steps_per_epoch=last - state.step,
            initial_epoch=len(state.rows),
            epochs=len(state.rows) + 1,
            verbose=0,
            callbacks=[guard, steps, report.callback(stage), *stage.watchers],
        )
    last = state.step + steps.done
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
    asked.agree()
    asked.obey()


def _planned(state):
    """Return the step to train up to, and after how many steps to look whether to stop."""
    stage, seconds = state.stage, state.seconds_a_step
    last = min(stage.steps, (state.step // stage.eval_every + 1) * stage.eval_every)
    if stage.checkpoint_seconds:
        affordable = int(stage.checkpoint_seconds / seconds) if seconds else FIRST_STEPS
        last = min(last, state.step + max(1, affordable))
    often = place().count == 1 or not seconds
    return last, 1 if often else max(1, min(last - state.step, int(1 / seconds)))


_KEPT = ("step", "seconds", "rows", "earlier", "losses", "best", "waited", "finished")


class _State:
    """Where a stage stands; what its checkpoint holds beside the weights."""

    def __init__(self, stage, folder, history):
        self.stage, self.folder, self.earlier = stage, folder, history
        self.step, self.seconds, self.seconds_a_step = 0, 0.0, None
        self.rows, self.losses = [], []  # of this stage; `earlier` has those before it
        self.best, self.best_weights, self.waited, self.finished = None, None, 0, False

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
        row = processes.told(row)
        self.losses = []
        self.rows.append(row)
        report.row(row)
        value = row.get(stage.monitor)
        if value is not None:
            better = _better(value, self.best, stage.monitor)
            self.waited = 0 if better else self.waited + 1
            # Few rows often have the same number right: the rate was lower at the later step.
            if better or (value == self.best and not stage.monitor.endswith("loss")):
                self.best = value
                self.best_weights = stage.model.get_weights() if stage.keep_best else None
            self.finished = bool(stage.patience) and self.waited >= stage.patience
        elif stage.validate and self.step >= stage.steps and self.best is None:
            raise ValueError(
                f"expected the score {stage.monitor!r}, which chooses the weights, in a validation "
                f"of {stage.name!r}; it had {sorted(row)}."
            )

    def save(self):
        if self.folder is None:
            return
        meta = {"run": self.folder.identity, "stage": self.stage.name, "steps": self.stage.steps}
        meta |= {name: getattr(self, name) for name in _KEPT}
        processes.wait()  # until nobody reads the one before
        save_checkpoint(self.folder.checkpoint, self.stage.model, meta, self.best_weights)
        self._write_history()

    def _write_history(self):
        if rows := self.earlier + self.rows:
            write_history(self.folder.path / "history.csv", rows)

    def restore(self):
        """Go on where this stage was cut off; return False if its checkpoint is of another."""
        kept = None if self.folder is None else own_checkpoint(self.folder)
        if kept is None or kept["stage"] != self.stage.name:
            return False
        kept = own_checkpoint(self.folder, self.stage.model)
        self.best_weights = kept.get("best_weights")
        for name in _KEPT:
            setattr(self, name, kept[name])
        if self.stage.keep_best and self.best is not None and self.best_weights is None:
            raise ValueError(
                f"the checkpoint {self.folder.checkpoint} knows the score of the best weights, "
                f"{self.best:.4g}, and does not hold them: an earlier version wrote it. Train "
                "again without --resume."
            )
        self._write_history()  # whoever was killed before that has none
        return True

    def fail(self, step):
        kept = ""
        if self.folder is not None and self.folder.checkpoint.exists():
            load_checkpoint(self.folder.checkpoint, self.stage.model)
            kept = f" The weights of step {self.step} are kept in {self.folder.checkpoint}."
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


@first_alone
def write_history(path, rows):
    """Write one row a validation as csv, with the union of the rows' columns."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
