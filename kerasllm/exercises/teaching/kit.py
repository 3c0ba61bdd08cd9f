"""What a class needs: a file of functions to fill in, the tests, and a notebook for nbgrader.

- `adapters.py` has a function for each exercise, with its statement. It is the learner's.
- `test_exercises.py` has a test for each. What the checker says is what pytest shows, and nothing
  else; what is not written yet is skipped.
- `assignment.ipynb` is a notebook as nbgrader's instructors have it, with its solutions in it:
  `nbgrader generate_assignment` takes them out. How to grade by it says docs/teaching.md.
"""

import inspect
import json
import textwrap
from pathlib import Path

from kerasllm import reference
from kerasllm.exercises.catalogue import EXERCISES, find, show, signature
from kerasllm.exercises.exercise import LEVELS
from kerasllm.exercises.untouched import untouched_reference
from kerasllm.exercises.words import say, speaking
from kerasllm.utils.errors import writing
from kerasllm.utils.files import whole_file
from kerasllm.utils.languages import chosen_language

ADAPTERS, TESTS, README, NOTEBOOK = (
    "adapters.py", "test_exercises.py", "README.md", "assignment.ipynb",
)  # fmt: skip

_TESTS = '''"""{about}"""

import adapters
import pytest

from kerasllm import exercises

NAMES = (
{names}
)


@pytest.mark.parametrize("name", NAMES)
def test_exercise(name):
    mine = getattr(adapters, name, None)
    if mine is None:
        pytest.fail(f"adapters.py has no function {{name}}", pytrace=False)
    result = exercises.check(name, mine, language="{language}", quiet=True)
    if "NotImplementedError" in result.problem:
        pytest.skip("{not_written}")
    if not result.ok:
        pytest.fail(str(result), pytrace=False)
'''


def write_kit(folder, names=(), *, language=None, notebook=False):
    """Write a kit of exercises to a folder; nothing is overwritten.

    Args:
        folder: the folder; it is made where there is none.
        names: of the exercises; all of them if left out.
        language: of the statements and of what the tests say, "en" or "zh"; that of
            KERASLLM_LANGUAGE if left out, else "en".
        notebook: also write a notebook for nbgrader.

    Returns:
        The paths written.

    Raises:
        ValueError: there is no such exercise, or another language.
        FileExistsError: one of the files is there already; nothing is written then.
        OSError: the folder cannot be written to.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = write_kit(folder, ["softmax"])
        ...     print(written[0].read_text().splitlines()[8])
        def softmax(x):
    """
    language = chosen_language(language)
    chosen = [find(name) for name in dict.fromkeys(names)] or list(EXERCISES.values())
    with speaking(language):
        files = {ADAPTERS: _adapters(chosen, language), TESTS: _tests(chosen, language)}
        files[README] = say("kit_readme", count=len(chosen))
        if notebook:
            files[NOTEBOOK] = json.dumps(_notebook(chosen, language), ensure_ascii=False, indent=1)
    paths = {Path(folder) / name: text for name, text in files.items()}
    there = [path for path in paths if path.exists()]
    if there:
        raise FileExistsError(
            f"{there[0]} is there already, and may hold somebody's work: choose another folder. "
            "Nothing was written."
        )
    with writing(folder, "choose another folder"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        for path, text in paths.items():
            with whole_file(path) as file:
                file.write(text)
    return list(paths)


def head(exercise):
    """Return the line `def NAME(…):` of an exercise, with the defaults of the library's."""
    asked = [name.lstrip("*") for name in signature(exercise).split(", ")]
    with untouched_reference():
        full = inspect.signature(getattr(reference, exercise.name)).parameters
    kept = [_plain(parameter) for name, parameter in full.items() if name in asked]
    return f"def {exercise.name}{inspect.Signature(kept)}:"


def _plain(parameter):
    """Return a parameter as a learner writes it; a function is no default that has a name there."""
    default = parameter.empty if callable(parameter.default) else parameter.default
    return parameter.replace(annotation=parameter.empty, default=default)


def _about(exercise, language):
    """Return the statement of an exercise, without the line that says how to check it."""
    title, _, *paragraphs, _ = show(exercise.name, language).split("\n\n")
    return title, "\n\n".join(paragraphs)


def _adapters(chosen, language):
    parts = [f'"""{say("kit_adapters")}"""', "import numpy as np"]
    for exercise in chosen:
        text = textwrap.indent("\n\n".join(_about(exercise, language)), "    ").strip()
        raw = "r" if "\\" in text else ""
        parts.append(
            f'\n{head(exercise)}\n    {raw}"""{text}\n    """\n    raise NotImplementedError'
        )
    return "\n\n".join(parts).replace("    \n", "\n") + "\n"


def _tests(chosen, language):
    names = "\n".join(f'    "{exercise.name}",' for exercise in chosen)
    words = {"about": say("kit_tests"), "not_written": say("kit_not_written")}
    return _TESTS.format(names=names, language=language, **words)


def _notebook(chosen, language):
    cells = [
        _cell("markdown", say("kit_notebook"), "beginning", locked=True),
        _cell("code", "import numpy as np\n\nfrom kerasllm import exercises", "imports",
              locked=True),
    ]  # fmt: skip
    for exercise in chosen:
        name, (title, text) = exercise.name, _about(exercise, language)
        given = ", ".join(_handed_on(p) for p in _parameters(exercise))
        solution = (
            f"{head(exercise)}\n    ### BEGIN SOLUTION\n    from kerasllm import reference\n\n"
            f"    return reference.{name}({given})\n    ### END SOLUTION"
        )
        test = (
            f'result = exercises.check("{name}", {name}, language="{language}", quiet=True)\n'
            "assert result.ok, str(result)"
        )
        statement = f"## {title}\n\n```\n{text}\n```"
        points = LEVELS.index(exercise.level) + 1
        cells.append(_cell("markdown", statement, f"{name}-statement", locked=True))
        cells.append(_cell("code", solution, f"{name}-answer", solution=True))
        cells.append(_cell("code", test, f"{name}-test", locked=True, grade=True, points=points))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _parameters(exercise):
    space = {}
    exec(f"{head(exercise)} pass", {"inf": float("inf")}, space)
    return inspect.signature(space[exercise.name]).parameters.values()


def _handed_on(parameter):
    if parameter.kind is parameter.VAR_POSITIONAL:
        return f"*{parameter.name}"
    named = parameter.kind is parameter.KEYWORD_ONLY
    return f"{parameter.name}={parameter.name}" if named else parameter.name


def _cell(kind, source, name, *, solution=False, locked=False, grade=False, points=None):
    """Return a cell with what nbgrader keeps of it, in version 3 of its own schema."""
    kept = {
        "grade": grade, "grade_id": name, "locked": locked, "schema_version": 3,
        "solution": solution, "task": False, **({} if points is None else {"points": points}),
    }  # fmt: skip
    cell = {"cell_type": kind, "id": name.replace("_", "-")[:64], "metadata": {"nbgrader": kept},
            "source": source}  # fmt: skip
    return cell if kind == "markdown" else cell | {"execution_count": None, "outputs": []}
