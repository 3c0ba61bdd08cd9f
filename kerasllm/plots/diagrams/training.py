"""One step of training: the loop that all training is."""

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


def _shape(array):
    return " × ".join(map(str, np.shape(array)))
