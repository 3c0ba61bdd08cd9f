"""One HTML file that holds a whole report: text, tables, figures and samples.

- Nothing is loaded from elsewhere: figures are embedded as PNG, and the page forbids itself any
  network access.
- Every text is escaped, for a generated sample may hold anything.
- Light or dark as the reader's system is; wide tables scroll, so that a phone can show them.
"""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kerasllm.utils.files import whole_file
from kerasllm.utils.page import PAGE, STYLE


@dataclass(frozen=True)
class Table:
    """Rows under headers; numbers are set to the right, with 4 decimals below 10, else 2.

    Args:
        headers: one text a column.
        rows: each as long as `headers`; str, int, float or None.
        caption: what the table shows.
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""


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


Block = str | Table | Picture | Code


def write_report(
    folder: str | Path, title: str, sections: Sequence[tuple[str, Sequence[Block]]]
) -> Path:
    """Write `report.html` into a folder.

    Args:
        folder: where to; it is made if it is not there.
        title: title of the page.
        sections: (heading, blocks) pairs; a block is a paragraph (str), `Table`, `Picture` or
            `Code`.

    Returns:
        Path of the page.

    Raises:
        TypeError: a block of another type.
        ValueError: a table row that is longer or shorter than the headers.
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
    body = "\n".join(_section(heading, blocks) for heading, blocks in sections)
    page = PAGE.format(title=html.escape(title), style=STYLE, body=body)
    return _write(Path(folder), page)


def _write(folder, page):
    """Write at once or not at all: a reader never sees half a page."""
    path = folder / "report.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(page)
    except OSError as error:
        raise PermissionError(
            f"expected a folder that can be written, received {folder} ({error.strerror}); "
            "choose another folder for the run"
        ) from error
    return path


def _section(heading, blocks):
    if isinstance(blocks, str):  # a lone paragraph would be taken apart letter by letter
        blocks = [blocks]
    parts = "\n".join(_block(block) for block in blocks)
    return f"<section>\n<h2>{html.escape(heading)}</h2>\n{parts}\n</section>"


def _block(block):
    writers = {str: _paragraph, Table: _table, Picture: _picture, Code: _code}
    for kind, write in writers.items():
        if isinstance(block, kind):
            return write(block)
    raise TypeError(
        f"expected a block of str, Table, Picture or Code, received {type(block).__name__}; wrap a "
        "figure as Picture(figure)"
    )


def _paragraph(text):
    return f"<p>{html.escape(text)}</p>"


def _table(table):
    for row in table.rows:
        if len(row) != len(table.headers):
            raise ValueError(
                f"expected table rows of {len(table.headers)} cells, received {list(row)}; give "
                "one cell for each header"
            )
    right = [
        bool(table.rows) and all(_is_number(row[i]) or row[i] is None for row in table.rows)
        for i in range(len(table.headers))
    ]
    decimals = [_decimals([row[i] for row in table.rows]) for i in range(len(table.headers))]
    head = _row("th", table.headers, right, decimals)
    rows = "\n".join(_row("td", row, right, decimals) for row in table.rows)
    caption = f"<caption>{html.escape(table.caption)}</caption>" if table.caption else ""
    # tabindex: a table that scrolls must be reachable from the keyboard
    return (
        f'<div class="scroll" tabindex="0"><table>{caption}<thead>{head}</thead>\n'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(tag, cells, right, decimals):
    scope = ' scope="col"' if tag == "th" else ""
    marks = [' class="number"' if number else "" for number in right]
    made = (
        f"<{tag}{scope}{mark}>{html.escape(_text(cell, places))}</{tag}>"
        for cell, mark, places in zip(cells, marks, decimals, strict=True)
    )
    return f"<tr>{''.join(made)}</tr>"


def _is_number(cell):
    return hasattr(cell, "__float__") and not isinstance(cell, (str, bool))


def _decimals(cells):
    """Return how many decimals suit all numbers of a column: a score 4, seconds 2."""
    return 4 if all(abs(float(cell)) < 10 for cell in cells if _is_number(cell)) else 2


def _text(cell, decimals):
    if cell is None:
        return "–"
    if _is_number(cell):
        whole = hasattr(cell, "__index__")
        return f"{int(cell):,}" if whole else f"{float(cell):,.{decimals}f}"
    return str(cell)


def _picture(picture):
    data = base64.b64encode(_png(picture.source)).decode("ascii")
    caption = html.escape(picture.caption)
    shown = f"<figcaption>{caption}</figcaption>" if caption else ""
    image = f'<img alt="{caption or "figure"}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}{shown}</figure>"


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


def _code(code):
    caption = f"<figcaption>{html.escape(code.caption)}</figcaption>" if code.caption else ""
    return f'<figure>{caption}<pre tabindex="0">{html.escape(code.text)}</pre></figure>'
