"""Weights as whole numbers of a few bits."""

from typing import NamedTuple

import numpy as np

from kerasllm.reference import checks

__all__ = ["Quantized", "quantize"]


class Quantized(NamedTuple):
    """Whole numbers and the step between them, one for each column."""

    values: np.ndarray  # (D, H) int8
    scale: np.ndarray  # (H,)


def quantize(kernel, bits=8):
    """Return a kernel as whole numbers, and what it is once they are multiplied out again.

        most = 2^(bits - 1) - 1                           127 for 8 bits
        scale_h = max_d |kernel_dh| / most                one for each column: each output
        values_dh = round(kernel_dh / scale_h)
        restored_dh = values_dh · scale_h                 wrong by at most scale_h / 2

    Args:
        kernel: (D, H).
        bits: of each number, 2 to 8, one of them for the sign.

    Returns:
        restored: (D, H), and `Quantized`: values and scale. A column of zeros has scale 0.

    Raises:
        ValueError: another number of bits, or no matrix.

    Example:
        >>> restored, q = quantize(np.array([[1.27, 0.5], [-0.504, 0.0]]))
        >>> q.values.tolist(), restored[1, 0]
        ([[127, 127], [-50, 0]], np.float64(-0.5))

    Source:
        Krishnamoorthi, Quantizing deep convolutional networks for efficient inference (2018), 2.2.
    """
    kernel = checks.floats(kernel=kernel)
    checks.rank("kernel", kernel, "DH")
    if bits not in range(2, 9):
        raise ValueError(f"expected 2 to 8 bits, received {bits}")
    most = 2 ** (bits - 1) - 1
    scale = np.abs(kernel).max(axis=0, initial=0) / kernel.dtype.type(most)  # (H,)
    values = np.rint(kernel / np.where(scale > 0, scale, 1)).astype("int8")
    return values.astype(kernel.dtype) * scale, Quantized(values, scale)
