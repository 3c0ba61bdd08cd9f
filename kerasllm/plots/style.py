"""One look for all figures: colours that colour-blind readers can tell apart, and few lines."""

import numpy as np

# Okabe and Ito's palette, dark ones first; grey is for baselines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#6b6b6b"


def panels(rows=1, columns=1, width=6.4, height=4.0, **options):
    """Return an empty figure and its (rows, columns) array of axes.

    Example:
        >>> figure, axes = panels(1, 2)
        >>> axes.shape
        (1, 2)
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)  # inches: nothing touches the edge
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def tidy(axes):
    """Leave only what helps reading a curve: two spines and a light horizontal grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)


def numbers(values, name, dimensions=1):
    """Return the values as a float array, or say what is wrong with them.

    Raises:
        ValueError: no values, or an array of another number of dimensions.

    Example:
        >>> numbers([1, 2], "lengths")
        array([1., 2.])
    """
    values = np.asarray(values, dtype=float)
    wanted = (dimensions,) if isinstance(dimensions, int) else dimensions
    if values.ndim not in wanted or values.size == 0:
        raise ValueError(
            f"expected {name} with {' or '.join(map(str, wanted))} dimensions and at least one "
            f"value, received shape {values.shape}; pass a plain array"
        )
    return values
