"""How long the texts are, and how much of them a model would cut off."""

import numpy as np

from kerasllm.plots.fonts import drawable, use_fonts
from kerasllm.plots.style import COLOURS, numbers, panels, tidy


def length_histogram(lengths, max_length=None, title="Length of the texts"):
    """Draw how many texts have which length, and the share beyond the limit.

    Args:
        lengths: (R,) tokens of each text.
        max_length: where texts are cut; left out, nothing is marked.
        title: title of the figure.

    Returns:
        `matplotlib.figure.Figure`; lengths beyond the 99.5th percentile share the last bar.

    Raises:
        ValueError: no lengths.

    Example:
        >>> figure = length_histogram([3, 5, 9, 40], max_length=8)
        >>> figure.axes[0].get_legend_handles_labels()[1][-1]
        'limit of 8: 50.0 % of texts and 57.9 % of tokens cut'
    """
    lengths = numbers(lengths, "lengths")
    top = max(np.quantile(lengths, 0.995), (max_length or 0) * 1.1, lengths.min() + 1)
    figure, ((axes,),) = panels()
    step = max(1, round((top - lengths.min()) / 60))  # whole lengths to a bar, or it lies
    edges = np.arange(lengths.min() - 0.5, top + step, step)
    axes.hist(np.minimum(lengths, edges[-1]), bins=edges, color=COLOURS[5])
    axes.axvline(
        np.median(lengths), color=COLOURS[0], label=f"median {np.median(lengths):g}, "
        f"longest {lengths.max():g}",
    )  # fmt: skip
    if max_length:
        cut = np.maximum(lengths - max_length, 0).sum() / max(lengths.sum(), 1)
        label = f"limit of {max_length}: {np.mean(lengths > max_length):.1%} of texts and "
        label = f"{label}{cut:.1%} of tokens cut".replace("%", " %")
        axes.axvline(max_length, color=COLOURS[1], linestyle="--", label=label)
    axes.set(xlabel="tokens", ylabel="texts")
    tidy(axes)
    figure.suptitle(drawable(title))
    # outside the axes: the bars may be anywhere
    figure.legend(loc="outside lower center", frameon=False)
    return use_fonts(figure)
