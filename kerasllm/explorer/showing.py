"""The page of a model in a notebook: written beside it, and shown in a frame.

- The notebook stays small: it holds the address of the page and a picture. Where scripts are off,
  the picture stands for the page.
- Pages lie in the folder `pages` beside the notebook. They are made by running it, and are kept
  out of the repository; the site takes along those that are there.
"""

import io
import os
from pathlib import Path

from kerasllm import verify
from kerasllm.explorer.page import explore
from kerasllm.training import Run, load_run
from kerasllm.utils.pages import element, embedded

BESIDE = "KERASLLM_BESIDE"  # folder of the notebook, where a build runs it elsewhere
FOLDER = "pages"
_WORDS = "The same page, alone · 单独打开此页"


class Shown:
    """A frame with the page of a model; a notebook shows it.

    Attributes:
        path: the file of the page.
        address: where it lies as seen from the notebook.
    """

    def __init__(self, path, address, picture, height):
        self.path, self.address = path, address
        self._picture, self._height = picture, height

    def __repr__(self):
        return f"<explorer: {self.address}>"

    def _repr_html_(self):
        style = f"width: 100%; height: {self._height}px; border: 1px solid #8886"
        frame = element("iframe", src=self.address, title="explorer", loading="lazy", style=style)
        link = element("a", _WORDS, href=self.address)
        return element("div", frame, element("noscript", self._picture), element("p", link),
                       class_="explorer")  # fmt: skip


def show(run, name, texts=(), tokenizer=None, height=640):
    """Write the page of a model beside the notebook, and show it there.

    Args:
        run: a run folder, a `Run`, or a Keras model.
        name: of the page, one for each in a folder: letters, digits, "-" and "_".
        texts: what the page begins with; the picture is of the first.
        tokenizer: that of a model given without a run.
        height: of the frame, in pixels.

    Returns:
        A `Shown`. Its page is `pages/NAME.html`.

    Raises:
        FileNotFoundError, ValueError: as `explore`; a name that is none; no text.

    Example:
        >>> show("runs/lm", "boats", ["these boats near"])  # doctest: +SKIP
    """
    texts = [texts] if isinstance(texts, str) else list(texts)
    if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
        raise ValueError(f'expected a name of letters, digits, "-" and "_", received {name!r}.')
    if not texts:
        raise ValueError('expected texts to begin with, received none: texts=["The cats near"].')
    run = load_run(run) if isinstance(run, str | Path) else run
    address = f"{FOLDER}/{name}.html"
    path = Path(os.environ.get(BESIDE) or ".") / address
    path.parent.mkdir(exist_ok=True)
    explore(run, texts, path, tokenizer)
    model = run.model if isinstance(run, Run) else run
    return Shown(path, address, _picture(model, texts[0], tokenizer), height)


def _picture(model, text, tokenizer):
    """Return the first recurrent or attention layer while it reads a text, for want of the page."""
    figure, buffer = verify.trace(model, text, tokenizer).figure(), io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white", dpi=72, metadata={"Software": None})
    return embedded(buffer.getvalue(), text)
