"""The copy mechanism against its equation, by loops."""

import keras
import numpy as np
import pytest

from kerasllm.layers import PointerGenerator

pytestmark = pytest.mark.backends
B, T, S, D, V = 2, 3, 5, 7, 11
SOURCE = np.array([[7, 3, 7, 9, 7], [4, 6, 0, 0, 0]], dtype="int32")


def _softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _layer(rng, randomize, dtype="float32"):
    """Return a layer with random weights, and its inputs."""
    weights = np.where(SOURCE[:, None] > 0, _softmax(rng.normal(size=(B, T, S))), 0)
    inputs = {
        "inputs": rng.normal(size=(B, T, D)).astype(dtype),
        "logits": rng.normal(size=(B, T, V)).astype(dtype),
        "weights": (weights / weights.sum(axis=-1, keepdims=True)).astype(dtype),
        "source": SOURCE,
    }
    layer = PointerGenerator(dtype=dtype)
    layer(**inputs)
    return randomize(layer), inputs


def test_equation(rng, randomize, numpy, precision):
    dtype, tolerance = precision
    layer, inputs = _layer(rng, randomize, dtype)
    w, b = layer.get_weights()
    gate = 1 / (1 + np.exp(-(inputs["inputs"] @ w + b)))
    p = gate * _softmax(inputs["logits"])
    for row, t, s in np.ndindex(B, T, S):
        p[row, t, SOURCE[row, s]] += (1 - gate[row, t, 0]) * inputs["weights"][row, t, s]
    found = numpy(layer(**inputs))
    assert np.abs(np.exp(found) - p).max() < tolerance
    assert np.abs(found - np.log(p)).max() < 100 * tolerance
    assert np.allclose(np.exp(found).sum(axis=-1), 1, atol=100 * tolerance)


def test_a_closed_gate_copies_and_an_open_one_generates(rng, randomize, numpy):
    layer, inputs = _layer(rng, randomize)
    layer.set_weights([np.zeros((D, 1)), np.array([-60.0])])
    copied = np.exp(numpy(layer(**inputs)))
    assert np.allclose(copied[0, :, 7], inputs["weights"][0][:, [0, 2, 4]].sum(axis=-1), atol=1e-6)
    assert np.allclose(copied[1, :, [3, 5, 7, 8]], 0)
    layer.set_weights([np.zeros((D, 1)), np.array([60.0])])
    assert np.allclose(np.exp(numpy(layer(**inputs))), _softmax(inputs["logits"]), atol=1e-6)


def test_gradients_are_finite_where_the_source_lacks_a_word(rng, randomize):
    layer, given = _layer(rng, randomize)
    inputs = {
        name: keras.Input(x.shape[1:], dtype=str(x.dtype), name=name) for name, x in given.items()
    }
    model = keras.Model(inputs, layer(**inputs))
    model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(True))
    before = model.get_weights()
    loss = model.fit(given, np.full((B, T), 8), verbose=0).history["loss"][0]
    assert np.isfinite(loss)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.isfinite(new).all()
        assert not np.array_equal(old, new)


def test_half_precision_gives_log_probabilities_in_float32(rng, randomize, numpy):
    layer, inputs = _layer(rng, randomize)
    half = PointerGenerator(dtype="mixed_bfloat16")
    half(**inputs)
    half.set_weights(layer.get_weights())
    y = half(**inputs)
    assert keras.backend.standardize_dtype(y.dtype) == "float32"
    assert np.abs(np.exp(numpy(y)) - np.exp(numpy(layer(**inputs)))).max() < 0.02
