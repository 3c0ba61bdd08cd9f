"""A small SVG canvas: boxes, arrows, operators, matrices, and text that stays text.

- Its colours are variables of a style sheet, light or dark as the page is that it stands in, or the
  reader's system. The paper is drawn as well: a notebook may be light where the system is dark.
- `element` escapes every text. A part of a symbol behind "_" stands lower: `h_t`.
- Coordinates are pixels, boxes are given by their middle.
"""

import tomllib
from functools import cache
from pathlib import Path

import numpy as np

from kerasllm.utils.errors import writing
from kerasllm.utils.languages import LANGUAGES
from kerasllm.utils.pages import Markup, element

LIGHT = """--paper: #fff; --ink: #1c1e21; --soft: #5b6168; --line: #7a828a; --card: #f1f3f5;
  --gate: #fff1dc; --state: #e1effa; --plus: #0072B2; --minus: #c94f00; --open: #e39a2b;"""
DARK = """--paper: #15181c; --ink: #e6e8ea; --soft: #a3abb3; --line: #8b949d; --card: #262c33;
  --gate: #453316; --state: #173650; --plus: #56a8e0; --minus: #f08a3c; --open: #d99a3a;"""
# A page that has a switch of its own says data-theme; else the system decides.
STYLE = f"""
.kd {{ {LIGHT}
  font-family: system-ui, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", "PingFang SC",
    "Microsoft YaHei", sans-serif; max-width: 100%; height: auto; }}
@media (prefers-color-scheme: dark) {{ .kd {{ {DARK} }} }}
[data-theme="light"] .kd {{ {LIGHT} }}
[data-theme="dark"] .kd {{ {DARK} }}
"""
STYLE += """.kd .paper { fill: var(--paper); }
.kd text { fill: var(--ink); text-anchor: middle; dominant-baseline: central; font-size: 14px; }
.kd text.left { text-anchor: start; } .kd text.right { text-anchor: end; }
.kd text.small { font-size: 12px; } .kd text.soft { fill: var(--soft); font-size: 12px; }
.kd text.title { font-size: 15px; font-weight: 600; text-anchor: start; }
.kd text.value { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: 13px; }
.kd text.cell { font-size: 12px; font-family: ui-monospace, Menlo, Consolas, monospace; }
.kd .sub { font-size: 76%; }
.kd .box { stroke: var(--line); fill: var(--card); } .kd .gate { fill: var(--gate); }
.kd .state { fill: var(--state); } .kd .masked { fill: none; stroke-dasharray: 4 3; }
.kd .operator { fill: var(--paper); }
.kd .track { fill: var(--paper); stroke: var(--line); } .kd .level { fill: var(--open); }
.kd .arrow { fill: none; stroke: var(--line); stroke-width: 1.6; }
.kd .head { fill: var(--line); stroke: none; }
.kd .plus { fill: var(--plus); } .kd .minus { fill: var(--minus); }
.kd .arrow.plus { fill: none; stroke: var(--plus); }
.kd .arrow.minus { fill: none; stroke: var(--minus); }
.kd .grid { fill: none; stroke: var(--line); stroke-width: .6; }
.kd .chosen { fill: none; stroke: var(--open); stroke-width: 2.5; }
"""
LANGUAGES_OF_DIAGRAMS = (*LANGUAGES, "both")
MOST_CELLS = 24  # rows or columns of a matrix up to which each number is a cell


class Diagram:
    """A drawing in SVG: a notebook shows it, `save` writes it.

    Attributes:
        svg: the drawing, as text.
    """

    def __init__(self, svg):
        self.svg = svg

    def _repr_svg_(self):
        return self.svg

    def __repr__(self):
        return f"<Diagram, {len(self.svg):,} characters of SVG: .save('NAME.svg') writes it>"

    def save(self, path):
        """Write the drawing as an SVG file, and return the path.

        Raises:
            ValueError: a name that does not end in .svg.
            OSError: the file cannot be written; the message says what to do.
        """
        path = Path(path)
        if path.suffix != ".svg":
            raise ValueError(
                f"expected a name that ends in .svg, received {path.name!r}: a diagram is SVG, "
                "which browsers and text programs show at any size"
            )
        with writing(path, "choose another path"):
            path.write_text(self.svg, "utf-8")
        return path


@cache
def _words():
    return tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8"))


def number(value):
    """Return a number as it stands in a diagram: two decimals, or two digits where it is tiny.

    Example:
        >>> number(0.4567), number(-3e-7), number(0)
        ('0.46', '-3.0e-07', '0.00')
    """
    value = float(value)
    if value and not 0.005 <= abs(value) < 1e4:
        return f"{value:.1e}"
    return f"{value:.2f}"


class Canvas:
    """What a diagram is drawn on; see the head of this module.

    Args:
        width: in pixels.
        height: in pixels.
        language: "en", "zh" or "both".
    """

    def __init__(self, width, height, language):
        self.width, self.height, self.language = width, height, language
        self._parts = []

    def word(self, name):
        """Return a word of `words.toml` in the language of the diagram, or in both."""
        pair = _words()[name]
        if self.language == "both":
            return " ".join(dict.fromkeys(pair))
        return pair[LANGUAGES.index(self.language)]

    def lines(self, name):
        """Return a word as lines of a box: one, or one for each language."""
        pair = _words()[name]
        shown = pair if self.language == "both" else [pair[LANGUAGES.index(self.language)]]
        return [(word, "small") for word in dict.fromkeys(shown)]

    def add(self, tag, *content, **attributes):
        """Add an element; coordinates are rounded."""
        given = {
            name.replace("_w", "-w"): round(value, 1) if isinstance(value, float) else value
            for name, value in attributes.items()
        }
        self._parts.append(element(tag, *content, **given))

    def text(self, x, y, text, kind=""):
        """Write what a reader's data hold, such as a token: as it stands."""
        self.add("text", text, x=float(x), y=float(y), class_=kind)

    def symbol(self, x, y, text, kind=""):
        """Write a formula of one line; what follows "_" up to a space stands lower."""
        self.add("text", _lowered(text), x=float(x), y=float(y), class_=kind)

    def box(self, x, y, width, height, *lines, kind=""):
        """Draw a box: the first line a formula, the others small.

        A line is a symbol, or (line, kind).
        """
        self.add(
            "rect", x=x - width / 2, y=y - height / 2, width=width, height=height, rx=7,
            class_=f"box {kind}".strip(),
        )  # fmt: skip
        above = y - 9 * (len(lines) - 1)
        for place, line in enumerate(lines):
            text, look = line if isinstance(line, tuple) else (line, "soft" if place else "")
            self.symbol(x, above + 18 * place, text, look)

    def gate(self, x, y, symbol, name, value, width=132):
        """Draw a gate: its symbol and number, its name, and a bar of how far it is open."""
        self.box(x, y, width, 64, kind="gate")
        self.symbol(x, y - 17, f"{symbol} = {number(value)}", "value")
        self.text(x, y + 1, self.word(name), "soft")
        left, long = x - width / 2 + 12, width - 24
        self.add("rect", x=left, y=float(y + 16), width=long, height=7, rx=3, class_="track")
        share = float(np.clip(value, 0, 1))
        self.add("rect", x=left, y=float(y + 16), width=long * share, height=7, rx=3,
                 class_="level")  # fmt: skip

    def operator(self, x, y, sign):
        """Draw an operation, such as × or +, in a circle."""
        self.add("circle", cx=x, cy=y, r=13, class_="box operator")
        self.text(x, y, sign)

    def arrow(self, *points, kind="", width=1.6, head=True):
        """Draw a line through points, with a head at its end."""
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.add("polyline", points=way, class_=f"arrow {kind}".strip(),
                 style=f"stroke-width:{width:.1f}")  # fmt: skip
        if head:
            self.add(
                "polygon",
                points=_head(*points[-2:], 5.6 + 1.5 * width),
                class_=f"head {kind}".strip(),
            )

    def matrix(self, x, y, values, cell, *, scale=None, written=False):
        """Draw a matrix from its upper left corner, each number a cell: the deeper, the larger.

        Args:
            x: of its left edge.
            y: of its upper edge.
            values: (rows, columns).
            cell: side of a cell, or (width, height).
            scale: the number whose cell is deepest; the largest of the matrix if left out.
            written: whether the numbers are written into the cells.
        """
        wide, high = cell if isinstance(cell, tuple) else (cell, cell)
        scale = scale or np.abs(values[np.isfinite(values)]).max(initial=0) or 1.0
        for (row, column), value in np.ndenumerate(values):
            if not np.isfinite(value):  # what a mask hides
                continue
            left, top = x + column * wide, y + row * high
            self.add(
                "rect", element("title", number(value)), x=float(left), y=float(top), width=wide,
                height=high, class_="minus" if value < 0 else "plus",
                style=f"opacity:{0.85 * min(abs(value) / scale, 1):.2f}",
            )  # fmt: skip
            if written:
                self.text(left + wide / 2, top + high / 2, f"{value:.3g}", "cell")
        rows, columns = np.shape(values)
        for row in range(rows + 1):
            self._grid((x, y + row * high), (x + columns * wide, y + row * high))
        for column in range(columns + 1):
            self._grid((x + column * wide, y), (x + column * wide, y + rows * high))

    def _grid(self, start, end):
        self.add("line", x1=float(start[0]), y1=float(start[1]), x2=float(end[0]),
                 y2=float(end[1]), class_="grid")  # fmt: skip

    def chosen(self, x, y, width, height):
        """Frame what the diagram speaks of."""
        self.add("rect", x=float(x), y=float(y), width=width, height=height, rx=2, class_="chosen")

    def diagram(self, title):
        """Return what was drawn, under a title."""
        paper = element("rect", width=self.width, height=self.height, rx=8, class_="paper")
        head = element("text", title, x=18, y=22, class_="title")
        svg = element(
            "svg", element("style", Markup(STYLE)), paper, head, *map(Markup, self._parts),
            xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {self.width} {self.height}",
            width=self.width, height=self.height, class_="kd", role="img",
            **{"aria-label": title},
        )  # fmt: skip
        return Diagram(str(svg))


def _lowered(text):
    """Return a formula as SVG: a part behind "_" lower and smaller."""
    parts, back = [], 0
    for place, word in enumerate(text.split(" ")):
        base, _, low = word.partition("_")
        parts.append(_span(("\u00a0" if place else "") + base, back))
        back = 0
        if low:
            parts.append(_span(low, 4, class_="sub"))
            back = -4
    return Markup("".join(parts))


def _span(text, dy, **attributes):
    return element("tspan", text, dy=dy, **attributes)


def _head(before, end, size):
    """Return the corners of the head of an arrow, a little beyond its end where it is thick."""
    (x, y), (a, b) = end, before
    way = np.array([x - a, y - b], float)
    way /= np.linalg.norm(way) or 1.0
    side = np.array([-way[1], way[0]])
    tip = np.array([x, y], float)
    back = tip - size * way
    corners = (tip + max(size - 8, 0) * way, back + size / 2 * side, back - size / 2 * side)
    return " ".join(f"{px:.1f},{py:.1f}" for px, py in corners)
