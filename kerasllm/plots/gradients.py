"""How far back a gradient reaches."""

import numpy as np

from kerasllm.plots.fonts import drawable, name_columns, use_fonts
from kerasllm.plots.style import COLOURS, numbers, panels, tidy

DEEPEST = 1e-16  # a gradient below rounding is drawn there


def gradient_flow(curves, dashed=None, tokens=None, title="Gradient flow"):
    """Draw the size of a gradient at each step, on a logarithmic scale, a curve a layer.

    Args:
        curves: name -> |dL/dh_t|, (T,).
        dashed: name -> a second quantity of the same steps, such as |dL/dc_t| of an LSTM, dashed
            in the colour of the curve of the same name.
        tokens: the T tokens that were read; left out, the axis shows t.
        title: title of the figure.

    Returns:
        `matplotlib.figure.Figure`; the loss is at the right end.

    Raises:
        ValueError: no curves, or curves of unequal length.

    Example:
        >>> figure = gradient_flow({"lstm": [0.5, 0.7, 1.0], "simple": [0.01, 0.1, 1.0]})
        >>> figure.axes[0].get_yscale()
        'log'
    """
    curves = {name: numbers(values, name) for name, values in curves.items()}
    dashed = {name: numbers(values, name) for name, values in (dashed or {}).items()}
    lengths = {len(values) for values in (*curves.values(), *dashed.values())}
    if len(lengths) != 1 or (tokens is not None and {len(tokens)} != lengths):
        raise ValueError(
            "expected at least one curve, all with one value for each step (and token), received "
            f"lengths {sorted(lengths)}"
            + (f" and {len(tokens)} tokens" if tokens is not None else "")
        )
    figure, ((axes,),) = panels(width=7.2, height=4.2)
    colours = dict(zip(curves, COLOURS * len(curves), strict=False))
    for name, values in curves.items():
        _line(axes, values, colours[name], "-", f"{name}: |dL/dh|")
    for name, values in dashed.items():
        _line(axes, values, colours.get(name, COLOURS[-1]), "--", f"{name}: |dL/dc|")
    axes.set(yscale="log", xlabel="step t", ylabel="size of the gradient", title=drawable(title))
    if tokens is not None:
        axes.set_xticks(range(len(tokens)))
        name_columns(axes, tokens, 6 / len(tokens))
        axes.set_xlabel("")
    tidy(axes)
    axes.legend(frameon=False)
    return use_fonts(figure)


def _line(axes, values, colour, style, label):
    steps = np.arange(len(values))
    axes.plot(steps, np.maximum(values, DEEPEST), style, color=colour, label=drawable(label))
