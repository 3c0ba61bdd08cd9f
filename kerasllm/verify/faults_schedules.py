"""Known mistakes in learning-rate schedules."""
# ruff: noqa: ARG001, D401 - forgotten arguments are mistakes; docstrings end a sentence

import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.faults_base import mistake


@mistake("cosine_decay")
def cosine_decay_half_forgotten(step, initial, decay_steps, alpha=0.0, *warmup, **settings):
    """The factor ½ of 1 + cos is missing, so that the fall begins at twice the highest value."""
    falling = ref.cosine_decay(step, initial, decay_steps, 2 * alpha - 1, *warmup, **settings)
    floor = ref.cosine_decay(step, initial, decay_steps, 0.0, *warmup, **settings)
    return np.where(floor == falling, falling, 2 * floor)


@mistake("cosine_decay")
def cosine_decay_warmup_counted(
    step, initial, decay_steps, alpha=0.0, warmup_target=None, warmup_steps=0
):
    """The warm-up counts towards the decay, so that the fall begins below the highest value."""
    falling = ref.cosine_decay(step, warmup_target or initial, decay_steps, alpha)
    if warmup_target is None:
        return falling
    rising = initial + (warmup_target - initial) * np.asarray(step, float) / max(warmup_steps, 1)
    return np.where(np.asarray(step) < warmup_steps, rising, falling)


@mistake("cosine_decay")
def cosine_decay_floor_ignored(step, initial, decay_steps, alpha=0.0, *others, **settings):
    """The learning rate falls to 0: alpha is ignored."""
    return ref.cosine_decay(step, initial, decay_steps, 0.0, *others, **settings)


@mistake("exponential_decay")
def exponential_decay_of_e(step, initial, decay_steps, decay_rate, staircase=False):
    """The decay is exp(-decay_rate · p), and not decay_rate to the power p."""
    return ref.exponential_decay(step, initial, decay_steps, np.exp(-decay_rate), staircase)


@mistake("polynomial_decay")
def polynomial_decay_goes_on(step, initial, decay_steps, end=0.0001, power=1.0):
    """The learning rate goes on falling behind the end, and becomes negative."""
    p = np.asarray(step, float) / decay_steps
    return (initial - end) * np.sign(1 - p) * np.abs(1 - p) ** power + end


@mistake("linear_warmup")
def linear_warmup_does_not_stop(step, target, warmup_steps):
    """The learning rate goes on rising behind the end of the warm-up."""
    return target * np.asarray(step, float) / warmup_steps


@mistake("inverse_square_root")
def inverse_square_root_without_width(step, hidden_dim, warmup_steps, factor=1.0):
    """The factor of the model's width is missing."""
    return ref.inverse_square_root(step, 1, warmup_steps, factor)
