"""Known mistakes in optimizers and gradient clipping."""

import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.mistakes.mistake import mistake, symbols_of, with_formulas

# ruff: noqa: ARG001, ARG005, D401 - forgotten arguments are mistakes; docstrings end a sentence


def _adam(weights, grads, state, settings, **formulas):
    """Take a step of Adam with other formulas, by symbol; each is given what came before it."""
    return with_formulas("adam", formulas, _stepped, weights, grads, state, **settings)


def _stepped(formulas, weights, grads, state, **settings):
    settings = {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7} | settings
    state = state or ref.OptimizerState(0, *(tuple(map(np.zeros_like, weights)) for _ in "mv"))
    parts = zip(weights, grads, state.m, state.v, strict=True)
    steps = [_adam_of_one(formulas, state.step + 1, *one, **settings) for one in parts]
    new, m, v = (tuple(s[name] for s in steps) for name in ("w", "m", "v"))
    return list(new), ref.OptimizerState(state.step + 1, m, v)


def _adam_of_one(formulas, step, w, g, m, v, learning_rate, beta_1, beta_2, epsilon, **_):
    right = {
        "t": lambda s: step,
        "m": lambda s: beta_1 * m + (1 - beta_1) * g,
        "power": lambda s: g**2,
        "v": lambda s: beta_2 * v + (1 - beta_2) * s["power"],
        "corrections": lambda s: (1 - beta_1 ** s["t"], np.sqrt(1 - beta_2 ** s["t"])),
        "root": lambda s: np.sqrt(s["v"]) + epsilon,
        "w": lambda s: w - _rate(s, learning_rate) * s["m"] / s["root"],
    }
    given = {"g": lambda s: g, "epsilon": lambda s: epsilon}
    return symbols_of(given | right, formulas)


def _rate(s, learning_rate):
    first, second = s["corrections"]
    return learning_rate * second / first


@mistake("adam")
def adam_without_bias_correction(weights, grads, state=None, **settings):
    """The bias correction is missing: m and v, which start at zero, are used as they are."""
    return _adam(weights, grads, state, settings, corrections=lambda s: (1.0, 1.0))


@mistake("adam")
def adam_epsilon_inside_the_root(weights, grads, state=None, **settings):
    """The epsilon stands inside of the root, where RMSprop has it."""
    return _adam(weights, grads, state, settings, root=lambda s: np.sqrt(s["v"] + s["epsilon"]))


@mistake("adam")
def adam_epsilon_on_the_corrected_root(weights, grads, state=None, **settings):
    """The epsilon is added to the corrected √v, as in torch; Keras adds it to the uncorrected."""

    def root(s):
        return np.sqrt(s["v"]) + s["epsilon"] * s["corrections"][1]

    return _adam(weights, grads, state, settings, root=root)


@mistake("adam")
def adam_exponent_one_too_high(weights, grads, state=None, **settings):
    """The exponent of the bias correction is one too high: βᵗ⁺¹, as if t began at 2."""
    steps = state.step + 1 if state else 1
    return _adam(weights, grads, state, settings, t=lambda s: steps + 1)


@mistake("adam")
def adam_exponent_from_zero(weights, grads, state=None, **settings):
    """The exponent of the bias correction begins at 0: 1 - β⁰ is 0, and 0 / 0 is not a number."""
    steps = state.step if state else 0
    with np.errstate(all="ignore"):
        return _adam(weights, grads, state, settings, t=lambda s: np.float64(steps))


@mistake("adam")
def adam_corrects_by_the_first_step(weights, grads, state=None, **settings):
    """The step is not counted: every step is corrected as if it were the first."""
    return _adam(weights, grads, state, settings, t=lambda s: 1)


@mistake("adam")
def adam_gradient_not_squared(weights, grads, state=None, **settings):
    """The second moment averages |grad|, and not its square."""
    return _adam(weights, grads, state, settings, power=lambda s: np.abs(s["g"]))


@mistake("adam")
def adam_betas_swapped(weights, grads, state=None, *, beta_1=0.9, beta_2=0.999, **settings):
    """The two betas are swapped."""
    return ref.adam(weights, grads, state, beta_1=beta_2, beta_2=beta_1, **settings)


@mistake("adam")
def adam_state_forgotten(weights, grads, state=None, **settings):
    """The moments start anew at every step, as with an optimizer that is built inside the loop."""
    return ref.adam(weights, grads, None, **settings)


@mistake("sgd")
def sgd_uphill(weights, grads, state=None, **settings):
    """The step goes uphill: the gradient is added, and not subtracted."""
    return ref.sgd(weights, [-g for g in grads], state, **settings)


@mistake("sgd")
def sgd_momentum_averages(weights, grads, state=None, *, momentum=0.0, **settings):
    """The gradient is multiplied by 1 - momentum, as in an average; Keras adds it as it is."""
    return ref.sgd(
        weights, [(1 - momentum) * g for g in grads], state, momentum=momentum, **settings
    )


@mistake("sgd")
def sgd_nesterov_ignored(weights, grads, state=None, *, nesterov=False, **settings):
    """There is no look ahead: Nesterov's momentum is taken for the plain one."""
    return ref.sgd(weights, grads, state, **settings)


@mistake("sgd")
def sgd_momentum_forgotten(weights, grads, state=None, **settings):
    """The momentum starts anew at every step."""
    return ref.sgd(weights, grads, None, **settings)


@mistake("rmsprop")
def rmsprop_epsilon_outside_the_root(
    weights, grads, state=None, *, learning_rate=0.001, epsilon=1e-7, **settings
):
    """The epsilon stands outside of the root, where Adam has it."""
    rate = {"learning_rate": learning_rate, "epsilon": epsilon}
    _, new = ref.rmsprop(weights, grads, state, **rate, **settings)
    old = state.m if state else [0.0] * len(weights)
    momentum = settings.get("momentum", 0.0)
    means = new.mean if settings.get("centered") else [0.0] * len(weights)
    m = tuple(
        momentum * a + learning_rate * g / (np.sqrt(v - mean**2) + epsilon)
        for a, g, v, mean in zip(old, grads, new.v, means, strict=True)
    )
    return [w - a for w, a in zip(weights, m, strict=True)], new._replace(m=m)


@mistake("rmsprop")
def rmsprop_root_forgotten(
    weights, grads, state=None, *, learning_rate=0.001, epsilon=1e-7, **settings
):
    """The step is divided by the mean square, and not by its root."""
    _, new = ref.rmsprop(weights, grads, state, epsilon=epsilon, **settings)
    moves = [learning_rate * g / (v + epsilon) for g, v in zip(grads, new.v, strict=True)]
    return [w - move for w, move in zip(weights, moves, strict=True)], new


@mistake("adamw")
def adamw_decay_coupled(weights, grads, state=None, *, weight_decay=0.004, **settings):
    """The decay is added to the gradient (L2 regularisation), where Adam divides it by √v."""
    decayed = settings.pop("decayed", None) or [True] * len(weights)
    grads = [
        g + weight_decay * w if d else g
        for w, g, d in zip(weights, grads, decayed, strict=True)
    ]  # fmt: skip
    return ref.adam(weights, grads, state, **settings)


@mistake("adamw")
def adamw_decay_without_learning_rate(
    weights, grads, state=None, *, learning_rate=0.001, weight_decay=0.004, **settings
):
    """The decay is not multiplied by the learning rate."""
    return ref.adamw(
        weights, grads, state, learning_rate=learning_rate,
        weight_decay=weight_decay / learning_rate, **settings,
    )  # fmt: skip


@mistake("adamw")
def adamw_decay_forgotten(weights, grads, state=None, *, weight_decay=0.004, **settings):
    """The weights do not decay."""
    return ref.adamw(weights, grads, state, weight_decay=0.0, **settings)


@mistake("clip_by_global_norm")
def clip_by_global_norm_array_by_array(grads, limit):
    """Each array is shortened by its own norm, which turns the gradient as a whole."""
    return ref.clip_by_norm(grads, limit)


@mistake("clip_by_global_norm")
def clip_by_global_norm_always(grads, limit):
    """Short gradients are lengthened: the factor limit / norm is not cut at 1."""
    norm = np.sqrt(sum((g**2).sum() for g in grads))
    return [g * (limit / norm) for g in grads]


@mistake("clip_by_global_norm")
def clip_by_global_norm_without_root(grads, limit):
    """The root is missing: the square of the norm is compared with the limit."""
    norm = sum((g**2).sum() for g in grads)
    return [g * min(limit / norm, 1.0) for g in grads]


@mistake("clip_by_global_norm")
def clip_by_global_norm_entry_by_entry(grads, limit):
    """Single entries are cut, which turns the gradient, and may leave it longer than the limit."""
    return ref.clip_by_value(grads, limit)


@mistake("clip_by_norm")
def clip_by_norm_entry_by_entry(grads, limit):
    """Single entries are cut, where the whole array should be shortened."""
    return ref.clip_by_value(grads, limit)


@mistake("clip_by_value")
def clip_by_value_one_side(grads, limit):
    """Only positive entries are cut."""
    return [np.minimum(g, limit) for g in grads]


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
