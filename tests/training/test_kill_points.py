"""Killed at any replace of a file and resumed, a training ends with the very same numbers.

One method a shape here, and one shape on the other backends; `python -m tests.long kill_points`
goes through every shape and method.
"""

import json
from pathlib import Path

import keras
import pytest

from kerasllm.training import load_run, train

pytestmark = [pytest.mark.usefixtures("eager"), pytest.mark.backends]
CASES = [  # task, what it begins from, method
    ("classification", "lstm", "lora"),
    ("tagging", None, "scratch"),
    ("span", "encoder", "full"),
    ("seq2seq", None, "scratch"),
    ("language_model", "contrastive", "frozen"),
    ("chat", "lstm", "lora"),
]
ELSEWHERE = "span"  # the shape that the other backends try


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[2]}")
def test_killed_at_any_replace_and_resumed_it_ends_with_the_same_numbers(
    case, animals, bases, tmp_path, tiny
):
    if keras.backend.backend() != "tensorflow" and case[0] != ELSEWHERE:
        pytest.skip("one shape is enough here")
    data, options = tiny.training_of(*case, animals, bases)
    with tiny.copied_at_every_replace(tmp_path / "whole", tmp_path) as copies:
        expected = tiny.found_in(train(data, tmp_path / "whole", **options))
    assert len(copies) >= 11
    for copy in copies:
        resumed = train(data, copy, resume=True, **options)
        assert not tiny.differences(tiny.found_in(resumed), expected), copy.name
        assert not list(copy.rglob("*.part*")) and not (copy / "lock.json").exists()
    assert not tiny.differences(tiny.found_in(load_run(copies[3])), expected)


def test_a_difference_would_be_seen(bases, tiny):
    found = bases("lstm").model.get_weights(), {"history": [{"loss": "1.0"}], "scores": {}}
    other = [weight.copy() for weight in found[0]]
    other[3].flat[0] += 1e-7
    assert tiny.differences((other, found[1]), found) == ["weights"]
    changed = {**found[1], "history": [{"loss": "1.0000001"}]}
    assert tiny.differences((found[0], changed), found) == ["history"]


def test_every_shape_and_method_was_tried_on_three_backends():
    figures = Path(__file__).parents[1] / "long" / "figures" / "kill_points.json"
    found = json.loads(figures.read_text("utf-8"))
    assert set(found) == {"tensorflow", "jax", "torch"}
    for part in found.values():
        assert len(part["cases"]) == 5 * 5 and part["points"] == part["identical"] > 300
        assert all(case["points"] >= 12 for case in part["cases"].values())
