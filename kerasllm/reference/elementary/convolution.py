"""A convolution over time: the same small dense layer at every place of a text."""

from typing import NamedTuple

import numpy as np

from kerasllm.reference import checks
from kerasllm.reference.elementary.dense import DenseTrace, dense, dense_backward

__all__ = ["Conv1DGrads", "Conv1DTrace", "conv1d", "conv1d_backward"]
PADDINGS = ("valid", "same", "causal")


class Conv1DTrace(NamedTuple):
    """Every symbol of `conv1d`; `places` says which steps each window shows."""

    x: np.ndarray  # (B, T, D)
    kernel: np.ndarray  # (K, D, F)
    left: int  # zeros in front of the text
    places: np.ndarray  # (T', K), in the padded text
    output: np.ndarray  # (B, T', F)
    product: DenseTrace


class Conv1DGrads(NamedTuple):
    """Gradients of `conv1d`; `d_bias` is None where there was no bias."""

    d_x: np.ndarray
    d_kernel: np.ndarray
    d_bias: np.ndarray | None


def conv1d(x, kernel, bias=None, stride=1, dilation=1, padding="valid"):
    """Look at K steps at a time.

        y[t] = Σ_k x[stride · t + dilation · k - left] @ kernel[k] + bias        k = 0 … K-1

    Outside of the text stand zeros: none ("valid", left = 0), as many on either side as give
    ⌈T / stride⌉ outputs, the odd one on the right ("same"), or all in front ("causal": y[t] sees no
    step after t).

    Args:
        x: (B, T, D).
        kernel: (K, D, F).
        bias: (F,), or None.
        stride: steps from one window to the next.
        dilation: steps from one place of a window to the next.
        padding: "valid", "same" or "causal".

    Returns:
        (output, trace): output (B, T', F); a `Conv1DTrace`.

    Raises:
        ValueError: shapes that do not fit, another padding, a text shorter than the kernel.

    Example:
        Differences of neighbours:

        >>> x, kernel = np.array([[[1.0], [4.0], [9.0]]]), np.array([[[-1.0]], [[1.0]]])
        >>> conv1d(x, kernel)[0].ravel()
        array([3., 5.])

    Source:
        Kim 2014, "Convolutional neural networks for sentence classification", equation 2, without
        his activation; van den Oord et al. 2016, section 2.1 (causal).
    """
    x, kernel = checks.floats(x=x, kernel=kernel)
    checks.rank("x", x, "BTD")
    checks.rank("kernel", kernel, "KDF")
    (B, T, D), (K, _, F) = x.shape, kernel.shape
    checks.shape("kernel", kernel, (K, D, F), because=f"x has shape {x.shape}")
    left, right = _zeros(T, dilation * (K - 1), stride, padding)
    padded = np.pad(x, ((0, 0), (left, right), (0, 0)))
    starts = np.arange(0, padded.shape[1] - dilation * (K - 1), stride)
    if not len(starts):
        raise ValueError(f"expected at least {dilation * (K - 1) + 1} steps, received {T}")
    places = starts[:, None] + dilation * np.arange(K)  # (T', K)
    # K steps side by side: (B, T', K, D) -> (B, T', K · D)
    windows = padded[:, places].reshape(B, len(starts), K * D)
    output, product = dense(windows, kernel.reshape(K * D, F), bias)
    return output, Conv1DTrace(x, kernel, left, places, output, product)


def conv1d_backward(d_output, trace):
    """Send each window's gradient to the steps that it shows.

        d_x[s]      = Σ_{t, k: stride · t + dilation · k - left = s} d_y[t] @ kernel[k]ᵀ
        d_kernel[k] = Σ_t x[stride · t + dilation · k - left]ᵀ d_y[t]
        d_bias      = Σ_t d_y[t]

    Args:
        d_output: (B, T', F).
        trace: from `conv1d`.

    Returns:
        `Conv1DGrads`.

    Example:
        >>> _, trace = conv1d(np.ones((1, 3, 1)), np.ones((2, 1, 1)))
        >>> conv1d_backward(np.ones((1, 2, 1)), trace).d_x.ravel()  # the middle is seen twice
        array([1., 2., 1.])
    """
    (B, T, D), places = trace.x.shape, trace.places
    d_windows, d_kernel, d_bias = dense_backward(d_output, trace.product)
    d_padded = np.zeros((B, max(places.max() + 1, trace.left + T), D), d_windows.dtype)
    for k, d in enumerate(np.split(d_windows, places.shape[1], axis=-1)):
        d_padded[:, places[:, k]] += d
    d_x = d_padded[:, trace.left : trace.left + T]
    return Conv1DGrads(d_x, d_kernel.reshape(trace.kernel.shape), d_bias)


def _zeros(T, reach, stride, padding):
    """Return how many zeros stand in front of a text of T steps, and behind it."""
    if padding not in PADDINGS:
        raise ValueError(f"expected padding {' or '.join(PADDINGS)}, received {padding!r}")
    if padding == "causal":
        return reach, 0
    if padding == "valid":
        return 0, 0
    total = max((-(-T // stride) - 1) * stride + reach + 1 - T, 0)
    return total // 2, total - total // 2
