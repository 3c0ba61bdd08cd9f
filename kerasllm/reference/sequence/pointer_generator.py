"""The copy mechanism: say a word of the vocabulary, or one of the source.

- Source and target share one vocabulary.
- Everything is added up in logarithms, as the layer does: nothing underflows.
- A word that no weight falls on (alpha exactly 0 wherever it stands, as at padding) sends no
  gradient to alpha.
"""

from typing import NamedTuple

import numpy as np

from kerasllm.reference import checks
from kerasllm.reference.elementary.activations import log_softmax, log_softmax_backward, logistic
from kerasllm.reference.elementary.dense import DenseTrace, dense, dense_backward

__all__ = [
    "PointerGeneratorGrads",
    "PointerGeneratorTrace",
    "pointer_generator",
    "pointer_generator_backward",
]


class PointerGeneratorTrace(NamedTuple):
    """Every symbol of the mixture; `words` says which word of the vocabulary stands where."""

    alpha: np.ndarray  # (B, T, S)
    words: np.ndarray  # (B, S, V), one-hot
    z: np.ndarray  # (B, T, 1)
    gate: np.ndarray  # (B, T, 1)
    copied: np.ndarray  # (B, T, V)
    log_generate: np.ndarray  # (B, T, V)
    log_copy: np.ndarray  # (B, T, V)
    output: np.ndarray  # (B, T, V)
    product: DenseTrace
    softmax: tuple


class PointerGeneratorGrads(NamedTuple):
    """Gradients of `pointer_generator`."""

    d_x: np.ndarray
    d_logits: np.ndarray
    d_alpha: np.ndarray
    d_w: np.ndarray
    d_b: np.ndarray


def pointer_generator(x, logits, alpha, source, w, b):
    r"""Mix the vocabulary's distribution with the attention over the words of the source.

        gate      = σ(x w + b)                                 p_gen of the paper
        copied[v] = Σ_{s: source_s = v} alpha[s]               equal words add up
        p[v]      = gate · softmax(logits)[v] + (1 - gate) · copied[v]
        output    = ln p

    Args:
        x: (B, T, D), the decoder's features.
        logits: (B, T, V).
        alpha: (B, T, S), the attention's weights.
        source: (B, S), integers from 0 to V - 1.
        w: (D, 1).
        b: (1,).

    Returns:
        (output, trace): ln p (B, T, V), and a `PointerGeneratorTrace`.

    Raises:
        TypeError: a source that is not of integers.
        ValueError: shapes that do not fit, a source word out of the vocabulary.

    Example:
        A half-open gate, four equal words, and a source that holds the last one alone.

        >>> output, trace = pointer_generator(
        ...     np.zeros((1, 1, 2)), np.zeros((1, 1, 4)), np.ones((1, 1, 1)), np.array([[3]]),
        ...     w=np.zeros((2, 1)), b=np.zeros(1),
        ... )
        >>> np.exp(output).round(6)
        array([[[0.125, 0.125, 0.125, 0.625]]])

    Source:
        See et al. 2017, "Get to the point: summarization with pointer-generator networks",
        equations 8 and 9; there the gate reads context, state and input one by one.
    """
    logits, alpha = checks.floats(logits=logits, alpha=alpha)
    checks.rank("logits", logits, "BTV")
    source = checks.indices("source", source, logits.shape[-1])
    checks.rank("source", source, "BS")
    expected = (*logits.shape[:2], source.shape[1])
    because = f"logits has shape {logits.shape} and source has shape {source.shape}"
    checks.shape("alpha", alpha, expected, because=because)
    z, product = dense(x, w, b)
    checks.shape("x w", z, (*logits.shape[:2], 1), because=because)
    words = (source[..., None] == np.arange(logits.shape[-1])).astype(alpha.dtype)
    copied = alpha @ words  # (B, T, S) (B, S, V) -> (B, T, V)
    log_p, softmax = log_softmax(logits)
    log_generate = log_p - np.logaddexp(0, -z)
    log_copy = _log(copied) - np.logaddexp(0, z)
    output = np.logaddexp(log_generate, log_copy)
    return output, PointerGeneratorTrace(
        alpha, words, z, logistic(z), copied, log_generate, log_copy, output, product, softmax
    )


def pointer_generator_backward(d_output, trace):
    r"""Share the gradient of each word between both ways of saying it.

        share      = gate · softmax(logits) / p              how much of p was generated
        d_generate = d_output · share
        d_copy     = d_output · (1 - share)
        d_z        = Σ_v d_generate · (1 - gate) - d_copy · gate
        d_logits   = d_generate - softmax(logits) Σ_v d_generate
        d_alpha[s] = d_copy[v] / copied[v]  of the word v = source_s

    Args:
        d_output: (B, T, V).
        trace: from `pointer_generator`.

    Returns:
        `PointerGeneratorGrads`.

    Example:
        Four fifths of the last word's probability are copied.

        >>> output, trace = pointer_generator(
        ...     np.zeros((1, 1, 2)), np.zeros((1, 1, 4)), np.ones((1, 1, 1)), np.array([[3]]),
        ...     w=np.zeros((2, 1)), b=np.zeros(1),
        ... )
        >>> pointer_generator_backward(np.eye(4)[None, 3:], trace).d_alpha.round(6)
        array([[[0.8]]])
    """
    gate, copied = trace.gate, trace.copied
    d_generate = d_output * np.exp(trace.log_generate - trace.output)
    d_copy = d_output - d_generate  # 0 where nothing is copied
    d_z = ((1 - gate) * d_generate - gate * d_copy).sum(axis=-1, keepdims=True)
    d_copied = d_copy / np.where(copied > 0, copied, 1)
    d_x, d_w, d_b = dense_backward(d_z, trace.product)
    return PointerGeneratorGrads(
        d_x=d_x,
        d_logits=log_softmax_backward(d_generate, trace.softmax).d_x,
        d_alpha=d_copied @ trace.words.swapaxes(1, 2),  # (B, T, V) (B, V, S) -> (B, T, S)
        d_w=d_w,
        d_b=d_b,
    )


def _log(p):
    """Return ln p, -∞ where p is 0."""
    return np.log(p, out=np.full_like(p, -np.inf), where=p > 0)
