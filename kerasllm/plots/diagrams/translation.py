"""An encoder and a decoder at one word: what the decoder has said, and where it looks."""

import numpy as np

from kerasllm.plots.diagrams.canvas import Canvas, number
from kerasllm.plots.diagrams.checks import cut, index

WIDE, HIGH, LEFT, TOP = 68, 40, 118, 84
BETWEEN = 150  # the two rows
MOST_TOKENS = 24
SEEN = 0.03  # weights from here on are written


def draw_translation(parts, language, *, step=-1):
    """Draw source and target as boxes, and from the word at `step` a line to what it looks at.

    `parts`: {"source": S tokens, "target": T tokens, "weights": (T, S), which sum to 1}.
    """
    source, target, weights = _read(parts)
    step = index("step", step, len(target))
    columns = max(len(source), len(target))
    canvas = Canvas(LEFT + WIDE * columns + 20, TOP + BETWEEN + 66, language)
    below = TOP + BETWEEN
    canvas.text(14, TOP, canvas.word("encoder"), "soft left")
    canvas.text(14, below, canvas.word("decoder"), "soft left")
    for place in range(1, len(source)):
        _join(canvas, place, TOP)
    for place in range(1, step + 1):
        _join(canvas, place, below)
    for place, weight in enumerate(weights[step]):
        if weight >= SEEN:
            line = {"kind": "plus", "width": 0.8 + 6 * float(weight), "head": False}
            canvas.arrow((_x(step), below - HIGH / 2), (_x(place), TOP + HIGH / 2), **line)
            canvas.text(_x(place), TOP - HIGH / 2 - 11, number(weight), "cell")
    for place, token in enumerate(source):
        canvas.box(_x(place), TOP, WIDE - 12, HIGH, (token, "small"), kind="state")
    for place, token in enumerate(target):
        said = place <= step
        look = "small" if said else "soft"
        canvas.box(_x(place), below, WIDE - 12, HIGH, (token, look), kind="gate" if said else "")
    canvas.chosen(_x(step) - WIDE / 2 + 6, below - HIGH / 2, WIDE - 12, HIGH)
    canvas.text(14, below + 46, canvas.word("looks"), "soft left")
    name = f"{canvas.word('encoder')}, {canvas.word('decoder')}"
    return canvas.diagram(f"{name} · t = {step} · {target[step]}")


def _x(place):
    return LEFT + WIDE * (place + 0.5)


def _join(canvas, place, y):
    canvas.arrow((_x(place - 1) + WIDE / 2 - 6, y), (_x(place) - WIDE / 2 + 6, y))


def _read(parts):
    wanted = ("source", "target", "weights")
    missing = [name for name in wanted if name not in parts] if isinstance(parts, dict) else wanted
    if missing:
        raise ValueError(
            f"expected a dict with source, target, weights, received one without "
            f"{', '.join(missing)}"
        )
    source, target = ([cut(str(token), 7) for token in parts[name]] for name in wanted[:2])
    weights = np.asarray(parts["weights"], float)
    if weights.shape != (len(target), len(source)) or not weights.size:
        raise ValueError(
            f"expected weights with a row for each of {len(target)} target tokens and a column for "
            f"each of {len(source)} source tokens, received shape {weights.shape}"
        )
    if max(weights.shape) > MOST_TOKENS:
        raise ValueError(
            f"expected at most {MOST_TOKENS} tokens on a side, received {weights.shape}: draw a "
            "shorter text"
        )
    return source, target, weights
