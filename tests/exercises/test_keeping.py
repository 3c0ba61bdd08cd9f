"""What was tried and solved is kept, and keeping it is never in the way."""

import json

import numpy as np
import pytest

from kerasllm import exercises
from kerasllm.exercises import keeping


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sign_forgotten(x):
    return 1 / (1 + np.exp(x))


@pytest.fixture
def place(tmp_path, monkeypatch):
    path = tmp_path / "new" / "mine.json"
    monkeypatch.setenv("KERASLLM_PROGRESS", str(path))
    return path


def test_tries_and_the_last_right_answer_are_kept(place):
    assert exercises.progress().solved == exercises.progress().tried == ()
    exercises.check("sigmoid", sign_forgotten)
    first = exercises.progress()
    assert (first.solved, first.tried) == ((), ("sigmoid",))
    assert first.table.rows[0][2:] == ("1", "the minus in exp(-x) is missing")
    assert "sign_forgotten" in exercises.answer("sigmoid")
    exercises.check("sigmoid", sigmoid)
    exercises.check("sigmoid", sign_forgotten)  # solved is solved
    exercises.check("softmax", sigmoid)
    after = exercises.progress()
    assert (after.solved, after.tried) == (("sigmoid",), ("softmax",))
    assert after.table.rows[0] == ("sigmoid", "one line", "3", "solved")
    assert exercises.answer("sigmoid").startswith("def sigmoid(x):")
    assert str(after).startswith(f"1 of {len(exercises.names())} exercises solved, 1 more tried.")
    assert [name for name in place.parent.iterdir()] == [place]  # no part of a file is left


def test_it_speaks_chinese(place):
    exercises.check("sigmoid", sign_forgotten, language="zh")
    shown = exercises.progress("zh")
    assert "做对了 0 道" in str(shown) and "exp(-x)" in str(shown.table)
    assert "做对了 0 道" in shown._repr_html_() and "<table" in shown._repr_html_()


def test_nothing_is_kept_of_a_quiet_check_nor_where_the_variable_is_empty(place, monkeypatch):
    exercises.check("sigmoid", sigmoid, quiet=True)
    assert not place.exists()
    monkeypatch.setenv("KERASLLM_PROGRESS", "")
    exercises.check("sigmoid", sigmoid)
    assert "Nothing is kept: KERASLLM_PROGRESS is empty" in str(exercises.progress())
    with pytest.raises(ValueError, match="no answer to 'sigmoid' was kept"):
        exercises.answer("sigmoid")


@pytest.mark.parametrize("text", ["{", "[]", '{"sigmoid": 1}', '{"sigmoid": {"tries": "x"}}'])
def test_a_file_of_something_else_is_left_alone(place, text):
    place.parent.mkdir()
    place.write_text(text, "utf-8")
    assert exercises.check("sigmoid", sigmoid).ok
    assert place.read_text("utf-8") == text
    with pytest.raises(ValueError, match="move the file away"):
        exercises.progress()


def test_where_it_cannot_be_written_the_check_says_what_it_says(place):
    place.parent.write_text("a file where a folder is wanted", "utf-8")
    assert exercises.check("sigmoid", sigmoid).ok


def test_a_mistake_or_an_exercise_of_another_version_does_no_harm(place):
    place.parent.mkdir()
    one = {"tries": 1, "right": False, "answer": "", "mistake": "long_gone"}
    place.write_text(json.dumps({"sigmoid": one, "long_gone": one}), "utf-8")
    assert exercises.progress().table.rows == (("sigmoid", "one line", "1", "not yet"),)
    exercises.check("sigmoid", sigmoid)
    assert "long_gone" in json.loads(place.read_text("utf-8"))


def test_the_file_is_in_the_users_data_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("KERASLLM_PROGRESS")
    monkeypatch.setattr(keeping.sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert keeping.progress_file() == tmp_path / "kerasllm" / "exercises.json"
