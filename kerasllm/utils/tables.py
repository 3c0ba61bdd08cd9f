"""A table with a row for each token, for terminals and notebooks."""

import html
from typing import NamedTuple

__all__ = ["TokenTable", "readable"]


def readable(token):
    r"""Return a token with its leading space and its line ends made visible.

    Example:
        >>> print(readable(" cat"), readable("\n"))
        ␣cat \n
    """
    text = "".join(s if s.isprintable() else repr(s)[1:-1] for s in str(token))
    spaces = len(text) - len(text.lstrip(" "))
    return "␣" * spaces + text[spaces:]


class TokenTable(NamedTuple):
    """Rows of short texts under named columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __str__(self):
        lines = [self.columns, *self.rows]
        widths = [max(_width(line[k]) for line in lines) for k in range(len(self.columns))]

        def padded(line):
            cells = zip(line, widths, strict=True)
            return "  ".join(cell + " " * (width - _width(cell)) for cell, width in cells)

        rule = "  ".join("-" * width for width in widths)
        body = [padded(lines[0]), rule, *map(padded, lines[1:])]
        return "\n".join([self.title, *(line.rstrip() for line in body)])

    __repr__ = __str__

    __repr__ = __str__

    def _repr_html_(self):
        def line(cells, tag):
            return "<tr>" + "".join(f"<{tag}>{html.escape(c)}</{tag}>" for c in cells) + "</tr>"

        body = "".join(line(row, "td") for row in self.rows)
        return (
            f"<table><caption>{html.escape(self.title)}</caption>"
            f"<thead>{line(self.columns, 'th')}</thead><tbody>{body}</tbody></table>"
        )

    def fitting(self, width):
        """Return the table with as many columns as a terminal of that width shows whole."""
        room, kept = width, 0
        for cells in zip(self.columns, *self.rows, strict=True):
            room -= max(map(_width, cells)) + 3
            if room < 0:
                break
            kept += 1
        kept = max(kept, 2)
        left = len(self.columns) - kept
        more = f"  ({left} more columns in a wider terminal)" if left else ""
        rows = tuple(row[:kept] for row in self.rows)
        return TokenTable(self.title + more, self.columns[:kept], rows)

    def print(self, console=None):
        """Print the table with rich, to `console` or to the terminal, cut to its width."""
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table

        console = console or Console()
        shown = self.fitting(console.width)
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for number, name in enumerate(shown.columns):
            style = "bold" if number == 1 else None  # the token
            table.add_column(escape(name), style=style, no_wrap=True)
        for row in shown.rows:
            table.add_row(*map(escape, row))
        console.print(shown.title, style="bold cyan", markup=False, highlight=False)
        console.print(table)


def _width(text):
    """Return the columns that a text takes in a terminal: two for a Chinese sign."""
    from rich.cells import cell_len

    return cell_len(text)
