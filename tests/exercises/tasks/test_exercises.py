"""The exercises themselves: statements, the library as their solution, and every known mistake."""

import subprocess
import sys

import pytest

from kerasllm import exercises, reference
from kerasllm.exercises.catalogue import find, signature
from kerasllm.exercises.exercise import LEVELS
from kerasllm.verify.mistakes.catalogue import mistakes_of

MISTAKES = [(name, mistake) for name in exercises.names() for mistake in mistakes_of(name)]


def test_there_are_enough_from_one_line_to_a_whole_backward_pass():
    assert len(exercises.names()) >= 20
    assert {find(name).level for name in exercises.names()} == set(LEVELS)
    assert {"softmax", "lstm_backward", "scaled_dot_product_attention_backward"} <= set(
        exercises.names()
    )


@pytest.mark.parametrize("name", exercises.names())
def test_the_library_solves_each(name):
    result = exercises.check(name, getattr(reference, name), quiet=True)
    assert result.ok, str(result)
    assert result.mistake is None
    other = exercises.check(name, getattr(reference, name), quiet=True, seed=5)
    assert other.ok, str(other)


@pytest.mark.parametrize(
    ("name", "mistake"), MISTAKES, ids=lambda value: getattr(value, "name", "")
)
def test_each_known_mistake_is_called_by_its_name(name, mistake):
    result = exercises.check(name, mistake.wrong, quiet=True)
    assert not result.ok
    assert mistake in result.matches, str(result)


@pytest.mark.parametrize("name", ["softmax", "lstm_step", "crf", "adam"])
def test_the_diagnosis_does_not_hang_on_the_seed(name):
    for mistake in mistakes_of(name):
        for seed in (1, 2, 3):
            result = exercises.check(name, mistake.wrong, quiet=True, seed=seed)
            assert mistake in result.matches, str(result)


def test_every_exercise_has_a_mistake_to_tell():
    assert [name for name in exercises.names() if not mistakes_of(name)] == []


@pytest.mark.parametrize("name", exercises.names())
def test_statement_hint_and_solution(name):
    statement = exercises.show(name)
    assert f"def {name}({signature(find(name))})" in statement
    assert "Return" in statement or "return" in statement
    assert repr(statement) == str(statement)
    assert len(exercises.hint(name)) > 30
    assert exercises.solution(name).startswith(f"def {name}(")


def test_the_signature_shows_what_the_checker_passes():
    assert signature(find("softmax")) == "x"
    assert signature(find("lstm_step")) == "projected, h_previous, c_previous, recurrent_kernel"
    assert signature(find("bidirectional")) == "x, *weights, return_sequences"


def test_the_table_lists_all_in_order_of_difficulty():
    table = exercises.table()
    assert [row[0] for row in table.rows] == list(exercises.names())
    levels = [LEVELS.index(row[1]) for row in table.rows]
    assert levels == sorted(levels)
    assert str(table).splitlines()[0].split() == ["name", "level", "task"]
    assert table._repr_html_().count("<tr>") == len(table.rows) + 1


@pytest.mark.parametrize("function", [exercises.show, exercises.hint, exercises.solution])
def test_an_unknown_name_suggests_the_nearest(function):
    with pytest.raises(ValueError, match="Did you mean 'lstm_step'"):
        function("lstm_stap")


def test_importing_the_exercises_needs_numpy_only():
    code = (
        "import sys; from kerasllm import exercises; exercises.table(); exercises.show('softmax');"
        "assert not {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
