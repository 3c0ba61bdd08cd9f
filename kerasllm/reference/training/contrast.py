"""Contrast: learn features that tell the spans of one text from those of all others."""

from collections import namedtuple
from typing import NamedTuple

import numpy as np

from kerasllm.reference import checks
from kerasllm.reference.elementary.activations import log_softmax

__all__ = ["SpanContrastGrads", "SpanContrastTrace", "span_contrast", "span_contrast_backward"]

# What a span scores with itself: so low that its softmax is exactly 0.
HIDDEN = -1e9


class SpanContrastTrace(NamedTuple):
    """Every symbol of `span_contrast`."""

    norm: np.ndarray  # (2B, 1)
    z: np.ndarray  # (2B, D)
    scores: np.ndarray  # (2B, 2B)
    log_p: np.ndarray  # (2B, 2B)
    partner: np.ndarray  # (2B,)
    temperature: float


class SpanContrastGrads(namedtuple("SpanContrastGrads", "d_pooled")):
    """Gradient of `span_contrast`."""


def span_contrast(pooled, temperature=0.1):
    """Measure how hard it is to find the other span of the same text, in nats a span.

        norm_i  = ‖pooled_i‖
        z_i     = pooled_i / norm_i
        S_ij    = z_i · z_j / temperature,   S_ii = -∞
        loss    = -mean_i log softmax(S_i)[partner_i]

    Args:
        pooled: (2B, D), one vector a span; rows 2k and 2k + 1 are the two spans of text k.
        temperature: the smaller, the more the nearest wrong span counts.

    Returns:
        loss, trace: the loss is a single number.

    Raises:
        ValueError: an odd number of rows, or a temperature that is not above 0.

    Example:
        Two texts, spans of one text alike, spans of different texts at a right angle.

        >>> pooled = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
        >>> loss, _ = span_contrast(pooled, temperature=1.0)
        >>> bool(np.isclose(loss, np.log(np.e + 2) - 1))  # e¹ against e¹ + e⁰ + e⁰
        True

    Source:
        van den Oord et al., Representation Learning with Contrastive Predictive Coding (2018),
        equation 4; Giorgi et al., DeCLUTR (2021), for spans of one text.
    """
    pooled = checks.floats(pooled=pooled)
    checks.rank("pooled", pooled, "BD")
    if len(pooled) % 2 or not len(pooled):
        raise ValueError(
            f"expected two spans of each text, received {len(pooled)} rows (shape {pooled.shape}); "
            "lay the spans of a text side by side, as rows 2k and 2k + 1"
        )
    if temperature <= 0:
        raise ValueError(f"expected a temperature above 0, received {temperature}")
    rows = np.arange(len(pooled))
    norm = np.maximum(np.sqrt((pooled**2).sum(-1, keepdims=True)), 1e-9)
    z = pooled / norm
    scores = np.where(np.eye(len(z), dtype=bool), HIDDEN, z @ z.T / temperature)
    scores = scores.astype(z.dtype)
    log_p, partner = log_softmax(scores)[0], rows + 1 - 2 * (rows % 2)  # 0 ↔ 1, 2 ↔ 3, …
    loss = -log_p[rows, partner].mean()
    return loss, SpanContrastTrace(norm, z, scores, log_p, partner, temperature)


def span_contrast_backward(d_output, trace):
    """Send a gradient back through `span_contrast`.

        d_S       = d_output · (softmax(S) - one-hot(partner)) / 2B
        d_z       = (d_S + d_Sᵀ) z / temperature        (each z stands in a row and in a column)
        d_pooled  = (d_z - z (z · d_z)) / norm          (along z a unit vector cannot move)

    Args:
        d_output: the gradient of the loss, usually 1.0.
        trace: from `span_contrast`.

    Returns:
        `SpanContrastGrads`: d_pooled.

    Example:
        >>> pooled = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
        >>> _, trace = span_contrast(pooled)
        >>> d_pooled = span_contrast_backward(1.0, trace).d_pooled
        >>> (d_pooled * pooled).sum(-1).round(12) + 0.0  # no gradient along the span itself
        array([0., 0., 0., 0.])
    """
    norm, z, _, log_p, partner, temperature = trace
    d_scores = np.exp(log_p)
    d_scores[np.arange(len(z)), partner] -= 1
    d_scores *= d_output / len(z)
    d_z = (d_scores + d_scores.T) @ z / temperature
    along = (z * d_z).sum(-1, keepdims=True)
    return SpanContrastGrads((d_z - z * along) / norm)
