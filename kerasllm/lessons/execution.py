"""Run one lesson: from its text source to a notebook that is the same on every build."""

import importlib
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kerasllm.lessons.editions import FOLDED, LessonError, in_edition

ROOT = Path(__file__).resolve().parents[2]
EXTRA = "pip install -e '.[notebooks]'"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
# Run in the kernel before the first cell, and not kept. Keras reads saved models with the last one.
SETUP = """
import warnings
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
"""


def needed(name):
    """Import a package of the extra `notebooks`."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise ModuleNotFoundError(f"lessons need {name}, which is not installed: {EXTRA}") from None


def read_source(lesson):
    """Return the notebook that the sources of an edition describe, without outputs."""
    jupytext = needed("jupytext")
    notebook = jupytext.read(lesson.source, fmt="py:percent")
    notebook.metadata = {"kernelspec": dict(KERNEL), "language_info": {"name": "python"}}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02d}"  # jupytext draws them at random
        cell.metadata = dict(FOLDED) if "figure" in cell.metadata.get("tags", ()) else {}
    return in_edition(notebook, lesson)


def run(lesson, limit):
    """Run a lesson from its source and return the executed notebook; see `lessons.execute`."""
    nbclient, nbformat = needed("nbclient"), needed("nbformat")
    notebook = read_source(lesson)
    deadline = time.monotonic() + limit
    notebook.cells.insert(0, nbformat.v4.new_code_cell(SETUP))
    client = nbclient.NotebookClient(
        notebook,
        timeout_func=lambda _cell: max(1, deadline - time.monotonic()),
        resources={"metadata": {"path": str(lesson.source.parents[2])}},
        # The notices of TensorFlow's C++ go to the terminal, not into the notebook.
        extra_arguments=["--IPKernelApp.capture_fd_output=False"],
    )
    os.environ.setdefault("JUPYTER_PLATFORM_DIRS", "1")
    try:
        with tempfile.TemporaryDirectory() as folder:  # whoever builds has solved nothing there
            own = {
                "KERASLLM_PROGRESS": str(Path(folder, "exercises.json")),
                "KERASLLM_BESIDE": str(lesson.notebook.parent),
            }
            client.execute(env={**os.environ, **OFFLINE, **own}, stderr=subprocess.DEVNULL)
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
    "KERASLLM_LANGUAGE": "en",
    "KERASLLM_DOCUMENTS": "",  # a notebook keeps short quotations, whoever builds it
}


def _settle(notebook, lesson):
    """Strip what changes from run to run; refuse what should not be there."""
    notebook.metadata = {"kernelspec": dict(KERNEL), "language_info": {"name": "python"}}
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(codes, 1):
        cell.execution_count = number
        cell.metadata.pop("execution", None)  # when it ran
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
    places = {f"/{folder}/" for folder in ("tmp", "home", "Users")}
    places |= {str(Path.home()), str(ROOT), sys.prefix}
    return [place for place in sorted(places - {"/"}) if place in text] + re.findall(
        r"0x[0-9a-f]{8,}", text
    )


def _texts(data):
    return [value for kind, value in data.items() if not kind.startswith("image/")]
