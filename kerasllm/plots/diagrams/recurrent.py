"""Recurrent networks: a step of an LSTM, of a GRU; an RNN through time; both directions."""

import numpy as np

from kerasllm.plots.diagrams.canvas import Canvas, number
from kerasllm.plots.diagrams.checks import index, needed, tokens_of

MOST_STEPS = 16


def draw_lstm(trace, language, *, step=-1, unit=0, text=0, tokens=None):
    """Draw one step of an LSTM: what each gate lets through, for one unit."""
    names = ("i", "f", "g", "o", "c", "h", "initial_state")
    *symbols, first = needed(trace, names, "reference.lstm")
    T = symbols[0].shape[1]
    text, step, unit = _place(symbols[0], text, step, unit)
    tokens = tokens_of(tokens, T)
    i, f, g, o, c, h = (float(symbol[text, step, unit]) for symbol in symbols)
    h_old, c_old = (
        float(old[text, unit] if step == 0 else seen[text, step - 1, unit])
        for old, seen in zip(first, symbols[5:3:-1], strict=True)
    )
    canvas = Canvas(880, 400, language)
    _cell_line(canvas, c_old, c, f * c_old, i * g)
    _gates(canvas, {"f": f, "i": i, "g": g, "o": o})
    _output(canvas, h, c)
    _inputs(canvas, h_old, tokens[step], _X.values())
    return canvas.diagram(f"LSTM · t = {step} · {canvas.word('unit')} {unit}")


def _place(symbol, text, step, unit):
    names = ("text", "step", "unit")
    return map(index, names, (text, step, unit), symbol.shape)


_X = {"f": 215, "i": 365, "g": 515, "o": 665}  # the middles of the gates
_NAMES = {"f": "forget", "i": "input", "g": "candidate", "o": "output_gate"}


def _cell_line(canvas, c_old, c, kept, added):
    """Draw the way of the cell: times f, plus i · g."""
    y = 78
    canvas.box(80, y, 124, 50, (f"c_t-1 = {number(c_old)}", "value"), canvas.word("cell"),
               kind="state")  # fmt: skip
    canvas.box(800, y, 124, 50, (f"c_t = {number(c)}", "value"), canvas.word("cell"), kind="state")
    canvas.arrow((142, y), (_X["f"] - 13, y))
    canvas.arrow((_X["f"] + 13, y), (427, y))
    canvas.arrow((453, y), (738, y))
    canvas.operator(_X["f"], y, "×")
    canvas.operator(440, y, "+")
    canvas.symbol(322, y - 14, f"f × c_t-1 = {number(kept)}", "value")
    canvas.operator(440, 152, "×")
    canvas.arrow((440, 139), (440, 91))
    canvas.symbol(446, 116, f" i × g = {number(added)}", "value left")


def _gates(canvas, values):
    """Draw the four gates; the candidate is none, and has no bar."""
    y = 232
    for symbol, value in values.items():
        x = _X[symbol]
        if symbol == "g":
            canvas.box(x, y, 132, 64, (f"g = {number(value)}", "value"), canvas.word("candidate"))
        else:
            canvas.gate(x, y, symbol, _NAMES[symbol], value)
    canvas.arrow((_X["f"], 200), (_X["f"], 91))
    canvas.arrow((_X["i"], 200), (_X["i"], 152), (427, 152))
    canvas.arrow((_X["g"], 200), (_X["g"], 152), (453, 152))
    canvas.arrow((_X["o"], 200), (_X["o"], 165))


def _output(canvas, h, c):
    x = _X["o"]
    canvas.arrow((x, 78), (x, 139))
    canvas.symbol(x + 8, 112, f"tanh c_t = {number(np.tanh(c))}", "value left")
    canvas.operator(x, 152, "×")
    canvas.arrow((x + 13, 152), (738, 152))
    canvas.box(800, 152, 124, 50, (f"h_t = {number(h)}", "value"), canvas.word("hidden"),
               kind="state")  # fmt: skip


def _inputs(canvas, h_old, token, gates):
    """Draw the bus along which the old state and the input reach every gate."""
    canvas.box(80, 300, 124, 50, (f"h_t-1 = {number(h_old)}", "value"), canvas.word("hidden"),
               kind="state")  # fmt: skip
    canvas.box(80, 360, 124, 50, "x_t", kind="state")
    if token:
        canvas.text(152, 348, token, "small left")
    canvas.arrow((142, 300), (max(gates), 300), head=False)
    canvas.arrow((142, 360), (182, 360), (182, 300), head=False)
    for x in gates:
        canvas.arrow((x, 300), (x, 265))


def draw_gru(trace, language, *, step=-1, unit=0, text=0, tokens=None):
    """Draw one step of a GRU: how much of the old state stays, and how the rest is filled."""
    names = ("z", "r", "inner", "candidate", "h", "initial_state")
    *symbols, first = needed(trace, names, "reference.gru")
    tokens = tokens_of(tokens, symbols[0].shape[1])
    text, step, unit = _place(symbols[0], text, step, unit)
    z, r, inner, candidate, h = (float(symbol[text, step, unit]) for symbol in symbols)
    h_old = float(first[0][text, unit] if step == 0 else symbols[4][text, step - 1, unit])
    canvas = Canvas(880, 400, language)
    _state_line(canvas, h_old, h, z, candidate)
    canvas.gate(215, 232, "z", "update_gate", z)
    canvas.gate(365, 232, "r", "reset_gate", r)
    canvas.box(535, 232, 152, 64, (f"h̃ = {number(candidate)}", "value"), canvas.word("candidate"),
               (f"inner = {number(inner)}", "soft"))  # fmt: skip
    canvas.arrow((431, 232), (458, 232))
    _inputs(canvas, h_old, tokens[step], (215, 365, 535))
    kind = "reset after" if trace.reset_after else "reset before"
    return canvas.diagram(f"GRU · {kind} · t = {step} · {canvas.word('unit')} {unit}")


def _state_line(canvas, h_old, h, z, candidate):
    """Draw the way of the state: times z, plus (1 - z) times the candidate."""
    y = 78
    for x, symbol, value in ((80, "h_t-1", h_old), (800, "h_t", h)):
        canvas.box(x, y, 124, 50, (f"{symbol} = {number(value)}", "value"), canvas.word("hidden"),
                   kind="state")  # fmt: skip
    canvas.arrow((142, y), (202, y))
    canvas.arrow((228, y), (437, y))
    canvas.arrow((463, y), (738, y))
    canvas.arrow((215, 200), (215, 91))
    canvas.arrow((215, 152), (437, 152))
    canvas.arrow((535, 200), (535, 152), (463, 152))
    canvas.arrow((450, 139), (450, 91))
    canvas.operator(215, y, "×")
    canvas.operator(450, y, "+")
    canvas.operator(450, 152, "×")
    canvas.symbol(330, y - 14, f"z × h_t-1 = {number(z * h_old)}", "value")
    canvas.symbol(330, 140, f"1 - z = {number(1 - z)}", "value")
    canvas.symbol(456, 116, f" (1 - z) × h̃ = {number((1 - z) * candidate)}", "value left")


def _few_steps(h):
    T = h.shape[1]
    if T > MOST_STEPS:
        raise ValueError(
            f"expected at most {MOST_STEPS} steps, received {T}: draw a shorter text, or use "
            "plots.gradient_flow"
        )
    return T


def draw_rnn(trace, language, *, unit=0, text=0, tokens=None, grads=None):
    """Draw a simple RNN step by step: its state, and the gradient that comes back to it."""
    h, _ = needed(trace, ("h", "activation"), "reference.simple_rnn")
    T = _few_steps(h)
    text, _, unit = _place(h, text, 0, unit)
    tokens = tokens_of(tokens, T)
    canvas = Canvas(70 + 96 * T, 200 if grads is None else 288, language)
    for t in range(T):
        x = 80 + 96 * t
        canvas.box(x, 86, 78, 46, f"h_{t}", (number(h[text, t, unit]), "value"), kind="state")
        canvas.arrow((x, 150), (x, 111))
        canvas.text(x, 164, tokens[t] or f"x{t}", "small")
        if t:
            canvas.arrow((x - 57, 86), (x - 40, 86))
            canvas.symbol(x - 48, 74, "U", "small")
    if grads is not None:
        (d_h,) = needed(grads, ("d_h",), "reference.simple_rnn_backward")
        _gradients(canvas, np.linalg.norm(d_h[text], axis=-1))
    name = canvas.word("hidden")
    return canvas.diagram(f"{canvas.word('rnn')} · {name} h, {canvas.word('unit')} {unit}")


def _gradients(canvas, sizes):
    """Draw |dL/dh_t| under each step: the thicker, the more of it is left (by powers of ten)."""
    canvas.symbol(18, 200, f"|dL/dh| {canvas.word('gradient_back')}", "soft left")
    powers = np.log10(np.maximum(sizes / (sizes.max() or 1.0), 1e-12))
    for t, (size, power) in enumerate(zip(sizes, powers, strict=True)):
        x = 80 + 96 * t
        canvas.text(x, 256, number(size), "value")
        if t < len(sizes) - 1:
            thick = float(np.clip(9 + 2 * power, 0.6, 9))
            canvas.arrow((x + 86, 228), (x + 6, 228), kind="minus", width=thick)


def draw_bidirectional(trace, language, *, unit=0, text=0, tokens=None):
    """Draw both directions step by step: what each has read, and which steps a mask hides."""
    names = ("forward", "backward", "y_forward")
    forward, backward, _ = needed(trace, names, "reference.bidirectional")
    T = _few_steps(forward.h)
    text, _, unit = _place(forward.h, text, 0, unit)
    tokens = tokens_of(tokens, T)
    real = forward.walk.real
    real = np.ones(T, bool) if real is None else real[:, text, 0]
    canvas = Canvas(150 + 88 * T, 236, language)
    canvas.symbol(14, 74, f"\u2192h {canvas.word('forward')}", "soft left")
    canvas.symbol(14, 148, f"\u2190h {canvas.word('backward')}", "soft left")
    states = (forward.h[text, :, unit], backward.h[text, ::-1, unit])
    for t in range(T):
        x = 190 + 88 * t
        for row, (y, ahead) in enumerate(((74, 1), (148, -1))):
            kind = "state" if real[t] else "masked"
            canvas.box(x, y, 64, 40, (number(states[row][t]), "value"), kind=kind)
            if 0 <= t - ahead < T:
                canvas.arrow((x - 55 * ahead, y), (x - 33 * ahead, y))
        canvas.text(x, 200, tokens[t] or f"x{t}", "small" if real[t] else "soft")
        if real[t]:
            canvas.arrow((x, 188), (x, 170))
    drawn = canvas.word("both") + f" · {canvas.word('unit')} {unit}"
    return canvas.diagram(drawn if real.all() else f"{drawn} · {canvas.word('masked')}")
