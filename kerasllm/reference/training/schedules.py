"""Learning-rate schedules: the size of each step, as a function of the step's number.

All count from 0, agree with `keras.optimizers.schedules`, and take one step or an array of steps.
`linear_warmup` and `inverse_square_root` are not in Keras.
"""

import numpy as np

__all__ = [
    "cosine_decay", "cosine_decay_restarts", "exponential_decay", "inverse_square_root",
    "inverse_time_decay", "linear_warmup", "piecewise_constant", "polynomial_decay",
]  # fmt: skip


def piecewise_constant(step, boundaries, values):
    """Use one value after another.

        values[k]  where boundaries[k - 1] < step ≤ boundaries[k]

    Args:
        step: number of the step, or an array of them.
        boundaries: N rising steps at which the value changes (it still holds *at* a boundary).
        values: N + 1 values.

    Returns:
        The learning rate, like step.

    Raises:
        ValueError: not one value more than boundaries.

    Example:
        >>> piecewise_constant([0, 10, 11], boundaries=[10], values=[1.0, 0.1])
        array([1. , 1. , 0.1])
    """
    if len(values) != len(boundaries) + 1:
        raise ValueError(
            f"expected one value more than boundaries, received {len(values)} values and "
            f"{len(boundaries)} boundaries"
        )
    return np.asarray(values, float)[np.searchsorted(boundaries, step, side="left")]


def exponential_decay(step, initial, decay_steps, decay_rate, staircase=False):
    """Multiply by the same factor every `decay_steps` steps.

        initial · decay_rate ^ (step / decay_steps)              rounded down with staircase

    Args:
        step: number of the step, or an array of them.
        initial: the learning rate at step 0.
        decay_steps: after how many steps the factor has been applied once.
        decay_rate: the factor.
        staircase: apply the factor at once instead of gradually.

    Returns:
        The learning rate, like step.

    Example:
        >>> exponential_decay(np.array([0, 10, 20]), 1.0, decay_steps=10, decay_rate=0.5)
        array([1.  , 0.5 , 0.25])
    """
    return initial * decay_rate ** _progress(step, decay_steps, staircase)


def inverse_time_decay(step, initial, decay_steps, decay_rate, staircase=False):
    """Divide by a number that grows evenly.

        initial / (1 + decay_rate · step / decay_steps)          rounded down with staircase

    Args:
        step: number of the step, or an array of them.
        initial: the learning rate at step 0.
        decay_steps: after how many steps the divisor has grown by `decay_rate`.
        decay_rate: how fast the divisor grows.
        staircase: let it grow at once instead of gradually.

    Returns:
        The learning rate, like step.

    Example:
        >>> inverse_time_decay(np.array([0, 10, 30]), 1.0, decay_steps=10, decay_rate=1.0)
        array([1.  , 0.5 , 0.25])
    """
    return initial / (1 + decay_rate * _progress(step, decay_steps, staircase))


def polynomial_decay(step, initial, decay_steps, end=0.0001, power=1.0):
    """Go from one value to another, in a straight line for power 1, and stay there.

        p = min(step, decay_steps) / decay_steps
        (initial - end) · (1 - p) ^ power + end

    Args:
        step: number of the step, or an array of them.
        initial: the learning rate at step 0.
        decay_steps: when the end is reached.
        end: the learning rate from then on.
        power: 1 for a straight line, 2 to brake early.

    Returns:
        The learning rate, like step.

    Example:
        >>> polynomial_decay(np.array([0, 5, 10, 20]), 1.0, decay_steps=10, end=0.0)
        array([1. , 0.5, 0. , 0. ])
    """
    p = np.minimum(_progress(step, decay_steps), 1)
    return (initial - end) * (1 - p) ** power + end


def cosine_decay(step, initial, decay_steps, alpha=0.0, warmup_target=None, warmup_steps=0):
    """Fall along half a cosine, after an optional straight rise.

        initial + (target - initial) · step / warmup_steps       the first warmup_steps steps
        p = min(step - warmup_steps, decay_steps) / decay_steps
        target · ((1 - alpha) · (1 + cos(π p)) / 2 + alpha)      then

    Args:
        step: number of the step, or an array of them.
        initial: the learning rate at step 0.
        decay_steps: length of the fall, warm-up not counted.
        alpha: what is left at the end, as a share of the highest value.
        warmup_target: the highest value, where the fall begins. None: there is no warm-up, and the
            fall begins at `initial`.
        warmup_steps: length of the rise.

    Returns:
        The learning rate, like step.

    Example:
        >>> cosine_decay(np.array([0, 5, 10, 15, 20]), 0.0, 10, warmup_target=1.0, warmup_steps=10)
        array([0. , 0.5, 1. , 0.5, 0. ])

    Source:
        Loshchilov and Hutter, SGDR (2017), equation 5; warm-up: Goyal et al. (2017), section 2.2.
    """
    step = np.asarray(step, float)
    if warmup_target is None:
        warmup_target, warmup_steps = initial, 0
    p = np.clip((step - warmup_steps) / decay_steps, 0, 1)
    falling = warmup_target * ((1 - alpha) * (1 + np.cos(np.pi * p)) / 2 + alpha)
    rising = initial + (warmup_target - initial) * step / max(warmup_steps, 1)
    return np.where(step < warmup_steps, rising, falling)


def cosine_decay_restarts(step, initial, first_decay_steps, t_mul=2.0, m_mul=1.0, alpha=0.0):
    """Fall along half a cosine again and again, each time for longer.

        round k takes first_decay_steps · t_mulᵏ steps and begins at initial · m_mulᵏ
        p = share of the present round that is over
        initial · ((1 - alpha) · m_mulᵏ · (1 + cos(π p)) / 2 + alpha)

    Args:
        step: number of the step, or an array of them.
        initial: the learning rate at step 0.
        first_decay_steps: length of the first round.
        t_mul: each round is so many times longer than the one before.
        m_mul: each round begins at so many times the value of the one before.
        alpha: what is left at the end of a round, as a share of `initial`.

    Returns:
        The learning rate, like step.

    Example:
        >>> cosine_decay_restarts(np.array([0, 5, 10, 20]), 1.0, first_decay_steps=10)
        array([1. , 0.5, 1. , 0.5])

    Source:
        Loshchilov and Hutter, SGDR (2017), equation 5.
    """
    done = _progress(step, first_decay_steps)
    if t_mul == 1:
        k = np.floor(done)
        p = done - k
    else:
        # Rounds 0 … k - 1 take (t_mulᵏ - 1) / (t_mul - 1) first rounds together: solved for k.
        k = np.floor(np.log1p(done * (t_mul - 1)) / np.log(t_mul))
        p = (done - (t_mul**k - 1) / (t_mul - 1)) / t_mul**k
    return initial * ((1 - alpha) * m_mul**k * (1 + np.cos(np.pi * p)) / 2 + alpha)


def linear_warmup(step, target, warmup_steps):
    """Rise in a straight line, and stay.

        target · min(step / warmup_steps, 1)

    Args:
        step: number of the step, or an array of them.
        target: the learning rate after warm-up.
        warmup_steps: length of the rise.

    Returns:
        The learning rate, like step.

    Example:
        >>> linear_warmup(np.array([0, 5, 10, 15]), 1.0, warmup_steps=10)
        array([0. , 0.5, 1. , 1. ])
    """
    return target * np.minimum(_progress(step, warmup_steps), 1)


def inverse_square_root(step, hidden_dim, warmup_steps, factor=1.0):
    """Rise in a straight line, then fall like one over a square root.

        factor · hidden_dim^(-½) · min(n^(-½), n · warmup_steps^(-3/2)),  n = step + 1

    Args:
        step: number of the step, or an array of them, from 0 (the paper counts from 1).
        hidden_dim: the model's width D.
        warmup_steps: length of the rise.
        factor: multiplies everything.

    Returns:
        The learning rate, like step.

    Example:
        >>> inverse_square_root(np.array([0, 3, 15]), hidden_dim=1, warmup_steps=4)
        array([0.125, 0.5  , 0.25 ])

    Source:
        Vaswani et al., Attention Is All You Need (2017), equation 3.
    """
    n = np.asarray(step, float) + 1
    return factor * hidden_dim**-0.5 * np.minimum(n**-0.5, n * warmup_steps**-1.5)


def _progress(step, steps, staircase=False):
    if not steps > 0:
        raise ValueError(f"expected a positive number of steps, received {steps}")
    progress = np.asarray(step, float) / steps
    return np.floor(progress) if staircase else progress
