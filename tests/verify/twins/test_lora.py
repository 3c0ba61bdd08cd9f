"""The twin of low-rank adaptation: W + α/r A B in the place of W, and gradients of A and B."""

import keras
import numpy as np
import pytest

from kerasllm import verify
from kerasllm.models import (
    LoRA,
    RecurrentBackbone,
    RecurrentConfig,
    TextClassifier,
    TransformerBackbone,
    TransformerConfig,
)

pytestmark = pytest.mark.usefixtures("float64")
V, T, C = 11, 7, 3
IDS = np.array([[3, 1, 4, 1, 5, 0, 0], [2, 7, 1, 8, 2, 8, 1]])
CLASSES = np.array([1, 2])
BACKBONES = {
    "lstm": lambda: RecurrentBackbone(RecurrentConfig(V, hidden_dim=3, units=5)),
    "gru, both directions": lambda: RecurrentBackbone(
        RecurrentConfig(V, hidden_dim=3, units=5, cell="gru", num_layers=2, bidirectional=True)
    ),
    "transformer": lambda: TransformerBackbone(
        TransformerConfig(V, hidden_dim=4, num_layers=1, num_heads=2, max_length=T, causal=False)
    ),
}


def adapted(name, **options):
    return LoRA(TextClassifier(BACKBONES[name](), C), rank=2, **options)


@pytest.mark.parametrize("name", BACKBONES)
def test_an_adapted_classifier(name, proven):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = adapted(name, targets=("*kernel", "embeddings"), alpha=5)
    report = proven(model, IDS, CLASSES, loss)
    trained = [row.name for row in report.rows if row.quantity == "gradient"]
    corrections = [path.split("/")[-1][:2] for path in trained]
    assert corrections.count("a_") == corrections.count("b_") == len(model.adapted) >= 4
    assert not any("embedding/" in path for path in trained)  # the backbone is frozen


def test_merged_it_is_the_task_itself(randomized):
    model = randomized(adapted("lstm"))
    before = verify.twin(model).predict(IDS)
    np.testing.assert_allclose(verify.twin(model.merge()).predict(IDS), before, atol=1e-13)


def test_a_planted_mistake_is_seen(randomized):
    model = randomized(adapted("lstm"))
    for mistake in ("lora_not_divided_by_the_rank", "lora_backward_scale_forgotten"):
        with verify.planted(verify.find_mistake(mistake)):
            assert not verify.compare(model, IDS).ok
