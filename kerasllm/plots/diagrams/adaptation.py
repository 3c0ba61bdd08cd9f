"""Low-rank adaptation: a frozen matrix, and the product of two thin ones that corrects it."""

import numpy as np

from kerasllm.plots.diagrams.canvas import MOST_CELLS, Canvas
from kerasllm.plots.diagrams.checks import needed

CELL, GAP, LEFT, TOP = 22, 62, 28, 74


def draw_lora(trace, language):
    """Draw W + scale · A B = W', each number a cell, and how many numbers each holds."""
    w, a, b, scale, output = needed(trace, ("w", "a", "b", "scale", "output"), "reference.lora")
    D, r, H = *np.shape(a), np.shape(b)[1]
    if max(D, H) > MOST_CELLS:
        raise ValueError(
            f"expected at most {MOST_CELLS} rows and columns, received {D} x {H}: draw a smaller "
            "matrix"
        )
    places = np.cumsum([LEFT, H * CELL + GAP + 26, r * CELL + 20, H * CELL + GAP])
    canvas = Canvas(int(places[-1]) + H * CELL + LEFT, TOP + D * CELL + 74, language)
    middle, top = TOP + D * CELL / 2, max(np.abs(w).max(), np.abs(output).max())
    shown = (
        ("W", w, "frozen", top), ("A", a, "learned", None), ("B", b, "learned", None),
        ("W\u2032", output, "corrected", top),
    )  # fmt: skip
    for place, (name, values, word, deepest) in zip(places, shown, strict=True):
        rows, columns = np.shape(values)
        x, y = float(place), middle - rows * CELL / 2
        canvas.matrix(x, y, values, CELL, scale=deepest)
        if word == "learned":
            canvas.chosen(x, y, columns * CELL, rows * CELL)
        below = TOP + D * CELL
        canvas.text(x + columns * CELL / 2, below + 20, name)
        canvas.text(x + columns * CELL / 2, below + 38, f"{rows} \u00d7 {columns}", "soft")
        canvas.text(x + columns * CELL / 2, below + 56, canvas.word(word), "soft")
    canvas.text(places[1] - GAP / 2 - 14, middle, f"+ {scale:g} \u00b7")
    canvas.text(places[3] - GAP / 2, middle, "=")
    numbers = f"{D * H} + {r * (D + H)}"
    return canvas.diagram(f"{canvas.word('adaptation')} \u00b7 r = {r} \u00b7 {numbers}")
