"""A table as text for a terminal, in colour, as Markdown and as HTML; and what shows itself alike.

    table = Table(("method", "accuracy"), [("linear", 0.5), ("network", 0.625)], "Spam")
    print(table)        # or table.print(), in colour, or table.markdown()
    table               # at a prompt as text, in a notebook as HTML

Columns are aligned by what a terminal shows: a Chinese sign takes two places.
"""

import re
from itertools import zip_longest

from kerasllm.utils.pages import AS_WRITTEN, element
from kerasllm.utils.terminal import console as terminal
from kerasllm.utils.terminal import visible

# What a row is marked as, in HTML (the pages know these colours and have others in the dark) and
# at a terminal. A heading is a row of its own.
_STYLES = {
    "good": ("color:#2e7d32", "green"),
    "close": ("color:#b26a00", "yellow"),
    "bad": ("color:#c62828;font-weight:bold", "bold red"),
    "heading": ("", "bold cyan"),
    "": ("", None),
}
_SIGNS = {"✓": "green", "✗": "bold red", "·": "dim"}
_BETWEEN, _EDGES = 3, 2  # columns of a terminal between two of a table, and at its sides
_WRAPPED = 16  # columns of a terminal that a text is wrapped into at least


class Shown:
    """Says the same by `print`, at a prompt and in a notebook: its `table`, or its `__str__`."""

    def __str__(self):
        return str(self.table)

    def __repr__(self):
        return str(self)

    def _repr_html_(self):
        return self.table._repr_html_()


class Table(Shown):
    """Rows under named columns.

    Numbers are set to the right, with 4 decimals where a column stays below 10, else 2.

    Args:
        columns: one text a column; () for a table without a head.
        rows: each as long as `columns`: texts, numbers or None.
        title: what the table shows.
        marks: for each row "good", "close", "bad", "heading" or ""; none if left out.
        right: places of columns of texts that are set to the right as well.

    Raises:
        ValueError: a row that is longer or shorter than the columns.

    Example:
        >>> print(Table(("name", "rows"), [("天气", 1234), ("b", None)]))
        name   rows
        ----  -----
        天气  1,234
        b         –
    """

    def __init__(self, columns, rows, title="", marks=(), right=()):
        self.columns, self.title = tuple(map(visible, columns)), title
        self.rows = tuple(map(tuple, rows))
        self.marks = tuple(marks) or ("",) * len(self.rows)
        wanted = len(self.columns or (self.rows or ((),))[0])
        for row in self.rows:
            if len(row) != wanted:
                raise ValueError(
                    f"expected table rows of {wanted} cells, received {list(row)}; give one cell "
                    "for each column"
                )
        self.right = {k for k, cells in enumerate(self._by_column()) if _are_numbers(cells)}
        self.right |= set(right)

    def _by_column(self):
        return list(zip(*self.rows, strict=True))

    def cells(self):
        """Return the rows as tuples of texts."""
        formatted = [_formatted(cells) for cells in self._by_column()]
        return list(zip(*formatted, strict=True))

    def __str__(self):
        rows = (zip_longest(*(c.split("\n") for c in row), fillvalue="") for row in self.cells())
        lines = [*([self.columns] if self.columns else []), *(line for row in rows for line in row)]
        widths = [max(map(_width, cells)) for cells in zip(*lines, strict=True)]
        if self.columns:
            lines.insert(1, tuple("-" * width for width in widths))
        text = ("  ".join(map(self._padded, line, widths, range(len(line)))) for line in lines)
        title = [visible(self.title)] if self.title else []
        return "\n".join([*title, *map(str.rstrip, text)])

    def _padded(self, cell, width, place):
        room = " " * (width - _width(cell))
        return room + cell if place in self.right else cell + room

    def markdown(self):
        """Return the lines of a table in Markdown."""
        rules = ("---:" if k in self.right else "---" for k in range(len(self.columns)))
        rows = (map(_in_markdown, row) for row in (self.columns, *self.cells()))
        head, *body = ("| " + " | ".join(row) + " |" for row in rows)
        return [head, "|" + "|".join(rules) + "|", *body]

    def _repr_html_(self):
        rows = [self._html_row("td", *pair) for pair in zip(self.cells(), self.marks, strict=True)]
        return element(
            "table",
            *([element("caption", self.title)] if self.title else []),
            *([element("thead", self._html_row("th", self.columns, ""))] if self.columns else []),
            element("tbody", *rows),
            class_=AS_WRITTEN,
        )

    def _html_row(self, tag, cells, mark):
        if mark == "heading":
            return element("tr", element("th", cells[0], colspan=len(cells)))
        shown = (
            element(tag, cell, class_="number" if k in self.right else "")
            for k, cell in enumerate(cells)
        )
        return element("tr", *shown, style=_STYLES[mark][0])

    def fitting(self, width):
        """Return the table with as many columns as a terminal of that width shows whole."""
        room, kept = width, 0
        for cells in zip(self.columns, *self.cells(), strict=True):
            room -= max(map(_width, cells)) + 3
            if room < 0:
                break
            kept += 1
        kept = max(kept, 2)
        left = len(self.columns) - kept
        more = f"  ({left} more columns in a wider terminal)" if left > 0 else ""
        rows = (row[:kept] for row in self.rows)
        right = (k for k in self.right if k < kept)
        return Table(self.columns[:kept], rows, self.title + more, self.marks, right)

    def print(self, console=None):
        """Print the table with rich, to `console` or to the terminal.

        Texts are wrapped where the terminal is narrow, numbers never are: columns for which there
        is no room follow below, beside the first one again.
        """
        console = console or terminal()
        if self.title:
            console.print(visible(self.title), style="bold cyan", markup=False, highlight=False)
        lines = [*([self.columns] if self.columns else []), *self.cells()]
        columns = enumerate(zip(*lines, strict=True))
        least = [_least(cells, k in self.right) for k, cells in columns]
        for places in _blocks(least, console.width - _EDGES):
            console.print(self._drawn(places))

    def _drawn(self, places):
        """Return some of the columns as a table of rich."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table as Drawn
        from rich.text import Text

        drawn = Drawn(box=SIMPLE_HEAD, pad_edge=False, show_header=bool(self.columns))
        for k in places:
            name = Text(self.columns[k] if self.columns else "")
            right = k in self.right
            drawn.add_column(name, justify="right" if right else "left", no_wrap=right)
        for cells, mark in zip(self.cells(), self.marks, strict=True):
            shown = (Text(cells[k], _SIGNS.get(cells[k], "")) for k in places)
            drawn.add_row(*shown, style=_STYLES[mark][1])
        return drawn


def readable(token):
    r"""Return a token with its leading space and its line ends made visible.

    Example:
        >>> print(readable(" cat"), readable("\n"))
        ␣cat \n
    """
    text = "".join(s if s.isprintable() else repr(s)[1:-1] for s in str(token))
    spaces = len(text) - len(text.lstrip(" "))
    return "␣" * spaces + text[spaces:]


def _width(text):
    """Return the columns that a text takes in a terminal: two for a Chinese sign."""
    from rich.cells import cell_len

    return cell_len(text)


def _least(cells, whole):
    """Return the columns of a terminal that a column needs: `whole`, or with its texts wrapped."""
    widest = max(_width(line) for cell in cells for line in cell.split("\n"))
    return widest if whole else min(widest, _WRAPPED)


def _blocks(least, width):
    """Return the places of the columns that stand side by side, the first of them each time."""
    blocks, used = [[0][: len(least)]], sum(least[:1])
    for k, needed in enumerate(least[1:], 1):
        if used + _BETWEEN + needed > width and len(blocks[-1]) > 1:
            blocks.append([0])
            used = least[0]
        blocks[-1].append(k)
        used += _BETWEEN + needed
    return blocks


def _in_markdown(cell):
    """Return a cell that ends nowhere before its end, and begins no tag."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", cell.replace("|", r"\|").replace("\n", " "))


def _is_number(cell):
    return hasattr(cell, "__float__") and not isinstance(cell, str | bool)


def _are_numbers(cells):
    return any(map(_is_number, cells)) and all(_is_number(c) or c is None for c in cells)


def _formatted(cells):
    """Return the texts of a column; a score gets 4 decimals, seconds 2."""
    decimals = 4 if all(abs(float(cell)) < 10 for cell in cells if _is_number(cell)) else 2

    def text(cell):
        if not _is_number(cell):
            return "–" if cell is None else visible(cell)
        whole = hasattr(cell, "__index__")
        return f"{int(cell):,}" if whole else f"{float(cell):,.{decimals}f}"

    return [text(cell) for cell in cells]
