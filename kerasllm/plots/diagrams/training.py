"""One step of training, the loop that all training is; and how far fine-tuning moves what."""

import numpy as np

from kerasllm.plots.diagrams.canvas import Canvas, number


def draw_training(parts, language):
    """Draw one step of training with its numbers.

    `parts`: {"x", "output": arrays; "loss": a number; "weights", "gradients": lists of arrays;
    "learning_rate", "step": numbers}.
    """
    names = ("x", "output", "loss", "weights", "gradients", "learning_rate", "step")
    missing = [name for name in names if name not in parts]
    if missing:
        raise ValueError(
            f"expected a dict with {', '.join(names)}, received one without {', '.join(missing)}"
        )
    x, output, loss, weights, grads, rate, step = (parts[name] for name in names)
    count = sum(np.size(weight) for weight in weights)
    size = np.sqrt(sum(np.sum(np.square(grad)) for grad in grads))
    canvas = Canvas(720, 250, language)
    y = 90
    boxes = (
        (90, 120, ("batch", "x", _shape(x)), "state"),
        (270, 130, ("model", f"θ: {count:,}", _shape(output)), ""),
        (450, 120, ("loss", "L", f"L = {number(loss)}"), "gate"),
        (630, 130, ("gradient", "g = dL/dθ", f"|g| = {number(size)}"), ""),
    )
    for middle, width, (name, formula, live), kind in boxes:
        canvas.box(middle, y, width, 72, (canvas.word(name), "small"), formula, (live, "value"),
                   kind=kind)  # fmt: skip
    for start, end in ((150, 205), (335, 390), (510, 565)):
        canvas.arrow((start, y), (end, y))
    canvas.box(450, 200, 330, 56, (canvas.word("update"), "small"),
               (f"θ ← θ - {rate:g} · g", "value"), kind="state")  # fmt: skip
    canvas.arrow((630, y + 36), (630, 200), (615, 200))
    canvas.arrow((285, 200), (270, 200), (270, y + 36))
    return canvas.diagram(f"{canvas.word('training')} · {canvas.word('step')} {step}")


def draw_tuning(parts, language):
    """Draw for each way of fine-tuning how far the groups of weights moved, and frozen ones.

    `parts`: {"groups": names, from below; "moved": {way: a distance for each group}}.
    """
    missing = [name for name in ("groups", "moved") if name not in parts]
    if missing:
        raise ValueError(
            f"expected a dict with groups, moved, received one without {', '.join(missing)}"
        )
    groups, moved = parts["groups"], parts["moved"]
    for way, distances in moved.items():
        if len(distances) != len(groups):
            raise ValueError(
                f"expected a distance for each of {len(groups)} groups, received "
                f"{len(distances)} for {way!r}"
            )
    largest = max((max(distances) for distances in moved.values()), default=0) or 1.0
    canvas = Canvas(max(150 + 178 * len(groups), 700), 56 + 88 * len(moved), language)
    for row, (way, distances) in enumerate(moved.items()):
        y = 84 + 88 * row
        canvas.text(18, y, way, "left")
        for place, (name, distance) in enumerate(zip(groups, distances, strict=True)):
            x = 196 + 178 * place
            live = f"Δ = {number(distance)}" if distance else "Δ = 0"
            canvas.box(x, y - 4, 128, 72, name, (live, "value"), kind="state" if distance else "")
            if distance:
                canvas.add("rect", x=x - 52, y=y + 16, width=104.0 * distance / largest, height=5,
                           class_="level")  # fmt: skip
            else:
                canvas.text(x, y + 19, canvas.word("frozen"), "soft")
            if place:
                canvas.arrow((x - 114, y - 12), (x - 70, y - 12))
                if distances[place - 1]:  # the gradient goes on to what learns below
                    canvas.arrow((x - 64, y + 12), (x - 108, y + 12), kind="minus")
    return canvas.diagram(canvas.word("tuning"))


def _shape(array):
    return " × ".join(map(str, np.shape(array)))
