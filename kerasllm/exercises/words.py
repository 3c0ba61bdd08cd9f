"""What a check says, in the language that it was asked to speak: the sentences of a TOML file."""

import re
import tomllib
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

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
    return _known_labels().sub(lambda found: _sentences()["labels"][found[0]], label)


@cache
def _known_labels():
    longest_first = sorted(_sentences()["labels"], key=len, reverse=True)
    return re.compile(rf"(?<!\w)({'|'.join(map(re.escape, longest_first))})(?![\w=])")
