"""What an exercise is, and the list of all of them.

A topic is a module of `tasks/` with a tuple `EXERCISES`. The solution is the function of
`kerasllm.reference` with the exercise's name; the mistakes are those of the catalogue.
"""

import difflib
import html
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from kerasllm import reference

LEVELS = ("one line", "a few lines", "a whole layer", "a backward pass")
TOPICS = ("elementary", "recurrent", "time", "attention", "training", "sequence")


class Trial(NamedTuple):
    """One call of the learner's function."""

    label: str
    args: tuple
    kwargs: dict = {}  # noqa: RUF012 - never changed


@dataclass(frozen=True, repr=False)
class Exercise:
    """A function of `kerasllm.reference` to be written by the learner.

    Attributes:
        name: name of that function.
        level: one of `LEVELS`.
        task: one sentence.
        statement: equation, arguments with shapes, what to return.
        hint: what to think of.
        outputs: names of the arrays that are compared.
        trials: called with a random generator; returns a list of `Trial`.
        time_axis: for outputs that have one, the axis of time.
        parts: functions inside of this one, whose mistakes are tried too.
        run: how the function is called; as `function(*args, **kwargs)` if left out.
    """

    name: str
    level: str
    task: str
    statement: str
    hint: str
    outputs: tuple[str, ...]
    trials: Callable
    time_axis: dict | None = None
    parts: tuple[str, ...] = ()
    run: Callable | None = None

    def __repr__(self):
        return f"<exercise {self.name} ({self.level}): {self.task}>"

    @property
    def backward(self):
        """Whether it is a backward pass, which goes through time from the end."""
        return self.name.endswith("_backward")

    def call(self, function, trial, args=None):
        """Return what a function makes of a trial (with `args` in the place of its arguments)."""
        args, kwargs = (trial.args, trial.kwargs) if args is None else args
        if self.run is None:
            return function(*args, **kwargs)
        return self.run(function, *args, **kwargs)


class Text(str):
    """A text that a notebook and a Python prompt show as it is, without quotes."""

    def __repr__(self):
        return str(self)


class Table:
    """The exercises, one a row: name, level, task."""

    def __init__(self, rows):
        self.columns = ("name", "level", "task")
        self.rows = tuple(rows)

    def __str__(self):
        widths = [max(len(row[k]) for row in (self.columns, *self.rows)) for k in range(2)]
        lines = [
            f"{name:{widths[0]}}  {level:{widths[1]}}  {task}"
            for name, level, task in (self.columns, *self.rows)
        ]
        return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])

    __repr__ = __str__

    def _repr_html_(self):
        head = "".join(f"<th>{name}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


@cache
def exercises():
    """Return all exercises by name, easy ones first."""
    modules = [importlib.import_module(f"kerasllm.exercises.tasks.{topic}") for topic in TOPICS]
    found = [exercise for module in modules for exercise in module.EXERCISES]
    found.sort(key=lambda exercise: LEVELS.index(exercise.level))
    return {exercise.name: exercise for exercise in found}


def find(name):
    """Return the exercise of that name.

    Raises:
        ValueError: there is none; the message suggests the nearest.
    """
    if name in exercises():
        return exercises()[name]
    near = difflib.get_close_matches(str(name), exercises(), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"expected the name of an exercise, received {name!r}.{hint} "
        "kerasllm.exercises.table() shows all of them."
    )


def names():
    """Return the names of all exercises, from one line to a whole backward pass.

    Example:
        >>> names()[0], len(names()) >= 20
        ('sigmoid', True)
    """
    return tuple(exercises())


def table():
    """Return a table of all exercises: name, level, task.

    Example:
        >>> table().rows[0][:2]
        ('sigmoid', 'one line')
    """
    return Table((e.name, e.level, e.task) for e in exercises().values())


def signature(exercise):
    """Return the call that the checker makes, such as `softmax(x, axis)`."""
    parameters = inspect.signature(getattr(reference, exercise.name)).parameters
    kinds = {name for trial in _trials(exercise.name) for name in trial.kwargs}
    positional = max(len(trial.args) for trial in _trials(exercise.name))
    shown = []
    for name, parameter in list(parameters.items())[:positional]:
        if parameter.kind is parameter.VAR_POSITIONAL:
            shown.append(f"*{name}")
            break
        shown.append(name)
    return ", ".join([*shown, *(name for name in parameters if name in kinds)])


@cache
def _trials(name):
    import numpy as np

    return tuple(find(name).trials(np.random.default_rng(0)))


def show(name):
    """Return the statement of an exercise: what to write, with equation and shapes.

    Raises:
        ValueError: there is no such exercise.

    Example:
        >>> print(show("relu_backward").splitlines()[0])
        relu_backward (one line): send a gradient back through relu.
    """
    exercise = find(name)
    return Text(
        f"{exercise.name} ({exercise.level}): {exercise.task}\n\n"
        f"    def {exercise.name}({signature(exercise)}): ...\n\n"
        f"{inspect.cleandoc(exercise.statement)}\n\n"
        f'Then: kerasllm.exercises.check("{exercise.name}", {exercise.name})'
    )


def hint(name):
    """Return a hint.

    Raises:
        ValueError: there is no such exercise.

    Example:
        >>> hint("softmax_backward").split(":")[0]
        'Every probability depends on every score'
    """
    return Text(inspect.cleandoc(find(name).hint))


def solution(name):
    """Return the solution: the source of the library's own function.

    Raises:
        ValueError: there is no such exercise.

    Example:
        >>> print(solution("relu_backward").splitlines()[-1].strip())
        return ActivationGrads(d_output * (trace.x > 0))
    """
    return Text(inspect.getsource(getattr(reference, find(name).name)))
