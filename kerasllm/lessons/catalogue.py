"""The lessons: text sources, and the notebooks executed from them.

    python -m kerasllm.lessons list             # --language zh: the Chinese edition
    python -m kerasllm.lessons open 05          # JupyterLab, extra `notebooks`; --no-browser
    python -m kerasllm.lessons build 05         # execute the source, write both editions
    python -m kerasllm.lessons build 05 --language zh     # the Chinese one, without executing
    python -m kerasllm.lessons copy FOLDER      # the notebooks, to be worked in
    python -m kerasllm.lessons check            # execute every source, write nothing
    python -m kerasllm.lessons glossary         # docs/glossary.md, from glossary.toml

- The source `notebooks/src/NN_name.py` (jupytext's percent format) is what is written by hand. The
  notebook beside it is made from it, outputs included, and is the same on every build. How the
  Chinese edition is made says `kerasllm/lessons/editions.py`.
- A lesson is executed offline, with warnings as errors, and nothing may reach standard error.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from kerasllm.lessons.editions import LessonError, prose_path, with_outputs
from kerasllm.lessons.execution import EXTRA, needed, read_source, run
from kerasllm.lessons.glossary import write_glossary
from kerasllm.utils.languages import LANGUAGES, VARIABLE, chosen_language

BESIDE = Path(__file__).resolve().parents[2] / "notebooks"  # in a clone
INSTALLED = Path(sys.prefix) / "share" / "kerasllm" / "notebooks"  # of a wheel
FOLDER = BESIDE if (BESIDE / "src").is_dir() else INSTALLED
LIMIT = 90  # seconds a lesson may take on two cores


@dataclass(frozen=True)
class Lesson:
    """One edition of a lesson: its number, title, minutes and language, and where it lies.

    The source holds the code of both editions.
    """

    number: str
    title: str
    minutes: int
    source: Path
    notebook: Path
    language: str = "en"


def all_lessons(folder=FOLDER, language="en"):
    """Return the lessons, in order.

    Args:
        folder: where the notebooks lie, with `src` inside.
        language: "en" or "zh": a lesson without a Chinese edition comes in English.

    Raises:
        FileNotFoundError: the lessons are not here.
        ValueError: another language.

    Example:
        >>> [lesson.title for lesson in all_lessons() if lesson.number == "09"]
        ['Attention']
    """
    language = chosen_language(language)
    sources = sorted((Path(folder) / "src").glob("[0-9][0-9]_*.py"))
    if not sources:
        raise FileNotFoundError(
            f"expected lessons in {Path(folder) / 'src'}, found none: install kerasllm again, or "
            f"clone the repository and install from there, {EXTRA}"
        )
    return tuple(_lesson(source, language) for source in sources)


def _lesson(source, language):
    written, name = source, f"{source.stem}.ipynb"
    if language == "zh" and prose_path(source).is_file():
        written, name = prose_path(source), f"zh/{name}"
    text = written.read_text("utf-8")
    title = re.search(r"^(?:# )?# (?!%%)(?:\d+ · )?(.+)$", text, re.MULTILINE)
    minutes = re.search(r"(\d+) (?:minutes|分钟)", text)
    return Lesson(
        number=source.name[:2],
        title=title[1].strip() if title else source.stem[3:],
        minutes=int(minutes[1]) if minutes else 0,
        source=source,
        notebook=source.parents[1] / name,
        language="en" if written is source else "zh",
    )


def find(number, folder=FOLDER, language="en"):
    """Return the lesson of a number such as 5, "05" or "05_lstm_by_hand".

    In Chinese, where it has no Chinese edition, it is the English one.

    Raises:
        ValueError: there is none; the message lists those that there are.
    """
    lessons = all_lessons(folder, language)
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


def build(number=None, folder=FOLDER, *, language=None, limit=3 * LIMIT):
    """Execute a lesson, or all, and write its notebooks.

    Args:
        number: of the lesson; all of them if left out.
        folder: where the notebooks lie, with `src` inside.
        language: of the one edition to write; left out, both. The Chinese one alone takes the
            outputs of the English notebook that is there.
        limit: seconds for each lesson; left out, so many as a slow machine may need.

    Returns:
        The paths written.

    Raises:
        LessonError: see `execute`; or an English notebook that is not the one of its source.
        ValueError: there is no such lesson, or not in this language.
        PermissionError: the folder cannot be written to.
    """
    lessons = _editions(number, folder, language)
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"cannot write to {folder}: build in a clone of your own")
    nbformat, written = needed("nbformat"), []
    for lesson in lessons:
        english = lesson.language == "en"
        notebook = execute(lesson.number, folder, limit) if english else _chinese(lesson, folder)
        lesson.notebook.parent.mkdir(exist_ok=True)
        lesson.notebook.write_text(nbformat.writes(notebook) + "\n", "utf-8")
        if not english and (Path(folder) / "pages").is_dir():  # which the outputs show in frames
            pages = lesson.notebook.parent / "pages"
            shutil.copytree(Path(folder) / "pages", pages, dirs_exist_ok=True)
        written.append(lesson.notebook)
    return written


def _editions(number, folder, language):
    """Return the lessons to write, those in English first: the Chinese ones take their outputs."""
    wanted = LANGUAGES if language is None else (chosen_language(language),)
    there = [x for name in wanted for x in all_lessons(folder, name) if x.language == name]
    found = [x for x in there if number is None or x.number == find(number, folder).number]
    if not found:
        known = ", ".join(x.number for x in there) or "none"
        raise ValueError(
            f"expected a lesson that has a Chinese edition, received {number!r}: those that have "
            f"one: {known}."
        )
    return found


def _chinese(lesson, folder):
    english = find(lesson.number, folder)
    if not english.notebook.is_file():
        raise LessonError(f"{english.notebook.name} is not there: build {lesson.number} first.")
    executed = needed("nbformat").read(english.notebook, as_version=4)
    return with_outputs(read_source(lesson), executed, english.notebook.name)


def start_jupyter(number, folder=FOLDER, *, browser=True, language=None):
    """Start JupyterLab at a lesson, and wait until it ends; its exercises speak its language.

    Args:
        number: of the lesson, such as 5 or "05".
        folder: where the notebooks lie.
        browser: open a browser; without one JupyterLab prints the address alone.
        language: "en" or "zh"; that of KERASLLM_LANGUAGE if None, else "en". A lesson that has no
            Chinese edition is opened in English.

    Returns:
        The exit status of JupyterLab.

    Raises:
        ModuleNotFoundError: JupyterLab is missing; the message has the cure.
        LessonError: the notebook is missing; the message has the cure.
    """
    language = chosen_language(language)
    lesson = find(number, folder, language)
    needed("jupyterlab")
    if not lesson.notebook.is_file():
        raise LessonError(f"{lesson.notebook.name} is not there: build {lesson.number} first.")
    place = lesson.notebook.relative_to(folder).as_posix()
    command = [
        *(sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}"),
        f"--LabApp.default_url=/lab/tree/{place}",  # is in the printed address, too
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # in a container; Jupyter refuses otherwise
        command.append("--allow-root")
    command += [] if browser else ["--no-browser"]
    return subprocess.call(command, env={**os.environ, VARIABLE: language})


def copy(to, folder=FOLDER):
    """Copy the notebooks, in both languages, to a folder of one's own; nothing is overwritten.

    Args:
        to: the folder; it is made where there is none. Chinese notebooks go to `zh` inside.
        folder: where the notebooks lie.

    Returns:
        The paths written. A notebook that is there already, and is the same, is not among them.

    Raises:
        FileExistsError: a notebook is there that was changed; nothing is copied then.
        FileNotFoundError: the lessons are not here.
    """
    lessons = [*all_lessons(folder), *all_lessons(folder, "zh")]
    sources = dict.fromkeys(lesson.notebook for lesson in lessons if lesson.notebook.is_file())
    files = {Path(to) / source.relative_to(folder): source.read_bytes() for source in sources}
    there = [path for path in files if path.is_file() and path.read_bytes() != files[path]]
    if there:
        raise FileExistsError(
            f"{there[0]} is there already, and was changed: choose another folder, or rename it. "
            "Nothing was copied."
        )
    written = [path for path in files if not path.is_file()]
    for path in written:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files[path])
    return written


def main(arguments=None):
    """Run one of the verbs that the head of this file lists."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m kerasllm.lessons", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("verb", choices=("list", "open", "build", "copy", "check", "glossary"))
    parser.add_argument("number", nargs="?", help="of a lesson, or the folder to copy to")
    parser.add_argument("--no-browser", action="store_true")
    parser.add_argument("--language", choices=LANGUAGES)
    given = parser.parse_args(arguments)
    if given.verb == "list":
        for lesson in all_lessons(language=given.language):
            print(f"{lesson.number}  {lesson.minutes:3d} min  {lesson.title}")
    elif given.verb == "open":
        browser = not given.no_browser
        sys.exit(start_jupyter(given.number, browser=browser, language=given.language))
    elif given.verb == "build":
        for path in build(given.number, language=given.language):
            print(path)
    elif given.verb == "copy":
        print(f"{len(copy(given.number or 'lessons'))} notebooks copied")
    elif given.verb == "glossary":
        print(write_glossary())
    else:
        for lesson in all_lessons() if given.number is None else (find(given.number),):
            began = time.perf_counter()
            execute(lesson.number, limit=3 * LIMIT)  # so much slower may another machine be
            seconds = time.perf_counter() - began
            late = f", more than the {LIMIT} s aimed at" if seconds > LIMIT else ""
            print(f"{lesson.number} {lesson.title}: runs in {seconds:.0f} s{late}")
