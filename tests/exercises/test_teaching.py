"""A kit for a class: what it holds, what pytest says by it, and the notebook for nbgrader."""

import ast
import json
import subprocess
import sys

import pytest

from kerasllm import exercises
from kerasllm.exercises.teaching import rehearse, write_kit
from kerasllm.verify.mistakes.catalogue import find_mistake

SOFTMAX = """import numpy as np

def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=0)

def relu_backward(d_output, trace):
    return d_output * (trace.x > 0)

def sigmoid(x):
    raise NotImplementedError
"""


def pytest_in(folder):
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider",
               "--rootdir", "."]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout


def test_what_the_checker_says_is_what_pytest_says(tmp_path):
    names = ("softmax", "relu_backward", "sigmoid", "adam")
    write_kit(tmp_path, names)
    (tmp_path / "adapters.py").write_text(SOFTMAX, "utf-8")
    said = pytest_in(tmp_path)
    assert "2 failed, 1 passed, 1 skipped" in said and "not written yet" in said
    assert "softmax: not yet" in said and "[softmax_over_the_first_axis]" in said
    assert "adapters.py has no function adam" in said
    assert "Traceback" not in said and "def test_exercise" not in said  # the sentences, alone


def test_it_says_so_in_chinese(tmp_path):
    write_kit(tmp_path, ["softmax"], language="zh")
    assert "把分数变成概率" in (tmp_path / "adapters.py").read_text("utf-8")
    assert "把 `adapters.py` 写完" in (tmp_path / "README.md").read_text("utf-8")
    (tmp_path / "adapters.py").write_text(SOFTMAX, "utf-8")
    said = pytest_in(tmp_path)
    assert find_mistake("softmax_over_the_first_axis").chinese in said


def test_adapters_have_every_exercise_and_its_defaults(tmp_path):
    write_kit(tmp_path)
    text = (tmp_path / "adapters.py").read_text("utf-8")
    exec(text, {})  # it can be imported
    functions = {f.name: f for f in ast.parse(text).body if isinstance(f, ast.FunctionDef)}
    assert list(functions) == list(exercises.names())
    assert all(ast.get_docstring(f).startswith(f"{name} (") for name, f in functions.items())
    assert "def scaled_dot_product_attention(query, key, value, mask=None):" in text
    assert "def sgd(weights, grads, state=None, *, learning_rate=0.01, momentum=0.0, " in text
    assert "check(" not in text  # the tests call it


def test_nothing_is_overwritten(tmp_path):
    write_kit(tmp_path, ["softmax"])
    mine = tmp_path / "adapters.py"
    mine.write_text("my work", "utf-8")
    (tmp_path / "README.md").unlink()
    with pytest.raises(FileExistsError, match=r"adapters\.py is there already, .*another folder"):
        write_kit(tmp_path, ["adam"])
    assert mine.read_text("utf-8") == "my work" and not (tmp_path / "README.md").exists()
    with pytest.raises(ValueError, match="Did you mean 'softmax'"):
        write_kit(tmp_path / "new", ["softmaxx"])
    assert not (tmp_path / "new").exists()


def test_the_notebook_is_as_nbgrader_has_it_and_its_solutions_pass(tmp_path):
    names = ["softmax", "bidirectional", "adam", "lstm_backward"]
    write_kit(tmp_path, names, notebook=True)
    notebook = json.loads((tmp_path / "assignment.ipynb").read_text("utf-8"))
    pytest.importorskip("nbformat").validate(notebook)
    kept = [cell["metadata"]["nbgrader"] for cell in notebook["cells"]]
    assert len({one["grade_id"] for one in kept}) == len(kept) == 2 + 3 * len(names)
    assert [one["points"] for one in kept if one["grade"]] == [1, 3, 2, 4]
    assert all(one["schema_version"] == 3 and one["locked"] != one["solution"] for one in kept)
    space = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec(cell["source"], space)  # the tests raise where a solution is wrong
            if "BEGIN SOLUTION" in cell["source"]:
                assert cell["source"].endswith("### END SOLUTION")
                assert cell["metadata"]["nbgrader"]["solution"]
    wrong = find_mistake("softmax_over_the_first_axis").wrong
    test = notebook["cells"][4]["source"]
    with pytest.raises(AssertionError, match=r"\[softmax_over_the_first_axis\]"):
        exec(test, {**space, "softmax": wrong})


def test_mistakes_that_are_handed_in_are_named():
    found = rehearse(["softmax", "padding_mask", "clip_by_global_norm", "causal_mask"], learners=3)
    assert found.right == 4 and found.wrong == () and found.planted >= 7
    assert found.passed == found.unnamed == () and found.named == 1
    assert f"{found.planted} of {found.planted}" in str(found)


def test_what_is_not_named_is_counted(monkeypatch):
    from kerasllm.exercises.teaching import rehearsal

    said = {"0": {"softmax": None}, "1": {"softmax": "not yet"}, "2": {"softmax": None}}
    monkeypatch.setattr(rehearsal, "_graded", lambda folder, code: said[folder.name])
    found = rehearse(["softmax"], learners=3)
    assert (found.planted, len(found.passed), len(found.unnamed)) == (2, 1, 1)
    assert found.named == 0
