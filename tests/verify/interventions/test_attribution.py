"""Attributions of models of which they are known."""

import keras
import numpy as np
import pytest

from kerasllm import layers, verify
from kerasllm.layers import MultiHeadAttention

IDS = [3, 8, 1, 9, 4]
pytestmark = pytest.mark.filterwarnings("ignore:.*destroy the mask:UserWarning")


def test_a_linear_model_is_attributed_exactly(random_model):
    """F = mean over t of x_t · w: each token's share is (x_t - x') · w / T, by both methods."""
    model = random_model(keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(2))
    table, kernel, _ = (w.astype("float64") for w in model.get_weights())
    shares = (table[IDS] - table[7]) @ kernel[:, 1] / len(IDS)
    for method in (verify.occlusion, verify.integrated_gradients):
        found = method(model, IDS, target=1, baseline=7)
        assert np.allclose(found.values, shares, atol=1e-13)
        assert found.completeness_error < 1e-13
    steep = verify.saliency(model, IDS, target=1)
    assert np.allclose(steep.values, np.linalg.norm(kernel[:, 1]) / len(IDS))
    assert steep.completeness_error is None


@pytest.mark.parametrize(
    "layer", [lambda: layers.LSTM(5), lambda: keras.layers.GRU(5), lambda: layers.BiLSTM(3)]
)
def test_integrated_gradients_are_complete(random_model, layer):
    parts = [layer(), keras.layers.Dense(3)]
    if isinstance(parts[0], layers.BiLSTM):
        parts.insert(1, keras.layers.GlobalAveragePooling1D())
    model = random_model(*parts)
    few, many = (verify.integrated_gradients(model, IDS, steps=s) for s in (2, 100))
    assert many.completeness_error < 1e-4 < abs(many.score - many.baseline)
    assert many.completeness_error <= few.completeness_error
    assert f"{many.completeness_error:.1e}" in str(many)


def test_gradients_of_an_attention_are_those_of_differences(rng):
    ids = keras.Input((None,), dtype="int32")
    x = MultiHeadAttention(2, causal=True)(keras.layers.Embedding(11, 4, name="e")(ids))
    model = keras.Model(ids, keras.layers.Dense(3, name="scores")(x))
    model.set_weights([rng.standard_normal(w.shape) for w in model.get_weights()])
    found = verify.saliency(model, IDS, target=2, position=3)
    reads, steep = verify.intervene(model, IDS), np.zeros((5, 4))
    for t, unit in np.ndindex(5, 4):
        up, down = (
            reads.add("e", "output", step, unit=unit, position=t).after.array("scores", "output")
            for step in (1e-5, -1e-5)
        )
        steep[t, unit] = (up - down)[3, 2] / 2e-5
    assert np.allclose(found.values, np.linalg.norm(steep, axis=1), atol=1e-6)
    assert not found.values[4] and found.values[3]


def test_the_answer_hangs_on_the_subject(by_hand, words):
    found = verify.occlusion(by_hand, "old cats near", "are", tokenizer=words)
    assert np.allclose(found.values, [0, 2 * np.tanh(1), 0], atol=1e-12)
    assert found.target == "are" and "cats" in str(found)


def test_what_cannot_be_attributed_is_refused(by_hand, words):
    features = keras.Sequential([keras.Input((None, 3)), keras.layers.LSTM(2)])
    with pytest.raises(ValueError, match="no embedding of tokens"):
        verify.saliency(features, np.ones((4, 3)))
    with pytest.raises(ValueError, match="no token or class 'dog'"):
        verify.saliency(by_hand, "cat", "dog", tokenizer=words)
    with pytest.raises(ValueError, match="position from 0 to 0"):
        verify.saliency(by_hand, "cat", position=1, tokenizer=words)
    with pytest.raises(ValueError, match="baseline from 0 to 7"):
        verify.occlusion(by_hand, "cat", tokenizer=words, baseline=8)
    with pytest.raises(ValueError, match="steps"):
        verify.integrated_gradients(by_hand, "cat", tokenizer=words, steps=0)
