"""Minutes: by a clock that goes one second further whenever it is looked at."""

import functools
import itertools

import numpy as np
import pytest

from kerasllm.training import ClassificationSettings, pretrain, train, trainer
from kerasllm.training.engine import minutes
from kerasllm.training.engine.minutes import fitted
from kerasllm.training.run_folder.history import read_history
from kerasllm.training.settings.base import resolve

pytestmark = pytest.mark.usefixtures("eager")
WORDS = {"size": "tiny", "tokenizer": "word", "min_frequency": 1, "batch_size": 7, "quiet": True}
SMALL = {**WORDS, "hidden_dim": 3, "units": 5, "length": 13, "learning_rate": 0.02, "dropout": 0.3,
         "keep_best": False}  # fmt: skip


def clock():
    """Return a clock: a step takes one second with it, and so does a validation."""
    return functools.partial(next, itertools.count())


@pytest.fixture
def ticking(monkeypatch):
    """Let every training be timed by such a clock; return the list of what was decided."""
    decided = []

    def timed(*given):
        decided.append(fitted(*given, clock=clock()))
        return decided[-1]

    monkeypatch.setattr(trainer, "fitted", timed)
    return decided


def same(a, b):
    pairs = zip(a.model.get_weights(), b.model.get_weights(), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


def last_step(run):
    return read_history(run.path / "history.csv")[-1]["step"]


def test_the_steps_are_those_that_fit_between_validations(animals, ticking, tmp_path):
    run = train(animals["classification"], tmp_path / "run", minutes=0.5, **SMALL)
    # 30 s. The trial may take 5 % of them: after 3 steps not counted, 2 are, which are 2 s; with
    # the validation and the looks at the clock it takes 8 s. An epoch has 4 steps and a validation,
    # 5 s: in 22 s there are 17.6 steps.
    assert ticking == [{"steps": 17, "seconds_a_step": 1.0, "seconds_a_validation": 1.0}]
    assert run.config["fitted"] == ticking[0] and run.settings["minutes"] == 0.5
    assert last_step(run) == 17


def test_the_trial_leaves_no_trace(animals, ticking, tmp_path):
    data = animals["classification"]
    a = train(data, tmp_path / "a", minutes=0.5, **SMALL)
    b = train(data, tmp_path / "b", epochs=17 / 4, **SMALL)
    assert len(ticking) == 2 and ticking[1] == {} and same(a, b)
    assert a.settings["dropout"] == 0.3  # so that seeds count


def test_what_was_decided_is_kept_where_a_run_goes_on(animals, ticking, tmp_path, monkeypatch):
    data = animals["classification"]
    whole = train(data, tmp_path / "whole", minutes=0.5, **SMALL)
    saved = trainer._finish

    def cut_off(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "_finish", cut_off)
    with pytest.raises(KeyboardInterrupt):
        train(data, tmp_path / "cut", minutes=0.5, **SMALL)
    monkeypatch.setattr(trainer, "_finish", saved)
    monkeypatch.setattr(minutes, "WARM", 5)  # another trial would find another number
    count = len(ticking)
    resumed = train(data, tmp_path / "cut", resume=True, minutes=0.5, **SMALL)
    assert len(ticking) == count and same(resumed, whole)


@pytest.mark.parametrize("method", ["frozen", "gradual", "lora"])
def test_every_method_is_timed(animals, bases, ticking, tmp_path, method):
    options = {"method": method, "lora_rank": 2, "lora_targets": "kernel", "head_epochs": 0.25}
    options |= {"minutes": 0.5, "batch_size": 7, "quiet": True}
    run = train(animals["classification"], tmp_path / "r", pretrained=bases("lstm"), **options)
    rows = read_history(run.path / "history.csv")
    stages = {row["stage"]: row["step"] for row in rows}
    assert abs(sum(stages.values()) - ticking[-1]["steps"]) <= len(stages)  # each is rounded


def test_pretraining_has_as_many_steps(animals, ticking, tmp_path):
    options = {"minutes": 0.5, "eval_every": 100, "xla": False}
    run = pretrain(animals["language_model"][0], tmp_path / "run", **SMALL, **options)
    assert last_step(run) == ticking[0]["steps"] == 21  # 22 s, 1 + 1 / 100 each


def test_a_slow_machine_takes_one_step(animals, ticking, tmp_path):
    run = train(animals["classification"], tmp_path / "run", minutes=0.001, **SMALL)
    assert ticking[0]["steps"] == 1 and last_step(run) == 1


def test_the_slowest_steps_are_left_out():
    ends = np.cumsum([9.0, 9, 9, *[1.0] * 9, 100])  # another shape was compiled
    timer = type("Timer", (), {"ends": list(ends)})
    assert minutes.usual_step(timer.ends) == 1.0


def test_what_was_decided_is_said(animals, ticking, tmp_path, capsys):
    options = {**SMALL, "minutes": 0.5, "quiet": False}
    train(animals["classification"], tmp_path / "run", **options)
    said = capsys.readouterr().err
    assert "0.5 minutes: 17 steps of 1 s, 4.25 passes over the training rows" in said


def test_minutes_beside_epochs_are_refused(animals, tmp_path):
    with pytest.raises(ValueError, match=r"minutes=2 decides .* epochs=7: leave one of them out"):
        train(animals["classification"], tmp_path, minutes=2.0, epochs=7.0, **SMALL)
    with pytest.raises(ValueError, match=r"minutes=2 decides .* steps=7: leave one of them out"):
        pretrain(animals["language_model"][0], tmp_path, minutes=2.0, steps=7, **SMALL)
    with pytest.raises(ValueError, match="minutes must be 0 or more"):
        resolve(ClassificationSettings, minutes=-1.0)
