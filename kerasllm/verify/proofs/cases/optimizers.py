"""Cases of the learning-rate schedules; optimizers have check 4 (`training.py`)."""

from functools import partial

import keras
import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.proofs.checks import Case

EXEMPT = {
    "linear_warmup": "not in Keras; equal to the rising part of cosine_decay, tested there",
    "orthogonalized": "a part of muon; its singular values are checked",
    "inverse_square_root": "not in Keras; tested against the paper's properties",
}
STEPS = np.array([0, 1, 2, 3, 5, 7, 10, 11, 13, 17, 19, 20, 23, 40])
schedules = keras.optimizers.schedules


def _schedule(name, build, label="", **options):
    """Make a case over `STEPS`; its only argument is the first learning rate."""
    return Case(
        name=f"{name}{label}",
        covers=(name,),
        arguments={"initial": np.array(0.37)},
        forward=lambda initial: (getattr(ref, name)(STEPS, initial, **options), None),
        keras=lambda initial: _in_keras(build(initial, **options), initial),
    )


def _in_keras(schedule, initial):
    steps = (keras.ops.convert_to_tensor(float(k), dtype=initial.dtype) for k in STEPS)
    return keras.ops.stack([schedule(step) for step in steps])


def _polynomial(initial, decay_steps, end, power):
    return schedules.PolynomialDecay(initial, decay_steps, end_learning_rate=end, power=power)


def _piecewise(label, boundaries, factors):
    """Its values are multiples of the one argument."""

    def in_keras(initial):
        values = [initial * factor for factor in factors]
        return _in_keras(schedules.PiecewiseConstantDecay(boundaries, values), initial)

    return Case(
        name=f"piecewise_constant{label}",
        covers=("piecewise_constant",),
        arguments={"initial": np.array(0.37)},
        forward=lambda initial: (
            ref.piecewise_constant(STEPS, boundaries, [initial * f for f in factors]), None
        ),
        keras=in_keras,
    )  # fmt: skip


_exponential = partial(_schedule, "exponential_decay", schedules.ExponentialDecay)
_inverse = partial(_schedule, "inverse_time_decay", schedules.InverseTimeDecay)
_cosine = partial(_schedule, "cosine_decay", schedules.CosineDecay)
_restarts = partial(_schedule, "cosine_decay_restarts", schedules.CosineDecayRestarts)

CASES = (
    _piecewise("", [5, 17], [1.0, 0.5, 0.125]),
    _exponential(decay_steps=7, decay_rate=0.75),
    _exponential(", staircase", decay_steps=7, decay_rate=0.75, staircase=True),
    _inverse(decay_steps=7, decay_rate=0.75),
    _inverse(", staircase", decay_steps=7, decay_rate=0.75, staircase=True),
    _schedule("polynomial_decay", _polynomial, decay_steps=19, end=0.25, power=1.0),
    _schedule("polynomial_decay", _polynomial, ", squared", decay_steps=19, end=0.25, power=2.0),
    _cosine(decay_steps=19, alpha=0.125),
    _cosine(", warm-up", decay_steps=11, alpha=0.125, warmup_target=0.75, warmup_steps=7),
    _restarts(first_decay_steps=7, t_mul=2.0, m_mul=0.5, alpha=0.125),
    _restarts(", even rounds", first_decay_steps=7, t_mul=1.0, m_mul=0.5),
)
