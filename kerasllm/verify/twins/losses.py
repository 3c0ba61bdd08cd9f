"""The loss of a compiled model in NumPy: which function, on which output, weighted how.

Keras' rules, as `compile` and `fit` apply them:

- A mask on the output counts the real entries only; a sample weight multiplies, and does *not*
  change the number that the sum is divided by (unless reduction="mean_with_sample_weight").
- The losses of several outputs are added, each times its loss weight. Regularizers come on top.
"""

from typing import NamedTuple

import keras
import numpy as np

from kerasllm import reference as ref
from kerasllm.models import SpanContrast, TokenCrossEntropy
from kerasllm.verify.twins.graph import output_names
from kerasllm.verify.twins.loss_functions import LOSSES
from kerasllm.verify.twins.task_losses import has_own_loss, own_loss


class LossTerm(NamedTuple):
    """The loss of one output: its value, and the gradient of the output."""

    name: str
    value: float
    d_output: np.ndarray
    trace: tuple | None
    output: object = None  # Value, whose gradient it is


class _Setting(NamedTuple):
    """What a loss is called with."""

    loss: object  # keras.losses.Loss
    y: np.ndarray
    output: object  # Value
    sample_weight: np.ndarray | None
    factor: float
    name: str


def loss_terms(tape, model, y, outputs, sample_weight=None):
    """Return a `LossTerm` for each output that has a loss.

    Args:
        tape: the tape that the outputs lie on.
        model: a compiled Keras model.
        y: targets, for one output an array, for several a list or a dict.
        outputs: the output values of the tape, flat.
        sample_weight: like y, or one array for all outputs.

    Raises:
        ValueError: the model has no loss; other numbers of targets than of outputs.
        TypeError: a loss that the twin does not know.
    """
    if has_own_loss(model):
        value, output, d_output = own_loss(tape, model, y, outputs, sample_weight)
        return [LossTerm(model.name, value, d_output, None, output)]
    settings = _settings(model, y, outputs, sample_weight)
    return [_term(setting)._replace(output=setting.output) for setting in settings]


def in_floatx(model):
    """Return whether a loss of the model computes in Keras' floatx instead of the output's dtype.

    The project's own losses do not; Keras' cast the predictions first.
    """
    compiled = model._compile_loss
    if compiled is None:
        return False
    losses = _by_output(compiled._user_loss, output_names(model), "loss", repeat=True)
    objects = [_loss_object(loss) for loss in losses if loss is not None]
    return any(o.dtype != "float64" and type(o) not in _OWN for o in objects)


def _settings(model, y, outputs, sample_weight):
    compiled = getattr(model, "_compile_loss", None)
    if compiled is None:
        raise ValueError(
            f"the model {model.name!r} has no loss: call model.compile(optimizer, loss) first."
        )
    names = output_names(model)
    losses = _by_output(compiled._user_loss, names, "loss", repeat=True)
    factors = _by_output(compiled._user_loss_weights, names, "loss_weights", repeat=True)
    weights = _by_output(sample_weight, names, "sample_weight", repeat=True)
    targets = _targets(y, names, losses)
    settings = zip(losses, targets, outputs, weights, factors, names, strict=True)
    return [
        _Setting(_loss_object(loss), np.asarray(t), out, w, 1.0 if f is None else float(f), name)
        for loss, t, out, w, f, name in settings
        if loss is not None
    ]


def _targets(y, names, losses):
    """Return the targets by output; those without a loss may be left out of a list."""
    needed = [name for name, loss in zip(names, losses, strict=True) if loss is not None]
    if isinstance(y, (list, tuple)) and len(names) > len(y) == len(needed) and len(needed) > 1:
        y = dict(zip(needed, y, strict=True))
    return _by_output(y, names, "y", repeat=False)


def _by_output(given, names, what, repeat):
    """Return one entry for each output of the model."""
    if isinstance(given, dict):
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise ValueError(f"{what} names {unknown}, but the model's outputs are {names}.")
        return [given.get(name) for name in names]
    if given is None or (repeat and not isinstance(given, (list, tuple))):
        return [given] * len(names)
    if len(names) == 1:
        nested = isinstance(given, (list, tuple)) and len(given) == 1 and what != "y"
        return [given[0] if nested else given]
    if len(given) != len(names):
        raise ValueError(f"expected {what} for the outputs {names}, received {len(given)} of them.")
    return list(given)


def _loss_object(loss):
    """Return a Loss for what `compile` was given: a Loss, a function or a name."""
    loss = keras.losses.get(loss) if isinstance(loss, str) else loss
    if isinstance(loss, keras.losses.Loss):
        return loss
    wrapper = keras.losses.MeanSquaredError.__mro__[1]  # Keras' own wrapper of a loss function
    return wrapper(loss, name=getattr(loss, "__name__", "loss"))


def _term(setting):
    if type(setting.loss) in _OWN:
        return _OWN[type(setting.loss)](setting)
    name = getattr(getattr(setting.loss, "fn", None), "__name__", type(setting.loss).__name__)
    if name not in LOSSES:
        raise TypeError(
            f"the twin does not know the loss {name!r} of output {setting.name!r}; it knows "
            f"{sorted(LOSSES)}, TokenCrossEntropy and SpanContrast."
        )
    options = dict(setting.loss._fn_kwargs)
    prediction, y = _same_rank(setting.output.array, setting.y, name)
    nats, real, backward = LOSSES[name](prediction, y, setting, **options)
    weight = entry_weights(setting, nats, real) * setting.factor
    value = float((nats * weight).sum())
    d_output, trace = backward(weight)
    return LossTerm(setting.name, value, d_output.reshape(setting.output.array.shape), trace)


def _same_rank(prediction, y, name):
    """Give the targets the axes of the prediction, as Keras does: (B,) beside (B, 1)."""
    if name == "sparse_categorical_crossentropy":
        y = y[..., 0] if y.ndim == prediction.ndim and y.shape[-1] == 1 else y
        expected = prediction.shape[:-1]
    else:
        if y.ndim == prediction.ndim - 1 and prediction.shape[-1] == 1:
            y = y[..., None]
        expected = prediction.shape
    if y.shape != expected:
        raise ValueError(
            f"expected targets of shape {expected} for {name}, because the output has shape "
            f"{prediction.shape}; received {y.shape}."
        )
    return prediction, y


def entry_weights(setting, nats, real):
    """Return the number that each entry's loss is multiplied by before the sum."""
    mask, weight = setting.output.mask, setting.sample_weight
    if real is not None:
        mask = real if mask is None else mask & real
    reduction, total = setting.loss.reduction, np.ones(nats.shape)
    averaged = reduction in ("sum_over_batch_size", "mean")
    if not averaged and reduction not in ("sum", "mean_with_sample_weight"):
        raise TypeError(f"a loss with reduction={reduction!r} gives no single number.")
    if mask is not None:
        total = np.where(mask, mask.size / max(mask.sum(), 1) if averaged else 1.0, 0.0)
    if weight is not None:
        total = total * _fit_weight(np.asarray(weight, total.dtype), nats, setting.name)
    total = np.broadcast_to(total, nats.shape)
    if reduction == "mean_with_sample_weight" and (mask is not None or weight is not None):
        return total / max(total.sum(), np.finfo(float).tiny)
    return total if reduction == "sum" else total / max(nats.size, 1)


def _fit_weight(weight, nats, name):
    if weight.ndim == nats.ndim + 1 and weight.shape[-1] == 1:
        weight = weight[..., 0]
    if weight.shape != nats.shape:
        raise ValueError(
            f"expected sample_weight of shape {nats.shape}, one number for each loss of output "
            f"{name!r}; received {weight.shape}."
        )
    return weight


def _token_cross_entropy(setting):
    """Mean over real tokens: targets that are not 0."""
    logits, y = setting.output.array, setting.y.astype("int64")
    _, trace = ref.cross_entropy(logits, y, label_smoothing=setting.loss.label_smoothing)
    weight = (y != 0).astype(logits.dtype)
    if setting.sample_weight is not None:
        weight = weight * np.asarray(setting.sample_weight, logits.dtype)
    weight = setting.factor * weight / max(weight.sum(), 1e-9)
    weighted = trace._replace(weight=weight)
    d_logits = ref.cross_entropy_backward(1.0, weighted).d_logits
    return LossTerm(setting.name, float((trace.nats * weight).sum()), d_logits, weighted)


def _span_contrast(setting):
    """Mean over all spans: targets and weights are not read."""
    loss, trace = ref.span_contrast(setting.output.array, setting.loss.temperature)
    grads = ref.span_contrast_backward(setting.factor, trace)
    return LossTerm(setting.name, float(setting.factor * loss), grads.d_pooled, trace)


_OWN = {TokenCrossEntropy: _token_cross_entropy, SpanContrast: _span_contrast}
