"""Cases of the losses."""

from functools import partial

import keras
import numpy as np

from kerasllm import reference as ref
from kerasllm.layers import linear_cross_entropy
from kerasllm.models import SpanContrast
from kerasllm.verify.proofs.checks import Case, random_arguments

EXEMPT = {
    "association": "cosines of words, no derivative; checked by hand and over all divisions",
    "class_scores": "counts, no derivative; checked against scikit-learn",
    "exposure": "counts a rank, no derivative; checked by counting",
    "gaussian_epsilon": "a bound, no derivative; checked against its own integral",
    "mcnemar": "counts, no derivative; checked against SciPy and over all outcomes",
    "percentile_bootstrap": "quantiles, no derivative; checked against SciPy",
    "private_gradient": "made of gradients; checked against clip_by_global_norm, row by row",
    "quantize": "rounds: its derivative is 0; checked by hand and by its bound",
    "sampled_gaussian_epsilon": "a bound, no derivative; checked against dp-accounting",
}
ops = keras.ops
IDS = np.array([[1, 4, 0, 0, 6], [6, 1, 2, 2, 1]])
MASK = np.array([[1, 1, 0, 1, 0], [0, 1, 1, 1, 1]], bool)
CLASSES = np.random.default_rng(3).dirichlet(np.ones(7), size=(2, 5))
ANSWERS = (np.random.default_rng(4).random((2, 5)) < 0.5).astype("float64")


def _mean(losses, mask):
    """Average over what is real, in Keras."""
    if mask is None:
        return ops.mean(losses)
    weight = ops.cast(mask, losses.dtype)
    return ops.sum(losses * weight) / ops.sum(weight)


def _cross_entropy(logits, targets, mask=None, label_smoothing=0.0):
    dtype = keras.backend.standardize_dtype(logits.dtype)
    if targets.dtype.kind == "i":
        targets = np.eye(7)[targets]
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=label_smoothing, reduction="none", dtype=dtype
    )
    return _mean(loss(targets.astype(dtype), logits), mask)


def _binary(logits, targets, mask=None, label_smoothing=0.0):
    dtype = keras.backend.standardize_dtype(logits.dtype)
    targets = (targets * (1 - label_smoothing) + label_smoothing / 2).astype(dtype)
    return _mean(ops.binary_crossentropy(targets, logits, from_logits=True), mask)


def _case(name, label, *, theirs, shapes, **options):
    label = f"{name.replace('_', ' ')}, {label}"
    return Case(
        name=label,
        covers=(name,),
        arguments=random_arguments(label, **shapes),
        forward=partial(getattr(ref, name), **options),
        backward=getattr(ref, f"{name}_backward"),
        keras=partial(theirs, **options),
    )


_tokens = partial(_case, "cross_entropy", theirs=_cross_entropy, shapes={"logits": (2, 5, 7)})
_yes_no = partial(_case, "binary_cross_entropy", theirs=_binary, shapes={"logits": (2, 5)})
_square = partial(
    _case,
    "mean_squared_error",
    theirs=lambda predictions, targets, mask=None: _mean(
        (predictions - targets) ** 2,
        None if mask is None else np.broadcast_to(mask[..., None], (2, 5, 3)),
    ),
    shapes={"predictions": (2, 5, 3), "targets": (2, 5, 3)},
)


def _head(features, kernel, targets, mask=None, bias=None, tied=False, rows=4, **options):
    weight = np.ones((2, 5)) if mask is None else mask
    kernel = ops.transpose(kernel) if tied else kernel
    return linear_cross_entropy(
        features, kernel, targets, weight, bias, tied=tied, rows=rows, **options
    )


def _head_case(label, bias=True, tied=False, **options):
    """Blocks of 4 rows here and of 3 there: of 10 tokens the last block is never whole."""
    label = f"linear cross entropy, {label}"
    shapes = {"features": (2, 5, 3), "kernel": (3, 7)} | ({"bias": (7,)} if bias else {})
    return Case(
        name=label,
        covers=("linear_cross_entropy",),
        arguments=random_arguments(label, **shapes),
        forward=partial(ref.linear_cross_entropy, targets=IDS, rows=3, **options),
        backward=ref.linear_cross_entropy_backward,
        keras=partial(_head, targets=IDS, tied=tied, **options),
    )


_spans = partial(
    _case,
    "span_contrast",
    theirs=lambda pooled, temperature: SpanContrast(temperature)(None, pooled),
    shapes={"pooled": (6, 5)},
)

CASES = (
    _tokens("ids", targets=IDS),
    _tokens("mask", targets=IDS, mask=MASK),
    _tokens("mask, label smoothing", targets=IDS, mask=MASK, label_smoothing=0.1),
    _tokens("probabilities", targets=CLASSES, mask=MASK),
    _tokens("probabilities, label smoothing", targets=CLASSES, label_smoothing=0.3),
    _head_case("plain"),
    _head_case("tied, no bias, mask", bias=False, tied=True, mask=MASK),
    _head_case("mask, label smoothing, z-loss", mask=MASK, label_smoothing=0.2, z_loss=0.3),
    _yes_no("plain", targets=ANSWERS),
    _yes_no("mask, label smoothing", targets=ANSWERS, mask=MASK, label_smoothing=0.2),
    _square("plain"),
    _square("mask", mask=MASK),
    _spans("cold", temperature=0.2),
    _spans("warm", temperature=1.7),
)
