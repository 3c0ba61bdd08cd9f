"""Rows of unequal length as one array."""

import numpy as np

from kerasllm.text.tokenizers.special import PAD


def pad_sequences(sequences, length=None, dtype="int32"):
    """Put rows of token ids into one array, padded on the right with 0.

    Args:
        sequences: B rows of ids.
        length: T; longer rows are cut at their end. Default: the longest row.
        dtype: dtype of the array.

    Returns:
        Array `(B, T)`.

    Raises:
        TypeError: a row is no sequence of ids: one flat row was passed.
        ValueError: `length` is negative.

    Example:
        >>> pad_sequences([[7, 8, 9], [7]])
        array([[7, 8, 9],
               [7, 0, 0]], dtype=int32)
    """
    rows = list(sequences)
    if any(isinstance(row, str) or np.ndim(row) != 1 for row in rows):
        raise TypeError(
            "expected rows of token ids, such as [[7, 8], [9]], received something else in their "
            "place; for one row write [row], and turn text into ids with tokenizer.encode_batch"
        )
    length = max(map(len, rows), default=0) if length is None else length
    if length < 0:
        raise ValueError(f"expected length of 0 or more, received {length}")
    padded = np.full((len(rows), length), PAD, dtype)  # (B, T)
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row[:length]
    return padded
