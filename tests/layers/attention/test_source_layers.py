"""What every layer that reads a source promises: the contract of the layers, with two inputs."""

import inspect
import json

import keras
import numpy as np
import pytest

from kerasllm.layers import AttentionDecoder, BahdanauAttention, LuongAttention, TransformerDecoder

V, D = 11, 12
LAYERS = {
    "bahdanau": lambda **k: BahdanauAttention(7, **k),
    "luong-dot": lambda **k: LuongAttention("dot", **k),
    "luong-general": lambda **k: LuongAttention(**k),
    "luong-concat": lambda **k: LuongAttention("concat", 7, **k),
    "decoder-pre": lambda **k: TransformerDecoder(3, **k),
    "decoder-post": lambda **k: TransformerDecoder(2, 7, True, "post", "relu", 0.1, 1e-3, **k),
    "recurrent-lstm": lambda **k: AttentionDecoder(12, 2, "lstm", "dot", **k),
    "recurrent-gru": lambda **k: AttentionDecoder(7, 1, "gru", "bahdanau", **k),
}
TARGET = np.array([[2, 1, 4, 1, 5], [2, 2, 6, 0, 0], [2, 0, 0, 0, 0]], dtype="int32")
SOURCE = np.array([[3, 1, 4, 1, 5, 9, 2], [9, 2, 6, 0, 0, 0, 0], [7, 0, 0, 0, 0, 0, 0]], "int32")
every_layer = pytest.mark.parametrize("name", LAYERS)


def _first(y):
    return y[0] if isinstance(y, tuple | list) else y


def _host(name, randomize, **options):
    """Return a model from target and source ids through an embedding and the layer."""
    target, source = (keras.Input((None,), dtype="int32", name=n) for n in ("target", "source"))
    embedding = keras.layers.Embedding(V, D, mask_zero=True)
    layer = LAYERS[name](**options)
    y = _first(layer(embedding(target), source=embedding(source)))
    return randomize(keras.Model({"target": target, "source": source}, y))


def _pair(target=TARGET, source=SOURCE):
    return {"target": target, "source": source}


@every_layer
def test_configuration_round_trip(name):
    layer = LAYERS[name](name="some_name", dtype="mixed_bfloat16")
    config = layer.get_config()
    again = type(layer).from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    arguments = set(inspect.signature(type(layer).__init__).parameters) - {"self", "kwargs"}
    assert arguments <= set(config)


@every_layer
def test_saved_and_loaded_inside_a_model_gives_identical_outputs(name, randomize, numpy, tmp_path):
    model = _host(name, randomize)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(numpy(model(_pair())), numpy(loaded(_pair())))


@pytest.mark.backends
@every_layer
def test_padding_changes_no_number(name, randomize, numpy):
    model = _host(name, randomize)
    padded = numpy(model(_pair()))
    for row in range(len(TARGET)):
        target, source = (ids[row : row + 1, : (ids[row] > 0).sum()] for ids in (TARGET, SOURCE))
        alone = numpy(model(_pair(target, source)))[0]
        assert np.abs(padded[row, : len(alone)] - alone).max() < 2e-5


@every_layer
def test_the_mask_of_the_target_is_passed_on(name, randomize, numpy):
    model = _host(name, randomize)
    embedding, layer = model.layers[-2], model.layers[-1]
    y = _first(layer(embedding(TARGET), source=embedding(SOURCE)))
    assert np.array_equal(numpy(y._keras_mask), TARGET != 0)


@pytest.mark.backends
@every_layer
def test_one_step_of_training_moves_every_weight(name, rng, randomize):
    model = _host(name, randomize)
    eagerly = keras.backend.backend() != "jax"
    model.compile(keras.optimizers.SGD(0.5), "mse", run_eagerly=eagerly)
    before = model.get_weights()
    model.fit(_pair(), rng.normal(size=model(_pair()).shape), verbose=0)
    for weight, old in zip(model.weights, before, strict=True):
        new = keras.ops.convert_to_numpy(weight)
        assert np.isfinite(new).all()
        assert not np.array_equal(new, old), weight.path


@pytest.mark.backends
@every_layer
def test_mixed_precision_is_finite_near_and_of_its_dtype(name, rng, randomize, numpy):
    width = 12
    x, source = (rng.normal(size=(2, n, width)).astype("float32") for n in (5, 7))
    layer, half = LAYERS[name](), LAYERS[name](dtype="mixed_bfloat16")
    for one in (layer, half):
        one(x, source=source)
    randomize(layer, 0.3)
    half.set_weights(layer.get_weights())
    y, exact = _first(half(x, source=source)), numpy(_first(layer(x, source=source)))
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    y = numpy(keras.ops.cast(y, "float32"))
    assert np.isfinite(y).all()
    assert np.linalg.norm(y - exact) < 0.05 * np.linalg.norm(exact)


@every_layer
def test_the_computed_shape_is_the_real_one(name, rng, randomize):
    x, source = (rng.normal(size=(2, n, D)).astype("float32") for n in (5, 7))
    layer = LAYERS[name]()
    y = layer(x, source=source)
    computed = layer.compute_output_shape(x.shape, source.shape)
    if isinstance(y, tuple | list):
        assert [tuple(part.shape) for part in y] == [tuple(shape) for shape in computed]
    else:
        assert tuple(y.shape) == tuple(computed)
    symbolic = _host(name, randomize).output_shape
    assert symbolic == (None, None, y[0].shape[-1] if isinstance(y, tuple) else y.shape[-1])
