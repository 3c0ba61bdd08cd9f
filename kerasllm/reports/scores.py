"""Scores on a page: who wins, the table, and what each number says."""

import html

from kerasllm.utils.pages import Markup, element
from kerasllm.utils.tables import Table

LOWER = ("loss", "perplexity", "bits_per_character", "bits_per_byte", "unknown")


def verdict(scores, shown, words):
    """Say in one sentence whether the network beats its baselines by the task's own score.

    Args:
        scores: what `evaluate` returned.
        shown: names of scores, the task's own first; or None.
        words: `Words`.
    """
    own = own_score(scores, shown)
    figure = scores["model"][own]
    said = {"score": own.replace("_", " "), "own": f"{figure:.4g}"}
    beaten = {name: row[own] for name, row in scores["baselines"].items() if own in row}
    if not beaten:
        return words("verdict.alone", **said)
    choose = min if own in LOWER else max
    best = choose(beaten, key=beaten.get)
    said |= {"baseline": best.replace("_", " "), "theirs": f"{beaten[best]:.4g}"}
    if choose(figure, beaten[best]) == beaten[best]:
        return words("verdict.lost", **said)
    low, high = scores["interval"].get(own, (figure, figure))
    if low <= beaten[best] <= high:
        return words("verdict.inside", **said, low=f"{low:.4g}", high=f"{high:.4g}")
    return words("verdict.won", **said)


def own_score(scores, shown):
    """Return the name of the score that a task is judged by."""
    numbers = [name for name, score in scores["model"].items() if isinstance(score, float)]
    return next(name for name in shown or numbers if name in numbers)


def scores_table(scores, shown, task, words):
    """Return the scores, one a row, with those of the baselines, and what each one says."""
    numbers = [name for name, score in scores["model"].items() if isinstance(score, float)]
    names = [name for name in shown or numbers if name in numbers]
    beside = scores["baselines"]
    heads = [words("scores.columns_score"), words("scores.columns_network")]
    heads += [name.replace("_", " ") for name in beside] + [words("scores.columns_meaning")]
    rows = [
        (
            name.replace("_", " "),
            _figure(scores["model"], name, scores["interval"].get(name)),
            *(_figure(row, name) for row in beside.values()),
            words.of_score(name, task),
        )
        for name in names
    ]
    return Table(heads, rows, right=range(1, len(heads) - 1))


def _figure(row, name, interval=None):
    if name not in row:
        return None
    text = f"{row[name]:.4g}"
    return text + (" [{:.4g}, {:.4g}]".format(*interval) if interval else "")


def notes(scores, words):
    """Return what was said beside the scores, folded; signatures among it."""
    said = [
        *scores.get("notes", ()),
        *(f"{k}: {v}" for k, v in scores.get("signatures", {}).items()),
    ]
    if not said:
        return []
    items = element("ul", *(element("li", html.unescape(text)) for text in said))
    return [Markup(element("details", element("summary", words("page.notes")), items))]
