"""The twin of what imported checkpoints need: segments, and a pad without score."""

import keras
import numpy as np
import pytest

from kerasllm import verify
from kerasllm.models import CausalLM, MaskedLM, TokenCrossEntropy, TransformerBackbone
from kerasllm.models import TransformerConfig as Config

pytestmark = pytest.mark.usefixtures("float64")
IDS = np.array([[6, 4, 7, 4, 5], [7, 10, 8, 4, 9], [8, 8, 0, 0, 0]], "int32")
TARGETS = np.array([[9, 7, 3, 0, 0], [10, 8, 6, 9, 3], [8, 3, 0, 0, 0]])


def randomized(model):
    rng = np.random.default_rng(0)
    model.set_weights([w + 0.3 * rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


def bert(**settings):
    config = Config(11, 4, 1, 2, max_length=5, causal=False, norm="post", segments=2, **settings)
    return randomized(MaskedLM(TransformerBackbone(config)))


def gpt():
    return randomized(CausalLM(TransformerBackbone(Config(11, 4, 1, 2, max_length=5,
                                                          score_pad=False))))  # fmt: skip


def batch_of(model):
    if isinstance(model, CausalLM):
        return IDS, TARGETS
    return {"ids": IDS, "positions": np.array([[0, 2], [1, 4], [0, 1]])}, TARGETS[:, :2]


@pytest.mark.parametrize("build", [bert, gpt])
def test_forward_gradients_and_steps(build):
    model = build()
    model.compile(keras.optimizers.Adam(0.01), TokenCrossEntropy(), jit_compile=False)
    x, y = batch_of(model)
    report = verify.compare(model, x, y, steps=3)
    assert report.ok, str(report)


def test_the_twin_sees_another_separator():
    model = bert()
    x, _ = batch_of(model)
    expected = model.predict_on_batch(x)
    assert np.abs(verify.twin(model).predict(x) - expected).max() < 1e-12
    model.backbone.embedding.separator = 5
    assert np.abs(verify.twin(model).predict(x) - expected).max() > 1e-3
