"""Cases of the equations without time: activations, dense, embedding, letters, normalisation."""

import math
from functools import partial

import keras
import numpy as np

from kerasllm import layers
from kerasllm import reference as ref
from kerasllm.verify.comparison.backend import call_layer
from kerasllm.verify.proofs.checks import Case, random_arguments

EXEMPT = {}
ops = keras.ops
GELU = "in float64 from ops.erf and ops.tanh: TensorFlow's gelu has float32 constants in it"
IDS = np.array([[1, 4, 1, 0, 6], [6, 1, 2, 2, 1]])  # repeated ids, and rows that nobody uses
WORDS = np.array(
    [[[3, 1, 4, 1], [2, 6, 0, 0], [0, 0, 0, 0]], [[5, 0, 0, 0], [6, 6, 6, 0], [1, 2, 3, 4]]]
)
KEEP = np.random.default_rng(5).random((2, 5, 3)) < 0.7


def _activation(name, keras_function, label="", scale=3.0, note="", **options):
    label = f"{name}{label}"
    return Case(
        name=label,
        covers=(name,),
        arguments=random_arguments(label, x=(2, 5, 3), scale=scale),
        forward=partial(getattr(ref, name), **options),
        backward=getattr(ref, f"{name}_backward"),
        keras=partial(keras_function, **options),
        note=note,
    )


def _gelu(x, approximate):
    if keras.backend.standardize_dtype(x.dtype) == "float32":
        return ops.gelu(x, approximate=approximate)
    bend = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return x * (1 + (ops.tanh(bend) if approximate else ops.erf(x * math.sqrt(0.5)))) / 2


def _layer(build, *names):
    """Return a Keras function that calls `build(dtype)` with the weights called `names`."""

    def function(x, **weights):
        layer = build(keras.backend.standardize_dtype(x.dtype))
        return call_layer(layer, [weights[name] for name in names], x)

    return function


def _norm(name, label, build, weights, **options):
    arguments = random_arguments(label, x=(2, 5, 11), **{f"{weight}_": (11,) for weight in weights})
    return Case(
        name=label,
        covers=(name,),
        # One weight is called "scale", and so is an option of random_arguments.
        arguments={key.rstrip("_"): array for key, array in arguments.items()},
        forward=partial(getattr(ref, name), **options),
        backward=getattr(ref, f"{name}_backward"),
        keras=_layer(build, *weights),
    )


def _characters(kernel_size):
    label = f"characters, kernel of {kernel_size}"
    shapes = {"table": (7, 3), "kernel": (kernel_size, 3, 5), "bias": (5,)}

    def keras_layer(table, **weights):
        dtype = keras.backend.standardize_dtype(table.dtype)
        layer = layers.CharacterCNN(7, 5, kernel_size, embedding_dim=3, dtype=dtype)
        return call_layer(layer, [table, *weights.values()], ops.convert_to_tensor(WORDS))

    return Case(
        name=label,
        covers=("character_cnn",),
        layers=("CharacterCNN",),
        arguments=random_arguments(label, **shapes),
        forward=partial(ref.character_cnn, WORDS),
        backward=ref.character_cnn_backward,
        keras=keras_layer,
    )


def _convolution(label, **options):
    label = f"convolution, {label}"
    given = {"stride": "strides", "dilation": "dilation_rate", "padding": "padding"}
    settings = {given[name]: value for name, value in options.items()}
    shapes = {"x": (2, 7, 3), "kernel": (3, 3, 5), "bias": (5,)}
    return Case(
        name=label,
        covers=("conv1d",),
        arguments=random_arguments(label, **shapes),
        forward=partial(ref.conv1d, **options),
        backward=ref.conv1d_backward,
        keras=_layer(
            lambda dtype: keras.layers.Conv1D(5, 3, dtype=dtype, **settings), "kernel", "bias"
        ),
    )


MOVING = {"mean": np.array([0.3, -1.1, 0.7]), "variance": np.array([0.4, 2.0, 1.3])}
STEPS = np.array([[1, 1, 0, 1, 0], [0, 1, 1, 1, 1]], bool)


def _batch_norm(label, training, mask=None):
    """Make a case of batch normalisation, in training or with the averages that it remembers."""
    label = f"batch norm, {label}"

    def ours(x, gamma, beta):
        if training:
            extra = 0.0 if mask is None else keras.config.epsilon()
            return ref.batch_norm(x, gamma, beta, mask=mask, extra=extra)
        return ref.batch_norm(x, gamma, beta, *(m.astype(x.dtype) for m in MOVING.values()))

    def theirs(x, gamma, beta):
        dtype = keras.backend.standardize_dtype(x.dtype)
        layer = keras.layers.BatchNormalization(dtype=dtype)
        weights = [gamma, beta, *(ops.cast(m, dtype) for m in MOVING.values())]
        seen = {} if mask is None else {"mask": ops.convert_to_tensor(mask)}
        return call_layer(layer, weights, x, training=training, **seen)

    arguments = random_arguments(label, x=(2, 5, 3), gamma=(3,), beta=(3,))
    return Case(label, ("batch_norm",), arguments, ours, ref.batch_norm_backward, theirs)


LayerNormalization = keras.layers.LayerNormalization

CASES = (
    _activation("sigmoid", lambda x: ops.sigmoid(x)),
    _activation("tanh", lambda x: ops.tanh(x), scale=1.0),
    _activation("relu", lambda x: ops.relu(x)),
    _activation("silu", ops.silu),
    _activation("gelu", _gelu, ", exact", note=GELU, approximate=False),
    _activation("gelu", _gelu, ", tanh", note=GELU, approximate=True),
    _activation("softmax", ops.softmax, axis=-1),
    _activation("softmax", ops.softmax, ", axis 1", axis=1),
    _activation("log_softmax", ops.log_softmax, axis=-1),
    _activation("log_softmax", ops.log_softmax, ", axis 1", axis=1),
    Case(
        name="dense, bias",
        covers=("dense",),
        arguments=random_arguments("dense, bias", x=(2, 5, 3), kernel=(3, 11), bias=(11,)),
        forward=ref.dense,
        backward=ref.dense_backward,
        keras=_layer(lambda dtype: keras.layers.Dense(11, dtype=dtype), "kernel", "bias"),
    ),
    Case(
        name="dense, no bias",
        covers=("dense",),
        arguments=random_arguments("dense, no bias", x=(2, 3), kernel=(3, 11)),
        forward=ref.dense,
        backward=ref.dense_backward,
        keras=_layer(lambda dtype: keras.layers.Dense(11, use_bias=False, dtype=dtype), "kernel"),
    ),
    Case(
        name="embedding, repeated ids",
        covers=("embedding",),
        arguments=random_arguments("embedding", table=(7, 3)),
        forward=partial(ref.embedding, IDS),
        backward=ref.embedding_backward,
        keras=lambda table: ops.take(table, IDS, axis=0),
    ),
    *map(_characters, (1, 2, 3)),
    _convolution("valid"),
    _convolution("same, stride 2", padding="same", stride=2),
    _convolution("same, dilation 2", padding="same", dilation=2),
    _convolution("causal", padding="causal"),
    _batch_norm("training", training=True),
    _batch_norm("training, masked", training=True, mask=STEPS),
    _batch_norm("remembered", training=False),
    Case(
        name="low-rank adaptation",
        covers=("lora",),
        arguments=random_arguments("low-rank adaptation", w=(5, 7), a=(5, 3), b=(3, 7)),
        forward=partial(ref.lora, alpha=11),
        backward=ref.lora_backward,
        keras=lambda w, a, b: w + 11 / 3 * ops.matmul(a, b),
    ),
    Case(
        name="dropout",
        covers=("dropout",),
        arguments=random_arguments("dropout", x=(2, 5, 3)),
        forward=partial(ref.dropout, keep=KEEP, rate=0.3),
        backward=ref.dropout_backward,
        keras=lambda x: ops.where(KEEP, x / 0.7, ops.zeros_like(x)),
    ),
    _norm(
        "layer_norm",
        "layer norm, gamma and beta",
        lambda dtype: LayerNormalization(dtype=dtype),
        ("gamma", "beta"),
    ),
    _norm(
        "layer_norm",
        "layer norm, plain, epsilon 1e-12",
        lambda dtype: LayerNormalization(epsilon=1e-12, center=False, scale=False, dtype=dtype),
        (),
        epsilon=1e-12,
    ),
    _norm(
        "rms_norm",
        "RMS norm",
        lambda dtype: keras.layers.RMSNormalization(dtype=dtype),
        ("scale",),
    ),
)
