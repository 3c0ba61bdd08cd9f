"""Losses: one number that training makes smaller, averaged over what is real.

A mask excludes padding from the sum *and* from the count. Where nothing is real the loss is 0.
"""

from collections import namedtuple
from typing import NamedTuple

import numpy as np

from kerasllm.reference import checks
from kerasllm.reference.elementary.activations import log_softmax, logistic

__all__ = [
    "BinaryCrossEntropyTrace", "CrossEntropyTrace", "LossGrads", "MeanSquaredErrorGrads",
    "MeanSquaredErrorTrace", "binary_cross_entropy", "binary_cross_entropy_backward",
    "cross_entropy", "cross_entropy_backward", "mean_squared_error", "mean_squared_error_backward",
]  # fmt: skip


class CrossEntropyTrace(NamedTuple):
    """Every symbol of `cross_entropy`."""

    log_p: np.ndarray
    targets: np.ndarray
    weight: np.ndarray  # 1 / (number of real tokens) at each of them, 0 elsewhere
    label_smoothing: float
    nats: np.ndarray  # the loss of each token alone


class LossGrads(namedtuple("LossGrads", "d_logits")):
    """Gradient of a loss for the prediction or the logits; targets have none."""


def cross_entropy(logits, targets, mask=None, label_smoothing=0.0):
    """Measure how surprising the targets are: mean negative log-likelihood, in nats a token.

        log_p = log softmax(logits)
        q     = (1 - label_smoothing) · target + label_smoothing / V
        nats  = -Σ_v q_v · log_p_v
        loss  = Σ nats · mask / Σ mask

    Args:
        logits: (…, V), for instance (B, T, V).
        targets: the right ids, integers (…), or probabilities (…, V).
        mask: (…), True where the token is real; all of them if left out.
        label_smoothing: probability that is taken from the target and spread over all V.

    Returns:
        loss, trace: the loss is a single number; `trace.nats` has it token by token.

    Raises:
        TypeError: targets that are neither.
        ValueError: shapes that do not fit, an id that is not below V.

    Example:
        Equal logits: every one of 4 classes surprises by log 4.

        >>> loss, _ = cross_entropy(np.zeros((1, 4)), np.array([2]))
        >>> bool(np.isclose(loss, np.log(4)))
        True

    Source:
        Label smoothing: Szegedy et al., Rethinking the Inception Architecture (2016), section 7.
    """
    logits, targets = checks.floats(logits=logits), np.asarray(targets)
    log_p = log_softmax(logits)[0]
    because = f"logits have shape {logits.shape}"
    if np.issubdtype(targets.dtype, np.integer):
        checks.shape("targets", targets, logits.shape[:-1], because=because)
        targets = checks.indices("targets", targets, logits.shape[-1])
        hit = np.take_along_axis(log_p, targets[..., None], -1)[..., 0]
    else:
        checks.shape("targets", targets, logits.shape, because=because)
        targets = checks.floats(targets=targets).astype(logits.dtype)
        hit = (targets * log_p).sum(-1)
    nats = -(1 - label_smoothing) * hit - label_smoothing * log_p.mean(-1)
    weight = share_of_real(mask, nats)
    return (nats * weight).sum(), CrossEntropyTrace(log_p, targets, weight, label_smoothing, nats)


def cross_entropy_backward(d_output, trace):
    """Send a gradient back through `cross_entropy`.

        d_logits = d_output · (softmax(logits) - q) · mask / Σ mask

    Args:
        d_output: the gradient of the loss, usually 1.0.
        trace: from `cross_entropy`.

    Returns:
        `LossGrads`: d_logits, zero where the mask is False.

    Example:
        >>> _, trace = cross_entropy(np.zeros((1, 4)), np.array([2]))
        >>> cross_entropy_backward(1.0, trace).d_logits  # p - q
        array([[ 0.25,  0.25, -0.75,  0.25]])
    """
    log_p, targets, weight, label_smoothing, _ = trace
    d_logits = np.exp(log_p) - label_smoothing / log_p.shape[-1]
    if np.issubdtype(targets.dtype, np.integer):
        # exp(x) - 1 of the target, which keeps its digits where the model is sure and right
        hit = np.expm1(np.take_along_axis(log_p, targets[..., None], -1))
        hit = hit + label_smoothing - label_smoothing / log_p.shape[-1]
        np.put_along_axis(d_logits, targets[..., None], hit, -1)
    else:
        d_logits -= (1 - label_smoothing) * targets
    return LossGrads(d_logits * (d_output * weight)[..., None])


class BinaryCrossEntropyTrace(namedtuple("BinaryCrossEntropyTrace", "logits targets weight nats")):
    """Every symbol of `binary_cross_entropy`."""


def binary_cross_entropy(logits, targets, mask=None, label_smoothing=0.0):
    """Measure how surprising yes-or-no targets are.

        p    = σ(logits)
        y    = (1 - label_smoothing) · targets + label_smoothing / 2
        nats = -y · log p - (1 - y) · log(1 - p)
             = max(logits, 0) - logits · y + log(1 + exp(-|logits|))
        loss = Σ nats · mask / Σ mask

    Args:
        logits: any shape.
        targets: like logits, from 0 (no) to 1 (yes).
        mask: like logits, or without some of its last axes; True where real.
        label_smoothing: how far targets are moved towards ½.

    Returns:
        loss, trace: the loss is a single number.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> loss, _ = binary_cross_entropy(np.array([0.0]), np.array([1.0]))
        >>> bool(np.isclose(loss, np.log(2)))
        True
    """
    logits, targets = checks.floats(logits=logits), np.asarray(targets)
    because = f"logits have shape {logits.shape}"
    checks.shape("targets", targets, logits.shape, because=because)
    targets = ((1 - label_smoothing) * targets + label_smoothing / 2).astype(logits.dtype)
    # This form of the equation never takes the logarithm of 0.
    nats = np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))
    weight = share_of_real(mask, nats)
    return (nats * weight).sum(), BinaryCrossEntropyTrace(logits, targets, weight, nats)


def binary_cross_entropy_backward(d_output, trace):
    """Send a gradient back: d_logits = d_output · (σ(logits) - y) · mask / Σ mask.

    Example:
        >>> _, trace = binary_cross_entropy(np.zeros(1), np.ones(1))
        >>> binary_cross_entropy_backward(1.0, trace).d_logits  # p - y
        array([-0.5])
    """
    logits, targets, weight, _ = trace
    # σ - y in two parts, neither of which loses digits where y is 0 or 1
    d_logits = (1 - targets) * logistic(logits) - targets * logistic(-logits)
    return LossGrads(d_output * weight * d_logits)


class MeanSquaredErrorTrace(namedtuple("MeanSquaredErrorTrace", "error weight")):
    """Every symbol of `mean_squared_error`."""


class MeanSquaredErrorGrads(namedtuple("MeanSquaredErrorGrads", "d_predictions d_targets")):
    """Gradients of `mean_squared_error`."""


def mean_squared_error(predictions, targets, mask=None):
    """Average the squared distance.

        error = predictions - targets
        loss  = Σ error² · mask / Σ mask

    Args:
        predictions: any shape.
        targets: like predictions.
        mask: like predictions, or without some of its last axes; True where real.

    Returns:
        loss, trace: the loss is a single number.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> mean_squared_error(np.array([1.0, 4.0]), np.array([1.0, 2.0]))[0].item()
        2.0
    """
    predictions, targets = checks.floats(predictions=predictions, targets=targets)
    because = f"predictions have shape {predictions.shape}"
    checks.shape("targets", targets, predictions.shape, because=because)
    error = predictions - targets
    weight = share_of_real(mask, error)
    return (error**2 * weight).sum(), MeanSquaredErrorTrace(error, weight)


def mean_squared_error_backward(d_output, trace):
    """Send a gradient back: d_predictions = d_output · 2 · error · mask / Σ mask.

    Example:
        >>> _, trace = mean_squared_error(np.array([1.0, 4.0]), np.array([1.0, 2.0]))
        >>> mean_squared_error_backward(1.0, trace).d_predictions
        array([0., 2.])
    """
    d_predictions = d_output * 2 * trace.error * trace.weight
    return MeanSquaredErrorGrads(d_predictions, -d_predictions)


def share_of_real(mask, like):
    """Return 1 / count at every real entry and 0 elsewhere."""
    if mask is None:
        return np.full(like.shape, 1 / max(like.size, 1), like.dtype)
    mask = np.asarray(mask)
    leading = like.shape[: mask.ndim]
    checks.shape("mask", mask, leading, because=f"the loss has entries of shape {like.shape}")
    mask = checks.booleans("mask", mask).reshape(leading + (1,) * (like.ndim - mask.ndim))
    mask = np.broadcast_to(mask, like.shape)
    return (mask / max(mask.sum(), 1)).astype(like.dtype)
