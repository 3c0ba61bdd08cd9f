"""Models that compute their loss themselves, by a `compute_loss` of their own."""

import keras
import numpy as np

from kerasllm import reference as ref
from kerasllm.models import LoRA, Task, TokenTagger
from kerasllm.verify.twins.registry import UnsupportedLayerError

# These compute what the model was compiled with.
_OF_KERAS = (keras.Model.compute_loss, Task.compute_loss)


def has_own_loss(model):
    """Return whether a model computes its loss by a method of its own."""
    method = type(model).compute_loss
    if method is LoRA.compute_loss:
        return model.loss is None and has_own_loss(model.task)
    if method is TokenTagger.compute_loss:
        return model.loss is None
    return method not in _OF_KERAS or "compute_loss" in vars(model)


def own_loss(tape, model, y, outputs, sample_weight):
    """Return the loss of such a model, the value that it depends on, and that value's gradient.

    Raises:
        UnsupportedLayerError: a class that the twin does not know.
    """
    owner = model.task if isinstance(model, LoRA) else model
    for kind in type(owner).__mro__:
        own = type(owner).compute_loss if "compute_loss" not in vars(owner) else None
        if kind in _LOSSES and own is kind.compute_loss:
            return _LOSSES[kind](tape, owner, np.asarray(y), outputs[0], sample_weight)
    raise UnsupportedLayerError(
        f"the model {type(model).__name__} computes its loss by a `compute_loss` of its own, which "
        "the twin cannot read: compare its outputs and their gradients (leave y out), or compile a "
        "keras.Model(model.inputs, model.outputs) with a loss of Keras."
    )


def _tagger(tape, model, y, emissions, sample_weight):
    """Mean negative log-likelihood of a `TokenTagger`, in nats a word."""
    real, tags = y != 0, np.maximum(y.astype("int64") - 1, 0)
    weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, float)
    words = max((real.sum(axis=1) * weight).sum(), 1e-9)
    if model.task_config["head"] == "crf":
        value = tape.call(model.get_layer("crf"), emissions, tags=tape.value(tags), mask=real)
        d = (-weight / words).astype(value.array.dtype)
        return float((value.array * d).sum()), value, d
    _, trace = ref.cross_entropy(emissions.array, tags)
    trace = trace._replace(weight=(real * weight[:, None] / words).astype(trace.nats.dtype))
    d_logits = ref.cross_entropy_backward(1.0, trace).d_logits
    return float((trace.nats * trace.weight).sum()), emissions, d_logits


_LOSSES = {TokenTagger: _tagger}
