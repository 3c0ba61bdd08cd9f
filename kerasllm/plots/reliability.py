"""Whether a model is as sure as it is right."""

import numpy as np

from kerasllm.plots.fonts import drawable, use_fonts
from kerasllm.plots.style import COLOURS, GREY, numbers, panels, tidy


def reliability_diagram(confidence, accuracy, count, title="Reliability"):
    """Draw the share of right answers against the probability that they were given with.

    Args:
        confidence: mean probability of each bin (K,).
        accuracy: share of right answers of each bin (K,).
        count: answers of each bin (K,); a dot's area follows it.
        title: title of the figure.

    Returns:
        `matplotlib.figure.Figure`; on the dashed line p is the share of right answers.

    Raises:
        ValueError: no bins, or unequal lengths.

    Example:
        >>> reliability_diagram([0.6, 0.9], [0.5, 1.0], [2, 2]).axes[0].get_xlabel()
        'probability given'
    """
    confidence, accuracy = numbers(confidence, "confidence"), numbers(accuracy, "accuracy")
    count = numbers(count, "count")
    if len({len(confidence), len(accuracy), len(count)}) != 1:
        raise ValueError(
            f"expected one value of each for every bin, received {len(confidence)}, "
            f"{len(accuracy)} and {len(count)}; give what `kerasllm.metrics.reliability` returns"
        )
    figure, ((axes,),) = panels(width=5.2, height=4.6)
    axes.plot([0, 1], [0, 1], "--", color=GREY, label="as sure as right")
    axes.plot(confidence, accuracy, color=COLOURS[0], lw=1)
    area = 20 + 280 * count / count.max()
    axes.scatter(confidence, accuracy, s=area, color=COLOURS[0], alpha=0.75, label="answers")
    for x, y, n in zip(confidence, accuracy, count, strict=True):
        axes.annotate(f"{n:,.0f}", (x, y), (6, -12), textcoords="offset points", fontsize=8)
    low = np.floor(10 * confidence.min()) / 10 - 0.02
    axes.set(xlim=(low, 1.02), ylim=(-0.04, 1.06), title=drawable(title))
    axes.set(xlabel="probability given", ylabel="share of right answers")
    tidy(axes)
    # outside the axes: the dots may be anywhere
    figure.legend(loc="outside lower center", frameon=False, ncols=2)
    return use_fonts(figure)
