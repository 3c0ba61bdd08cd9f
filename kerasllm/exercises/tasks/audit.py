"""Exercises: what a model gives away, the step that bounds it, and weights of few bits."""

import numpy as np

from kerasllm.exercises.exercise import Exercise
from kerasllm.exercises.trials import Trial, arrays

B, D, H, R = 5, 3, 7, 11


def _exposure_trials(rng):
    losses = rng.gamma(2.0, size=R)
    first = int(np.argmin(losses))
    middle = int(np.argsort(losses)[R // 2])
    tied = np.array([1.0, 2.0, 2.0, 3.0])
    return [
        Trial("found first", (losses, first)),
        Trial("in the middle", (losses, middle)),
        Trial("as likely as another", (tied, 1)),
    ]


def _private_trials(rng):
    weights, bias = arrays(rng, (B, D, H), (B, H))
    noise = list(arrays(rng, (D, H), (H,)))
    none = [np.zeros((D, H)), np.zeros(H)]
    return [
        Trial("all are too long, no noise", ([weights, bias], 0.5, none)),
        Trial("some are too long", ([0.3 * weights, bias], 2.0, noise)),
        Trial("none is too long", ([0.01 * weights, 0.01 * bias], 2.0, noise)),
    ]


def _quantize_trials(rng):
    (kernel,) = arrays(rng, (D, H))
    kernel = kernel * rng.gamma(2.0, size=H)  # columns of different sizes
    return [Trial("8 bits", (kernel, 8)), Trial("4 bits", (kernel, 4))]


def _restored(function, kernel, bits):
    found = function(kernel, bits)
    return found[0] if isinstance(found, tuple) else found


EXERCISES = (
    Exercise(
        name="exposure",
        level="a few lines",
        task="say how many bits of a secret a model gives away.",
        statement="""
            rank = how many of the R candidates have a loss of at most that of the secret
            exposure = log₂ R - log₂ rank

            losses: (R,), one of each candidate. secret: number of the candidate that was in the
            training text. Return a number.""",
        hint="""The most likely candidate has the lowest loss and rank 1. Count with a comparison;
            the secret counts itself.""",
        outputs=("exposure",),
        trials=_exposure_trials,
    ),
    Exercise(
        name="private_gradient",
        level="a few lines",
        task="clip the gradient of each example, add up, add noise (DP-SGD).",
        statement="""
            norm_i = √(Σ over all arrays ‖g_i‖²)
            gradient = (Σ_i g_i · min(1, clip / norm_i) + clip · noise) / B

            gradients: list of arrays (B, …). clip: a number. noise: list of arrays (…).
            Return a list of arrays (…).""",
        hint="""One norm for each example, over all its arrays together; np.tensordot(factors, g, 1)
            adds up (B, …) with a factor for each of the B.""",
        outputs=("gradient of the kernel", "gradient of the bias"),
        trials=_private_trials,
    ),
    Exercise(
        name="quantize",
        level="a few lines",
        task="write a kernel as whole numbers of a few bits, and multiply it out again.",
        statement="""
            most = 2^(bits - 1) - 1
            scale_h = max_d |kernel_dh| / most
            restored_dh = round(kernel_dh / scale_h) · scale_h

            kernel: (D, H), no column of zeros. bits: 2 to 8. Return restored, (D, H).""",
        hint="kernel.max(axis=0) is of the columns; mind negative numbers. np.rint rounds.",
        outputs=("restored",),
        trials=_quantize_trials,
        run=_restored,
    ),
)
