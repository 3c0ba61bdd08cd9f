"""Runs saved before the packages were moved still load, and say the same to the last digit.

`runs_of_before/` was written by the code of before, with what it answered in expected.json.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import kerasllm

HERE = Path(__file__).with_name("runs_of_before")
EXPECTED = json.loads((HERE / "expected.json").read_text("utf-8"))


@pytest.fixture(params=sorted(EXPECTED))
def before(request, tmp_path):
    """Return (run, what was expected of it), in a folder that may be written to."""
    shutil.copytree(HERE / request.param, tmp_path / request.param)
    return kerasllm.load_run(tmp_path / request.param), EXPECTED[request.param]


def same(found, expected):
    """Compare nested answers: texts and shapes exactly, numbers to 5 digits."""
    if isinstance(expected, dict):
        for name, value in expected.items():
            same(found[name], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for pair in zip(found, expected, strict=True):
            same(*pair)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)
    else:
        assert found == expected


def test_a_run_of_before_says_the_same(before):
    run, expected = before
    assert run.model.count_params() == expected["parameters"]
    if expected["kind"] == "imported":
        ids = run.tokenizer.encode("the cat saw a dog.")
        vector = run.model.predict_on_batch(np.array([run.tokenizer.frame(ids, length=16)]))[0]
        return same(vector.tolist(), expected["vector"])
    if expected["kind"] == "pretrain":
        scores = kerasllm.evaluate(run, expected["data"], with_baselines=False, quiet=True)
        same(scores["model"]["loss"], expected["loss"])
        if "continuation" in expected:
            text = kerasllm.generate(run, "the cat", temperature=0, max_new_tokens=8)
            assert text == expected["continuation"]
        return None
    data = str(HERE / "data" / expected["data"])
    scores = kerasllm.evaluate(run, data, split="test", with_baselines=False, quiet=True)
    same(scores["model"], expected["scores"])
    asked = [tuple(text) if isinstance(text, list) else text for text in expected["asked"]]
    same(kerasllm.predict(run, asked), expected["answers"])
    return None
