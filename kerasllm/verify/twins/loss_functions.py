"""Keras' losses in NumPy, entry by entry, by the reference's functions.

Each takes the prediction, the targets and the setting, and returns the loss of each entry, which
entries count (or None), and a function that turns the entries' weights into the gradient of the
prediction and a trace.

On TensorFlow a cross-entropy that follows a softmax or sigmoid reads their logits; elsewhere, and
for other probabilities, it clips them to [1e-7, 1 - 1e-7].
"""

import keras
import numpy as np

from kerasllm import reference as ref


def _mean_squared_error(prediction, y, _setting):
    _, trace = ref.mean_squared_error(prediction, y.astype(prediction.dtype))
    features = prediction.shape[-1]
    nats = (trace.error**2).mean(axis=-1)

    def backward(weight):
        full = np.broadcast_to(weight[..., None] / features, prediction.shape)
        weighted = trace._replace(weight=full)
        return ref.mean_squared_error_backward(1.0, weighted).d_predictions, weighted

    return nats, None, backward


def _sparse(
    prediction, y, setting, from_logits=False, ignore_class=None, axis=-1, label_smoothing=0.0
):  # label_smoothing from Keras 3.16 on
    _check_axis(axis, prediction)
    y = y.astype("int64")
    real = None if ignore_class is None else y != ignore_class
    y = y if real is None else np.where(real, y, 0)
    return (*_cross_entropy(prediction, y, setting, from_logits, label_smoothing, real),)


def _categorical(prediction, y, setting, from_logits=False, label_smoothing=0.0, axis=-1):
    _check_axis(axis, prediction)
    y = y.astype(prediction.dtype)
    return _cross_entropy(prediction, y, setting, from_logits, label_smoothing, None)


def _cross_entropy(prediction, y, setting, from_logits, label_smoothing, real):
    """Cross-entropy by the reference's, on logits or on the logarithms of probabilities."""
    logits, slope = prediction, None
    if not from_logits:
        p, slope, made_by = _clipped(prediction, setting)
        logits, slope = (_logit if made_by == "sigmoid" else _log)(p, slope)
    _, trace = ref.cross_entropy(logits, y, label_smoothing=label_smoothing)
    nats = trace.nats if real is None else np.where(real, trace.nats, 0)

    def backward(weight):
        weighted = trace._replace(weight=weight if real is None else weight * real)
        d = ref.cross_entropy_backward(1.0, weighted).d_logits
        return (d if slope is None else d * slope), weighted

    return nats, real, backward


def _binary(prediction, y, setting, from_logits=False, label_smoothing=0.0, axis=-1):
    _check_axis(axis, prediction)
    logits, slope = prediction, None
    if not from_logits:
        p, slope, made_by = _clipped(prediction, setting)
        if made_by == "softmax":
            raise TypeError(
                f"binary cross-entropy after a softmax (output {setting.name!r}): Keras on "
                "TensorFlow takes the softmax's logits for a sigmoid's. Use a sigmoid."
            )
        logits, slope = _logit(p, slope)
    _, trace = ref.binary_cross_entropy(logits, y.astype(logits.dtype), None, label_smoothing)
    features = prediction.shape[-1]

    def backward(weight):
        full = np.broadcast_to(weight[..., None] / features, prediction.shape)
        weighted = trace._replace(weight=full)
        d = ref.binary_cross_entropy_backward(1.0, weighted).d_logits
        return (d if slope is None else d * slope), weighted

    return trace.nats.mean(axis=-1), None, backward


def _check_axis(axis, prediction):
    if axis not in (-1, prediction.ndim - 1):
        raise TypeError("the twin knows losses over the last axis only.")


def _log(p, slope):
    return np.log(p), slope / p


def _logit(p, slope):
    return np.log(p) - np.log1p(-p), slope / (p * (1 - p))


def _clipped(p, setting):
    """Return probabilities kept from 0 and 1, 1 where they were not moved, and their activation.

    The activation is None unless Keras looks behind it, at the logits.
    """
    low, made_by = keras.config.epsilon(), None
    if keras.backend.backend() == "tensorflow":
        made_by = _made_by(setting.output)
    if made_by:
        low = np.finfo(p.dtype).tiny if made_by == "softmax" else np.finfo(p.dtype).eps / 2
    inside = (p >= low) & (p <= 1 - low)
    return np.clip(p, low, 1 - low), inside.astype(p.dtype), made_by


def _made_by(output):
    """Return "softmax" or "sigmoid" if that was the last thing done to an output."""
    layer = output.source.layer if output.source else None
    if isinstance(layer, keras.layers.Softmax):
        return "softmax"
    # The activation of a recurrent layer is not its last step.
    last = isinstance(layer, (keras.layers.Dense, keras.layers.Activation))
    name = getattr(layer.activation, "__name__", None) if last else None
    return name if name in ("softmax", "sigmoid") else None


LOSSES = {
    "mean_squared_error": _mean_squared_error,
    "sparse_categorical_crossentropy": _sparse,
    "categorical_crossentropy": _categorical,
    "binary_crossentropy": _binary,
}
