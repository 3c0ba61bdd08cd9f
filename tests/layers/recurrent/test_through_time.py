"""Our recurrent layers have Keras' weights, options, files and numbers; the proof has the rest."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasllm import layers

pytestmark = pytest.mark.backends
B, T, D, H = 2, 5, 3, 7
MASK = np.array([[1, 1, 1, 0, 1], [0, 1, 1, 0, 0]], bool)
NAMES = ("SimpleRNN", "LSTM", "GRU")
every_layer = pytest.mark.parametrize("name", NAMES)


def _pair(name, rng, build=True, **options):
    """Return our layer and Keras' with the same random weights, and an input."""
    pair = [getattr(house, name)(H, seed=5, **options) for house in (layers, keras.layers)]
    for layer in pair if build else ():
        layer.build((B, T, D))
    if build:
        weights = [rng.normal(size=w.shape) for w in pair[0].get_weights()]
        for layer in pair:
            layer.set_weights(weights)
    return *pair, rng.normal(size=(B, T, D)).astype("float32")


def _far(a, b):
    return np.abs(ops.convert_to_numpy(a) - ops.convert_to_numpy(b)).max()


@every_layer
@pytest.mark.parametrize(
    "options",
    [
        {"activation": "relu"},
        {"unroll": True},
        {"unroll": True, "return_sequences": True, "go_backwards": True},
        {"return_sequences": True, "kernel_initializer": "ones"},
    ],
    ids=str,
)
def test_every_option_gives_the_numbers_of_keras(name, options, rng):
    ours, theirs, x = _pair(name, rng, **options)
    assert _far(ours(x), theirs(x)) < 1e-5
    assert ours.get_config() == {**theirs.get_config(), "name": ours.name}


@every_layer
@pytest.mark.parametrize("dropout", ["dropout", "recurrent_dropout"])
def test_dropout_is_one_mask_for_all_steps_and_in_training_only(name, dropout, rng):
    ours, theirs, x = _pair(name, rng, **{dropout: 0.5})
    assert _far(ours(x), theirs(x)) < 1e-5
    assert _far(ours(x, training=True), theirs(x, training=True)) < 1e-5
    assert _far(ours(x, training=True), ours(x)) > 1e-3


@every_layer
def test_a_stateful_layer_goes_on_where_it_stopped(name, rng):
    ours, theirs, x = _pair(name, rng, build=False, stateful=True)
    for layer in (ours, theirs):
        layer.build((B, T, D))
    theirs.set_weights(ours.get_weights())
    first = ours(x)
    assert _far(first, theirs(x)) < 1e-5
    second = ours(x)
    assert _far(second, theirs(x)) < 1e-5
    assert _far(first, second) > 1e-4


@every_layer
def test_files_of_keras_load_and_the_other_way_round(name, rng, tmp_path):
    def model_of(house):
        x = keras.Input((None, D))
        inner = getattr(house, name)(H, return_sequences=True, name="inner")
        both = house.Bidirectional(getattr(house, name)(H, name="each"), name="both")
        return keras.Model(x, both(inner(x)))

    mine, theirs = model_of(layers), model_of(keras.layers)
    x = rng.normal(size=(B, T, D)).astype("float32")
    for model, other in ((theirs, mine), (mine, theirs)):
        model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
        model.save_weights(tmp_path / "of.weights.h5")
        other.load_weights(tmp_path / "of.weights.h5")
        assert _far(other(x), model(x)) < 1e-5
    theirs.save(tmp_path / "theirs.keras")
    own = {kind: getattr(layers, kind) for kind in (name, "Bidirectional")}
    loaded = keras.saving.load_model(tmp_path / "theirs.keras", custom_objects=own)
    assert _far(loaded(x), theirs(x)) < 1e-5
    mine.save(tmp_path / "mine.keras")
    loaded = keras.saving.load_model(tmp_path / "mine.keras")
    assert isinstance(loaded.get_layer("inner"), getattr(layers, name))
    assert _far(loaded(x), mine(x)) < 1e-6


@every_layer
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_under_mixed_precision_states_have_the_dtype_of_computation(name, dtype, rng):
    ours, theirs, x = _pair(name, rng, dtype=dtype, return_sequences=True)
    y = ours(x, mask=MASK)
    assert keras.backend.standardize_dtype(y.dtype) == dtype.removeprefix("mixed_")
    assert _far(ops.cast(y, "float32"), ops.cast(theirs(x, mask=MASK), "float32")) < 0.1


@every_layer
def test_what_a_masked_step_reads_has_no_effect(name, rng):
    ours, _, x = _pair(name, rng, return_sequences=True)
    filled = np.where(MASK[..., None], x, 1e4).astype("float32")
    assert _far(ours(x, mask=MASK), ours(filled, mask=MASK)) == 0


def test_masks_reach_the_next_layer(rng):
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(11, D, mask_zero=True)(inputs)
    x = layers.LSTM(H, return_sequences=True)(x)
    x = layers.Bidirectional(layers.GRU(H, return_sequences=True))(x)
    model = keras.Model(inputs, layers.SimpleRNN(H)(x))
    short = model(np.array([[3, 1, 4]]))
    assert _far(model(np.array([[3, 1, 4, 0, 0]])), short) < 1e-6


@every_layer
def test_models_train_at_any_length(name, rng):
    ours, theirs, _ = _pair(name, rng, return_sequences=True)
    weights = ours.get_weights()
    losses = []
    for layer in (ours, theirs):
        layer.set_weights(weights)
        x = keras.Input((None, D))
        model = keras.Model(x, keras.layers.Dense(1, kernel_initializer="ones")(layer(x)))
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        draw = np.random.default_rng(1)
        batches = [draw.normal(size=(B, length, D)).astype("float32") for length in (5, 2, 1, 3)]
        losses.append([model.train_on_batch(b, b[..., :1]) for b in batches])
    assert np.allclose(*losses, rtol=1e-4)
