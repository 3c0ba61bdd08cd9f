"""How far weights spread before training: within the limit that each layer's docstring gives."""

import keras
import numpy as np
import pytest

from kerasllm import layers
from kerasllm.layers.attention.scores import BahdanauAttention
from kerasllm.layers.crf import CRF

WIDE = 600  # entries enough for a spread to be near its value


def spread(layer, *shapes):
    """Build a layer and return {name: (largest, deviation)} of its weights."""
    keras.utils.set_random_seed(3)
    layer.build(*shapes)
    arrays = {v.name: keras.ops.convert_to_numpy(v) for v in layer.weights}
    return {name: (abs(a).max(), a.std()) for name, a in arrays.items()}


def assert_uniform(found, limit):
    """Assert that weights are uniform in ±limit, whose deviation is limit / √3."""
    largest, deviation = found
    assert 0.98 * limit < largest <= limit
    np.testing.assert_allclose(deviation, limit / 3**0.5, rtol=0.08)


def test_a_table_of_tokens_is_a_normal_of_deviation_0_02_or_what_is_asked_for():
    table = spread(layers.TokenEmbedding(WIDE, 7, 11, "learned", segments=2), (None, None))
    np.testing.assert_allclose(table["embeddings"][1], 0.02, rtol=0.05)
    np.testing.assert_allclose(table["position_embeddings"][1], 0.02, rtol=0.25)
    ones = spread(layers.TokenEmbedding(13, 7, embeddings_initializer="ones"), (None, None))
    assert ones["embeddings"] == (1, 0)


@pytest.mark.parametrize("key_dim", [None, 25])
def test_the_fused_projections_spread_like_three_of_their_own(key_dim):
    found = spread(layers.MultiHeadAttention(2, key_dim=key_dim), (None, None, 30))
    width = 2 * (key_dim or 15)
    assert_uniform(found["qkv_kernel"], (6 / (30 + width)) ** 0.5)
    assert_uniform(found["output_kernel"], (6 / (30 + width)) ** 0.5)
    assert found["qkv_bias"] == found["output_bias"] == (0, 0)


def test_the_vector_that_scores_has_variance_1_over_h():
    assert_uniform(spread(BahdanauAttention(WIDE), (2, 3, 5))["v"], (3 / WIDE) ** 0.5)
    luong = layers.LuongAttention("concat", units=WIDE)
    assert_uniform(spread(luong, (2, 3, 5))["v"], (3 / WIDE) ** 0.5)


def test_letters_tags_and_pooling():
    letters = spread(layers.CharacterCNN(WIDE, embedding_dim=12), (None, None, None))
    assert_uniform(letters["embeddings"], (3 / 12) ** 0.5)
    tags = spread(CRF(40), (None, None, 40))
    assert_uniform(tags["transitions"], 0.1)
    assert tags["start"][0] <= 0.1 and tags["end"][0] <= 0.1 and tags["start"][1] > 0.04
    assert spread(layers.MaskedPooling("attention"), (None, None, 7))["query"] == (0, 0)
