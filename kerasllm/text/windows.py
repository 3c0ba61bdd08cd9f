"""Texts longer than the model's context: cut them, or look at them through windows.

Overlapping windows each get a prediction; `pool_windows` makes one prediction a text of them.
"""

import numpy as np

from kerasllm.utils.errors import check_choice


def truncate(ids, length, keep="head"):
    """Cut token ids to a length.

    Args:
        ids: token ids.
        length: how many stay.
        keep: `head` (the beginning), `tail` (the end), or `both` (a quarter of the room for the
            beginning and the rest for the end: opinions stand at the end, topics at the start).

    Example:
        >>> truncate(range(10), 4, "both")
        [0, 7, 8, 9]
    """
    _check_positive("length", length)
    ids = list(ids)
    heads = {"head": length, "tail": 0, "both": length // 4}
    check_choice("keep", keep, heads)
    if len(ids) <= length:
        return ids
    head = heads[keep]
    return ids[:head] + ids[len(ids) - (length - head) :]


def windows(ids, length, stride=None):
    """Cut token ids into windows that overlap; every token is in one at least.

    Args:
        ids: token ids.
        length: tokens of a window; the last one may be shorter.
        stride: tokens from one window's start to the next. Default: half the length.

    Returns:
        List of windows, one at least (an empty text gives one empty window).

    Raises:
        ValueError: stride above length (tokens between windows would be lost), or below 1.

    Example:
        >>> windows([1, 2, 3, 4, 5, 6, 7], length=4, stride=2)
        [[1, 2, 3, 4], [3, 4, 5, 6], [5, 6, 7]]
    """
    _check_positive("length", length)
    stride = max(length // 2, 1) if stride is None else stride
    _check_positive("stride", stride)
    if stride > length:
        raise ValueError(
            f"expected stride of at most length={length}, received {stride}: tokens between two "
            f"windows would be lost"
        )
    ids = list(ids)
    last = max(len(ids) - length, 0)  # a window that begins here or later reaches the end
    count = -(-last // stride) + 1
    return [ids[i * stride : i * stride + length] for i in range(count)]


def window_batch(sequences, length, stride=None):
    """Cut several texts into windows and note whose they are.

    Returns:
        The windows of all texts, W in number, and an int array `(W,)` with the text of each.

    Example:
        >>> window_batch([[1, 2, 3], [4]], length=2, stride=1)
        ([[1, 2], [2, 3], [4]], array([0, 0, 1]))
    """
    parts = [windows(ids, length, stride) for ids in sequences]
    owners = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return [window for part in parts for window in part], owners


def pool_windows(predictions, owners, how="mean"):
    """Make one prediction a text of the predictions of its windows.

    Args:
        predictions: one row a window, `(W, ...)`: probabilities or logits.
        owners: index of the text of each window, `(W,)`, from 0 to N - 1 without gaps.
        how: `mean` or `max` over the windows of a text.

    Returns:
        Array `(N, ...)`.

    Raises:
        ValueError: lengths differ, or a text has no window.

    Example:
        >>> pool_windows([[0.2, 0.8], [0.6, 0.4], [1.0, 0.0]], [0, 0, 1])
        array([[0.4, 0.6],
               [1. , 0. ]])
    """
    predictions, owners = np.asarray(predictions), np.asarray(owners, "int64")
    check_choice("how", how, ("mean", "max"))
    if len(predictions) != len(owners):
        raise ValueError(
            f"expected one owner a prediction, received {len(predictions)} predictions and "
            f"{len(owners)} owners; use the owners that window_batch returned"
        )
    if owners.min(initial=0) < 0:
        raise ValueError(f"expected owners from 0 up, received {owners.min()}")
    counts = np.bincount(owners)
    if (counts == 0).any():
        raise ValueError(f"expected a window for every text, text {counts.argmin()} has none")
    shape = (len(counts), *predictions.shape[1:])
    dtype = np.result_type(predictions, "float32")
    if how == "max":
        pooled = np.full(shape, -np.inf, dtype)
        np.maximum.at(pooled, owners, predictions)
        return pooled
    pooled = np.zeros(shape, dtype)
    np.add.at(pooled, owners, predictions)
    weights = counts.reshape(-1, *[1] * (predictions.ndim - 1)).astype(dtype)
    return pooled / weights


def _check_positive(name, value):
    if value < 1:
        raise ValueError(f"expected {name} of 1 or more, received {value}")


def cut_longest(parts, room):
    """Cut the longest part, token by token, until all fit into the room.

    Args:
        parts: lists of ids.
        room: ids of all parts together.

    Raises:
        ValueError: there is no room at all.

    Example:
        >>> cut_longest([[1, 2, 3], [4]], 3)
        [[1, 2], [4]]
    """
    if room < 1:
        raise ValueError(f"expected room for {len(parts)} texts, received {room}: raise length")
    parts = [list(part) for part in parts]
    while sum(map(len, parts)) > room:
        max(reversed(parts), key=len).pop()
    return parts
