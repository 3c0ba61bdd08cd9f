"""Exercises: activations, dense layer, embedding, dropout, normalisation, letters, LoRA."""

import numpy as np

from kerasllm.exercises.exercise import Exercise
from kerasllm.exercises.trials import Trial, arrays, backward_of

SHAPES = ((3, 5), (2, 7, 3), (11,))


def _labelled(shape):
    """Name a trial by the shape of its input."""
    return f"x of shape {shape}"


def _one_array(*shapes, scale=2.0):
    return lambda rng: [Trial(_labelled(s), (scale * rng.standard_normal(s),)) for s in shapes]


def _with_zeros(rng):
    x = rng.standard_normal((3, 5))
    x[0], x[1, ::2] = 0.0, -0.0
    return Trial("zeros in x", (x,))


def _activation_trials(rng):
    return [*_one_array(*SHAPES[:2])(rng), _with_zeros(rng)]


def _sigmoid_trials(rng):
    tails = np.array([-1000.0, -40.0, 0.0, 40.0, 1000.0])
    return [*_one_array(*SHAPES)(rng), Trial("0, ±40 and ±1000", (rng.permutation(tails),))]


def _softmax_trials(rng):
    far = np.array([[-2000.0], [0.0], [2000.0]])
    return [
        *_one_array(*SHAPES)(rng),
        Trial("large scores", (1000 * rng.standard_normal((3, 5)),)),
        Trial("rows far apart", (far + rng.standard_normal((3, 5)),)),
        Trial("equal scores", (np.repeat(rng.standard_normal((3, 1)), 5, axis=1),)),
    ]


def _dense_trials(rng):
    return [Trial(_labelled(s), arrays(rng, s, (5, 11), (11,))) for s in ((3, 5), (2, 7, 5))]


def _embedding_trials(rng):
    repeated = np.array([[1, 4, 1, 0, 6], [6, 1, 2, 2, 1]])
    ids = {"every id once": rng.permutation(7).reshape(1, 7), "repeated ids": repeated}
    return [Trial(label, (places, *arrays(rng, (7, 3)))) for label, places in ids.items()]


def _dropout_trials(rng):
    return [
        Trial(f"{_labelled(s)}, rate {rate}", (rng.standard_normal(s), rng.random(s) >= rate, rate))
        for s, rate in (((3, 5), 0.5), ((2, 7, 3), 0.2))
    ]


def _norm_trials(weights):
    """Return trials of a norm with so many weights."""

    def trials(rng):
        made = [
            Trial(f"{_labelled(s)}, epsilon {e}", (*arrays(rng, s, *[s[-1:]] * weights), e))
            for s, e in (((3, 5), 1e-3), ((2, 7, 3), 0.1))
        ]
        x = np.repeat([[0.0], [2.0], [-1.0]], 5, axis=1)
        x[2] = rng.standard_normal(5)
        label = "rows of equal numbers, one of zeros"
        return [*made, Trial(label, (x, *arrays(rng, *[(5,)] * weights), 1e-3))]

    return trials


def _character_trials(rng):
    made = []
    for K, W in ((1, 3), (3, 5), (2, 4)):
        lengths = rng.integers(1, W + 1, (2, 5))
        lengths[1, 3:] = 0  # words without letters
        ids = rng.integers(1, 7, (2, 5, W)) * (np.arange(W) < lengths[..., None])
        made.append(Trial(f"K={K}, W={W}", (ids, *arrays(rng, (7, 3), (K, 3, 11), (11,)))))
    return made


def _lora_trials(rng):
    return [
        Trial(f"r={r}, alpha={alpha}", (*arrays(rng, (5, 7), (5, r), (r, 7)), alpha))
        for r, alpha in ((2, 8), (3, 1))
    ]


EXERCISES = (
    Exercise(
        name="sigmoid",
        level="one line",
        task="squash every number into (0, 1).",
        statement="""
            σ(x) = 1 / (1 + exp(-x))

            x: any shape. Return an array of the same shape.""",
        hint="NumPy works on whole arrays: write the equation as it stands, with np.exp.",
        outputs=("output",),
        trials=_sigmoid_trials,
    ),
    Exercise(
        name="softmax",
        level="one line",
        task="turn scores into probabilities.",
        statement="""
            softmax(x)ᵢ = exp(xᵢ) / Σⱼ exp(xⱼ)          i, j along the last axis

            x: any shape, also with very large numbers. Return an array of the same shape whose last
            axis sums to 1.""",
        hint="""Two things go wrong easily: the axis of the sum (keepdims=True keeps it divisible),
            and exp(1000), which is infinite. Subtracting the same number from all scores changes
            nothing in the quotient.""",
        outputs=("output",),
        trials=_softmax_trials,
    ),
    Exercise(
        name="relu_backward",
        level="one line",
        task="send a gradient back through relu.",
        statement="""
            relu(x) = max(x, 0)

            d_output: gradient of the loss for the output. trace: the input is trace.x, the output
            trace.output. The slope at 0 is taken for 0. Return d_x, of the same shape.""",
        hint="Where x was negative, the output does not change with x. What is its slope there?",
        outputs=("d_x",),
        trials=backward_of("relu", _activation_trials),
    ),
    Exercise(
        name="tanh_backward",
        level="one line",
        task="send a gradient back through tanh.",
        statement="""
            d tanh(x) / dx = 1 - tanh(x)²

            d_output: gradient for the output. trace: trace.x and trace.output. Return d_x.""",
        hint="tanh(x) need not be computed again: it is trace.output.",
        outputs=("d_x",),
        trials=backward_of("tanh", _activation_trials),
    ),
    Exercise(
        name="softmax_backward",
        level="a few lines",
        task="send a gradient back through softmax.",
        statement="""
            p = softmax(x),    ∂pᵢ / ∂xⱼ = pᵢ (1[i = j] - pⱼ)

            d_output: gradient for p. trace: trace.output is p, trace.axis the axis. Return d_x.""",
        hint="""Every probability depends on every score: multiply d_output by the matrix of
            derivatives and two terms are left, one of which holds a sum over the axis.""",
        outputs=("d_x",),
        trials=backward_of("softmax", lambda rng: _softmax_trials(rng)[:-2]),
    ),
    Exercise(
        name="dense_backward",
        level="a few lines",
        task="send a gradient back through x @ kernel + bias.",
        statement="""
            output = x @ kernel + bias

            d_output: (…, H). trace: trace.x (…, D), trace.kernel (D, H), trace.bias (H,).
            Return d_x, d_kernel, d_bias, each of its argument's shape.""",
        hint="""The shapes leave hardly a choice. The same kernel acts at every position, so its
            gradient is a sum over all positions: bring x to (positions, D) with reshape first.""",
        outputs=("d_x", "d_kernel", "d_bias"),
        trials=backward_of("dense", _dense_trials),
    ),
    Exercise(
        name="embedding_backward",
        level="a few lines",
        task="send a gradient back to the rows of a table.",
        statement="""
            output[b, t] = table[ids[b, t]]

            d_output: (B, T, D). trace: trace.ids (B, T), trace.table (V, D). Return d_table (V, D):
            each row gets the sum over all places that used it.""",
        hint="a[ids] += b adds only once for repeated ids. Look up np.add.at.",
        outputs=("d_table",),
        trials=backward_of("embedding", _embedding_trials),
    ),
    Exercise(
        name="dropout",
        level="one line",
        task="silence some entries, enlarge the others.",
        statement="""
            output = x · keep / (1 - rate)

            x: any shape. keep: booleans of that shape, True = survives. rate: probability of being
            silenced. Return an array like x.""",
        hint="The expected value must not change: what survives makes up for what does not.",
        outputs=("output",),
        trials=_dropout_trials,
    ),
    Exercise(
        name="layer_norm",
        level="a few lines",
        task="give each position's features mean 0 and variance 1.",
        statement="""
            mean       = Σ x / D
            variance   = Σ (x - mean)² / D
            normalized = (x - mean) / √(variance + epsilon)
            output     = gamma · normalized + beta

            x: (…, D). gamma, beta: (D,). epsilon: a small number. Return an array like x.""",
        hint="axis=-1 and keepdims=True; divide by D, and mind where epsilon stands.",
        outputs=("output",),
        trials=_norm_trials(2),
    ),
    Exercise(
        name="layer_norm_backward",
        level="a backward pass",
        task="send a gradient back through layer normalisation.",
        statement="""
            normalized = (x - mean) / deviation,   output = gamma · normalized + beta

            d_output: (…, D). trace: x, gamma, beta, mean, variance, deviation, normalized.
            Return d_x (…, D), d_gamma (D,), d_beta (D,).""",
        hint="""Mean and deviation depend on every feature, so d_x has three terms: the direct one,
            minus what the mean sends back (a mean), minus what the deviation sends back (normalized
            times a mean). All are divided by the deviation.""",
        outputs=("d_x", "d_gamma", "d_beta"),
        trials=backward_of("layer_norm", _norm_trials(2)),
    ),
    Exercise(
        name="rms_norm",
        level="a few lines",
        task="divide each position's features by their root mean square.",
        statement="""
            rms    = √(Σ x² / D + epsilon)
            output = scale · x / rms

            x: (…, D). scale: (D,). epsilon: a small number. Return an array like x.""",
        hint="There is no mean to subtract; that is the whole difference to layer normalisation.",
        outputs=("output",),
        trials=_norm_trials(1),
    ),
    Exercise(
        name="character_cnn",
        level="a whole layer",
        task="make features of words from their letters.",
        statement="""
            x[c]   = table[ids[c]],  0 where there is no letter
            z[c]   = Σ_k x[c + k - ⌊(K-1)/2⌋] @ kernel[k] + bias
            output = max over the word's letters c of z[c]

            ids: (B, T, W), the letters of each word, 0 behind its last one. table: (C, E). kernel:
            (K, E, F). bias: (F,). Beside the word x is 0. Return (B, T, F), 0 for a word without
            letters.""",
        hint="""np.pad puts (K-1)//2 rows of zeros before the letters, and the rest of K - 1 behind.
            Padding must not win the maximum: give it the score -∞ first.""",
        outputs=("output",),
        trials=_character_trials,
    ),
    Exercise(
        name="lora",
        level="one line",
        task="correct a matrix by a product of two thin ones.",
        statement="""
            output = w + alpha / r · a @ b

            w: (D, H). a: (D, r). b: (r, H). alpha: a number. Return (D, H).""",
        hint="The rank r is the number of rows of b.",
        outputs=("output",),
        trials=_lora_trials,
    ),
)
