"""The first cell of a lesson: what is missing is said there, with the one line that cures it."""

import importlib.metadata
import logging
import os
import re
import sys
import tempfile
import warnings

from kerasllm.lessons.execution import EXTRA


def start(seed=7):
    """Begin a lesson: check what it needs, seed every random draw, let figures show.

    Raises:
        ImportError: a package is missing or too old; the message has the line that cures it.
        PermissionError: there is no folder to write to; likewise.

    Example, which prints a cure where no font has Chinese:
        >>> start()  # doctest: +SKIP
    """
    for name, lowest in (("keras", (3, 8)), ("matplotlib", (3, 8))):
        _check_version(name, lowest)
    _check_writing()
    import keras

    from kerasllm.plots import chinese_font
    from kerasllm.plots.fonts import FONT_CURE

    if chinese_font() is None:
        print(f"Figures show boxes in the place of Chinese. Cure: {FONT_CURE}")
        warnings.filterwarnings("ignore", "Some characters are drawn as boxes")  # said already
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython():
        from IPython.core.pylabtools import select_figure_formats

        select_figure_formats(sys.modules["IPython"].get_ipython(), {"png"}, bbox_inches=None)
    # A lesson trains many small models; TensorFlow would advise against tracing each of them.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    keras.utils.set_random_seed(seed)


def _check_version(name, lowest):
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


def _check_writing():
    try:
        tempfile.TemporaryFile().close()
    except OSError:
        raise PermissionError(
            "this lesson keeps what it trains in a temporary folder, and none can be written to: "
            "mkdir -p ~/tmp && export TMPDIR=~/tmp, and start Jupyter again"
        ) from None
    if not os.access(".", os.W_OK):
        cure = "kerasllm lessons copy ~/lessons"
        print(f"This folder is read-only: your changes will be lost. Cure: {cure}")
