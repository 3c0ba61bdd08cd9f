"""As many steps as fit into the minutes that are given, by the speed of the first ones.

Before the training the first steps are taken once on trial and timed, and so is one validation;
then the model is as it was before them. What is decided stands in config.json under "fitted": a run
that is resumed keeps it, whatever else the machine does that day.
"""

import time

import keras
import numpy as np

from kerasllm.models.feeding import feed
from kerasllm.training.engine import processes
from kerasllm.training.engine.stages import planned_stages, stage_of

WARM = 3  # steps in which the step is compiled, and which are not counted
TIMED = 20  # steps that are, at most
SHARE = 0.05  # of the minutes that they take at most
SLOWEST = 0.1  # share of them that is left out: something else ran, or another shape was compiled


def fitted(settings, task, examples, batches, pretrained=None, clock=time.perf_counter):
    """Return how many steps fit, and what was measured: {} where no minutes are given.

    Args:
        settings: resolved settings, of which `minutes` counts.
        task: with the weights to begin from, which it has again afterwards.
        examples: `Examples`.
        batches: `Batches` of the training examples.
        pretrained: the `Run` that the backbone comes from, or None.
        clock: () -> seconds.

    Returns:
        {"steps", "seconds_a_step", "seconds_a_validation"}.
    """
    if not settings.minutes:
        return {}
    began, budget = clock(), 60 * settings.minutes
    stage = _last_stage(settings, task, examples, batches, pretrained)
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in task.variables]
    step = _seconds_a_step(stage, SHARE * budget, clock)
    asked = clock()
    stage.validate()
    validation = clock() - asked
    for variable, value in zip(task.variables, before, strict=True):
        variable.assign(value)
    steps = _steps(budget - (clock() - began), step, validation, settings, batches)
    found = {"steps": steps, "seconds_a_step": step, "seconds_a_validation": validation}
    return processes.told(found)


def _last_stage(settings, task, examples, batches, pretrained):
    """Return the last stage of the training, compiled: no other moves more weights."""
    top, steps = planned_stages(task, settings, batches)[-1]
    return stage_of("trial", task, None, examples, batches, top, steps, settings, pretrained)


class _Timer(keras.callbacks.Callback):
    """Note when each step ends, and stop when they have taken long enough."""

    def __init__(self, most, clock):
        super().__init__()
        self.most, self.clock, self.ends = most, clock, []

    def on_train_batch_end(self, batch, logs=None):
        float(logs["loss"])  # which is there when the step is done
        self.ends.append(self.clock())
        if batch > WARM and self.ends[-1] - self.ends[WARM - 1] > self.most:
            self.model.stop_training = True


def _seconds_a_step(stage, most, clock):
    """Return how long a step takes, after those in which it is compiled."""
    timer, model = _Timer(most, clock), stage.model
    slices = processes.slices(stage.batches, getattr(model, "accumulate", 1))
    with processes.in_common(model):
        model.fit(
            feed(slices), shuffle=False, steps_per_epoch=WARM + TIMED, verbose=0, callbacks=[timer]
        )
    return usual_step(timer.ends)


def usual_step(ends):
    """Return how long a step takes, the slowest left out.

    Args:
        ends: seconds at which steps ended, from the first one on.
    """
    taken = np.sort(np.diff(ends[WARM - 1 :]))
    return float(taken[: max(1, round(len(taken) * (1 - SLOWEST)))].mean())


def _steps(seconds, step, validation, settings, batches):
    """Return how many steps fit into what is left of the time, validations between them."""
    steps = max(1, int(seconds / step))
    every = settings.eval_steps(batches, steps)
    return max(1, int(seconds / (step + validation / every)))


def told(found, minutes, batches):
    """Return the line that says what was decided.

    Args:
        found: of `fitted`.
        minutes: that are given.
        batches: `Batches` of the training examples.

    Example:
        10 minutes: 4,210 steps of 0.13 s, 5.2 passes over the training rows
    """
    passes = found["steps"] / batches.steps_per_epoch
    return (
        f"{minutes:g} minutes: {found['steps']:,} steps of {found['seconds_a_step']:.2g} s, "
        f"{passes:.3g} passes over the training rows; loading and the comparison with the "
        "baselines are not counted"
    )
