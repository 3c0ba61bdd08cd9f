"""Checks of arguments, with messages that say what to do.

Every public function of `kerasllm.reference` checks its arguments once, at its start, and computes
without any check afterwards.
"""

import numpy as np


def floats(**arrays):
    """Return the arrays, each checked to hold finite floating-point numbers.

    Args:
        **arrays: arrays by the name that an error should use; None is passed through.

    Returns:
        The arrays in the given order (one array alone if only one was given).

    Raises:
        TypeError: an array holds integers or other things than floats.
        ValueError: an array holds NaN or infinity.

    Example:
        >>> floats(kernel=np.arange(3))
        Traceback (most recent call last):
        ...
        TypeError: expected kernel of a float dtype, received int64; convert it with
        kernel.astype("float64")
    """
    checked = []
    for name, array in arrays.items():
        if array is not None:
            array = np.asarray(array)
            if not np.issubdtype(array.dtype, np.floating):
                raise TypeError(
                    f"expected {name} of a float dtype, received {array.dtype}; convert it with "
                    f'{name}.astype("float64")'
                )
            if not np.isfinite(array).all():
                where = tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])
                raise ValueError(
                    f"expected finite numbers in {name}, received {array[where]} at index {where}; "
                    f"look for a division by zero or a logarithm of zero where {name} is computed"
                )
        checked.append(array)
    return checked[0] if len(checked) == 1 else checked


def rank(name, array, axes):
    """Check that `array` has the axes named in `axes`, such as "BTD".

    Raises:
        ValueError: another number of axes.

    Example:
        >>> rank("x", np.zeros((2, 3)), "BTD")
        Traceback (most recent call last):
        ...
        ValueError: expected x of shape (B, T, D) with 3 axes, received shape (2, 3) with 2 axes
    """
    if np.ndim(array) != len(axes):
        raise ValueError(
            f"expected {name} of shape ({', '.join(axes)}) with {len(axes)} axes, "
            f"received shape {np.shape(array)} with {np.ndim(array)} axes"
        )


def shape(name, array, expected, *, because):
    """Check that `array` has the shape `expected`.

    Args:
        name: the array's name in the error.
        array: the array; None passes.
        expected: the shape it must have.
        because: where that shape comes from, for the error: "kernel has shape (3, 28)".

    Raises:
        ValueError: another shape. The message names both shapes and the first axis that differs.

    Example:
        >>> shape("bias", np.zeros(5), (7,), because="kernel has shape (3, 7)")
        Traceback (most recent call last):
        ...
        ValueError: expected bias of shape (7,), because kernel has shape (3, 7); received shape
        (5,), which differs on axis 0: 5 instead of 7
    """
    if array is None or np.shape(array) == tuple(expected):
        return
    received = np.shape(array)
    problem = f"which has {len(received)} axes instead of {len(expected)}"
    if len(received) == len(expected):
        axis = next(k for k, (a, b) in enumerate(zip(received, expected, strict=True)) if a != b)
        problem = f"which differs on axis {axis}: {received[axis]} instead of {expected[axis]}"
    raise ValueError(
        f"expected {name} of shape {tuple(expected)}, because {because}; "
        f"received shape {received}, {problem}"
    )


def product(x, kernel, *, name="kernel"):
    """Check that `x @ kernel` can be computed: the last axis of x is axis 0 of the kernel.

    Raises:
        ValueError: the two lengths differ; the message names both shapes and both axes.
    """
    rank(name, kernel, "DH")
    if np.ndim(x) == 0 or np.shape(x)[-1] != np.shape(kernel)[0]:
        raise ValueError(
            f"cannot multiply x of shape {np.shape(x)} by {name} of shape {np.shape(kernel)}: "
            f"axis {max(np.ndim(x) - 1, 0)} of x must be as long as axis 0 of {name}"
        )


def mask(mask, x):
    """Return a mask of shape (B, T) as booleans: True where the position is real.

    Args:
        mask: booleans, or zeros and ones; None stays None.
        x: the sequence that it belongs to, (B, T, …).

    Raises:
        ValueError: another shape than the first two axes of x, or other values than 0 and 1.
    """
    if mask is None:
        return None
    shape("mask", mask, np.shape(x)[:2], because=f"x has shape {np.shape(x)}")
    return booleans("mask", mask)


def booleans(name, mask):
    """Return `mask` as booleans, once it is seen to hold booleans, or zeros and ones.

    Raises:
        ValueError: other values, such as those of a mask that is meant to be added to scores.

    Example:
        >>> booleans("mask", [0.0, -1e9])
        Traceback (most recent call last):
        ...
        ValueError: expected mask of booleans (True where a token is real, or may be seen), received
        other numbers than 0 and 1; build it with token_ids != 0, or from an additive mask of 0 and
        -inf with additive == 0
    """
    mask = np.asarray(mask)
    if mask.dtype != bool and not np.isin(mask, (0, 1)).all():
        raise ValueError(
            f"expected {name} of booleans (True where a token is real, or may be seen), received "
            "other numbers than 0 and 1; build it with token_ids != 0, or from an additive mask of "
            "0 and -inf with additive == 0"
        )
    return mask.astype(bool)


def sequence(x):
    """Check that x is a batch of sequences (B, T, D) with at least one step.

    Raises:
        ValueError: another number of axes, or no step.
    """
    rank("x", x, "BTD")
    if x.shape[1] == 0:
        raise ValueError(
            f"expected at least one step, received x of shape {x.shape} whose axis 1 (time) is "
            "empty; drop empty texts, or pad every sequence to length 1 or more"
        )


def indices(name, ids, size):
    """Return `ids` as an integer array whose values lie in 0 … size - 1.

    Raises:
        TypeError: not integers.
        ValueError: a value out of range.

    Example:
        >>> indices("ids", np.array([0, 5]), 5)
        Traceback (most recent call last):
        ...
        ValueError: expected ids from 0 to 4, received 5 at index (1,); a vocabulary needs one
        row for every id, the padding id 0 included
    """
    ids = np.asarray(ids)
    if not np.issubdtype(ids.dtype, np.integer):
        raise TypeError(f"expected {name} of an integer dtype, received {ids.dtype}")
    outside = np.argwhere((ids < 0) | (ids >= size))
    if outside.size:
        where = tuple(int(k) for k in outside[0])
        raise ValueError(
            f"expected {name} from 0 to {size - 1}, received {ids[where]} at index {where}; a "
            "vocabulary needs one row for every id, the padding id 0 included"
        )
    return ids


def choice(name, value, choices):
    """Check that `value` is one of `choices`.

    Raises:
        ValueError: it is not.
    """
    if value not in choices:
        known = ", ".join(map(repr, choices))
        raise ValueError(f"expected {name} to be one of {known}; received {value!r}")
