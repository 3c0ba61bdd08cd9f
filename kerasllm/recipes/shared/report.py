"""One HTML file that holds a whole report: text, tables, figures and samples.

- Nothing is loaded from elsewhere: figures are embedded as PNG.
- Every text is escaped, for a generated sample may hold anything.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasllm.utils.files import whole_file
from kerasllm.utils.pages import element, embedded, page, scrolling
from kerasllm.utils.tables import Table


@dataclass(frozen=True)
class Picture:
    """A figure.

    Args:
        source: a `matplotlib.figure.Figure`, or the path of a PNG file.
        caption: what the figure shows; read out to those who do not see it.
    """

    source: Any
    caption: str = ""


@dataclass(frozen=True)
class Code:
    """A command, a listing or a generated sample: shown as it is, line by line.

    Args:
        text: the text.
        caption: what it is.
    """

    text: str
    caption: str = ""


@dataclass(frozen=True)
class Link:
    """A page beside the report.

    Args:
        file: its name, in the folder of the report.
        text: what is found there.
    """

    file: str
    text: str


def write_report(folder, title, sections):
    """Write `report.html` into a folder, whole or not at all.

    Args:
        folder: where to; it is made if it is not there.
        title: title of the page.
        sections: (heading, blocks) pairs; a block is a paragraph (str), `Table`, `Picture` or
            `Code` or `Link`.

    Returns:
        Path of the page.

    Raises:
        TypeError: a block of another type.
        FileNotFoundError: a picture that does not exist.
        PermissionError: a folder that cannot be written.

    Example:
        >>> import tempfile
        >>> table = Table(["method", "accuracy"], [["linear", 0.5], ["network", 0.625]])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = write_report(folder, "Spam", [("Scores", ["On 80 rows:", table])])
        ...     "0.6250" in path.read_text(encoding="utf-8")
        True
    """
    text = page(title, element("h1", title), *(_section(*section) for section in sections))
    path = Path(folder) / "report.html"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(text)
    except OSError as error:
        raise PermissionError(
            f"expected a folder that can be written, received {folder} ({error.strerror}); "
            "choose another folder for the run"
        ) from error
    return path


def _section(heading, blocks):
    if isinstance(blocks, str):  # a lone paragraph would be taken apart letter by letter
        blocks = [blocks]
    return element("section", element("h2", heading), *map(_block, blocks))


def _block(block):
    if isinstance(block, str):
        return element("p", block)
    if isinstance(block, Table):
        return scrolling(block._repr_html_())
    caption = [element("figcaption", block.caption)] if getattr(block, "caption", "") else []
    if isinstance(block, Picture):
        return embedded(_png(block.source), block.caption or "figure", bool(block.caption))
    if isinstance(block, Code):
        return element("figure", *caption, element("pre", block.text, tabindex="0"))
    if isinstance(block, Link):
        return element("p", element("a", block.text, href=block.file))
    raise TypeError(
        f"expected a block of str, Table, Picture, Code or Link, received "
        f"{type(block).__name__}; wrap a figure as Picture(figure)"
    )


def _png(source):
    if hasattr(source, "savefig"):
        buffer = io.BytesIO()
        source.savefig(buffer, format="png", facecolor="white")
        return buffer.getvalue()
    try:
        data = Path(source).read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"expected a picture at {source}, found none; draw it before writing the report"
        ) from error
    if not data.startswith(b"\x89PNG"):
        raise ValueError(f"expected a PNG file, received {source}; save the figure as .png")
    return data
