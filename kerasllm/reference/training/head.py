"""A language model's head and its loss as one equation, in blocks of tokens.

The logits of a text have a column for every token of the vocabulary: by far the largest array of a
small model, and all that the loss needs of it is a number a row. Here a block of rows is scored,
summed up and forgotten. The backward pass scores it again: log Σ exp of each row was kept, so that
p = exp(logits - lse) needs no second pass over the row.
"""

from collections import namedtuple
from typing import NamedTuple

import numpy as np

from kerasllm.reference import checks
from kerasllm.reference.training.losses import share_of_real

__all__ = [
    "LinearCrossEntropyGrads", "LinearCrossEntropyTrace", "linear_cross_entropy",
    "linear_cross_entropy_backward",
]  # fmt: skip


class LinearCrossEntropyTrace(NamedTuple):
    """Every symbol of `linear_cross_entropy`; logits are not among them."""

    features: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray | None
    targets: np.ndarray
    weight: np.ndarray  # 1 / (number of real tokens) at each of them, 0 elsewhere
    lse: np.ndarray  # log Σ_v exp(logits_v)
    nats: np.ndarray
    label_smoothing: float
    z_loss: float
    rows: int


class LinearCrossEntropyGrads(
    namedtuple("LinearCrossEntropyGrads", "d_features d_kernel d_bias", defaults=(None,))
):
    """Gradients of the loss; d_bias is None where there is no bias."""


def linear_cross_entropy(
    features, kernel, targets, mask=None, bias=None, label_smoothing=0.0, z_loss=0.0, rows=128
):
    """Measure how surprising the targets are, from the features below the head.

        logits = features · kernel + bias
        lse    = log Σ_v exp(logits_v)
        nats   = lse - (1 - label_smoothing) · logits_target - label_smoothing · mean_v logits_v
        loss   = Σ (nats + z_loss · lse²) · mask / Σ mask

    Args:
        features: (…, D).
        kernel: (D, V); of a tied head the embedding table, transposed.
        targets: the right ids, integers (…).
        mask: (…), True where the token is real; all of them if left out.
        bias: (V,), or None.
        label_smoothing: probability that is taken from the target and spread over all V.
        z_loss: weight of lse², which keeps logits near 0.
        rows: tokens whose logits exist at the same time.

    Returns:
        loss, trace: the loss is a single number, in nats a token; `trace.nats` has it token by
        token.

    Raises:
        TypeError: targets that are no integers.
        ValueError: shapes that do not fit, an id that is not below V.

    Example:
        A head of zeros: every one of 4 tokens surprises by log 4.

        >>> loss, _ = linear_cross_entropy(np.ones((3, 2)), np.zeros((2, 4)), np.array([0, 1, 3]))
        >>> bool(np.isclose(loss, np.log(4)))
        True

    Source:
        z-loss: Chowdhery et al., PaLM (2022), section 5. Blocks: Wijmans et al., Cut Your Losses
        in Large-Vocabulary Language Models (2024), section 4.
    """
    given = {"features": features, "kernel": kernel}
    features, kernel, *rest = checks.floats(**given, **({} if bias is None else {"bias": bias}))
    bias = rest[0] if rest else None
    because = f"features have shape {features.shape}"
    checks.shape("kernel", kernel, (features.shape[-1], kernel.shape[-1]), because=because)
    if bias is not None:
        checks.shape("bias", bias, kernel.shape[-1:], because=f"kernel has shape {kernel.shape}")
    targets = np.asarray(targets)
    checks.shape("targets", targets, features.shape[:-1], because=because)
    targets = checks.indices("targets", targets, kernel.shape[-1])
    lse, nats = (np.empty(targets.shape, features.dtype) for _ in range(2))
    for block in _blocks(targets.size, rows):
        logits = _logits(features, kernel, bias, block)
        top = logits.max(-1)
        lse.flat[block] = top + np.log(np.exp(logits - top[:, None]).sum(-1))
        hit = logits[np.arange(len(logits)), targets.flat[block]]
        nats.flat[block] = (
            lse.flat[block] - (1 - label_smoothing) * hit - label_smoothing * logits.mean(-1)
        )
    weight = share_of_real(mask, nats)
    loss = ((nats + z_loss * lse**2) * weight).sum()
    settings = (label_smoothing, z_loss, rows)
    return loss, LinearCrossEntropyTrace(
        features, kernel, bias, targets, weight, lse, nats, *settings
    )


def linear_cross_entropy_backward(d_output, trace):
    """Send a gradient back through `linear_cross_entropy`, scoring each block again.

        p          = exp(logits - lse)
        d_logits   = (p · (1 + 2 · z_loss · lse) - q) · d_output · mask / Σ mask
        d_features = d_logits · kernelᵀ
        d_kernel   = featuresᵀ · d_logits                             summed over the blocks
        d_bias     = Σ d_logits

    where q = (1 - label_smoothing) at the target, and label_smoothing / V everywhere.

    Args:
        d_output: the gradient of the loss, usually 1.0.
        trace: from `linear_cross_entropy`.

    Returns:
        `LinearCrossEntropyGrads`: d_features, d_kernel, d_bias.

    Example:
        >>> _, trace = linear_cross_entropy(np.ones((1, 1)), np.zeros((1, 4)), np.array([2]))
        >>> linear_cross_entropy_backward(1.0, trace).d_kernel  # p - q
        array([[ 0.25,  0.25, -0.75,  0.25]])
    """
    features, kernel, bias, targets, weight, lse, _, label_smoothing, z_loss, rows = trace
    width, vocabulary = kernel.shape
    d_features, d_kernel = np.zeros((targets.size, width), features.dtype), np.zeros_like(kernel)
    d_bias = None if bias is None else np.zeros_like(bias)
    for block in _blocks(targets.size, rows):
        logits, z = _logits(features, kernel, bias, block), lse.flat[block][:, None]
        d_logits = np.exp(logits - z) * (1 + 2 * z_loss * z) - label_smoothing / vocabulary
        d_logits[np.arange(len(z)), targets.flat[block]] -= 1 - label_smoothing
        d_logits *= (d_output * weight.flat[block])[:, None]
        d_features[block] = d_logits @ kernel.T
        d_kernel += features.reshape(-1, width)[block].T @ d_logits
        if bias is not None:
            d_bias += d_logits.sum(0)
    return LinearCrossEntropyGrads(d_features.reshape(features.shape), d_kernel, d_bias)


def _blocks(count, rows):
    """Return slices of so many rows."""
    return [slice(first, min(first + rows, count)) for first in range(0, count, rows)]


def _logits(features, kernel, bias, block):
    logits = features.reshape(-1, features.shape[-1])[block] @ kernel
    return logits if bias is None else logits + bias
