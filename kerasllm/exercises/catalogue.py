"""The list of all exercises, and what a learner asks of one.

A topic is a module of `tasks/` with a tuple `EXERCISES`. The solution is the function of
`kerasllm.reference` with the exercise's name; the mistakes are those of the catalogue.
"""

import inspect
from functools import cache

import numpy as np

from kerasllm import reference
from kerasllm.exercises.exercise import LEVELS
from kerasllm.exercises.tasks import (
    attention,
    audit,
    elementary,
    evaluation,
    recurrent,
    sequence,
    time,
    training,
)
from kerasllm.exercises.untouched import untouched_reference
from kerasllm.exercises.words import say, speaking, told
from kerasllm.utils.errors import nearest
from kerasllm.utils.languages import chosen_language
from kerasllm.utils.tables import Table

_TOPICS = (elementary, recurrent, time, attention, training, sequence, evaluation, audit)
_ALL = [exercise for topic in _TOPICS for exercise in topic.EXERCISES]
# By name, easy ones first.
EXERCISES = {e.name: e for e in sorted(_ALL, key=lambda e: LEVELS.index(e.level))}


class Text(str):
    """A text that a notebook and a Python prompt show as it is, without quotes."""

    def __repr__(self):
        return str(self)


def find(name):
    """Return the exercise of that name.

    Raises:
        ValueError: there is none; the message suggests the nearest.
    """
    if name in EXERCISES:
        return EXERCISES[name]
    raise ValueError(
        f"expected the name of an exercise, received {name!r}.{nearest(name, EXERCISES)} "
        "kerasllm.exercises.table() shows all of them."
    )


def names():
    """Return the names of all exercises, from one line to a whole backward pass.

    Example:
        >>> names()[0], len(names()) >= 20
        ('sigmoid', True)
    """
    return tuple(EXERCISES)


def table(language=None):
    """Return a table of all exercises: name, level, task.

    Args:
        language: "en" or "zh"; as in `check` if left out.

    Raises:
        ValueError: another language.

    Example:
        >>> table().rows[0][:2]
        ('sigmoid', 'one line')
    """
    with speaking(chosen_language(language)):
        columns = [say(f"column_{column}") for column in ("name", "level", "task")]
        return Table(columns, [(e.name, *told(e)[:2]) for e in EXERCISES.values()])


def signature(exercise):
    """Return the call that the checker makes, such as `softmax(x, axis)`."""
    with untouched_reference():
        parameters = inspect.signature(getattr(reference, exercise.name)).parameters
    kinds = {name for trial in _trials(exercise.name) for name in trial.kwargs}
    positional = max(len(trial.args) for trial in _trials(exercise.name))
    positional += exercise.run is not None  # an optimizer is given its state, too
    shown = []
    for name, parameter in list(parameters.items())[:positional]:
        if parameter.kind is parameter.VAR_POSITIONAL:
            shown.append(f"*{name}")
            break
        shown.append(name)
    return ", ".join([*shown, *(name for name in parameters if name in kinds)])


@cache
def _trials(name):
    with untouched_reference():
        return tuple(find(name).trials(np.random.default_rng(0)))


def show(name, language=None):
    """Return the statement of an exercise: what to write, with equation and shapes.

    Args:
        name: of the exercise.
        language: "en" or "zh"; as in `check` if left out.

    Raises:
        ValueError: there is no such exercise, or another language.

    Example:
        >>> print(show("relu_backward").splitlines()[0])
        relu_backward (one line): send a gradient back through relu.
    """
    exercise = find(name)
    with speaking(chosen_language(language)):
        level, task, statement, _ = told(exercise)
        return Text(
            f"{say('statement', name=name, level=level, task=task)}\n\n"
            f"    def {name}({signature(exercise)}): ...\n\n"
            f"{statement}\n\n"
            f"{say('then', name=name)}"
        )


def hint(name, language=None):
    """Return a hint.

    Args:
        name: of the exercise.
        language: "en" or "zh"; as in `check` if left out.

    Raises:
        ValueError: there is no such exercise, or another language.

    Example:
        >>> hint("softmax_backward").split(":")[0]
        'Every probability depends on every score'
    """
    exercise = find(name)
    with speaking(chosen_language(language)):
        return Text(told(exercise).hint)


def solution(name):
    """Return the solution: the source of the library's own function.

    Raises:
        ValueError: there is no such exercise.

    Example:
        >>> print(solution("relu_backward").splitlines()[-1].strip())
        return ActivationGrads(d_output * (trace.x > 0))
    """
    with untouched_reference():
        return Text(inspect.getsource(getattr(reference, find(name).name)))
