"""Twins of random models: `python -m tests.long twins` compares a thousand, this a few."""

import keras
import pytest

from kerasllm.verify.twins.rules import core
from tests.long import twins

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="Keras' float64 is float64 on TensorFlow alone"
)
SEEDS = range(2000, 2010)


def test_every_model_is_equal_or_refused():
    answers = {seed: twins.compare(seed) for seed in SEEDS}
    wrong = {seed: answer for seed, answer in answers.items() if answer.startswith("WRONG")}
    assert not wrong
    equal = [answer for answer in answers.values() if answer.startswith("equal")]
    assert len(equal) > len(SEEDS) / 2  # and not refused


def test_a_mistake_of_a_rule_is_found(monkeypatch):
    """Every model here ends in a dense layer; most of them have one without an activation."""
    monkeypatch.setitem(core.ACTIVATIONS, "linear", (lambda x: (1.01 * x, None), lambda d, _: (d,)))
    assert any(twins.compare(seed).startswith("WRONG: predict") for seed in (2003, 2004))
