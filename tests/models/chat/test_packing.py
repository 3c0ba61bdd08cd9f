"""Conversations that share a row: the same losses and gradients as alone, on every backend."""

import keras
import numpy as np
import pytest

from kerasllm.layers import MultiHeadAttention, TokenEmbedding
from kerasllm.models import ChatLM, LoRA
from kerasllm.models.language.losses import TokenCrossEntropy
from kerasllm.models.presets import copy_of
from kerasllm.verify.comparison.backend import (
    automatic_gradients,
    call_layer,
    in_precision,
    to_tensors,
)

DTYPE = "float32" if keras.backend.backend() == "jax" else "float64"
# On torch ops.maximum of a scalar and a number, by which the loss divides, has 32 bits.
BAR = {"tensorflow": 1e-9, "torch": 1e-6, "jax": 1e-4}[keras.backend.backend()]
TRANSFORMERS = ("llama", "gpt", "gpt-post", "gpt-rotary", "gpt-sinusoidal")
numpy = keras.ops.convert_to_numpy


@pytest.fixture
def make_chat(make_backbone, reader):
    def make(name, packed):
        backbone = make_backbone(name)
        return ChatLM(backbone.packing() if packed else backbone, preprocessor=reader)

    return make


def loss_and_gradients(model, arrays):
    """Return the loss of a batch, and its gradient by every weight."""
    ids, targets = arrays
    weights = {f"w{i}": w for i, w in enumerate(model.get_weights())}

    def loss(**weights):
        logits = call_layer(model, list(weights.values()), ids, training=True)
        return TokenCrossEntropy()(targets, logits)

    value = float(numpy(loss(**to_tensors(weights))))
    return value, automatic_gradients(loss, to_tensors(weights), [np.ones(())])


def furthest(a, b):
    """Return the largest difference of two sets of gradients, relative to the larger norm."""
    far = [
        np.linalg.norm(a[n] - b[n]) / max(np.linalg.norm(a[n]), np.linalg.norm(b[n]), 1e-30)
        for n in a
    ]
    return max(far)


@pytest.mark.backends
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_packed_losses_and_gradients_are_those_of_unpacked_rows(name, make_chat, reader, talks):
    with in_precision(DTYPE):
        model, length = make_chat(name, True), 40
        alone = reader.batches(talks, None, None).batch(0)
        shared = reader.shortened(length).batches(talks, None, None, pack=True).batch(0)
        assert len(shared[0]) == 2 and len(alone[0]) == 5
        (one, of_one), (other, of_other) = (loss_and_gradients(model, x) for x in (alone, shared))
        assert abs(one - other) < BAR * one
        assert furthest(of_one, of_other) < BAR
        # The mistake that is shipped: without the mask they see each other.
        plain = ChatLM(copy_of(model.backbone), preprocessor=reader)
        leaky, of_leaky = loss_and_gradients(plain, shared)
        assert abs(one - leaky) > 1e-4 * one
        assert furthest(of_one, of_leaky) > 0.01


@pytest.mark.backends
@pytest.mark.parametrize("name", ["llama", "gpt"])
def test_no_conversation_changes_another(name, make_chat, reader, talks, rng):
    model = make_chat(name, True)
    ids, _ = reader.batches(talks, None, None, pack=True).batch(0)
    row = ids[:1]
    places = np.flatnonzero(row[0] == 0)
    second = slice(places[0] + 1, places[1] if len(places) > 1 else None)
    before = numpy(model(row))[0, second]
    changed = row.copy()
    changed[0, : places[0]] = rng.integers(6, 13, places[0])
    np.testing.assert_array_equal(numpy(model(changed))[0, second], before)
    alone = numpy(model(row[:, second]))[0]
    np.testing.assert_allclose(alone, before, atol=2e-5)  # positions begin anew


def test_low_rank_corrections_of_packed_rows_are_those_of_unpacked_ones(make_chat, reader, talks):
    with in_precision("float64"):
        alone = reader.batches(talks, None, None).batch(0)
        shared = reader.batches(talks, None, None, pack=True).batch(0)
        adapted, states = LoRA(make_chat("llama", True), rank=1), []
        begin = adapted.get_weights()
        for arrays in (alone, shared):
            adapted.set_weights(begin)
            adapted.compile(keras.optimizers.SGD(0.1), TokenCrossEntropy(), run_eagerly=True)
            for _ in range(3):
                adapted.train_on_batch(*arrays)
            states.append(adapted.get_weights())
    for a, b in zip(*states, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)
    assert any(not np.array_equal(a, c) for a, c in zip(states[0], begin, strict=True))


def test_rows_of_one_text_are_the_same_with_and_without(make_backbone, ids):
    for name in TRANSFORMERS:
        backbone = make_backbone(name)
        before = numpy(backbone(ids))
        real, shared = ids != 0, backbone.packing()
        np.testing.assert_allclose(numpy(shared(ids))[real], before[real], atol=1e-6)
        assert shared.get_config() == {**backbone.get_config(), "name": shared.name}
        assert not copy_of(shared).packed


def test_a_mask_numbers_the_texts_of_a_row():
    layer = TokenEmbedding(11, 4, max_length=5, positions="learned")
    ids = np.array([[7, 8, 0, 9, 0, 0, 6, 6]])
    with pytest.raises(ValueError, match="longer than max_length=5"):
        layer(ids)
    layer = TokenEmbedding(11, 4, max_length=5, positions="learned", packed=True)
    assert numpy(layer.compute_mask(keras.ops.convert_to_tensor(ids))).tolist() == [
        [1, 1, 0, 2, 0, 0, 4, 4]
    ]
    found = numpy(layer(ids))[0]
    table, positions = layer.get_weights()
    for place, (token, t) in {0: (7, 0), 1: (8, 1), 3: (9, 0), 6: (6, 0), 7: (6, 1)}.items():
        np.testing.assert_allclose(found[place], table[token] + positions[t], atol=1e-6)


@pytest.mark.backends
def test_attention_sees_its_own_number_alone(rng):
    layer = MultiHeadAttention(2, causal=True)
    x, mask = rng.normal(size=(1, 7, 6)).astype("float32"), np.array([[1, 1, 0, 2, 2, 2, 0]])
    _, weights = layer(x, mask=keras.ops.cast(mask, "int32"), return_weights=True)
    seen = numpy(weights)[0].max(axis=0) > 0
    expected = (mask[0][:, None] == mask[0]) & (mask[0] > 0) & np.tril(np.ones((7, 7), bool))
    real = mask[0] > 0
    np.testing.assert_array_equal(seen[real], expected[real])
