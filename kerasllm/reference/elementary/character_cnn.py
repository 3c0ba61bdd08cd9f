"""Features of a word from its letters: a convolution, and its maximum over the word.

- Id 0 fills up short words. It neither reaches the convolution nor wins the maximum.
- Where two letters reach the same maximum, each gets half of the gradient (as in TensorFlow, JAX
  and torch): "aaaa" does that.
- An even kernel has one letter more on its right, like Keras' padding="same".
"""

from typing import NamedTuple

import numpy as np

from kerasllm.reference import checks
from kerasllm.reference.elementary.convolution import Conv1DTrace, conv1d, conv1d_backward
from kerasllm.reference.elementary.embedding import (
    EmbeddingTrace,
    embedding,
    embedding_backward,
)

__all__ = ["CharacterCNNGrads", "CharacterCNNTrace", "character_cnn", "character_cnn_backward"]


class CharacterCNNTrace(NamedTuple):
    """Every symbol of the word's features; `share` is whose maximum it was."""

    real: np.ndarray  # (B, T, W, 1), True where there is a letter
    x: np.ndarray  # (B, T, W, E)
    kernel: np.ndarray  # (K, E, F)
    z: np.ndarray  # (B, T, W, F)
    share: np.ndarray  # (B, T, W, F)
    output: np.ndarray  # (B, T, F)
    lookup: EmbeddingTrace
    convolution: Conv1DTrace  # of all words, one beside the other


class CharacterCNNGrads(NamedTuple):
    """Gradients of `character_cnn`; d_x is that of the embedded letters, before they are summed."""

    d_x: np.ndarray
    d_table: np.ndarray
    d_kernel: np.ndarray
    d_bias: np.ndarray


def character_cnn(ids, table, kernel, bias):
    r"""Look at each letter with its neighbours, and keep the strongest answer of every filter.

        x[c]   = table[ids[c]],  0 where there is no letter
        z[c]   = Σ_k x[c + k - ⌊(K-1)/2⌋] @ kernel[k] + bias        k = 0 … K-1
        output = max over the word's letters c of z[c]

    Args:
        ids: (B, T, W), integers: the letters of each word, 0 behind its last one.
        table: (C, E), a row for each letter and for 0.
        kernel: (K, E, F).
        bias: (F,).

    Returns:
        (output, trace): output (B, T, F), 0 for a word without letters; a `CharacterCNNTrace`.

    Raises:
        TypeError: ids that are not integers.
        ValueError: shapes that do not fit, an id outside of the table.

    Example:
        A filter that answers to "ab": letter 1 under its left half, letter 2 under its right.

        >>> table, kernel = np.eye(3), np.array([[[0.0], [1.0], [0.0]], [[0.0], [0.0], [1.0]]])
        >>> words = np.array([[[1, 2, 0], [2, 1, 0]]])  # "ab", "ba"
        >>> character_cnn(words, table, kernel, np.zeros(1))[0]
        array([[[2.],
                [1.]]])

    Source:
        Ma and Hovy 2016, "End-to-end sequence labeling via bi-directional LSTM-CNNs-CRF", section
        2.1; Kim 2014, "Convolutional neural networks for sentence classification", equations 2
        and 4, without his tanh.
    """
    checks.rank("ids", np.asarray(ids), "BTW")
    kernel = checks.floats(kernel=kernel)
    checks.rank("kernel", kernel, "KEF")
    F = kernel.shape[-1]
    rows, lookup = embedding(ids, table)
    real = (lookup.ids != 0)[..., None]
    x = rows * real
    z, convolution = conv1d(x.reshape(-1, *x.shape[2:]), kernel, bias, padding="same")
    z = z.reshape(*x.shape[:3], F)  # (B · T, W, F) -> (B, T, W, F)
    seen = np.where(real, z, np.finfo(z.dtype).min)
    largest = (seen == seen.max(axis=2, keepdims=True)) & real
    share = (largest / np.maximum(largest.sum(axis=2, keepdims=True), 1)).astype(z.dtype)
    output = (z * share).sum(axis=2)  # (B, T, W, F) -> (B, T, F)
    return output, CharacterCNNTrace(real, x, kernel, z, share, output, lookup, convolution)


def character_cnn_backward(d_output, trace):
    r"""Send the gradient to the letter that won, and from there to its neighbours.

        d_z[c]       = d_output · share[c]
        d_x[c]       = Σ_k d_z[c - k + ⌊(K-1)/2⌋] @ kernel[k]ᵀ      0 where there is no letter
        d_kernel[k]  = Σ_c x[c + k - ⌊(K-1)/2⌋]ᵀ d_z[c]
        d_bias       = Σ_c d_z[c]
        d_table[v]   = Σ d_x[c]  over all c with ids[c] = v

    Args:
        d_output: (B, T, F).
        trace: from `character_cnn`.

    Returns:
        `CharacterCNNGrads`.

    Example:
        The second letter wins: its row of the table gets the gradient.

        >>> table, kernel = np.array([[0.0], [3.0], [5.0]]), np.ones((1, 1, 1))
        >>> output, trace = character_cnn(np.array([[[1, 2]]]), table, kernel, np.zeros(1))
        >>> character_cnn_backward(np.ones((1, 1, 1)), trace).d_table.ravel()
        array([0., 0., 1.])
    """
    d_z = d_output[:, :, None] * trace.share  # (B, T, 1, F) -> (B, T, W, F)
    grads = conv1d_backward(d_z.reshape(-1, *d_z.shape[2:]), trace.convolution)
    d_x = grads.d_x.reshape(trace.x.shape) * trace.real
    d_table = embedding_backward(d_x, trace.lookup).d_table
    return CharacterCNNGrads(d_x, d_table, grads.d_kernel, grads.d_bias)
