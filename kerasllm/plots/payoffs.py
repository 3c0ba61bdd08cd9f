"""What pretraining is worth: score against the number of labels."""

import numpy as np

from kerasllm.plots.fonts import drawable, use_fonts
from kerasllm.plots.style import COLOURS, GREY, MARKERS, panels, tidy

BASELINES = ("majority", "linear", "latent_semantic")
_COLUMNS = ("method", "labels", "score")


def payoff(results, baselines=BASELINES, measure="accuracy", title="What pretraining pays"):
    """Draw one line a method: mean over the seeds, with one standard deviation each way.

    Args:
        results: one row for each run, a mapping with `method`, `labels` (how many) and `score`;
            rows that differ only in their seed are averaged.
        baselines: methods that are drawn grey and dashed.
        measure: what the score is.
        title: title of the figure.

    Returns:
        `matplotlib.figure.Figure` with a logarithmic horizontal axis.

    Raises:
        ValueError: no rows, or rows without one of the columns.

    Example:
        >>> rows = [{"method": "full", "labels": n, "score": n / 2000} for n in (100, 1000)]
        >>> payoff(rows).axes[0].get_xscale()
        'log'
    """
    rows = list(results)
    _check(rows)
    methods = list(dict.fromkeys(str(row["method"]) for row in rows))
    methods.sort(key=lambda method: method in baselines)  # networks first; the order is kept
    counts = sorted({int(row["labels"]) for row in rows})
    figure, ((axes,),) = panels(width=7.6, height=4.4)
    axes.set_xscale("log")
    axes.set_xlim(counts[0] / 1.25, counts[-1] * 1.25)  # before the ticks, or one count warns
    for number, method in enumerate(methods):
        mine = [row for row in rows if str(row["method"]) == method]
        shift = 1 + 0.02 * (number - (len(methods) - 1) / 2)  # or error bars hide each other
        rank = sum(other in baselines for other in methods[:number])
        _line(axes, mine, method, number, rank if method in baselines else None, shift)
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="labelled examples", ylabel=drawable(measure), title=drawable(title))
    tidy(axes)
    figure.legend(loc="outside right center", frameon=False)
    return use_fonts(figure)


def _line(axes, rows, method, number, rank, shift):
    counts = sorted({int(row["labels"]) for row in rows})
    scores = [[float(r["score"]) for r in rows if int(r["labels"]) == n] for n in counts]
    spread = [np.std(s, ddof=1) if len(s) > 1 else 0.0 for s in scores]
    look = {"color": COLOURS[number % len(COLOURS)], "linestyle": "-"}
    if rank is not None:
        look = {"color": GREY, "linestyle": ("--", ":", "-.")[rank % 3], "mfc": "white"}
    axes.errorbar(
        np.array(counts) * shift,
        [np.mean(s) for s in scores],
        spread,
        marker=MARKERS[number % len(MARKERS)],
        ms=6,
        capsize=3,
        label=drawable(method.replace("_", " ")),
        **look,
    )


def _check(rows):
    lacking = [name for name in _COLUMNS if any(name not in row for row in rows)]
    if not rows or lacking:
        raise ValueError(
            f"expected rows with {', '.join(_COLUMNS)}, received {len(rows)} rows without "
            f"{lacking or 'anything'}; give one mapping for each run"
        )
    if any(int(row["labels"]) < 1 for row in rows):
        raise ValueError("expected label counts of 1 or more, received 0; the axis is logarithmic")
