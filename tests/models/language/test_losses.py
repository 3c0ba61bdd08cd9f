"""The loss per real token."""

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm.models import SpanContrast, TokenCrossEntropy

pytestmark = pytest.mark.backends
B, T, V = 3, 5, 7
TARGETS = np.array([[3, 1, 4, 1, 5], [2, 6, 0, 0, 0], [1, 0, 0, 0, 0]], dtype="int32")


def _loss(targets, logits, weights=None):
    return float(TokenCrossEntropy()(targets, keras.ops.convert_to_tensor(logits), weights))


def test_by_hand():
    # p = (1/4, 1/2, 1/4) for one real token, a certain wrong one behind the padding
    logits = np.log([[[0.25, 0.5, 0.25], [0.98, 0.01, 0.01]]]).astype("float32")
    assert _loss(np.array([[1, 0]]), logits) == pytest.approx(np.log(2))
    assert _loss(np.array([[1, 2]]), logits) == pytest.approx((np.log(2) + np.log(100)) / 2)


def test_equation_and_gradient(rng):
    logits = rng.normal(size=(B, T, V)).astype("float32")
    loss, trace = ref.cross_entropy(logits, TARGETS, mask=TARGETS != 0)
    assert _loss(TARGETS, logits) == pytest.approx(loss, rel=1e-6)
    # A model whose only weight is the logits: one step of SGD gives the gradient.
    layer = keras.layers.Embedding(1, B * T * V)
    model = keras.Sequential([keras.Input((1,)), layer, keras.layers.Reshape((B * T, V))])
    layer.set_weights([logits.reshape(1, -1)])
    model.compile(keras.optimizers.SGD(1.0), TokenCrossEntropy(), run_eagerly=True)
    model.fit(np.zeros((1, 1)), TARGETS.reshape(1, -1), verbose=0)
    gradient = logits - layer.get_weights()[0].reshape(logits.shape)
    expected = ref.cross_entropy_backward(1.0, trace).d_logits
    assert np.abs(gradient - expected).max() < 1e-6
    assert not expected[TARGETS == 0].any()


@pytest.mark.parametrize("smoothing", [0.1, 0.7])
def test_label_smoothing(smoothing, rng):
    logits = rng.normal(size=(B, T, V)).astype("float32")
    expected, _ = ref.cross_entropy(logits, TARGETS, mask=TARGETS != 0, label_smoothing=smoothing)
    found = TokenCrossEntropy(smoothing)(TARGETS, keras.ops.convert_to_tensor(logits))
    assert float(found) == pytest.approx(expected, rel=1e-6)
    assert abs(float(found) - _loss(TARGETS, logits)) > 1e-2


def test_padding_changes_nothing(rng):
    logits = rng.normal(size=(B, T, V)).astype("float32")
    tokens = [_loss(TARGETS[[r]], logits[[r]]) * (TARGETS[r] != 0).sum() for r in range(B)]
    assert _loss(TARGETS, logits) == pytest.approx(sum(tokens) / 8, rel=1e-6)
    wide = np.pad(TARGETS, ((0, 0), (0, 4)))
    padded = np.concatenate([logits, 100 * rng.normal(size=(B, 4, V))], axis=1, dtype="float32")
    assert _loss(wide, padded) == pytest.approx(_loss(TARGETS, logits), rel=1e-6)


def test_weights_of_tokens(rng):
    logits = rng.normal(size=(B, T, V)).astype("float32")
    keep = rng.integers(0, 2, (B, T)).astype("float32")
    chosen = np.where(keep, TARGETS, 0)
    assert _loss(TARGETS, logits, keep) == pytest.approx(_loss(chosen, logits), rel=1e-6)
    assert _loss(TARGETS, logits, 3 * np.ones((B, T))) == pytest.approx(_loss(TARGETS, logits))


def test_without_a_real_token_the_loss_is_zero(rng):
    assert _loss(np.zeros((B, T)), rng.normal(size=(B, T, V)).astype("float32")) == 0


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_summed_in_float32(dtype, rng):
    logits = keras.ops.cast(rng.normal(size=(B, T, V)), dtype)
    loss = TokenCrossEntropy()(TARGETS, logits)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == pytest.approx(_loss(TARGETS, keras.ops.cast(logits, "float32")), rel=1e-6)


def test_the_contrast_of_spans_by_hand(rng):
    y, temperature = rng.normal(size=(6, 5)), 0.3
    z = y / np.linalg.norm(y, axis=1, keepdims=True)
    total = 0
    for i in range(6):
        partner = i + 1 if i % 2 == 0 else i - 1
        scores = {j: np.exp(z[i] @ z[j] / temperature) for j in range(6) if j != i}
        total -= np.log(scores[partner] / sum(scores.values()))
    pooled = keras.ops.convert_to_tensor(y.astype("float32"))
    loss = SpanContrast(temperature)
    assert float(loss(None, pooled)) == pytest.approx(total / 6, rel=1e-5)
    assert float(loss(None, 3 * pooled)) == pytest.approx(
        total / 6, rel=1e-5
    )  # lengths are nothing
    half = loss(None, keras.ops.cast(pooled, "bfloat16"))
    assert keras.backend.standardize_dtype(half.dtype) == "float32"
    assert float(half) == pytest.approx(total / 6, rel=0.05)


@pytest.mark.parametrize("loss", [TokenCrossEntropy(0.1), SpanContrast(0.7)], ids=lambda x: x.name)
def test_losses_are_saved_and_found_by_name(loss):
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
