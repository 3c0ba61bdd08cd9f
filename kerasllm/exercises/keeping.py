"""What a learner has tried and solved: kept in a small file of their own, from check to check.

    exercises.progress()             # what is solved, what was tried, and what was wrong last
    exercises.answer("softmax")      # the last right answer, else the last one

- The file is `$KERASLLM_PROGRESS`, or `exercises.json` in the user's data folder. An empty
  KERASLLM_PROGRESS keeps nothing, nor does `check(..., quiet=True)`.
- Keeping is a service and never in the way: where the file cannot be read or written, `check` says
  what it has to say, and `progress` says what is the matter.
"""

import contextlib
import inspect
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from kerasllm.exercises.catalogue import EXERCISES, Text, find
from kerasllm.exercises.words import say, speaking, spoken, told
from kerasllm.utils.files import whole_file
from kerasllm.utils.languages import chosen_language
from kerasllm.utils.tables import Shown, Table
from kerasllm.verify.mistakes.catalogue import find_mistake

VARIABLE = "KERASLLM_PROGRESS"
LONGEST = 20_000  # characters of an answer


def progress_file():
    """Return where answers and progress are kept, or None if nowhere."""
    chosen = os.environ.get(VARIABLE)
    if chosen is not None:
        return Path(chosen).expanduser() if chosen else None
    with contextlib.suppress(RuntimeError):  # no home folder
        home = Path.home()
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local"
        elif sys.platform == "darwin":
            base = home / "Library" / "Application Support"
        else:
            base = os.environ.get("XDG_DATA_HOME") or home / ".local" / "share"
        return Path(base) / "kerasllm" / "exercises.json"
    return None


@dataclass(frozen=True, repr=False)
class Progress(Shown):
    """How far a learner is.

    Attributes:
        solved: names of the exercises that were right once.
        tried: names of those that were tried and never right.
        total: how many exercises there are.
        table: name, level, number of tries, and the last known mistake.
        place: the file that it is kept in, or None.
        language: "en" or "zh".
    """

    solved: tuple
    tried: tuple
    total: int
    table: Table
    place: Path | None
    language: str = "en"

    def headline(self):
        """Return the progress in one line."""
        with speaking(self.language):
            counts = {"solved": len(self.solved), "tried": len(self.tried), "total": self.total}
            kept = "" if self.place else say("kept_nowhere", variable=VARIABLE)
            return say("progress", **counts) + kept

    def __str__(self):
        return "\n".join([self.headline(), *([str(self.table)] if self.table.rows else [])])

    def _repr_html_(self):
        from kerasllm.utils.pages import AS_WRITTEN, element

        shown = self.table._repr_html_() if self.table.rows else ""
        return element("p", element("b", self.headline()), class_=AS_WRITTEN) + shown


def progress(language=None):
    """Return which exercises are solved, which were tried, and the last mistake in each.

    Args:
        language: "en" or "zh"; as in `check` if left out.

    Returns:
        A `Progress`: it prints itself.

    Raises:
        ValueError: the file is not one of progress, or another language.
        OSError: the file cannot be read.

    Example:
        >>> from unittest.mock import patch
        >>> with patch.dict("os.environ", {VARIABLE: ""}):  # nothing is kept
        ...     progress().solved
        ()
    """
    place, language = progress_file(), chosen_language(language)
    kept = {name: one for name, one in _read(place).items() if name in EXERCISES}
    with speaking(language):
        columns = [say(f"column_{c}") for c in ("name", "level", "tries", "state")]
        names = [name for name in EXERCISES if name in kept]
        rows = [
            (name, told(EXERCISES[name]).level, str(kept[name]["tries"]), _state(kept[name]))
            for name in names
        ]
    marks = ["good" if kept[name]["right"] else "bad" for name in names]
    solved = tuple(name for name in names if kept[name]["right"])
    tried = tuple(name for name in names if not kept[name]["right"])
    table = Table(columns, rows, marks=marks, right=(2,))
    return Progress(solved, tried, len(EXERCISES), table, place, language)


def _state(one):
    if one["right"]:
        return say("solved")
    with contextlib.suppress(ValueError):  # of another version
        return spoken(find_mistake(one["mistake"]))
    return say("not_solved")


def answer(name):
    """Return the source of the last right answer to an exercise, else of the last answer.

    Args:
        name: of the exercise.

    Raises:
        ValueError: there is no such exercise, no answer was kept, or the file is not one of
            progress.
        OSError: the file cannot be read.
    """
    kept = _read(progress_file()).get(find(name).name)
    if kept is None or not kept["answer"]:
        raise ValueError(f"no answer to {name!r} was kept: check one, `check({name!r}, mine)`")
    return Text(kept["answer"])


def keep(result, function):
    """Write down what came of a check; where that cannot be done, do nothing."""
    place = progress_file()
    if place is None:
        return
    with contextlib.suppress(OSError, ValueError):
        everything = _read(place)
        one = everything.get(result.name, {"tries": 0, "right": False, "answer": ""})
        source = _source(function)
        if result.ok or not one["right"]:
            one["answer"] = source or one["answer"]
        one["tries"] += 1
        one["right"] = one["right"] or result.ok
        one["mistake"] = result.mistake.name if result.mistake else ""
        everything[result.name] = one
        place.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(place) as file:
            json.dump(everything, file, ensure_ascii=False, indent=1)


def _source(function):
    try:
        return inspect.getsource(function)[:LONGEST]
    except (OSError, TypeError):  # typed at a prompt, or not written in Python
        return ""


def _read(place):
    """Return {name: {"tries", "right", "answer", "mistake"}}; nothing where there is no file."""
    try:
        text = place.read_text("utf-8") if place else "{}"
    except FileNotFoundError:
        return {}
    try:
        found = json.loads(text)
        right = all(
            (type(one["tries"]), type(one["right"])) == (int, bool)
            and isinstance(one["answer"], str) and isinstance(one["mistake"], str)
            for one in found.values()
        )  # fmt: skip
    except (ValueError, AttributeError, KeyError, TypeError):
        right = False
    if not right:
        raise ValueError(
            f"expected the progress of the exercises in {place}, found something else: move the "
            f"file away, or set {VARIABLE} to another"
        )
    return found
