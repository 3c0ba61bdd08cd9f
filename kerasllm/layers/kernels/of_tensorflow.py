"""Kernels on TensorFlow."""

import tensorflow as tf


def fold(step, carry, arrays, rows):
    """Go over arrays in blocks of rows: `carry, y = step(carry, blocks)`.

    Args:
        step: (carry, blocks) -> (carry, y); a block is (rows, …), and so is y.
        carry: tuple of tensors.
        arrays: tuple of tensors (N, …); they are filled up with zeros to whole blocks.
        rows: of a block.

    Returns:
        (carry, y): the last carry, and the ys as one tensor (N, …).
    """
    count = tf.shape(arrays[0])[0]
    blocks = (count + rows - 1) // rows
    filled = [
        tf.pad(x, [[0, blocks * rows - count], *[[0, 0]] * (x.shape.rank - 1)]) for x in arrays
    ]
    parts = [tf.reshape(x, [blocks, rows, *tf.unstack(tf.shape(x)[1:])]) for x in filled]
    for part, x in zip(parts, arrays, strict=True):
        part.set_shape([None, rows, *x.shape[1:]])
    ys = tf.TensorArray(arrays[0].dtype, blocks, element_shape=[rows, *arrays[0].shape[1:]])

    def body(number, ys, *carry):
        carry, y = step(carry, tuple(part[number] for part in parts))
        return number + 1, ys.write(number, y), *carry

    _, ys, *carry = tf.while_loop(
        lambda number, *_: number < blocks, body, (0, ys, *carry), maximum_iterations=blocks
    )
    return tuple(carry), ys.concat()[:count]
