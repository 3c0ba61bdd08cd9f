"""A training step with head and loss as one is the step with logits."""

import keras
import numpy as np
import pytest

from kerasllm.models import CausalLM, MaskedLM
from kerasllm.models.language import head
from kerasllm.models.language.causal_lm import ContrastiveLM

pytestmark = pytest.mark.backends
V = 23
IDS = np.array([[3, 7, 8, 22, 9], [10, 11, 6, 3, 0]], "int32")
TARGETS = np.array([[7, 8, 22, 9, 3], [11, 6, 3, 0, 0]], "int32")
SPANS = np.array([[7, 8, 9], [8, 22, 9], [10, 11, 0], [6, 3, 0]], "int32")
HIDDEN = np.array([[1, 3], [2, 0]], "int32")
INPUTS = {
    "tied": (IDS, TARGETS),
    "dense": (IDS, TARGETS),
    "masked": ({"ids": IDS, "positions": HIDDEN}, TARGETS[:, :2]),
    "contrastive": ({"ids": IDS, "spans": SPANS}, {"logits": TARGETS, "pooled": np.zeros(4)}),
}


def model_of(kind):
    keras.utils.set_random_seed(3)
    if kind == "masked":
        return MaskedLM.from_size("tiny", V, backbone="transformer", max_length=8)
    if kind == "contrastive":
        return ContrastiveLM.from_size("tiny", V)
    return CausalLM.from_size(
        "tiny", V, units=48 if kind == "dense" else 64, project=kind == "tied"
    )


def counted(function, calls):
    def call(*given):
        calls.append(given)
        return function(*given)

    return call


def leave_out_from(words, monkeypatch):
    ways = [(keras.backend.backend(), xla) for xla in (False, True)]
    monkeypatch.setattr(head, "SMALLEST", dict.fromkeys(ways, words))


@pytest.mark.parametrize("kind", INPUTS)
def test_a_step(kind, monkeypatch):
    found = []
    for smallest in (V, V + 1):
        leave_out_from(smallest, monkeypatch)
        model = model_of(kind)
        model.compile(keras.optimizers.SGD(1.0), run_eagerly=keras.backend.backend() != "jax")
        steps = []
        monkeypatch.setattr(model, "head_loss", counted(model.head_loss, steps))
        loss = model.train_on_batch(*INPUTS[kind])
        assert bool(steps) is (smallest == V)  # the logits were left out, or not
        found.append((loss, model.get_weights()))
        assert np.shape(keras.tree.flatten(model(INPUTS[kind][0]))[0])[-1] == V
    (one, ours), (other, theirs) = found
    np.testing.assert_allclose(one, other, rtol=1e-5)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_who_looks_at_the_logits_gets_them(monkeypatch):
    leave_out_from(V, monkeypatch)
    model = model_of("tied")
    accuracy = keras.metrics.SparseCategoricalAccuracy()
    model.compile(keras.optimizers.SGD(1.0), metrics=[accuracy])
    history = model.fit(IDS, TARGETS, verbose=0).history
    assert 0 <= history["sparse_categorical_accuracy"][0] <= 1
    own = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1.0), own)
    assert np.isfinite(model.fit(IDS, TARGETS, verbose=0).history["loss"][0])
