"""Learning curves: how the loss and the other scores went."""

import numpy as np

from kerasllm.plots.fonts import drawable, use_fonts
from kerasllm.plots.style import COLOURS, numbers, panels, tidy

STEPS = ("step", "epoch")
_LOWER_IS_BETTER = ("loss", "perplexity", "bits", "error", "mae", "mse")
_NOT_SHOWN = ("seconds", "tokens", "eta", "stage")


def learning_curves(history, title="Learning curves"):
    """Draw one panel for each quantity, training and validation together.

    Args:
        history: column name -> values, as `fit(...).history` or the columns of `history.csv`.
            `val_x` is drawn beside `x`; a column `step` or `epoch` becomes the horizontal axis.
            NaN where nothing was measured.
        title: title of the figure.

    Returns:
        `matplotlib.figure.Figure`; the best validation value is marked.

    Raises:
        ValueError: no columns, or columns of unequal length.

    Example:
        >>> figure = learning_curves({"loss": [2.0, 1.5], "val_loss": [2.1, 1.8]})
        >>> [axes.get_ylabel() for axes in figure.axes]
        ['loss']
    """
    axis = next((name for name in STEPS if name in history), "epoch")
    columns = {name: numbers(values, name) for name, values in history.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    quantities = _quantities(columns)
    if not quantities or len(set(lengths.values())) != 1:
        raise ValueError(
            "expected a history with at least one quantity and columns of one length, received "
            f"lengths {lengths}; put NaN where nothing was measured"
        )
    steps = columns.get(axis, np.arange(1, max(lengths.values()) + 1))
    width = min(len(quantities), 3)
    height = -(-len(quantities) // width)
    figure, grid = panels(height, width, width=max(6.4, 4.4 * width), height=3.6 * height)
    for axes, name in zip(grid.flat, quantities, strict=False):
        _panel(axes, axis, steps, name, columns)
    for axes in grid.flat[len(quantities) :]:
        axes.remove()
    figure.suptitle(drawable(title))
    return use_fonts(figure)


def _quantities(columns):
    names = [name.removeprefix("val_") for name in columns if name not in STEPS]
    return [name for name in dict.fromkeys(names) if not name.startswith(_NOT_SHOWN)]


def _panel(axes, axis, steps, name, columns):
    for i, column in enumerate((name, f"val_{name}")):
        if column not in columns:
            continue
        values = columns[column]
        there = np.isfinite(values)
        few = "o" if there.sum() <= 30 else None
        label = ("training", "validation")[i]
        axes.plot(steps[there], values[there], color=COLOURS[i], marker=few, ms=4, label=label)
        if i == 1 and there.any():
            _mark_best(axes, steps[there], values[there], name)
    axes.set(xlabel=axis, ylabel=drawable(name.replace("_", " ")))
    tidy(axes)
    axes.locator_params(axis="x", integer=True)
    if f"val_{name}" in columns:
        axes.legend(frameon=False)


def _mark_best(axes, steps, values, name):
    lower = any(word in name for word in _LOWER_IS_BETTER)
    best = values.argmin() if lower else values.argmax()
    axes.plot(
        steps[best], values[best], "o", ms=11, mfc="none", mec=COLOURS[1], mew=1.6,
        label=f"best: {values[best]:.4g} at {axes_number(steps[best])}",
    )  # fmt: skip


def axes_number(value):
    """Return a number without needless decimals.

    Example:
        >>> axes_number(1200.0), axes_number(0.25)
        ('1,200', '0.25')
    """
    return f"{int(value):,}" if float(value).is_integer() else f"{value:g}"
