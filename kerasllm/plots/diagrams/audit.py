"""A private step, and what a model costs: numbers that a training is judged by."""

import numpy as np

from kerasllm.plots.diagrams.canvas import Canvas, number

MOST_EXAMPLES, MOST_PARTS, HIGH = 6, 8, 46


def draw_private(parts, language):
    """Draw how the gradients of single examples become one step that hides each of them.

    `parts`: {"norms": (B,) lengths of the gradients; "clip", "noise": σ; "sum", "step": lengths of
    the sum of the clipped ones, and of that sum with noise}.
    """
    names = ("norms", "clip", "noise", "sum", "step")
    _check_named(parts, names)
    norms, (clip, sigma, total, step) = parts["norms"], (float(parts[k]) for k in names[1:])
    norms = np.asarray(norms, float)
    if norms.ndim != 1 or not 1 <= len(norms) <= MOST_EXAMPLES:
        raise ValueError(
            f"expected norms (B,) of at most {MOST_EXAMPLES} examples, received shape {norms.shape}"
        )
    bottom = 78 + HIGH * len(norms)
    canvas = Canvas(800, max(bottom + 26, 260), language)
    middle = 66 + HIGH * len(norms) / 2
    canvas.text(30, 52, canvas.word("example"), "soft left")
    canvas.text(296, 52, canvas.word("clipped"), "soft left")
    for place, norm in enumerate(norms):
        y, kept = 78 + HIGH * (place + 0.5), min(norm, clip)
        kind = "minus" if norm > clip else "plus"
        whole, rest = 120 * norm / max(norms.max(), clip), 90 * kept / clip
        for x, length, wide, look in ((30, norm, whole, kind), (250, kept, rest, "plus")):
            canvas.add("rect", x=x, y=float(y - 2), width=float(wide), height=8, class_=look)
            canvas.text(x, y - 14, number(length), "value left")
        canvas.text(202, y + 2, f"× {number(kept / norm if norm else 1)}", "cell")
        canvas.arrow((352, y + 2), (380, y + 2), (398, middle))
    canvas.arrow((341, 88), (341, bottom), head=False, width=1)
    canvas.text(341, bottom + 10, f"C = {number(clip)}", "small")
    canvas.box(
        456, middle, 110, 56, (canvas.word("sum"), "small"), (f"|Σ| = {number(total)}", "cell")
    )
    canvas.operator(550, middle, "+")
    canvas.box(550, middle - 84, 170, 50, (canvas.word("noise"), "small"),
               (f"σ C z,  σ = {number(sigma)}", "cell"), kind="gate")  # fmt: skip
    canvas.arrow((550, middle - 59), (550, middle - 15))
    canvas.arrow((511, middle), (535, middle))
    canvas.box(686, middle, 176, 56, (canvas.word("update"), "small"),
               (f"|Σ + σCz| = {number(step)}", "cell"), kind="state")  # fmt: skip
    canvas.arrow((564, middle), (596, middle))
    return canvas.diagram(canvas.word("private"))


def draw_cost(parts, language):
    """Draw the parts of a model one above the other: weights, memory of training, arithmetic.

    `parts`: {"names", "weights": how many, "flops": of a token, one for each part}.
    """
    _check_named(parts, ("names", "weights", "flops"))
    names = [str(name) for name in parts["names"]]
    weights, flops = np.asarray(parts["weights"], float), np.asarray(parts["flops"], float)
    if not 1 <= len(names) <= MOST_PARTS or {weights.shape, flops.shape} != {(len(names),)}:
        raise ValueError(
            f"expected at most {MOST_PARTS} names with weights and flops of each, received "
            f"{len(names)} names, shapes {weights.shape} and {flops.shape}"
        )
    bottom = 84 + HIGH * len(names)
    canvas = Canvas(760, bottom + 86, language)
    canvas.text(330, 58, canvas.word("weights_count"), "soft")
    canvas.text(610, 58, canvas.word("arithmetic"), "soft")
    for place, name in enumerate(names):
        y = 84 + HIGH * (place + 0.5)
        canvas.box(100, y, 160, HIGH - 12, (name, "small"))
        for x, values, kind in ((210, weights, "plus"), (490, flops, "minus")):
            long = 150 * values[place] / max(values.max(), 1)
            canvas.add("rect", x=x, y=float(y - 9), width=float(long), height=18, class_=kind)
            canvas.text(x + long + 8, y, f"{values[place]:,.0f}", "value left")
    canvas.text(210, bottom + 18, f"Σ {weights.sum():,.0f}", "value left")
    canvas.text(490, bottom + 18, f"Σ {flops.sum():,.0f}", "value left")
    count = weights.sum()
    said = " + ".join((
        f"{canvas.word('weights')} {4 * count / 1e6:.2f}",
        f"{canvas.word('gradient')} {4 * count / 1e6:.2f}",
        f"Adam {8 * count / 1e6:.2f}",
    ))  # fmt: skip
    canvas.text(18, bottom + 56, f"float32: {said} = {16 * count / 1e6:.2f} MB", "value left")
    return canvas.diagram(canvas.word("cost"))


def _check_named(parts, names):
    missing = [name for name in names if name not in parts]
    if missing:
        raise ValueError(
            f"expected a dict with {', '.join(names)}, received one without {', '.join(missing)}"
        )
