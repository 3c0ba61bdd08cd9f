"""What lies on the twin's tape: arrays with their masks and gradients."""

import numpy as np

from kerasllm import reference as ref


class Value:
    """An array on the tape, its mask, and later the gradient of the loss with respect to it.

    Where a softmax or sigmoid was computed last, `logits` is the value that it was computed of.
    """

    __slots__ = ("array", "d", "logits", "mask", "source")

    def __init__(self, array, mask=None):
        self.array, self.mask, self.d = np.asarray(array), mask, None
        self.source = self.logits = None

    @property
    def is_float(self):
        """Whether a gradient makes sense."""
        return np.issubdtype(self.array.dtype, np.floating)

    def add_gradient(self, d):
        """Add what one reader of this value sends back; None is nothing."""
        if d is not None:
            self.d = d if self.d is None else self.d + d


class Rows:
    """Gradient of a table, kept use by use: TensorFlow's optimizers see it so.

    Keras on TensorFlow squares, clips and measures each use of a token alone, and adds afterwards;
    everywhere else a table's gradient is the sum over the uses, `dense()`.
    """

    __array_ufunc__ = None  # array + rows asks the rows, not NumPy

    def __init__(self, values, trace):
        self.values = values.reshape(-1, values.shape[-1])  # (uses, D)
        self.trace = trace._replace(ids=trace.ids.ravel())

    def replaced(self, values):
        """Return the same uses with other gradients."""
        return Rows(values, self.trace)

    def dense(self):
        """Return the gradient of the whole table (V, D)."""
        return ref.embedding_backward(self.values, self.trace).d_table

    def __add__(self, other):
        if not isinstance(other, Rows):
            return self.dense() + other
        ids = np.concatenate([self.trace.ids, other.trace.ids])
        values = np.concatenate([self.values, other.values])
        return Rows(values, self.trace._replace(ids=ids))

    def __radd__(self, other):
        return self.dense() + other


def dense(gradient):
    """Return a gradient as an array."""
    return gradient.dense() if isinstance(gradient, Rows) else gradient


def is_value(x):
    """Whether x lies on the tape."""
    return isinstance(x, Value)


def unwrap(x):
    """Return the array of a value, and anything else as it is."""
    return x.array if is_value(x) else x


def gradient_or_zeros(value):
    """Return the gradient of a value; zeros where nobody sent one."""
    return np.zeros_like(value.array) if value.d is None else value.d
