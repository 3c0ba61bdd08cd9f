"""Curves in one panel: the plain figure that most findings need."""

import numpy as np

from kerasllm.plots.fonts import drawable, use_fonts
from kerasllm.plots.style import COLOURS, GREY, MARKERS, numbers, panels, tidy


def lines(curves, x=None, *, xlabel, ylabel, title, level=None, log="", size=(6.4, 4.0)):
    """Draw curves over one horizontal axis.

    Args:
        curves: name -> values; up to 40 values are marked each.
        x: where the values lie; 0, 1, 2, … if left out.
        xlabel: name of the horizontal axis.
        ylabel: name of the vertical axis.
        title: what the figure says.
        level: name and height of a dashed horizontal line.
        log: "x", "y" or "xy", the logarithmic axes.
        size: width and height in inches.

    Returns:
        `matplotlib.figure.Figure`; `figure.axes[0]` to add to it.

    Raises:
        ValueError: no curve, or one whose length is not that of `x`.

    Example:
        >>> figure = lines({"loss": [3.0, 2.0]}, xlabel="epoch", ylabel="nats", title="It learns")
        >>> figure.axes[0].get_xlabel()
        'epoch'
    """
    drawn = {name: numbers(values, name) for name, values in curves.items()}
    longest = max(map(len, drawn.values()), default=0)
    x = np.arange(longest) if x is None else numbers(x, "x")
    if {len(values) for values in drawn.values()} != {len(x)}:
        raise ValueError(
            f"expected curves with one value for each of {len(x)} places, received lengths "
            f"{ {name: len(values) for name, values in drawn.items()} }; give each the same x"
        )
    figure, ((axes,),) = panels(width=size[0], height=size[1])
    if level:
        axes.axhline(level[1], color=GREY, linestyle="--", label=drawable(level[0]))
    for number, (name, values) in enumerate(drawn.items()):
        look = {"color": COLOURS[number % len(COLOURS)], "label": drawable(name)}
        axes.plot(
            x, values, marker=MARKERS[number % len(MARKERS)] if len(x) <= 40 else None, **look
        )
    axes.set(xlabel=drawable(xlabel), ylabel=drawable(ylabel), title=drawable(title))
    axes.set(**{f"{which}scale": "log" for which in log})
    tidy(axes)
    if len(drawn) > 1 or level:
        axes.legend(frameon=False)
    return use_fonts(figure)
