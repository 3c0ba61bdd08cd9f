"""Attention as matrices of true proportions, and a Transformer block with its sizes.

The proportions are those of the arrays: a row a token, a column a key or a feature.
"""

import numpy as np

from kerasllm.plots.diagrams.canvas import MOST_CELLS, Canvas, number
from kerasllm.plots.diagrams.checks import index, needed, rms, tokens_of

GAP, WORD = 58, 84  # between two matrices, for what happens there: a sign, a word
TOKEN = 92  # at the left, for the tokens of the rows


def draw_attention(trace, language, *, step=-1, text=0, head=0, tokens=None, keys=None):
    """Draw how queries and keys become weights, and weights and values what is read."""
    query, key, value, scores, weights, read, scale = _of_head(trace, text, head)
    (T, K), S = query.shape, len(key)
    if max(T, S, K, value.shape[1]) > MOST_CELLS:
        raise ValueError(
            f"expected at most {MOST_CELLS} tokens and as large keys, received T={T}, S={S}, "
            f"K={K}: draw a shorter text, or a smaller head"
        )
    step = index("step", step, T)
    rows = tokens_of(tokens, T)
    columns = tokens_of(keys, S, "keys") if keys is not None or S != T else rows
    parts = (
        ("Q", "query", query, "×"), ("Kᵀ", "key", key.T, "→"),
        (f"{number(scale)} Q Kᵀ", "scores", scores, "softmax →"),
        ("A", "weights", weights, "×"), ("V", "value", value, "="), ("A V", "output", read, ""),
    )  # fmt: skip
    cell = min(22, 900 // sum(part[2].shape[1] for part in parts))
    gaps = [WORD if len(sign) > 1 else GAP for *_, sign in parts]
    width = TOKEN + cell * sum(part[2].shape[1] for part in parts) + sum(gaps) + 20
    canvas = Canvas(max(width, 560), 128 + cell * max(T, S, K), language)
    _matrices(canvas, parts, gaps, cell, step, rows, columns)
    name = f" · {rows[step]}" if rows[step] else ""
    which = f" · {canvas.word('head')} {head}" if hasattr(trace, "z") else ""
    return canvas.diagram(f"{canvas.word('attention')}{which} · t = {step}{name}")


def _of_head(trace, text, head):
    """Return Q, K, V, scores, weights, output and scale of one text and head."""
    seen = trace.parts[3] if hasattr(trace, "z") else trace  # several heads hold those of one
    names = ("query", "key", "value", "scores", "weights", "output", "scale")
    *arrays, scale = needed(seen, names, "reference.scaled_dot_product_attention")
    places = (("text", text), ("head", head))
    lead = arrays[4].shape[:-2]  # (), (B,) or (B, N)
    where = tuple(index(*place, count) for place, count in zip(places, lead, strict=False))
    return *(array[where] for array in arrays), scale


def _matrices(canvas, parts, gaps, cell, step, rows, columns):
    left, top = TOKEN, 74
    for (symbol, name, values, sign), gap in zip(parts, gaps, strict=True):
        high, wide = values.shape
        middle = left + cell * wide / 2
        canvas.text(middle, top - 24, symbol)
        canvas.text(middle, top - 9, f"{high} × {wide}", "soft")
        canvas.matrix(left, top, values, cell, scale=1.0 if name == "weights" else None)
        canvas.text(middle, top + cell * high + 16, canvas.word(name), "soft")
        if name in ("query", "scores", "weights", "output"):
            canvas.chosen(left, top + cell * step, cell * wide, cell)
        if name in ("query", "value"):
            for place, token in enumerate(rows if name == "query" else columns):
                canvas.text(left - 6, top + cell * (place + 0.5), token, "small right")
        canvas.text(left + cell * wide + gap / 2, top + cell * len(rows) / 2, sign, "small")
        left += cell * wide + gap
        if name == "weights":
            left += 44 if any(columns) else 0


def draw_block(trace, language, *, text=0):
    """Draw the two residual steps of a Transformer block, and how large the stream is at each."""
    _, steps, _ = needed(trace, ("x", "steps", "output"), "reference.transformer_encoder")
    if len(steps) != 2:
        raise ValueError(
            f"expected the block of an encoder or of a GPT, with 2 residual steps, received "
            f"{len(steps)}: draw `_, trace = reference.transformer_encoder(…)`"
        )
    text = index("text", text, len(steps[0].x))
    canvas = Canvas(990, 244, language)
    y, left = 150, 60
    _, T, D = steps[0].x.shape
    canvas.box(left, y, 84, 64, "x", f"{T} × {D}", (number(rms(steps[0].x[text])), "value"),
               kind="state")  # fmt: skip
    for step, name in zip(steps, ("attention", "feed_forward"), strict=True):
        left = _residual(canvas, step, name, text, left, y)
    canvas.text(18, 226, canvas.word("size"), "soft left")
    return canvas.diagram(f"Transformer · {canvas.word('block')} · {steps[0].norm}-norm")


# What stands along a residual step, by its norm, and half of how wide each is.
_ORDER = {"pre": ("norm", "sublayer", "plus"), "post": ("sublayer", "plus", "norm")}
_HALF = {"norm": 46, "sublayer": 56, "plus": 13}


def _residual(canvas, step, name, text, left, y):
    """Draw one step, x + f(x) with its normalisation before or after; return where it ends."""
    before, end = left + 42, left + 430
    around, free = left + 56, (346 - 2 * sum(_HALF.values())) / 4
    for place in _ORDER[step.norm]:
        middle = before + free + _HALF[place]
        canvas.arrow((before, y), (middle - _HALF[place], y))
        if place == "norm":
            canvas.box(middle, y, 92, 72, *canvas.lines("norm"), "γ, β")
        elif place == "plus":
            canvas.operator(middle, y, "+")
            canvas.arrow((around, y), (around, 70), (middle, 70), (middle, y - 13))
        else:
            size = number(rms(step.sublayer.output[text]))
            canvas.box(middle, y, 112, 90, *canvas.lines(name), _inner(step.sublayer),
                       (size, "value"), kind="gate")  # fmt: skip
        before = middle + _HALF[place]
    canvas.arrow((before, y), (end - 42, y))
    canvas.box(end, y, 84, 64, "h" if name == "attention" else "y",
               (number(rms(step.output[text])), "value"), kind="state")  # fmt: skip
    return end


def _inner(sublayer):
    """Return the sizes inside of a step: heads and their keys, or hidden units."""
    if hasattr(sublayer, "z"):
        return f"{sublayer.weights.shape[1]} × {sublayer.q.shape[-1]}"
    D, H = np.shape(sublayer.w_1)
    return f"{D} → {H} → {D}"
