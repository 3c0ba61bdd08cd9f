"""Matrices as colours: confusion, attention weights, gate values."""

import numpy as np

from kerasllm.plots.fonts import drawable, name_columns, use_fonts
from kerasllm.plots.style import numbers, panels

MOST_COUNTS = 20  # classes up to which the cells hold their counts
CELL = 0.28  # width of a token, inches
LONGEST = 40  # characters of a name that are drawn
MARGINS = 2.2  # width of the axis, the colour bar and their names, inches


def confusion_matrix(matrix, labels, title="Confusion matrix"):
    """Draw counts of true class (row) against predicted class (column).

    Args:
        matrix: (C, C) counts.
        labels: the C class names.
        title: title of the figure.

    Returns:
        `matplotlib.figure.Figure`; the colour is the share of the row, so that rare classes show.

    Raises:
        ValueError: a matrix that is not square, or another number of labels.

    Example:
        >>> figure = confusion_matrix([[8, 2], [1, 9]], ["ham", "spam"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['8', '2', '1', '9']
    """
    matrix = numbers(matrix, "matrix", 2)
    count = len(labels)
    if matrix.shape != (count, count):
        raise ValueError(
            f"expected a square matrix and one label a class, received shape {matrix.shape} and "
            f"{count} labels; give a count for every pair of classes"
        )
    share = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    side = min(3.2 + 0.55 * count, 14)
    figure, ((axes,),) = panels(width=side + 1.4, height=side + 0.4)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the true class")
    _name_ticks(axes, labels, labels, side / count)
    axes.set(xlabel="predicted", ylabel="true", title=drawable(title))
    if count <= MOST_COUNTS:
        _write_counts(axes, matrix, share)
    return use_fonts(figure)


def attention_map(tokens, values, keys=None, title="Attention"):
    """Draw which token (row) attends to which (column), one panel a head.

    Args:
        tokens: the T tokens that attend.
        values: (T, S) weights, or (N, T, S) for N heads; each row sums to one.
        keys: the S tokens attended to; left out, they are `tokens`.
        title: title of the figure.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: values whose shape does not fit the tokens.

    Example:
        >>> len(attention_map(["a", "b"], np.full((3, 2, 2), 0.5)).axes)  # and the colour bar
        4
    """
    keys = tokens if keys is None else keys
    values = numbers(values, "values", (2, 3))
    heads = values[None] if values.ndim == 2 else values  # (N, T, S)
    _check_shape(heads.shape[1:], (len(tokens), len(keys)), "values (queries, keys)")
    columns = int(np.ceil(np.sqrt(len(heads))))
    rows = -(-len(heads) // columns)
    width, height = (1.6 + CELL * len(names) for names in (keys, tokens))
    figure, grid = panels(rows, columns, max(width * columns + 1, 4), height * rows + 0.6)
    for axes in grid.flat[len(heads) :]:
        axes.remove()
    for number, axes in enumerate(grid.flat[: len(heads)]):
        image = axes.imshow(heads[number], cmap="Blues", vmin=0, vmax=max(heads.max(), 1e-9))
        _name_ticks(axes, tokens, keys, CELL)
        axes.set(xlabel="key: looked at", ylabel="query: looking")
        if len(heads) > 1:
            axes.set_title(f"head {number + 1}", fontsize=10)
    figure.colorbar(image, ax=list(grid.flat[: len(heads)]), shrink=0.8, label="weight")
    figure.suptitle(drawable(title))
    return use_fonts(figure)


def gate_heatmap(tokens, values, title="Gate", signed=False):
    """Draw the value of every unit (row) at every token (column).

    Args:
        tokens: the T tokens that were read.
        values: (T, H), for instance the `f` of an LSTM trace.
        title: title of the figure.
        signed: False for gates (0 shut, 1 open), True for states, coloured on both sides of 0.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: values that do not have one row a token.

    Example:
        >>> gate_heatmap(["a", "b"], np.eye(2)).axes[0].get_ylabel()
        'unit'
    """
    values = numbers(values, "values", 2)
    _check_shape(values.shape[:1], (len(tokens),), "values (tokens, units)")
    width = np.clip(2.4 + CELL * len(tokens), 4.5, 18)
    figure, ((axes,),) = panels(width=width, height=min(2.2 + 0.12 * values.shape[1], 9))
    top = max(np.abs(values).max(), 1e-9) if signed else 1
    image = axes.imshow(
        values.T,  # (H, T): time runs to the right
        cmap="RdBu_r" if signed else "viridis",
        vmin=-top if signed else 0,
        vmax=top,
        aspect="auto",
        interpolation="nearest",
    )
    figure.colorbar(image, ax=axes, label="value")
    _name_ticks(axes, None, tokens, (width - MARGINS) / len(tokens))
    axes.set(xlabel="token", ylabel="unit", title=drawable(title))
    axes.locator_params(axis="y", integer=True)
    return use_fonts(figure)


def _name_ticks(axes, rows, columns, cell):
    """Name rows and columns; `cell` is the width of a column in inches."""
    axes.set_xticks(range(len(columns)))
    name_columns(axes, list(map(_short, columns)), cell)
    if rows is not None:
        axes.set_yticks(range(len(rows)), [drawable(_short(name)) for name in rows])


def _short(name):
    """Return a name that leaves room for what it names."""
    name = str(name)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _write_counts(axes, matrix, share):
    size = 10 if len(matrix) <= 10 else 7
    for (row, column), count in np.ndenumerate(matrix):
        colour = "white" if share[row, column] > 0.55 else "black"
        axes.text(
            column, row, f"{count:g}", ha="center", va="center", color=colour, fontsize=size
        )  # fmt: skip


def _check_shape(received, expected, name):
    if tuple(received) != tuple(expected):
        raise ValueError(
            f"expected {name} of shape {tuple(expected)}, received {tuple(received)}; give one "
            "token for each position, padding left out"
        )
