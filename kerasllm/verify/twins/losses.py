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
from kerasllm.verify.twins.graph import functional, output_names
from kerasllm.verify.twins.loss_functions import LOSSES, Prediction
from kerasllm.verify.twins.registry import UnsupportedLayerError
from kerasllm.verify.twins.task_losses import has_own_loss, own_loss


class LossTerm(NamedTuple):
    """The loss of one output, and the gradients of the values that it reads: (value, d) each."""

    value: float
    gradients: tuple


class _Setting(NamedTuple):
    """What a loss is called with."""

    loss: object  # keras.losses.Loss
    y: np.ndarray
    output: object  # Value
    dtype: str  # of the output in Keras
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
        UnsupportedLayerError: a loss that the twin does not know.
    """
    if has_own_loss(model):
        value, output, d_output = own_loss(tape, model, y, outputs, sample_weight)
        return [LossTerm(value, ((output, d_output),))]
    return [_term(setting) for setting in _settings(model, y, outputs, sample_weight)]


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
    dtypes = [symbol.dtype for symbol in functional(model)._outputs]
    settings = zip(losses, targets, outputs, dtypes, weights, factors, names, strict=True)
    return [
        _Setting(_loss_object(loss), np.asarray(t), out, d, w, 1.0 if f is None else float(f), name)
        for loss, t, out, d, w, f, name in settings
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
    rule, options = _rule(setting), dict(setting.loss._fn_kwargs)
    prediction, y = _same_rank(setting)
    nats, real, backward = rule(prediction, y, **options)
    weight = entry_weights(setting, nats, real) * setting.factor
    found = zip((setting.output, setting.output.logits), backward(weight), strict=True)
    gradients = tuple((v, d.reshape(v.array.shape)) for v, d in found if d is not None)
    return LossTerm(float((nats * weight).sum()), gradients)


def _rule(setting):
    """Return the rule of a loss: of Keras' own function, called by Keras' own classes."""
    loss, wrapper = setting.loss, keras.losses.MeanSquaredError.__mro__[1]
    known = LOSSES.get(getattr(loss, "fn", None)) if isinstance(loss, wrapper) else None
    kept = type(loss).call is wrapper.call and type(loss).__call__ is keras.losses.Loss.__call__
    if known is None or not kept or "call" in vars(loss):
        name = getattr(getattr(loss, "fn", None), "__name__", type(loss).__name__)
        names = sorted(function.__name__ for function in LOSSES)
        raise UnsupportedLayerError(
            f"the twin does not know the loss {name!r} of output {setting.name!r}, or it has a "
            f"`call` of its own; of Keras' losses it knows {names}, of this project's "
            "TokenCrossEntropy and SpanContrast."
        )
    return known


def _same_rank(setting):
    """Return the prediction and the targets with the axes that Keras gives them.

    Targets (B,) beside a prediction (B, 1) get its last axis; beside (B, T, 1) the prediction
    loses it, and so the mean of a loss is one over time.
    """
    array, y, logits = setting.output.array, setting.y, setting.output.logits
    seen = keras.backend.backend() == "tensorflow" and setting.dtype == setting.loss.dtype
    logits = logits.array if seen and logits is not None else None
    sparse = setting.loss.fn is keras.losses.sparse_categorical_crossentropy
    if y.ndim == array.ndim - 1 and array.shape[-1] == 1:
        if y.ndim == 1:
            y = y[:, None]
        else:
            array, logits = array[..., 0], None
    elif y.ndim == array.ndim + 1 and y.shape[-1] == 1:
        y = y[..., 0]
    if sparse and y.ndim == array.ndim and y.shape[-1] == 1:
        y = y[..., 0]
    expected = array.shape[:-1] if sparse else array.shape
    if y.shape != expected:
        raise ValueError(
            f"expected targets of shape {expected} for {setting.loss.name}, because the output "
            f"has shape {setting.output.array.shape}; received {setting.y.shape}."
        )
    return Prediction(array, logits), y if sparse else y.astype(array.dtype)


def entry_weights(setting, nats, real):
    """Return the number that each entry's loss is multiplied by before the sum."""
    mask, weight = setting.output.mask, setting.sample_weight
    if real is not None:
        mask = real if mask is None else mask & real
    reduction, total = setting.loss.reduction, np.ones(nats.shape)
    averaged = reduction in ("sum_over_batch_size", "mean")
    if not averaged and reduction not in ("sum", "mean_with_sample_weight"):
        raise UnsupportedLayerError(f"a loss with reduction={reduction!r} gives no single number.")
    if mask is not None:
        if mask.shape != nats.shape:
            raise UnsupportedLayerError(
                f"the output {setting.name!r} has a mask of shape {mask.shape} and losses of shape "
                f"{nats.shape}: Keras repeats one along the other, which is hardly meant."
            )
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
    d_logits = ref.cross_entropy_backward(1.0, trace._replace(weight=weight)).d_logits
    return LossTerm(float((trace.nats * weight).sum()), ((setting.output, d_logits),))


def _span_contrast(setting):
    """Mean over all spans: targets and weights are not read."""
    loss, trace = ref.span_contrast(setting.output.array, setting.loss.temperature)
    grads = ref.span_contrast_backward(setting.factor, trace)
    return LossTerm(float(setting.factor * loss), ((setting.output, grads.d_pooled),))


_OWN = {TokenCrossEntropy: _token_cross_entropy, SpanContrast: _span_contrast}
