"""The lessons: text sources, the notebooks executed from them, and web pages.

    python -m kerasllm.lessons list
    python -m kerasllm.lessons open 05          # JupyterLab, extra `notebooks`; --no-browser
    python -m kerasllm.lessons build 05         # execute the source, write notebooks/05_*.ipynb
    python -m kerasllm.lessons build --html     # notebooks/_build/*.html, no network needed
    python -m kerasllm.lessons check            # execute every source, write nothing
    python -m kerasllm.lessons glossary         # docs/glossary.md, from glossary.toml

- The source `notebooks/src/NN_name.py` (jupytext's percent format) is what is written by hand. The
  notebook beside it is made from it, outputs included, and is the same on every build.
- A lesson is executed offline, with warnings as errors, and nothing may reach standard error.
"""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from kerasllm.lessons.execution import EXTRA, LessonError, needed, run
from kerasllm.lessons.glossary import write_glossary
from kerasllm.lessons.pages import write_pages

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
LIMIT = 90  # seconds a lesson may take on two cores


@dataclass(frozen=True)
class Lesson:
    """One lesson: its number, title and minutes, and where its source and notebook lie."""

    number: str
    title: str
    minutes: int
    source: Path
    notebook: Path


def all_lessons(folder=FOLDER):
    """Return the lessons, in order.

    Raises:
        FileNotFoundError: the lessons are not here; they are not part of an installed wheel.

    Example:
        >>> [lesson.title for lesson in all_lessons() if lesson.number == "09"]
        ['Attention']
    """
    sources = sorted((Path(folder) / "src").glob("[0-9][0-9]_*.py"))
    if not sources:
        raise FileNotFoundError(
            f"expected lessons in {Path(folder) / 'src'}, found none: clone the repository and "
            f"install from there, {EXTRA}"
        )
    return tuple(map(_lesson, sources))


def _lesson(source):
    text = source.read_text("utf-8")
    title = re.search(r"^# # (?:\d+ · )?(.+)$", text, re.MULTILINE)
    minutes = re.search(r"(\d+) minutes", text)
    notebook = source.parents[1] / f"{source.stem}.ipynb"
    return Lesson(
        number=source.name[:2],
        title=title[1].strip() if title else source.stem[3:],
        minutes=int(minutes[1]) if minutes else 0,
        source=source,
        notebook=notebook,
    )


def find(number, folder=FOLDER):
    """Return the lesson of a number such as 5, "05" or "05_lstm_and_gru_by_hand".

    Raises:
        ValueError: there is none; the message lists those that there are.
    """
    lessons = all_lessons(folder)
    wanted = str(number)[:2].rstrip("_").zfill(2) if str(number).strip() else ""
    for lesson in lessons:
        if lesson.number == wanted:
            return lesson
    known = ", ".join(f"{lesson.number} {lesson.title}" for lesson in lessons)
    raise ValueError(f"expected the number of a lesson, received {number!r}: there are {known}.")


def execute(number, folder=FOLDER, limit=LIMIT):
    """Run a lesson from its source and return the executed notebook; nothing is written.

    Args:
        number: of the lesson, such as 5 or "05".
        folder: where the notebooks lie, with `src` inside.
        limit: seconds for the whole lesson.

    Raises:
        LessonError: a cell raised or warned, the lesson took too long, or an output holds a path
            or an address of this machine.
    """
    return run(find(number, folder), limit)


def build(number=None, folder=FOLDER, *, html=False, limit=3 * LIMIT):
    """Execute a lesson, or all, and write the notebook; with `html` write its web page instead.

    Args:
        number: of the lesson; all of them if left out.
        folder: where the notebooks lie, with `src` inside.
        html: render the notebook that is there to `_build/NN_name.html`.
        limit: seconds for each lesson; left out, so many as a slow machine may need.

    Returns:
        The paths written.

    Raises:
        LessonError: see `execute`; or a notebook that is not the one of its source.
        PermissionError: the folder cannot be written to.
    """
    listed = all_lessons(folder)
    lessons = listed if number is None else (find(number, folder),)
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"cannot write to {folder}: build in a clone of your own")
    if html:
        return write_pages(lessons, Path(folder) / "_build", listed)
    nbformat, written = needed("nbformat"), []
    for lesson in lessons:
        notebook = execute(lesson.number, folder, limit)
        lesson.notebook.write_text(nbformat.writes(notebook) + "\n", "utf-8")
        written.append(lesson.notebook)
    return written


def start_jupyter(number, folder=FOLDER, *, browser=True):
    """Start JupyterLab at a lesson, and wait until it ends.

    Args:
        number: of the lesson, such as 5 or "05".
        folder: where the notebooks lie.
        browser: open a browser; without one JupyterLab prints the address alone.

    Returns:
        The exit status of JupyterLab.

    Raises:
        ModuleNotFoundError: JupyterLab is missing; the message has the cure.
        LessonError: the notebook is missing; the message has the cure.
    """
    lesson = find(number, folder)
    needed("jupyterlab")
    if not lesson.notebook.is_file():
        raise LessonError(f"{lesson.notebook.name} is not there: build {lesson.number} first.")
    command = [
        *(sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={lesson.notebook.parent}"),
        f"--LabApp.default_url=/lab/tree/{lesson.notebook.name}",  # is in the printed address, too
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # in a container; Jupyter refuses otherwise
        command.append("--allow-root")
    return subprocess.call(command if browser else [*command, "--no-browser"])


def main(arguments=None):
    """Run `list`, `open NN [--no-browser]`, `build [NN] [--html]`, `check [NN]` or `glossary`."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m kerasllm.lessons", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("verb", choices=("list", "open", "build", "check", "glossary"))
    parser.add_argument("number", nargs="?")
    parser.add_argument("--html", action="store_true")
    parser.add_argument("--no-browser", action="store_true")
    given = parser.parse_args(arguments)
    if given.verb == "list":
        for lesson in all_lessons():
            print(f"{lesson.number}  {lesson.minutes:3d} min  {lesson.title}")
    elif given.verb == "open":
        sys.exit(start_jupyter(given.number, browser=not given.no_browser))
    elif given.verb == "build":
        for path in build(given.number, html=given.html):
            print(path)
    elif given.verb == "glossary":
        print(write_glossary())
    else:
        for lesson in all_lessons() if given.number is None else (find(given.number),):
            began = time.perf_counter()
            execute(lesson.number, limit=3 * LIMIT)  # so much slower may another machine be
            seconds = time.perf_counter() - began
            late = f", more than the {LIMIT} s aimed at" if seconds > LIMIT else ""
            print(f"{lesson.number} {lesson.title}: runs in {seconds:.0f} s{late}")
