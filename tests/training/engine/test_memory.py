"""What cannot fit is refused before it is tried, by bounds that refuse nothing that would run."""

from types import SimpleNamespace

import numpy as np
import pytest

from kerasllm.text.batching import StreamBatches, TextBatches
from kerasllm.training import crossvalidate, payoff
from kerasllm.training.engine import memory
from kerasllm.training.engine.memory import check_step, check_weights
from kerasllm.training.settings.pretraining import PretrainSettings
from kerasllm.training.settings.tagging import TaggingSettings

TASK = SimpleNamespace(backbone=SimpleNamespace(settings=SimpleNamespace(hidden_dim=10)))


@pytest.fixture(autouse=True)
def small_machine(monkeypatch):
    """Compute on a machine of 1.6 MB."""
    monkeypatch.setattr(memory, "memory", lambda: 1_600_000)


def test_weights_are_counted_with_gradients_and_moments():
    check_weights(PretrainSettings(units=316))  # 16 bytes each: 1,597,696
    with pytest.raises(ValueError, match=r"units=317 is too much for this machine: .*--units"):
        check_weights(PretrainSettings(units=317))
    check_weights(PretrainSettings(hidden_dim=317))  # of an LSTM: no square of it
    with pytest.raises(ValueError, match="hidden_dim=317 is too much"):
        check_weights(PretrainSettings(hidden_dim=317, backbone="transformer"))
    check_weights(TaggingSettings())
    with pytest.raises(ValueError, match="word_dim=1000000 is too much"):
        check_weights(TaggingSettings(word_dim=10**6))


def test_a_step_is_counted_by_its_tokens():
    stream = StreamBatches(np.arange(2000), 100, 200)
    check_step(TASK, stream, 200)  # 20,000 tokens, 10 features, 8 bytes: all of it
    check_step(TASK, SimpleNamespace(stream_batches=stream), 200)
    with pytest.raises(ValueError, match=r"batch_size=201 is too much .*--batch-size"):
        check_step(TASK, stream, 201)
    check_step(TASK, stream, 400, parts=2)
    with pytest.raises(ValueError, match="lower --batch-size, or raise --accumulate"):
        check_step(TASK, stream, 401, parts=2)


def test_texts_count_by_their_own_lengths_and_no_further_than_there_are():
    texts = TextBatches([[7] * 100] * 150)
    check_step(TASK, texts, 10**6)
    with pytest.raises(ValueError, match="batch_size=1000000 is too much"):
        check_step(TASK, TextBatches([[7] * 100] * 201), 10**6)
    check_step(TASK, TextBatches([[7]] * 500 + [[7] * 1000] * 100), 500)  # the shortest ones


def test_a_machine_that_does_not_say_refuses_nothing(monkeypatch):
    monkeypatch.setattr(memory, "memory", lambda: None)
    check_weights(PretrainSettings(units=2**20))


def test_this_machine_says_how_much_it_has(monkeypatch):
    monkeypatch.undo()
    assert memory.memory() is None or memory.memory() > 10**8


def test_every_fold_and_cell_of_an_experiment_is_checked(pretrained, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "memory", lambda: 4000)
    options = {"batch_size": 10**6, "quiet": True}
    refused = pytest.raises(ValueError, match="batch_size=1000000 is too much for this machine")
    with refused:
        crossvalidate(pretrained, "topic_en", folds=2, **options)
    one = {"label_counts": (6,), "methods": ("frozen",), "seeds": 1}
    with refused:
        payoff(pretrained, "topic_en", tmp_path / "payoff", **one, **options)
