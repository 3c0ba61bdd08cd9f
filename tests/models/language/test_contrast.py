"""The contrast of spans, and the language model that is trained with it."""

import keras
import numpy as np
import pytest

from kerasllm.models import ContrastiveLM, RecurrentBackbone, SpanContrast

pytestmark = pytest.mark.backends


def test_loss_is_the_equation(rng):
    pooled = rng.normal(size=(6, 5))
    z = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    scores = z @ z.T / 0.3
    nats = []
    for i, partner in enumerate([1, 0, 3, 2, 5, 4]):
        others = [j for j in range(6) if j != i]
        nats.append(np.log(np.exp(scores[i, others]).sum()) - scores[i, partner])
    loss = SpanContrast(0.3)(None, keras.ops.convert_to_tensor(pooled, dtype="float32"))
    assert float(loss) == pytest.approx(np.mean(nats), rel=1e-5)


def test_untold_spans_cost_the_logarithm_of_the_others():
    loss = SpanContrast()(None, keras.ops.ones((8, 3)))
    assert float(loss) == pytest.approx(np.log(7), rel=1e-5)


def test_scale_of_the_features_changes_nothing(rng):
    pooled = rng.normal(size=(4, 7)).astype("float32")
    loss = SpanContrast(0.2)
    tensor = keras.ops.convert_to_tensor
    assert float(loss(None, tensor(pooled))) == pytest.approx(
        float(loss(None, tensor(17 * pooled))), rel=1e-4
    )


@pytest.mark.parametrize("layer", [0, -1])
def test_both_outputs_share_one_backbone(rng, layer):
    backbone = RecurrentBackbone.from_size("tiny", 31)
    model = ContrastiveLM(backbone, pooling="mean", layer=layer)
    ids = rng.integers(6, 31, (3, 5)).astype("int32")
    spans = rng.integers(6, 31, (4, 7)).astype("int32")
    out = {k: keras.ops.convert_to_numpy(v) for k, v in model({"ids": ids, "spans": spans}).items()}
    kernel, bias = model.get_layer("head").get_weights()
    features = keras.ops.convert_to_numpy(backbone(ids))
    np.testing.assert_allclose(out["logits"], features @ kernel + bias, atol=1e-6)
    pooled = backbone.embedding(spans) if layer == 0 else backbone(spans)
    pooled = keras.ops.convert_to_numpy(pooled).mean(axis=1)
    np.testing.assert_allclose(out["pooled"], pooled, atol=1e-6)


def test_saved_and_loaded(tmp_path, rng):
    model = ContrastiveLM(RecurrentBackbone.from_size("tiny", 31))
    x = {
        "ids": rng.integers(6, 31, (3, 5)).astype("int32"),
        "spans": rng.integers(6, 31, (4, 7)).astype("int32"),
    }
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for name, value in model(x).items():
        other = keras.ops.convert_to_numpy(loaded(x)[name])
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(value), other)
