"""Dense, embedding, activations, and what hides or rearranges: forward and backward."""

import math
from typing import NamedTuple

import keras
import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.twins.registry import register, unsupported
from kerasllm.verify.twins.values import Rows

ACTIVATIONS = {
    "linear": (lambda x: (x, None), lambda d, _: (d,)),
    "relu": (ref.relu, ref.relu_backward),
    "sigmoid": (ref.sigmoid, ref.sigmoid_backward),
    "tanh": (ref.tanh, ref.tanh_backward),
    "silu": (ref.silu, ref.silu_backward),
    "softmax": (ref.softmax, ref.softmax_backward),
    "log_softmax": (ref.log_softmax, ref.log_softmax_backward),
}


class GELUTrace(NamedTuple):
    """Every symbol of GELU as the framework computes it: of slope · x, divided by the slope."""

    gelu: tuple
    slope: float


def keras_gelu(x, function=keras.activations.gelu, approximate=False):
    """Compute GELU with the constants of the framework.

    TensorFlow's holds √½ as a float32, even for float64: its gelu(x) is gelu(slope x) / slope with
    a slope of 0.99999998. (Of the tanh form it rounds two constants; that stays a difference.)
    """
    slope = 1.0
    if x.dtype == np.float64 and not approximate and keras.backend.backend() == "tensorflow":
        one = keras.ops.convert_to_tensor(np.ones(1), dtype="float64")
        exact = ref.gelu(np.ones(1))[0]
        if np.abs(keras.ops.convert_to_numpy(function(one)) - exact).max() > 1e-12:
            slope = float(np.float32(math.sqrt(0.5))) / math.sqrt(0.5)
    output, trace = ref.gelu(slope * x, approximate)
    return output / slope, GELUTrace(trace, slope)


def keras_gelu_backward(d_output, trace):
    """Go back through `keras_gelu`."""
    return ref.gelu_backward(d_output, trace.gelu)


class ELUTrace(NamedTuple):
    """Every symbol of ELU: how steep it is at x, and what it makes of it."""

    x: np.ndarray
    slope: np.ndarray
    output: np.ndarray


def elu(x, alpha=1.0):
    """Compute x above 0, alpha · (exp(x) - 1) below."""
    low = np.minimum(x, 0)
    output = np.where(x > 0, x, alpha * np.expm1(low))
    return output, ELUTrace(x, np.where(x > 0, 1, alpha * np.exp(low)).astype(x.dtype), output)


def elu_backward(d_output, trace):
    """Go back through `elu`."""
    return (d_output * trace.slope,)


ACTIVATIONS |= {"gelu": (keras_gelu, keras_gelu_backward), "elu": (elu, elu_backward)}


def activation_name(layer):
    """Return the name of a layer's activation in `ACTIVATIONS`.

    Raises:
        UnsupportedLayerError: the activation has no function in `kerasllm.reference`.
    """
    function = layer.activation
    name = "linear" if function is None else getattr(function, "__name__", repr(function))
    own = function is not None and getattr(keras.activations, name, None) is not function
    if name not in ACTIVATIONS or own:
        raise unsupported(layer, f"activation {name!r} (it knows {sorted(ACTIVATIONS)})")
    return name


class DenseTrace(NamedTuple):
    """Every symbol of a dense layer with an activation: a = x kernel + bias, output = f(a)."""

    x: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray | None
    activation: str
    a: np.ndarray
    output: np.ndarray
    parts: tuple


def dense(layer, weights, x):
    """Compute keras.layers.Dense."""
    name = activation_name(layer)
    a, product = ref.dense(x, *weights)
    output, bend = ACTIVATIONS[name][0](a)
    return output, DenseTrace(*product, name, a, output, (product, bend))


def dense_backward(layer, d_output, trace):
    """Go back through keras.layers.Dense."""
    (d_a,) = ACTIVATIONS[trace.activation][1](d_output, trace.parts[1])
    return product_backward(layer, d_a, trace)


def product_backward(_layer, d_a, trace):
    """Go back through what stands before the activation: a = x kernel + bias."""
    d_x, *d_weights = ref.dense_backward(d_a, trace.parts[0])
    return d_x, [d for d in d_weights if d is not None]


def logits_of_dense(_layer, trace):
    """Return a where the activation is one that Keras' losses look behind."""
    return trace.a if trace.activation in _BEHIND else None


_BEHIND = ("softmax", "sigmoid")


def embedding(_layer, weights, ids):
    """Compute keras.layers.Embedding."""
    return ref.embedding(ids.astype("int64"), *weights)


def embedding_backward(_layer, d_output, trace):
    """Go back through keras.layers.Embedding; ids have no gradient."""
    return None, [Rows(d_output, trace)]


def embedding_mask(_layer, ids, _mask):
    """Return where the ids are not 0 (only asked where mask_zero is set)."""
    return ids != 0


def activation(layer, _weights, x):
    """Compute keras.layers.Activation."""
    return ACTIVATIONS[activation_name(layer)][0](x)


def activation_backward(layer, d_output, trace):
    """Go back through keras.layers.Activation."""
    return ACTIVATIONS[activation_name(layer)][1](d_output, trace)[0], []


def logits_of_activation(layer, trace):
    """Return the input of a softmax or sigmoid."""
    return trace.x if activation_name(layer) in _BEHIND else None


def whole(_layer, d_logits, _trace):
    """Go back from the logits of a layer that has nothing before its activation."""
    return d_logits, []


def softmax(layer, _weights, x, mask=None):
    """Compute keras.layers.Softmax; masked entries are 0."""
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    if not isinstance(layer.axis, int) and len(layer.axis) > 1:
        raise unsupported(layer, "several axes")
    if mask is not None and mask.shape != x.shape:
        raise unsupported(layer, "a mask of other shape than its input: Keras repeats or fails")
    lowest = np.finfo(x.dtype).min / 2
    output, trace = ref.softmax(x if mask is None else np.where(mask, x, lowest), axis)
    output = output if mask is None else np.where(mask, output, 0)
    return output, (trace, mask)


def softmax_backward(_layer, d_output, trace):
    """Go back through keras.layers.Softmax."""
    trace, mask = trace
    if mask is not None:
        d_output = np.where(mask, d_output, 0)
    (d_x,) = ref.softmax_backward(d_output, trace)
    return (d_x if mask is None else np.where(mask, d_x, 0)), []


def logits_of_softmax(_layer, trace):
    """Return the input of a softmax without a mask."""
    return trace[0].x if trace[1] is None else None


def masking(layer, _weights, x):
    """Compute keras.layers.Masking: steps whose features all equal mask_value become 0."""
    real = (x != layer.mask_value).any(axis=-1, keepdims=True)
    return np.where(real, x, 0), real


def masking_mask(layer, x, _mask):
    """Return which steps keras.layers.Masking keeps."""
    return (x != layer.mask_value).any(axis=-1)


def identity(_layer, _weights, x, **_):
    """Compute keras.layers.Dropout where nothing is dropped."""
    return x, None


def reshape(layer, _weights, x):
    """Compute keras.layers.Reshape and Flatten: (B, …) -> (B, target)."""
    target = (-1,) if isinstance(layer, keras.layers.Flatten) else layer.target_shape
    target = [-1 if size is None else size for size in target]
    return x.reshape(len(x), *target), x.shape


register(keras.layers.Dense, dense, dense_backward, logits=(logits_of_dense, product_backward))
register(keras.layers.Embedding, embedding, embedding_backward, mask=embedding_mask)
register(
    keras.layers.Activation, activation, activation_backward, logits=(logits_of_activation, whole)
)
register(keras.layers.Softmax, softmax, softmax_backward, logits=(logits_of_softmax, whole))
register(
    keras.layers.Masking, masking, lambda _, d, real: (np.where(real, d, 0), []), mask=masking_mask
)
for _layer in (
    keras.layers.ActivityRegularization, keras.layers.Dropout, keras.layers.Identity,
    keras.layers.SpatialDropout1D,
):  # fmt: skip
    register(_layer, identity, lambda _, d, _trace: (d, []))
for _layer in (keras.layers.Reshape, keras.layers.Flatten):
    register(_layer, reshape, lambda _, d, shape: (d.reshape(shape), []))
