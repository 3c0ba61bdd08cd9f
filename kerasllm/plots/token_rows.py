"""Tokens in boxes, row under row: how a text is cut, joined and padded."""

from kerasllm.plots.fonts import drawable, use_fonts
from kerasllm.plots.style import COLOURS, GREY, panels

CELL = 0.42  # width of a box of span 1, inches
HEIGHT = 0.62  # of a row, inches
LEFT = 0.09  # width of a sign of a row's name, inches; a Chinese one takes two


def token_rows(rows, spans=None, below=None, shaded=None, names=None, title="", cell=CELL):
    """Draw each token of each row as a box.

    Args:
        rows: R lists of tokens; an empty text leaves a gap.
        spans: for each token how many cells its box is wide, so that boxes which stand for the same
            part of a text are below one another; 1 if left out.
        below: for each token what is written small under it, such as its id.
        shaded: for each token whether its box is grey, as for padding.
        names: R names of the rows, written at their left.
        title: title of the figure.
        cell: width of one cell in inches.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: no tokens, or lists that do not fit the rows.

    Example:
        >>> figure = token_rows([["b", "oat"], ["boat"]], spans=[[1, 3], [4]])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['b', 'oat', 'boat']
    """
    rows = [list(row) for row in rows]
    if not any(rows):
        raise ValueError(f"expected rows with at least one token, received {rows}: pass lists")
    spans = _fitting(spans, rows, "spans", 1)
    below, shaded = _fitting(below, rows, "below", ""), _fitting(shaded, rows, "shaded", False)
    names = list(names or [""] * len(rows))
    if len(names) != len(rows):
        raise ValueError(f"expected {len(rows)} names, one a row, received {len(names)}")
    margin = LEFT * max(map(_signs, names)) / cell  # in cells
    width = max(map(sum, spans))
    inches = (cell * (width + margin) + 0.3, HEIGHT * len(rows) + (0.6 if title else 0.3))
    figure, ((axes,),) = panels(width=inches[0], height=inches[1])
    for place, (name, *row) in enumerate(zip(names, rows, spans, below, shaded, strict=True)):
        axes.text(
            -0.3, 0.08 - place, drawable(name), ha="right", va="center", fontsize=9, color=GREY
        )
        _draw_row(axes, -place, *row)
    axes.set(xlim=(-margin - 0.3, width + 0.1), ylim=(0.55 - len(rows), 0.5))
    axes.set_axis_off()
    figure.suptitle(drawable(title), fontsize=11)
    for text in [text for text in axes.texts if not text.get_text()]:
        text.remove()
    return use_fonts(figure)


def _fitting(given, rows, name, default):
    """Return a value for each token, or raise."""
    if given is None:
        return [[default] * len(row) for row in rows]
    given = [list(values) for values in given]
    if [*map(len, given)] != [*map(len, rows)]:
        raise ValueError(
            f"expected {name} with one value a token, rows of {[*map(len, rows)]}, received "
            f"rows of {[*map(len, given)]}"
        )
    return given


def _signs(text):
    return sum(1 if sign.isascii() else 2 for sign in text)


def _draw_row(axes, height, tokens, spans, below, shaded):
    from matplotlib.patches import Rectangle

    left = 0
    for token, span, under, grey in zip(tokens, spans, below, shaded, strict=True):
        if token:
            look = {"facecolor": "#dddddd" if grey else "#eaf3fa", "edgecolor": COLOURS[0]}
            axes.add_patch(Rectangle((left + 0.04, height - 0.18), span - 0.08, 0.52, **look))
        middle = left + span / 2
        axes.text(middle, height + 0.08, drawable(token), ha="center", va="center", fontsize=10)
        axes.text(
            middle, height - 0.32, drawable(under), ha="center", va="center", fontsize=7, color=GREY
        )
        left += span
