"""Keras' losses in NumPy, entry by entry: the reference's functions, and a few of their own.

A rule is called with a `Prediction`, the targets and the loss's options. It returns the loss of
each entry, which entries count (None for all), and `backward`: from the weights of the entries to
the gradient of the prediction, that of its logits (None where they are not read), and a trace.

- On TensorFlow, Keras looks behind a softmax or sigmoid that was computed last, and reads its
  logits, whichever of the two it was, and also where it was told that it is given logits.
- Other probabilities are clipped to [1e-7, 1 - 1e-7]. Those of classes are divided by their sum
  first; with numbers for targets, TensorFlow does so afterwards.
"""

from typing import NamedTuple

import keras
import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.twins.registry import UnsupportedLayerError

_EPSILON = keras.config.epsilon()


class Prediction(NamedTuple):
    """The output of a model as a loss sees it; `logits` are what Keras finds behind it, or None."""

    array: np.ndarray
    logits: np.ndarray | None


def _scores(prediction, from_logits):
    """Return the logits that a cross-entropy reads, or None: it is given probabilities."""
    if prediction.logits is not None:
        return prediction.logits
    return prediction.array if from_logits else None


def _to_scores(prediction, d):
    """Return (d_array, d_logits) of the gradient of what `_scores` returned."""
    return (d, None) if prediction.logits is None else (None, d)


def _clipped(p, high=1 - _EPSILON):
    """Return p kept from 0 and 1, and 1 where it was not moved."""
    return np.clip(p, _EPSILON, high), ((p >= _EPSILON) & (p <= high)).astype(p.dtype)


def _shares(p):
    """Return p / Σ p, and a function that sends a gradient back through the division."""
    total = p.sum(axis=-1, keepdims=True)
    share = p / total
    return share, lambda d: (d - (d * share).sum(axis=-1, keepdims=True)) / total


def _sparse(prediction, y, from_logits=False, ignore_class=None, axis=-1, label_smoothing=0.0):
    # label_smoothing from Keras 3.16 on
    _check_axis(axis, prediction)
    y, real = y.astype("int64"), None
    if ignore_class is not None:
        real = y != ignore_class
        y = np.where(real, y, 0)
        prediction = prediction._replace(logits=None)  # Keras makes a new array of it
    logits = _scores(prediction, from_logits)
    if logits is not None:
        nats, d_of = _cross_entropy(logits, y, label_smoothing)

        def gradient(weight):
            return _to_scores(prediction, d_of(weight))
    elif keras.backend.backend() == "tensorflow":
        q, inside = _clipped(prediction.array)
        nats, d_of = _cross_entropy(np.log(q), y, label_smoothing)

        def gradient(weight):
            return d_of(weight) * inside / q, None
    else:
        classes = prediction.array.shape[-1]
        hot = np.eye(classes)[y] * (1 - label_smoothing) + label_smoothing / classes
        nats, d_of = _of_probabilities(prediction.array, hot)

        def gradient(weight):
            return d_of(weight), None

    if real is None:
        return nats, None, gradient
    return np.where(real, nats, 0), real, lambda weight: gradient(weight * real)


def _categorical(prediction, y, from_logits=False, label_smoothing=0.0, axis=-1):
    _check_axis(axis, prediction)
    logits, y = _scores(prediction, from_logits), y.astype(prediction.array.dtype)
    if logits is not None:
        nats, d_of = _cross_entropy(logits, y, label_smoothing)
        return nats, None, lambda weight: _to_scores(prediction, d_of(weight))
    y = y * (1 - label_smoothing) + label_smoothing / y.shape[-1]
    nats, d_of = _of_probabilities(prediction.array, y)
    return nats, None, lambda weight: (d_of(weight), None)


def _cross_entropy(logits, y, label_smoothing):
    """Return -Σ y ln softmax(logits) of each entry, and weights -> the gradient of the logits."""
    _, trace = ref.cross_entropy(logits, y, label_smoothing=label_smoothing)

    def gradient(weight):
        return ref.cross_entropy_backward(1.0, trace._replace(weight=weight)).d_logits

    return trace.nats, gradient


def _of_probabilities(p, y):
    """Return -Σ y ln p of each entry, and weights -> the gradient of p."""
    share, back = _shares(p)
    q, inside = _clipped(share)
    return -(y * np.log(q)).sum(axis=-1), lambda weight: back(-weight[..., None] * y / q * inside)


def _yes_no(prediction, y, from_logits):
    """Return -(y ln p + (1-y) ln(1-p)) of each number, and weights -> (d_array, d_logits)."""
    logits = _scores(prediction, from_logits)
    if logits is not None:
        _, trace = ref.binary_cross_entropy(logits, y)

        def gradient(weight):
            weighted = trace._replace(weight=weight)
            d_logits = ref.binary_cross_entropy_backward(1.0, weighted).d_logits
            return _to_scores(prediction, d_logits)

        return trace.nats, gradient
    q, inside = _clipped(prediction.array)
    nats = -(y * np.log(q) + (1 - y) * np.log1p(-q))
    return nats, lambda weight: (weight * inside * (q - y) / (q * (1 - q)), None)


def _binary(prediction, y, from_logits=False, label_smoothing=0.0, axis=-1):
    _check_axis(axis, prediction)
    y = _smoothed(y, label_smoothing)
    nats, gradient = _yes_no(prediction, y, from_logits)
    return nats.mean(axis=-1), None, lambda weight: gradient(_spread(weight, nats))


def _smoothed(y, label_smoothing):
    return y * (1 - label_smoothing) + label_smoothing / 2


def _spread(weight, nats):
    """Return the weight of each number in a mean over the last axis."""
    return np.broadcast_to(weight[..., None] / nats.shape[-1], nats.shape)


def _binary_focal(
    prediction, y, apply_class_balancing=False, alpha=0.25, gamma=2.0, from_logits=False,
    label_smoothing=0.0, axis=-1,
):  # fmt: skip
    """Weigh the cross-entropy by (1 - p of the right answer)^γ."""
    _check_axis(axis, prediction)
    y, p = _smoothed(y, label_smoothing), prediction.array
    if from_logits:
        p, bend = ref.sigmoid(p)
        on_tensorflow = keras.backend.backend() == "tensorflow"
        prediction = Prediction(p, prediction.array if on_tensorflow else None)
    nats, of_nats = _yes_no(prediction, y, False)
    wrong = 1 - (y * p + (1 - y) * (1 - p))
    balance = y * alpha + (1 - y) * (1 - alpha) if apply_class_balancing else 1.0
    focus = balance * wrong**gamma

    def backward(weight):
        weight = _spread(weight, nats)
        d_p, d_logits = of_nats(weight * focus)
        d_focus = weight * nats * balance * gamma * wrong ** (gamma - 1) * (1 - 2 * y)
        d_p = d_focus if d_p is None else d_p + d_focus
        if not from_logits:
            return d_p, d_logits
        d = ref.sigmoid_backward(d_p, bend).d_x
        return (d if d_logits is None else d + d_logits), None

    return (focus * nats).mean(axis=-1), None, backward


def _categorical_focal(
    prediction, y, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1
):
    """Weigh the cross-entropy of each class by α (1 - p)^γ."""
    _check_axis(axis, prediction)
    p, bend = ref.softmax(prediction.array) if from_logits else (prediction.array, None)
    y = y * (1 - label_smoothing) + label_smoothing / y.shape[-1]
    share, back = _shares(p)
    q, inside = _clipped(share)
    if np.ndim(alpha):
        alpha = np.asarray(alpha, "float32")  # as Keras takes a list
    nats, focus = -y * np.log(q), alpha * (1 - q) ** gamma

    def backward(weight):
        d_focus = -gamma * alpha * (1 - q) ** (gamma - 1) * nats
        d = back(weight[..., None] * inside * (d_focus - focus * y / q))
        return (d if bend is None else ref.softmax_backward(d, bend).d_x), None

    return (focus * nats).sum(axis=-1), None, backward


def _kl_divergence(prediction, y):
    """Compute Σ y ln(y / p)."""
    (q, inside), y = _clipped(prediction.array, high=1), np.clip(y, _EPSILON, 1)
    nats = (y * np.log(y / q)).sum(axis=-1)
    return nats, None, lambda weight: (-weight[..., None] * inside * y / q, None)


def _of_error(function, slope):
    """Return the rule of a mean over the last axis of `function(prediction - y)`."""

    def rule(prediction, y, **options):
        error = prediction.array - y
        losses = function(error, **options)
        return losses.mean(axis=-1), None, lambda weight: (
            _spread(weight, losses) * slope(error, **options), None
        )  # fmt: skip

    return rule


def _huber(error, delta=1.0):
    size = np.abs(error)
    return np.where(size <= delta, 0.5 * error**2, delta * size - 0.5 * delta**2)


def _check_axis(axis, prediction):
    if axis not in (-1, prediction.array.ndim - 1):
        raise UnsupportedLayerError("the twin knows losses over the last axis only.")


# By the function itself: another one may have the same name.
LOSSES = {
    keras.losses.mean_squared_error: _of_error(lambda e: e**2, lambda e: 2 * e),
    keras.losses.mean_absolute_error: _of_error(np.abs, np.sign),
    keras.losses.huber: _of_error(_huber, lambda e, delta=1.0: np.clip(e, -delta, delta)),
    keras.losses.kl_divergence: _kl_divergence,
    keras.losses.sparse_categorical_crossentropy: _sparse,
    keras.losses.categorical_crossentropy: _categorical,
    keras.losses.binary_crossentropy: _binary,
    keras.losses.categorical_focal_crossentropy: _categorical_focal,
    keras.losses.binary_focal_crossentropy: _binary_focal,
}
