"""Exercises: losses, optimizers, clipping, schedules."""

import numpy as np

from kerasllm.exercises.exercise import Exercise
from kerasllm.exercises.outputs import Problem
from kerasllm.exercises.trials import Trial, arrays, backward_of

B, T, V = 3, 5, 7
RAGGED = np.arange(T) < np.array([T, 2, 3])[:, None]


def _targets(rng):
    return rng.standard_normal((B, T, V)), rng.integers(V, size=(B, T))


def _cross_entropy_trials(rng):
    return [
        Trial("no mask", _targets(rng)),
        Trial("padding", (*_targets(rng), RAGGED)),
        Trial("padding, label smoothing", (*_targets(rng), RAGGED, 0.1)),
        Trial("a text of padding alone", (*_targets(rng), RAGGED & [[True], [False], [True]])),
        Trial("nothing but padding", (*_targets(rng), RAGGED & False)),
    ]


def _binary_trials(rng):
    logits = [3 * rng.standard_normal(shape) for shape in ((5,), (2, 7))]
    made = [Trial(f"shape {x.shape}", (x, (rng.random(x.shape) < 0.5) * 1.0)) for x in logits]
    tails = np.array([0.0, 0.0, 50.0, 50.0, -50.0, -50.0, 1000.0, -1000.0])
    return [*made, Trial("logits of 0, ±50 and ±1000", (tails, np.arange(8) % 2.0))]


def _optimizer_trials(*settings):
    def trials(rng):
        made = []
        for options in settings:
            weights = list(arrays(rng, (3, 5), (7,)))
            grads = [list(arrays(rng, (3, 5), (7,))) for _ in range(4)]
            for g in (grads[0][0][0], grads[2][1]):
                g[:] = 0.0
            label = ", ".join(f"{k}={v}" for k, v in options.items()) or "defaults"
            made.append(Trial(label, (weights, grads), options))
        return made

    return trials


def _four_steps(function, weights, grads, **settings):
    """Take four steps, each from the state before, and return the weights after each."""
    state, seen = None, []
    for g in grads:
        value = function(weights, g, state, **settings)
        if not isinstance(value, tuple) or len(value) != 2 or len(value[0]) != len(weights):
            raise Problem(
                f"Expected (weights, state) with a list of {len(weights)} weights; your function "
                f"returned {type(value).__name__}."
            )
        weights, state = value
        seen.append(weights)
    return {f"weight {k}": np.stack([step[k] for step in seen]) for k in range(len(weights))}


def _clip_trials(rng):
    grads = list(arrays(rng, (3, 5), (7,)))
    zero = [0 * g for g in grads]
    return [
        Trial("long gradient", (grads, 0.5)),
        Trial("short gradient", (grads, 50.0)),
        Trial("gradient of zeros", (zero, 0.5)),
    ]


STEPS = np.array([0, 1, 3, 6, 7, 11, 17, 18, 25])


def _cosine_trials(rng):
    first = float(rng.uniform(0.5, 1.0))
    return [
        Trial("no warm-up", (STEPS, first, 17)),
        Trial("alpha 0.1", (STEPS, first, 17, 0.1)),
        Trial("warm-up", (STEPS, 0.0, 11, 0.1, first, 7)),
    ]


_WEIGHTS = ("weight 0", "weight 1")
_LISTS = """
    weights, grads: lists of arrays. state: whatever you returned the step before, None at first.
    Return (new weights as a list, state). Change nothing in place."""

EXERCISES = (
    Exercise(
        name="cross_entropy",
        level="a few lines",
        task="measure how surprising the targets are, in nats a token.",
        statement="""
            log_p = log softmax(logits)
            nats  = -(1 - label_smoothing) · log_p[target] - label_smoothing · mean_v log_p[v]
            loss  = Σ nats · mask / Σ mask                       0 where nothing is real

            logits: (B, T, V). targets: ids (B, T). mask: (B, T), True = real, or None for all.
            label_smoothing: 0.0 if left out. Return the loss, a single number.""",
        hint="""np.take_along_axis(log_p, targets[..., None], -1) picks the targets. Padding must be
            left out of the sum and of the count.""",
        outputs=("loss",),
        trials=_cross_entropy_trials,
    ),
    Exercise(
        name="cross_entropy_backward",
        level="a few lines",
        task="send a gradient back from the loss to the logits.",
        statement="""
            loss = Σ nats · weight,   weight = mask / Σ mask

            d_output: a number. trace: log_p (B, T, V), targets (B, T), weight (B, T),
            label_smoothing, nats. Return d_logits (B, T, V).""",
        hint="""Without smoothing it is softmax minus one-hot, times weight. With smoothing one-hot
            becomes (1 - s) · one-hot + s / V.""",
        outputs=("d_logits",),
        trials=backward_of("cross_entropy", _cross_entropy_trials),
    ),
    Exercise(
        name="binary_cross_entropy",
        level="one line",
        task="measure how surprising yes-or-no targets are.",
        statement="""
            p    = σ(logits)
            loss = mean of -y · log p - (1 - y) · log(1 - p)

            logits: any shape, also very large. targets: y, zeros and ones of that shape. Return a
            number.""",
        hint="np.logaddexp(0, -x) is -log σ(x), without overflow.",
        outputs=("loss",),
        trials=_binary_trials,
    ),
    Exercise(
        name="sgd",
        level="a few lines",
        task="go downhill, with momentum.",
        statement=f"""
            m ← momentum · m - learning_rate · grad
            w ← w + m                                            or, with nesterov,
            w ← w + momentum · m - learning_rate · grad
        {_LISTS}""",
        hint="The state has to carry m, one array a weight; at the first step m is zero.",
        outputs=_WEIGHTS,
        trials=_optimizer_trials(
            {"learning_rate": 0.1, "momentum": 0.0, "nesterov": False},
            {"learning_rate": 0.1, "momentum": 0.9, "nesterov": False},
            {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
        ),
        time_axis=dict.fromkeys(_WEIGHTS, 0),
        run=_four_steps,
    ),
    Exercise(
        name="adam",
        level="a few lines",
        task="divide the averaged gradient by the root of its averaged square.",
        statement=f"""
            m ← beta_1 · m + (1 - beta_1) · grad
            v ← beta_2 · v + (1 - beta_2) · grad²
            α = learning_rate · √(1 - beta_2ᵗ) / (1 - beta_1ᵗ)           t = 1, 2, 3, …
            w ← w - α · m / (√v + epsilon)
        {_LISTS}""",
        hint="The state has to carry m, v and the number of the step; t is 1 at the first step.",
        outputs=_WEIGHTS,
        trials=_optimizer_trials(
            {"learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-3},
            {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 0.1},
        ),
        time_axis=dict.fromkeys(_WEIGHTS, 0),
        run=_four_steps,
    ),
    Exercise(
        name="adamw",
        level="a few lines",
        task="Adam, and weights that shrink by themselves.",
        statement=f"""
            w ← w - learning_rate · weight_decay · w             then
            w ← adam(w, grad)                                    with its betas and epsilon 1e-7

        {_LISTS}
            You may use kerasllm.reference.adam.""",
        hint="Decay is no part of the gradient: it must not be divided by √v.",
        outputs=_WEIGHTS,
        trials=_optimizer_trials({"learning_rate": 0.1, "weight_decay": 0.5}),
        time_axis=dict.fromkeys(_WEIGHTS, 0),
        parts=("adam",),
        run=_four_steps,
    ),
    Exercise(
        name="clip_by_global_norm",
        level="a few lines",
        task="shorten all gradients by one factor.",
        statement="""
            norm = √(Σ over all arrays ‖grad‖²)
            grad · min(1, limit / norm)                          0 stays 0

            grads: list of arrays. limit: a number. Return a list of arrays.""",
        hint="One norm for all arrays together, and nothing is ever made longer.",
        outputs=("gradient 0", "gradient 1"),
        trials=_clip_trials,
    ),
    Exercise(
        name="cosine_decay",
        level="a few lines",
        task="rise in a straight line, fall along half a cosine.",
        statement="""
            initial + (warmup_target - initial) · step / warmup_steps    the first warmup_steps
            p = min(step - warmup_steps, decay_steps) / decay_steps
            warmup_target · ((1 - alpha) · (1 + cos(π p)) / 2 + alpha)   then

            step: array of steps. initial, decay_steps, then alpha (0.0), warmup_target (None: no
            warm-up, the fall begins at initial) and warmup_steps (0) if given. Return an array.""",
        hint="np.where chooses between rise and fall; np.clip keeps p between 0 and 1.",
        outputs=("rate",),
        trials=_cosine_trials,
        time_axis={"rate": 0},
    ),
)
