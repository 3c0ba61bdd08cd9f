"""Parts of a page: paragraphs, figures, marked texts, maps of attention and of embeddings."""

import io

from kerasllm.models.review import MISSED, RIGHT, WRONG
from kerasllm.utils.pages import Markup, element, embedded, scrolling
from kerasllm.utils.tables import Table, readable

# What the pages' common look lacks: marks in a text, shades, and words placed on a map.
STYLE = """
:root { --right: #cdebd0; --wrong: #f9d0cc; --missed: #fbe3b5; --heat: 214, 64, 40; }
@media (prefers-color-scheme: dark) {
  :root { --right: #1d4d27; --wrong: #6b221d; --missed: #5c4310; --heat: 235, 94, 66; } }
mark { color: inherit; background: none; border-radius: 3px; padding: .05em .15em; }
mark.right { background: var(--right); } mark.wrong { background: var(--wrong); }
mark.missed { background: var(--missed); text-decoration: underline dotted; }
mark small { color: var(--soft); margin-left: .3em; }
.heat { background: rgba(var(--heat), var(--at)); white-space: pre-wrap; }
.case { border-left: 3px solid var(--line); padding-left: 1rem; margin: 1.2rem 0;
  overflow-wrap: anywhere; }
.case p { margin: .3rem 0; }
.case > span { margin-right: 1.5em; display: inline-block; max-width: 100%; }
.soft { color: var(--soft); font-size: .9rem; }
.map { position: relative; height: 32rem; background: var(--card); border-radius: 6px;
  overflow: hidden; }
.map span { position: absolute; transform: translate(-50%, -50%); font-size: 13px;
  white-space: nowrap; cursor: help; }
.looks td, .looks th { padding: .15em .4em; text-align: center; font-size: 13px; border: 0; }
.looks th { font-weight: normal; white-space: nowrap; vertical-align: bottom; }
.looks thead th { writing-mode: vertical-rl; }
.looks td { background: rgba(var(--heat), var(--at)); width: 1.7em; height: 1.7em; }
"""


def section(heading, *blocks):
    """Return a section; texts become paragraphs, tables scroll, empty blocks are left out."""
    shown = [block for block in blocks if block is not None and block != ""]
    return element("section", element("h2", heading), *map(_block, shown)) if shown else Markup("")


def _block(block):
    if isinstance(block, Markup):
        return block
    if isinstance(block, Table):
        return scrolling(block._repr_html_())
    return element("p", block)


def picture(figure, caption, shown=True):
    """Return a figure, embedded as PNG, over its caption; see `embedded`."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white", dpi=120)
    return embedded(buffer.getvalue(), caption, shown)


def marked(pieces):
    """Return the pieces of a text, what was found and missed marked, and shaded by their heat."""
    return Markup("".join(map(_piece, pieces)))


def _piece(piece):
    if piece.mark:
        name = [element("small", piece.name)] if piece.name else []
        return element("mark", piece.text, *name, class_=piece.mark)
    if piece.heat:
        style = f"--at: {0.85 * piece.heat:.2f}"
        return element("span", piece.text, class_="heat", style=style)
    return element("span", piece.text)


def legend(words):
    """Return what the marks mean."""
    marks = (
        element("mark", words(f"examples.legend_{mark}"), class_=mark)
        for mark in (RIGHT, WRONG, MISSED)
    )
    return element("p", *(part for mark in marks for part in (mark, " ")))


def case(found, words, wrong=True):
    """Return one row: its text, what was answered, what is right."""
    lines = [(words("worst.question"), found.question)] if found.question else []
    lines += [(words("worst.answer"), found.answer), (words("worst.truth"), found.truth)]
    if wrong:
        lines.append((words("worst.wrong"), f"{found.wrong:.2f}"))
    told = [
        element("span", element("span", f"{name}: ", class_="soft"), readable(text))
        for name, text in lines
    ]
    return element("div", element("p", marked(found.pieces)), *told, class_="case")


def looks(target, source, weights):
    """Return a map of attention: what was written down, what was read across."""
    head = element("tr", element("th", ""), *(element("th", readable(token)) for token in source))
    rows = (
        element(
            "tr",
            element("th", readable(token)),
            *(element("td", "", style=f"--at: {w:.2f}", title=f"{w:.2f}") for w in row),
        )
        for token, row in zip(target, weights, strict=True)
    )
    table = element("table", element("thead", head), element("tbody", *rows), class_="looks")
    return scrolling(table)


def word_map(places, tips):
    """Return words on a map.

    Args:
        places: {word: (x, y)}, both from 0 to 1.
        tips: {word: what is said of it where one points at it}.
    """
    spans = (
        element(
            "span",
            readable(word),
            title=tips[word],
            style=f"left: {6 + 88 * x:.1f}%; top: {4 + 92 * y:.1f}%",
        )
        for word, (x, y) in places.items()
    )
    return element("div", *spans, class_="map")
