"""The dense layer: one matrix product and a bias, for every position alike."""

from collections import namedtuple

from kerasllm.reference import checks

__all__ = ["DenseGrads", "DenseTrace", "dense", "dense_backward"]


class DenseTrace(namedtuple("DenseTrace", "x kernel bias")):
    """What `dense` was given."""


class DenseGrads(namedtuple("DenseGrads", "d_x d_kernel d_bias")):
    """Gradients of `dense`; `d_bias` is None where there was no bias."""


def dense(x, kernel, bias=None):
    """Map the last axis linearly.

        output = x @ kernel + bias

    Args:
        x: (…, D), any number of leading axes.
        kernel: (D, H).
        bias: (H,), or None.

    Returns:
        output, trace: the output is (…, H).

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> import numpy as np
        >>> dense(np.array([[1.0, 2.0]]), np.array([[10.0], [1.0]]), np.array([0.5]))[0]
        array([[12.5]])
    """
    x, kernel, bias = checks.floats(x=x, kernel=kernel, bias=bias)
    checks.product(x, kernel)
    checks.shape("bias", bias, kernel.shape[1:], because=f"kernel has shape {kernel.shape}")
    output = x @ kernel if bias is None else x @ kernel + bias
    return output, DenseTrace(x, kernel, bias)


def dense_backward(d_output, trace):
    """Send a gradient back through `dense`.

        d_x      = d_output @ kernelᵀ
        d_kernel = xᵀ @ d_output         summed over all positions
        d_bias   = Σ d_output            over all positions

    Args:
        d_output: (…, H).
        trace: from `dense`.

    Returns:
        `DenseGrads`.

    Example:
        >>> import numpy as np
        >>> _, trace = dense(np.array([[1.0, 2.0]]), np.array([[10.0], [1.0]]), np.zeros(1))
        >>> grads = dense_backward(np.ones((1, 1)), trace)
        >>> grads.d_x, grads.d_kernel.ravel(), grads.d_bias
        (array([[10.,  1.]]), array([1., 2.]), array([1.]))
    """
    x, kernel, bias = trace
    d_rows = d_output.reshape(-1, kernel.shape[1])  # (…, H) -> (positions, H)
    rows = x.reshape(-1, kernel.shape[0])
    d_bias = None if bias is None else d_rows.sum(0)
    return DenseGrads(d_output @ kernel.T, rows.T @ d_rows, d_bias)
