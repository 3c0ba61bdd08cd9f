"""Low-rank adaptation: a matrix that stays as it is, and a correction of few numbers."""

from typing import NamedTuple

import numpy as np

from kerasllm.reference import checks

__all__ = ["LoraGrads", "LoraTrace", "lora", "lora_backward"]


class LoraTrace(NamedTuple):
    """Every symbol of the corrected matrix."""

    w: np.ndarray
    a: np.ndarray
    b: np.ndarray
    scale: float
    output: np.ndarray


class LoraGrads(NamedTuple):
    """Gradients of `lora`; fine-tuning uses the last two."""

    d_w: np.ndarray
    d_a: np.ndarray
    d_b: np.ndarray


def lora(w, a, b, alpha):
    """Correct a matrix by a product of two thin ones.

        output = w + scale · a @ b          scale = alpha / r

    Args:
        w: (D, H), the pretrained matrix.
        a: (D, r), random at first.
        b: (r, H), 0 at first, so that training begins at w.
        alpha: a number: the correction's size does not hang on the rank r.

    Returns:
        output, trace: the output is (D, H).

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> lora(np.zeros((2, 2)), np.array([[1.0], [2.0]]), np.array([[5.0, 7.0]]), alpha=2)[0]
        array([[10., 14.],
               [20., 28.]])

    Source:
        Hu et al. 2022, "LoRA: low-rank adaptation of large language models", equation 3; there
        B A, with the matrices transposed.
    """
    w, a, b = checks.floats(w=w, a=a, b=b)
    checks.product(a, b, name="b")
    because = f"a has shape {a.shape} and b has shape {b.shape}"
    checks.shape("w", w, (len(a), b.shape[1]), because=because)
    scale = alpha / len(b)
    output = w + scale * (a @ b)
    return output, LoraTrace(w, a, b, scale, output)


def lora_backward(d_output, trace):
    """Send the gradient of the corrected matrix to its parts.

        d_w = d_output
        d_a = scale · d_output @ bᵀ
        d_b = scale · aᵀ @ d_output

    Args:
        d_output: (D, H).
        trace: from `lora`.

    Returns:
        `LoraGrads`.

    Example:
        At the beginning b is 0: only b learns in the first step.

        >>> _, trace = lora(np.ones((2, 2)), np.ones((2, 1)), np.zeros((1, 2)), alpha=2)
        >>> grads = lora_backward(np.ones((2, 2)), trace)
        >>> grads.d_a.ravel(), grads.d_b
        (array([0., 0.]), array([[4., 4.]]))
    """
    d_product = trace.scale * d_output
    return LoraGrads(d_output, d_product @ trace.b.T, trace.a.T @ d_product)
