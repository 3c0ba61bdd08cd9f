"""A neuron of a dense layer, and a look-up in a table of embeddings."""

import numpy as np

from kerasllm.plots.diagrams.canvas import Canvas, number
from kerasllm.plots.diagrams.checks import index, needed, tokens_of

ACTIVATIONS = {
    "linear": ("a", lambda a: a),
    "relu": ("max(0, a)", lambda a: np.maximum(a, 0)),
    "sigmoid": ("σ(a)", lambda a: 1 / (1 + np.exp(-a))),
    "tanh": ("tanh a", np.tanh),
}
MOST_INPUTS, MOST_TOKENS, MOST_FEATURES = 12, 14, 10


def draw_neuron(trace, language, *, unit=0, text=0, activation="linear", tokens=None):
    """Draw one unit of a dense layer: inputs times weights, the sum, the bend."""
    x, kernel, bias = needed(trace, ("x", "kernel", "bias"), "reference.dense")
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"expected an activation among {sorted(ACTIVATIONS)}, received {activation!r}"
        )
    unit = index("unit", unit, kernel.shape[1])
    x, w = x.reshape(-1, len(kernel)), kernel[:, unit]
    x = x[index("text", text, len(x))]
    if len(w) > MOST_INPUTS:
        raise ValueError(f"expected at most {MOST_INPUTS} inputs to draw, received {len(w)}")
    names = tokens_of(tokens, len(w), "names of inputs")
    b = 0.0 if bias is None else float(bias[unit])
    formula, bend = ACTIVATIONS[activation]
    a = float(x @ w + b)
    canvas = Canvas(760, max(70 + 50 * len(w), 190), language)
    middle = 58 + 50 * (len(w) - 1) / 2 + 10
    for place, (value, weight, name) in enumerate(zip(x, w, names, strict=True)):
        y = 68 + 50 * place
        _input(canvas, y, middle, place, (value, weight, name), np.abs(w).max() or 1.0)
    canvas.arrow((430, middle + 58), (430, middle + 31))
    canvas.symbol(430, middle + 70, f"b = {number(b)}", "value")
    canvas.box(430, middle, 130, 60, "Σ x_j w_j + b", (f"a = {number(a)}", "value"))
    canvas.arrow((495, middle), (545, middle))
    canvas.box(620, middle, 148, 60, formula, (number(bend(a)), "value"), kind="gate")
    canvas.arrow((695, middle), (740, middle))
    return canvas.diagram(f"{canvas.word('neuron')} · {canvas.word('unit')} {unit}")


def _input(canvas, y, middle, place, parts, largest):
    value, weight, name = parts
    canvas.box(90, y, 150, 36, (f"{name or f'x_{place + 1}'} = {number(value)}", "value"),
               kind="state")  # fmt: skip
    kind = "minus" if weight < 0 else "plus"
    thick = 1 + 5 * abs(weight) / largest
    canvas.arrow((166, y), (364, middle + 0.35 * (y - middle)), kind=kind, width=thick)
    beside = -13 if y <= middle else 15
    canvas.symbol(232, y + beside + 0.2 * (middle - y), f"× {number(weight)}", "value")


def draw_embedding(trace, language, *, step=0, text=0, tokens=None):
    """Draw a look-up as what it is: a one-hot row times the table."""
    ids, table = needed(trace, ("ids", "table"), "reference.embedding")
    V, D = table.shape
    if V > MOST_TOKENS or D > MOST_FEATURES:
        raise ValueError(
            f"expected a table of at most {MOST_TOKENS} rows and {MOST_FEATURES} columns, received "
            f"{table.shape}: draw a part of it"
        )
    names = tokens_of(tokens, V, "names of rows")
    ids = np.atleast_2d(ids)
    row = ids[index("text", text, len(ids))]
    chosen = int(row[index("step", step, len(row))])
    one_hot = np.eye(V)[[chosen]]
    cell, left, top = (44, 28), 30, 78
    canvas = Canvas(int(2 * left + 44 * (V + 2 * D) + 250), 106 + 28 * V, language)
    middle = top + 28 * chosen
    starts = (left, left + 44 * V + 120, left + 44 * (V + D) + 190)
    parts = ((one_hot, middle, "one_hot"), (table, top, "table"), (table[[chosen]], middle, "row"))
    for start, (values, y, name) in zip(starts, parts, strict=True):
        canvas.matrix(start, y, values, cell, scale=2 * np.abs(values).max() or 1.0, written=True)
        across = start + 22 * values.shape[1]
        canvas.text(across, y - 14, f"{canvas.word(name)} {values.shape[0]} × {values.shape[1]}",
                    "soft")  # fmt: skip
    for place, name in enumerate(names):
        canvas.text(starts[1] - 6, top + 28 * place + 14, name or str(place), "small right")
    canvas.chosen(starts[1], middle, 44 * D, 28)
    canvas.text(left + 44 * V + 18, middle + 14, "×")
    canvas.text(starts[2] - 35, middle + 14, "=")
    shown = names[chosen] or str(chosen)
    return canvas.diagram(f"{canvas.word('embedding')} · {shown}")
