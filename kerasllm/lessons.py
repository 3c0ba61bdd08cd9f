"""The lessons: text sources, the notebooks executed from them, and web pages.

    python -m kerasllm.lessons list
    python -m kerasllm.lessons open 04          # JupyterLab, extra `notebooks`
    python -m kerasllm.lessons build 04         # execute the source, write notebooks/04_*.ipynb
    python -m kerasllm.lessons build --html     # notebooks/_build/*.html, no network needed
    python -m kerasllm.lessons check            # execute every source, write nothing

- The source `notebooks/src/NN_name.py` (jupytext's percent format) is what is written by hand. The
  notebook beside it is made from it, outputs included, and is the same on every build.
- A lesson is executed offline, with warnings as errors, and nothing may reach standard error.
- `list` and `open` are the verbs of the command line; inside this module they hide the builtins.
"""

import importlib.metadata
import logging
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Lesson", "LessonError", "build", "execute", "list", "open", "read_source", "start"]

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
LIMIT = 90  # seconds a lesson may take on two cores
EXTRA = "pip install -e '.[notebooks]'"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
# Run in the kernel before the first cell, and not kept. Keras reads saved models with the last one.
SETUP = """
import warnings
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
"""


class LessonError(RuntimeError):
    """A lesson that does not run, or shows what differs from machine to machine."""


@dataclass(frozen=True)
class Lesson:
    """One lesson: its number, title and minutes, and where its source and notebook lie."""

    number: str
    title: str
    minutes: int
    source: Path
    notebook: Path


def list(folder=FOLDER):
    """Return the lessons, in order.

    Raises:
        FileNotFoundError: the lessons are not here; they are not part of an installed wheel.

    Example:
        >>> [lesson.title for lesson in list() if lesson.number == "07"]
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
    """Return the lesson of a number such as 4, "04" or "04_lstm_and_gru_by_hand".

    Raises:
        ValueError: there is none; the message lists those that there are.
    """
    lessons = list(folder)
    wanted = str(number)[:2].rstrip("_").zfill(2)
    for lesson in lessons:
        if lesson.number == wanted:
            return lesson
    known = ", ".join(f"{lesson.number} {lesson.title}" for lesson in lessons)
    raise ValueError(f"expected the number of a lesson, received {number!r}: there are {known}.")


def read_source(lesson):
    """Return the notebook that the source describes, without outputs and ready to be compared."""
    jupytext = _needed("jupytext")
    notebook = jupytext.read(lesson.source, fmt="py:percent")
    notebook.metadata = {"kernelspec": dict(KERNEL), "language_info": {"name": "python"}}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02d}"  # jupytext draws them at random
        cell.metadata = {}
    return notebook


def execute(number, folder=FOLDER, limit=LIMIT):
    """Run a lesson from its source and return the executed notebook; nothing is written.

    Args:
        number: of the lesson, such as 4 or "04".
        folder: where the notebooks lie, with `src` inside.
        limit: seconds for the whole lesson.

    Raises:
        LessonError: a cell raised or warned, the lesson took too long, or an output holds a path
            or an address of this machine.
    """
    lesson = find(number, folder)
    nbclient, nbformat = _needed("nbclient"), _needed("nbformat")
    notebook = read_source(lesson)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(SETUP))
    client = nbclient.NotebookClient(
        notebook,
        timeout=limit,
        resources={"metadata": {"path": str(lesson.source.parents[1])}},
        # The notices of TensorFlow's C++ go to the terminal, not into the notebook.
        extra_arguments=["--IPKernelApp.capture_fd_output=False"],
    )
    os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
    try:
        client.execute(env={**os.environ, **OFFLINE}, stderr=subprocess.DEVNULL)
    except nbclient.exceptions.CellExecutionError as error:
        said = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
        raise LessonError(f"{lesson.source.name} does not run: {said}") from None
    except nbclient.exceptions.CellTimeoutError:
        raise LessonError(f"{lesson.source.name} took longer than {limit} seconds.") from None
    del notebook.cells[0]
    _settle(notebook, lesson)
    return notebook


# No network: data come from this machine, and anything else fails at once.
OFFLINE = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "KERASLLM_LESSON": "1",
}


def _settle(notebook, lesson):
    """Strip what changes from run to run; refuse what should not be there."""
    notebook.metadata = {"kernelspec": dict(KERNEL), "language_info": {"name": "python"}}
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(codes, 1):
        cell.metadata, cell.execution_count = {}, number
        cell.outputs = _joined(cell.outputs)
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = number
            if "text/html" in output.get("data", {}):
                # The table is shown; an address in memory is all that the other form may add.
                plain = output.data["text/plain"]
                output.data["text/plain"] = re.sub(r"( object)? at 0x[0-9a-f]+", "", plain)
            if output.get("name") == "stderr":
                raise LessonError(f"{lesson.source.name} wrote to stderr: {output.text}")
        found = machine_traces(cell.outputs)
        if found:
            raise LessonError(f"{lesson.source.name}: the output of cell {number} holds {found}")


def _joined(outputs):
    """Join what was printed: where the kernel cuts it depends on the time that it took."""
    joined = []
    for output in outputs:
        before = joined[-1] if joined else {}
        if output.get("name") and output.get("name") == before.get("name"):
            before.text += output.text
        else:
            joined.append(output)
    return joined


def machine_traces(outputs):
    """Return what in some outputs belongs to one machine: paths and addresses in memory."""
    text = "\n".join(
        text
        for output in outputs
        for text in (output.get("text", ""), *map(str, _texts(output.get("data", {}))))
    )
    places = {str(Path.home()), str(FOLDER.parent), sys.prefix, "/tmp/", "/home/", "/Users/"}
    return [place for place in sorted(places - {"/"}) if place in text] + re.findall(
        r"0x[0-9a-f]{8,}", text
    )


def _texts(data):
    return [value for kind, value in data.items() if not kind.startswith("image/")]


def build(number=None, folder=FOLDER, *, html=False, limit=LIMIT):
    """Execute a lesson, or all, and write the notebook; with `html` write its web page instead.

    Args:
        number: of the lesson; all of them if left out.
        folder: where the notebooks lie, with `src` inside.
        html: render the notebook that is there to `_build/NN_name.html`.
        limit: seconds for each lesson.

    Returns:
        The paths written.

    Raises:
        LessonError: see `execute`; or a notebook that is not the one of its source.
        PermissionError: the folder cannot be written to.
    """
    lessons = list(folder) if number is None else (find(number, folder),)
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"cannot write to {folder}: build in a clone of your own")
    if html:
        from kerasllm.lesson_pages import write_pages

        return write_pages(lessons, Path(folder) / "_build")
    nbformat, written = _needed("nbformat"), []
    for lesson in lessons:
        notebook = execute(lesson.number, folder, limit)
        lesson.notebook.write_text(nbformat.writes(notebook) + "\n", "utf-8")
        written.append(lesson.notebook)
    return written


def open(number, folder=FOLDER):
    """Start JupyterLab at a lesson, and wait until it ends.

    Raises:
        ModuleNotFoundError: JupyterLab is missing; the message has the cure.
    """
    lesson = find(number, folder)
    _needed("jupyterlab")
    command = [sys.executable, "-m", "jupyterlab", str(lesson.notebook)]
    return subprocess.call(command)


def start(seed=7):
    """Begin a lesson: check what it needs, seed every random draw, let figures show.

    Raises:
        ImportError: a package is missing or too old; the message is the line that cures it.

    Example:
        >>> start()
    """
    for name, lowest in (("keras", (3, 8)), ("matplotlib", (3, 8))):
        _check(name, lowest)
    import keras

    from kerasllm.plots import chinese_font
    from kerasllm.plots.fonts import FONT_CURE

    if chinese_font() is None:
        print(f"Figures show boxes in the place of Chinese. Cure: {FONT_CURE}")
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython():
        from IPython.core.pylabtools import select_figure_formats

        select_figure_formats(sys.modules["IPython"].get_ipython(), {"png"}, bbox_inches=None)
    # A lesson trains many small models; TensorFlow would advise against tracing each of them.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    keras.utils.set_random_seed(seed)


def _check(name, lowest):
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        raise ModuleNotFoundError(
            f"this lesson needs {name}, which is not installed: {EXTRA}"
        ) from None
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < lowest:
        wanted = ".".join(map(str, lowest))
        raise ImportError(
            f"this lesson needs {name} {wanted} or newer, {version} is installed: "
            f"pip install -U {name}"
        )


def _needed(name):
    """Import a package of the extra `notebooks`."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"lessons need {name}, which is not installed: {EXTRA}") from None


def main(arguments=None):
    """Run `list`, `open NN`, `build [NN] [--html]` or `check [NN]`."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m kerasllm.lessons", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("verb", choices=("list", "open", "build", "check"))
    parser.add_argument("number", nargs="?")
    parser.add_argument("--html", action="store_true")
    given = parser.parse_args(arguments)
    if given.verb == "list":
        for lesson in list():
            print(f"{lesson.number}  {lesson.minutes:3d} min  {lesson.title}")
    elif given.verb == "open":
        open(given.number)
    elif given.verb == "build":
        for path in build(given.number, html=given.html):
            print(path)
    else:
        for lesson in list() if given.number is None else (find(given.number),):
            execute(lesson.number)
            print(f"{lesson.number} {lesson.title}: runs")


if __name__ == "__main__":
    try:
        main()
    except (LessonError, ValueError, OSError, ImportError) as error:
        sys.exit(f"error: {error}")
