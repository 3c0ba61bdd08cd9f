"""Every recipe's settings can be used, and one recipe runs from its command to its row."""

import dataclasses
import importlib
import json
import pkgutil
import sys

import pytest

import kerasllm.recipes
from kerasllm import datasets
from kerasllm.recipes import classification, entities
from kerasllm.training.settings.base import OptimizerSettings, resolve

NAMES = sorted(m.name for m in pkgutil.iter_modules(kerasllm.recipes.__path__))
SCRIPTS = [name for name in NAMES if name not in ("findings", "quickstart", "record", "report")]


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_valid_and_the_head_says_the_command(name):
    module = importlib.import_module(f"kerasllm.recipes.{name}")
    settings = [v for v in vars(module).values() if isinstance(v, OptimizerSettings)]
    for each in settings:
        resolved = resolve(type(each), each)
        resolved.check(None)
        assert dataclasses.asdict(resolved) == dataclasses.asdict(each)
    if name in SCRIPTS:
        assert settings
        assert f"python -m kerasllm.recipes.{name}" in module.__doc__


SETS = {"classification": "DATA", "pairs": "TASKS", "entities": "TARGETS",
        "pretraining_pays": "DATA"}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_data_sets_are_known(name):
    module = importlib.import_module(f"kerasllm.recipes.{name}")
    assert set(getattr(module, SETS[name])) <= set(datasets.names())


def test_a_recipe_from_its_data_to_its_row(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(entities.TARGETS, "places_en", (50.0, None))
    monkeypatch.setattr(sys, "argv", ["entities.py", "places_en", "--share", "0.1"])
    entities.main("places_en", tmp_path / "run", share=0.1)
    row = json.loads((tmp_path / "run" / "result.json").read_text())
    assert row["measure"] == "f1 %"
    assert row["note"] == "0.1 of the epochs"
    assert row["command"] == "python -m kerasllm.recipes.entities places_en --share 0.1"
    assert {"frequent", "linear"} <= set(row["baselines"])
    assert f"| {row['data']} |" in capsys.readouterr().out


def test_an_unknown_set_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="conll2003"):
        entities.main("conll2033")


@pytest.mark.parametrize("name", classification.DATA)
def test_rows_that_are_scored_choose_nothing(name):
    split, *_, tuning = classification.DATA[name]
    chosen = [
        dataclasses.replace(each, **tuning)
        for each in (classification.TUNE, classification.ENCODER)
    ]
    # `finetune` looks at the validation split, unless rows are held out of training for it
    assert all((each.held_out > 0) == (split == "validation") for each in chosen)
