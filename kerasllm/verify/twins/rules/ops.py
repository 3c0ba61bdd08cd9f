"""`keras.ops` on the symbolic tensors of a functional model: arithmetic, and the making of masks.

Keras itself puts such operations into a model: the mask of an `Embedding` is a node `NotEqual`.
"""

import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.twins.registry import operation


def unbroadcast(d, like):
    """Sum a gradient over the axes along which `like` was repeated."""
    shape = np.shape(like)
    d = d.sum(axis=tuple(range(d.ndim - len(shape))))
    repeated = tuple(k for k, size in enumerate(shape) if size == 1 and d.shape[k] != 1)
    return d.sum(axis=repeated, keepdims=True)


def _with_trace(function):
    return lambda op, _weights, *args, **kwargs: (function(op, *args, **kwargs), args)


def _no_gradient(*_):
    raise AssertionError("a mask has no gradient")


_MASKS = {
    "NotEqual": lambda _, a, b: a != b,
    "Equal": lambda _, a, b: a == b,
    "Greater": lambda _, a, b: a > b,
    "GreaterEqual": lambda _, a, b: a >= b,
    "Less": lambda _, a, b: a < b,
    "LessEqual": lambda _, a, b: a <= b,
    "LogicalAnd": lambda _, a, b: np.logical_and(a, b),
    "LogicalOr": lambda _, a, b: np.logical_or(a, b),
    "LogicalNot": lambda _, a: np.logical_not(a),
    "Any": lambda op, a: np.any(a, axis=_axes(op), keepdims=op.keepdims),
    "OnesLike": lambda _, a, dtype=None: np.ones_like(a, dtype=dtype),
    "ZerosLike": lambda _, a, dtype=None: np.zeros_like(a, dtype=dtype),
}
for _name, _function in _MASKS.items():
    operation(_name)(lambda f=_function: (_with_trace(f), _no_gradient))


def _axes(op):
    return tuple(op.axis) if isinstance(op.axis, (list, tuple)) else op.axis


def _arithmetic(forward, slopes):
    """Return the pair of an elementwise operation; `slopes(a, b)` are its two derivatives."""

    def backward(_op, d, args):
        pairs = zip(args, slopes(*args), strict=True)
        floats = [(a, s) for a, s in pairs if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
        return tuple(unbroadcast(d * s, a) for a, s in floats), []

    return _with_trace(lambda _op, a, b: forward(a, b)), backward


@operation("Add")
def _add():
    return _arithmetic(np.add, lambda _a, _b: (1, 1))


@operation("Subtract")
def _subtract():
    return _arithmetic(np.subtract, lambda _a, _b: (1, -1))


@operation("Multiply")
def _multiply():
    return _arithmetic(np.multiply, lambda a, b: (b, a))


@operation("Divide", "TrueDivide")
def _divide():
    return _arithmetic(np.divide, lambda a, b: (1 / b, -a / b**2))


def _of_one(forward, slope):
    """Return the pair of an operation on each number alone; `slope(x)` is its derivative."""
    return lambda: (
        lambda _op, _weights, x: (forward(x), x), lambda _op, d, x: (d * slope(x), [])
    )  # fmt: skip


operation("Negative")(_of_one(np.negative, lambda _: -1))
operation("Absolute")(_of_one(np.abs, np.sign))
operation("Square")(_of_one(np.square, lambda x: 2 * x))
operation("Exp")(_of_one(np.exp, np.exp))


@operation("ConvertToTensor")
def _as_it_is():
    """Compute `ops.convert_to_tensor`, which Keras puts behind a mask that is used again."""

    def forward(op, _weights, x):
        return (x if x.dtype.kind == "f" or not op.dtype else x.astype(op.dtype)), None

    return forward, lambda _op, d, _trace: (d, [])


def _rearrangement(function):
    """Return the pair of an operation that moves entries without changing them."""

    def forward(op, _weights, x, *args, **kwargs):
        places = np.arange(np.size(x)).reshape(np.shape(x))
        return function(op, x, *args, **kwargs), (x, function(op, places, *args, **kwargs))

    def backward(_op, d, trace):
        x, places = trace
        d_x = np.zeros(np.size(x), d.dtype)
        np.add.at(d_x, places.ravel(), d.ravel())
        return d_x.reshape(np.shape(x)), []

    return lambda: (forward, backward)


operation("GetItem")(_rearrangement(lambda _op, x, key: x[key]))
operation("Transpose")(_rearrangement(lambda op, x: np.transpose(x, op.axes)))
operation("ExpandDims")(_rearrangement(lambda op, x: np.expand_dims(x, op.axis)))
operation("Squeeze")(_rearrangement(lambda op, x: np.squeeze(x, _axes(op))))
operation("Reshape")(_rearrangement(lambda op, x: np.reshape(x, _shape(op, x))))


def _shape(op, x):
    return [x.shape[0] if size is None else size for size in op.newshape]


@operation("Concatenate")
def _concatenate():
    def backward(op, d, args):
        ends = np.cumsum([a.shape[op.axis] for a in args[0]])[:-1]
        return tuple(np.split(d, ends, axis=op.axis)), []

    return _with_trace(lambda op, xs: np.concatenate(xs, axis=op.axis)), backward


def _average(mean):
    def forward(op, _weights, x):
        reduce = np.mean if mean else np.sum
        y = reduce(x, axis=_axes(op), keepdims=True)
        return (y if op.keepdims else np.squeeze(y, _axes(op))), (x, y)

    def backward(_op, d, trace):
        x, y = trace
        share = y.size / x.size if mean else 1
        return np.broadcast_to(d.reshape(y.shape) * share, x.shape), []

    return forward, backward


operation("Mean")(lambda: _average(mean=True))
operation("Sum")(lambda: _average(mean=False))


def _activation(forward, backward, axis=False, behind=False):
    """Return the pair of an activation, and what a loss finds behind it (see `registry.register`).

    `axis` says that it has one, `behind` that Keras' losses look for its logits.
    """

    def compute(op, _weights, x):
        return forward(x, op.axis) if axis else forward(x)

    def back(_op, d, trace):
        return backward(d, trace)[0], []

    logits = (lambda _op, trace: trace.x, lambda _op, d, _trace: (d, [])) if behind else None
    return lambda: (compute, back, logits)


operation("Relu")(_activation(ref.relu, ref.relu_backward))
operation("Sigmoid")(_activation(ref.sigmoid, ref.sigmoid_backward, behind=True))
operation("Tanh")(_activation(ref.tanh, ref.tanh_backward))
operation("Silu")(_activation(ref.silu, ref.silu_backward))
operation("Softmax")(_activation(ref.softmax, ref.softmax_backward, axis=True, behind=True))
operation("LogSoftmax")(_activation(ref.log_softmax, ref.log_softmax_backward, axis=True))
