"""Gradients of every public layer on every backend, and derivatives of them.

The gradients by hand are those of the reference, or of the rule by which a twin computes the layer.
"""

import dataclasses

import keras
import numpy as np
import pytest

from kerasllm import layers
from kerasllm.verify.comparison.backend import to_numpy, to_tensors
from kerasllm.verify.comparison.report import compare_arrays
from kerasllm.verify.proofs import equations
from kerasllm.verify.proofs.checks import check_forward_and_gradients, flatten, hand_gradients

pytestmark = [
    pytest.mark.backends,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
BACKEND = keras.backend.backend()
DTYPE = equations.precisions()[0]
BAR = {"float64": 1e-6, "float32": 1e-3}[DTYPE]
STEP = 1e-5
NORMALIZED = ("TransformerDecoder", "TransformerEncoder")
LAYERS = [name for name in layers.__all__ if isinstance(getattr(layers, name), type)]
WORD = {"MaskedPooling": "attention", "MultiHeadAttention": "rotary", "TokenEmbedding": "learned"}


def case_of(name):
    cases = [case for case in equations.CASES if name in case.layers]
    return next(case for case in cases if WORD.get(name, "") in case.name)


@pytest.mark.parametrize("name", LAYERS)
def test_first_derivatives(name):
    outputs, gradients = check_forward_and_gradients(case_of(name), DTYPE)
    assert gradients and all(row.ok for row in (*outputs, *gradients)), (outputs, gradients)


@pytest.mark.parametrize("name", [name for name in LAYERS if name != "CRF"])
def test_second_derivatives(name):
    """The gradient, moved along a direction: by hand at two points, and by the backend."""
    if BACKEND == "tensorflow" and name in NORMALIZED:
        pytest.skip("of Keras' LayerNormalization on TensorFlow they are wrong: see below")
    case = case_of(name)
    rng = np.random.default_rng(0)
    way = {key: rng.standard_normal(array.shape) for key, array in case.arguments.items()}
    up, down = (_gradients_at(case, way, sign * STEP) for sign in (1, -1))
    theirs = _derivatives(case, way)
    rows = [
        compare_arrays(name, key, (up[key] - down[key]) / (2 * STEP), theirs[key], BAR)
        for key in case.arguments
    ]
    assert all(row.ok for row in rows), rows
    bent = max(np.abs(d).max() for d in theirs.values()) > 1e-3
    assert bent == (name != "TokenEmbedding")  # which is linear


@pytest.mark.skipif(BACKEND != "tensorflow", reason="JAX and torch have the right ones")
def test_second_derivatives_that_keras_gets_wrong():
    """Keras' LayerNormalization on TensorFlow: tf.nn.moments stops the gradient of the mean.

    Where this turns red Keras has mended it, and `NORMALIZED` can go.
    """
    title = "layer norm, gamma and beta"
    case = next(case for case in equations.CASES if case.name == title)
    way = {
        key: np.random.default_rng(0).standard_normal(a.shape) for key, a in case.arguments.items()
    }
    up, down = (_gradients_at(case, way, sign * STEP)["x"] for sign in (1, -1))
    assert not compare_arrays(
        title, "x", (up - down) / (2 * STEP), _derivatives(case, way)["x"], BAR
    ).ok


def test_a_crf_has_no_second_derivative():
    """Its gradient is written down and stopped, so what is behind it is missing: it says so."""
    assert "second derivatives" in " ".join(layers.CRF.__doc__.split())


def _gradients_at(case, way, length):
    moved = {key: array + length * way[key] for key, array in case.arguments.items()}
    return hand_gradients(dataclasses.replace(case, arguments=moved))[2]


def _derivatives(case, way):
    """Return d/ds of the gradient at arguments + s · way, by the running backend."""
    arguments = {key: array.astype(DTYPE) for key, array in case.arguments.items()}
    cotangent = [d.astype(DTYPE) for d in flatten(hand_gradients(case)[1])]

    def total(tensors):
        outputs = keras.tree.flatten(case.keras(**tensors))
        pairs = zip(outputs, cotangent, strict=True)
        return sum(keras.ops.sum(y * keras.ops.cast(d, y.dtype)) for y, d in pairs)

    def along(gradients):
        return sum(
            keras.ops.sum(d * keras.ops.cast(way[key], d.dtype))
            for key, d in gradients.items() if d is not None
        )  # fmt: skip

    found = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[BACKEND](
        total, along, to_tensors(arguments)
    )
    zeros = {key: np.zeros(array.shape) for key, array in arguments.items()}
    return zeros | {key: to_numpy(d) for key, d in found.items() if d is not None}


def _tensorflow(total, along, tensors):
    import tensorflow as tf

    with tf.GradientTape() as outer:
        outer.watch(tensors)
        with tf.GradientTape() as inner:
            inner.watch(tensors)
            value = total(tensors)
        gradients = inner.gradient(value, tensors)
        slope = along({k: tf.convert_to_tensor(d) for k, d in gradients.items() if d is not None})
    found = outer.gradient(slope, tensors)
    return {key: tf.convert_to_tensor(d) for key, d in found.items() if d is not None}


def _jax(total, along, tensors):
    import jax

    def ordered(given):  # JAX sorts the names
        return total({key: given[key] for key in tensors})

    return jax.jit(jax.grad(lambda given: along(jax.grad(ordered)(given))))(tensors)


def _torch(total, along, tensors):
    import torch

    leaves = {key: tensor.detach().requires_grad_() for key, tensor in tensors.items()}
    names, values = zip(*leaves.items(), strict=True)
    options = {"allow_unused": True}
    first = torch.autograd.grad(total(leaves), values, create_graph=True, **options)
    slope = along(dict(zip(names, first, strict=True)))
    if not slope.requires_grad:  # nothing is bent
        return {}
    second = torch.autograd.grad(slope, values, **options)
    return {key: None if d is None else d.detach() for key, d in zip(names, second, strict=True)}
