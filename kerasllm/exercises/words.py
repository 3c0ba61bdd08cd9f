"""What exercises and checks say, in the language that was asked for: the words of TOML files."""

import inspect
import re
import tomllib
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import NamedTuple

from kerasllm.utils.languages import LANGUAGES

_LANGUAGE = ContextVar("language", default="en")


@contextmanager
def speaking(language):
    """Let `say` speak a language, while a block lasts.

    Example:
        >>> with speaking("zh"):
        ...     say("close")
        '接近'
    """
    token = _LANGUAGE.set(language)
    try:
        yield
    finally:
        _LANGUAGE.reset(token)


@cache
def _sentences():
    return tomllib.loads(Path(__file__).with_name("sentences.toml").read_text("utf-8"))


@cache
def _tasks():
    return tomllib.loads((Path(__file__).parent / "tasks" / "chinese.toml").read_text("utf-8"))


def say(name, /, **values):
    """Return the sentence of a name, filled in.

    Example:
        >>> say("none_for", name="c")
        'Your function returned None for c.'
    """
    sentence = _sentences()[name][LANGUAGES.index(_LANGUAGE.get())]
    return sentence.format(**values)


def spoken(mistake):
    """Return the explanation of a `kerasllm.verify.Mistake`, a clause."""
    return mistake.chinese if _LANGUAGE.get() == "zh" else mistake.explanation


def spoken_label(label):
    """Return the label of a trial, such as "padding, T=5".

    Example:
        >>> with speaking("zh"):
        ...     spoken_label("padding, T=5"), spoken_label("T=5")
        ('填充, T=5', 'T=5')
    """
    if _LANGUAGE.get() == "en":
        return label
    return _replaced(label, _sentences()["labels"])


class Told(NamedTuple):
    """What an exercise says, in one language."""

    level: str
    task: str
    statement: str
    hint: str


def told(exercise):
    """Return the level, task, statement and hint of an exercise."""
    statement, hint = inspect.cleandoc(exercise.statement), inspect.cleandoc(exercise.hint)
    if _LANGUAGE.get() == "en":
        return Told(exercise.level, exercise.task, statement, hint)
    chinese = _tasks()[exercise.name]
    *equation, _ = re.split(r"\n\s*\n", statement)  # the last paragraph is prose
    equation = _replaced("\n\n".join(equation), _tasks()["remarks"])
    level = _tasks()["levels"][exercise.level]
    return Told(level, chinese["task"], f"{equation}\n\n{chinese['about']}", chinese["hint"])


def _replaced(text, known):
    """Return a text with its known words exchanged, the longest first."""
    words = sorted(known, key=len, reverse=True)
    whole = ((r"(?<!\w)" if word[0].isalnum() else "") + re.escape(word) for word in words)
    return re.sub(rf"({'|'.join(whole)})(?![\w=])", lambda found: known[found[0]], text)
