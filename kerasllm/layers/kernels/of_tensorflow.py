"""Kernels on TensorFlow."""

import keras
import tensorflow as tf


def fold(step, carry, arrays, rows, counted=None):
    """Go over arrays in blocks of rows: `carry, y = step(carry, blocks)`.

    Args:
        step: (carry, blocks) -> (carry, y); a block is (rows, …), and so is y.
        carry: tuple of tensors.
        arrays: tuple of tensors (N, …); they are filled up with zeros to whole blocks.
        rows: of a block.
        counted: only blocks that hold some of the first `counted` rows are computed, y being 0 in
            the others, and of the shape of the first array; None: all.

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

    wanted = blocks if counted is None else (counted + rows - 1) // rows
    _, ys, *carry = tf.while_loop(
        lambda number, *_: number < wanted, body, (0, ys, *carry), maximum_iterations=blocks
    )
    return tuple(carry), tf.reshape(ys.stack(), [-1, *arrays[0].shape[1:]])[:count]


def walks():
    """Return whether `scan` is faster than the recurrent loop of Keras, which knows cuDNN."""
    return not tf.config.list_logical_devices("GPU")


def differentiable(forward, backward):
    """Return a function that has a gradient of its own.

    Args:
        forward: (*arrays) -> (outputs, kept), a tuple and any nest of arrays.
        backward: (kept, *d_outputs) -> the gradients of the arrays, None of what has none.
    """

    @tf.custom_gradient
    def function(*arrays):
        outputs, kept = forward(*arrays)
        return outputs, lambda *d_outputs: backward(kept, *d_outputs)

    return function


def scan(step, carry, inputs, reverse=False):
    """Go through time: `carry, y = step(carry, inputs of step t)`.

    The first step is taken before the loop: it shows what the others will give.

    Args:
        step: any function; its carry and y are nests of tensors.
        carry: tuple of tensors.
        inputs: nest of tensors (T, …).
        reverse: whether to begin at the last step.

    Returns:
        (carry, y): the last carry, and the ys of all steps, (T, …), in the order of time.
    """
    flat = keras.tree.flatten(inputs)
    count = tf.shape(flat[0])[0]
    arrays = [tf.TensorArray(x.dtype, count, element_shape=x.shape[1:]).unstack(x) for x in flat]

    def take(number, carry):
        t = count - 1 - number if reverse else number
        now = keras.tree.pack_sequence_as(inputs, [array.read(t) for array in arrays])
        carry, y = step(carry, now)
        return t, tuple(carry), y

    def body(number, carry, ys):
        t, carry, y = take(number, carry)
        flat = keras.tree.flatten(y)
        return number + 1, carry, [array.write(t, y) for array, y in zip(ys, flat, strict=True)]

    t, carry, first = take(0, tuple(carry))
    ys = [
        tf.TensorArray(y.dtype, count, element_shape=y.shape).write(t, y)
        for y in keras.tree.flatten(first)
    ]
    _, carry, ys = tf.while_loop(
        lambda number, *_: number < count, body, (1, carry, ys), maximum_iterations=count - 1
    )
    return carry, keras.tree.pack_sequence_as(first, [y.stack() for y in ys])


def set_rows(variable, first, rows):
    """Set the rows of a variable from `first` on, in its place: nothing else is copied."""
    # `value[first:stop].assign` would read the variable, and what is read is copied on a change.
    tf.raw_ops.ResourceStridedSliceAssign(
        ref=variable.value.handle, begin=[first], end=[first + len(rows)], strides=[1],
        value=tf.cast(rows, variable.dtype),
    )  # fmt: skip
