"""Features from spelling against the equation, word by word."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasllm.layers.characters import CharacterCNN

pytestmark = pytest.mark.backends
IDS = np.array(
    [[[3, 1, 4, 1], [2, 7, 0, 0], [0, 0, 0, 0]], [[5, 0, 0, 0], [6, 6, 6, 0], [1, 2, 3, 4]]]
)


@pytest.fixture(params=[1, 2, 3, 5])
def layer(request, randomize, precision):
    layer = CharacterCNN(
        8, filters=5, kernel_size=request.param, embedding_dim=3, dtype=precision[0]
    )
    layer.build((None, None, None))
    return randomize(layer, scale=1.0)


def features(word, table, kernel, bias):
    """Return the maximum over a word (ids without padding) of the convolution at each letter."""
    width, left = len(kernel), (len(kernel) - 1) // 2
    x = np.zeros((len(word) + width, table.shape[1]))
    x[left : left + len(word)] = table[word]
    z = [sum(x[c + k] @ kernel[k] for k in range(width)) + bias for c in range(len(word))]
    return np.max(z, axis=0)


def test_equation(layer, precision):
    table, kernel, bias = layer.get_weights()
    bias[:] = -9.0  # all features negative: the 0 of padding would win
    layer.set_weights([table, kernel, bias])
    y = ops.convert_to_numpy(layer(ops.convert_to_tensor(IDS)))
    for place in np.ndindex(2, 3):
        word = IDS[place][IDS[place] > 0]
        expected = features(word, table, kernel, bias) if len(word) else np.zeros(5)
        assert np.abs(y[place] - expected).max() < 10 * precision[1]


def test_the_defaults_are_those_of_ma_and_hovy():
    layer = CharacterCNN(8)
    layer.build((None, None, None))
    assert [w.shape for w in layer.get_weights()] == [(8, 30), (3, 30, 30), (30,)]
    assert layer.compute_output_shape((2, 3, 4)) == (2, 3, 30) and layer.dropout.rate == 0
    table = layer.get_weights()[0]  # uniform in ±√(3 / 30), where their variance is 1 / 30
    assert 0.25 < abs(table).max() <= 0.1**0.5


def test_more_padding_changes_nothing(layer, precision):
    wider = np.pad(IDS, ((0, 0), (0, 2), (0, 3)))
    y, padded = (ops.convert_to_numpy(layer(ops.convert_to_tensor(x))) for x in (IDS, wider))
    assert np.abs(padded[:, :3] - y).max() < 10 * precision[1]
    assert not padded[:, 3:].any()
    mask = ops.convert_to_numpy(layer.compute_mask(ops.convert_to_tensor(wider)))
    assert np.array_equal(mask, wider.any(axis=-1))


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_finite_and_near(dtype, randomize):
    exact, half = CharacterCNN(8, 5), CharacterCNN(8, 5, dtype=dtype)
    for layer in (exact, half):
        layer.build((None, None, None))
    half.set_weights(randomize(exact).get_weights())
    y, near = exact(ops.convert_to_tensor(IDS)), half(ops.convert_to_tensor(IDS))
    assert keras.backend.standardize_dtype(near.dtype) == dtype.removeprefix("mixed_")
    y, near = ops.convert_to_numpy(y), ops.convert_to_numpy(ops.cast(near, "float32"))
    assert np.linalg.norm(near - y) < 0.05 * np.linalg.norm(y)


def test_dropout_in_training_only():
    layer = CharacterCNN(8, 5, dropout=0.5)
    x = ops.convert_to_tensor(IDS)
    calm, again, noisy = (ops.convert_to_numpy(layer(x, training=t)) for t in (False, False, True))
    assert np.array_equal(calm, again) and not np.allclose(calm, noisy)
    assert not noisy[0, 2].any()


def test_one_step_of_training_moves_every_weight(tmp_path):
    ids = keras.Input((None, None), dtype="int32")
    model = keras.Model(ids, CharacterCNN(8, 5)(ids))
    model.compile(keras.optimizers.SGD(0.5), "mse")
    before = model.get_weights()
    model.fit(IDS, np.ones((2, 3, 5)), verbose=0)
    assert all(not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert np.array_equal(loaded.predict(IDS, verbose=0), model.predict(IDS, verbose=0))
    assert loaded.layers[-1].get_config() == model.layers[-1].get_config()
    assert model.output_shape == (None, None, 5)


def test_dropout_is_switched_by_the_argument_even_where_the_layer_is_not_called_as_one():
    """`keras.layers.TimeDistributed` does so: no context of Keras' says whether it is training."""
    layer = CharacterCNN(8, filters=5, embedding_dim=3, dropout=0.5)
    layer.build((None, None, None))
    ids = ops.convert_to_tensor(IDS)
    plain, dropped = (ops.convert_to_numpy(layer.call(ids, training=t)) for t in (False, True))
    np.testing.assert_array_equal(plain, ops.convert_to_numpy(layer(ids)))
    assert np.abs(dropped - plain).max() > 1e-3
