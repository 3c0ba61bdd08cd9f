"""Equations with the numbers in them: one step and one unit of a recurrent layer.

A gate of one unit is the bend of a sum. Each matrix product is one number there, the share that
the input or the state before adds:

    f = σ(x @ W_f + h_previous @ U_f + b_f)
      = σ(-0.1205 + 0.3310 + 1.0000)
      = σ(1.2105) = 0.7704
"""

from typing import NamedTuple

import numpy as np

from kerasllm import reference as ref
from kerasllm.utils.pages import AS_WRITTEN, element
from kerasllm.utils.tables import Shown

BENDS = {
    "σ": lambda a: ref.sigmoid(np.asarray(a))[0].item(),
    "tanh": np.tanh,
    "relu": lambda a: max(a, 0.0),
    "": lambda a: a,
}
_LATEX_BENDS = {"σ": r"\sigma", "tanh": r"\tanh", "relu": r"\operatorname{relu}"}
_RNN_BENDS = {"tanh": "tanh", "sigmoid": "σ", "relu": "relu", "linear": ""}


class Factor(NamedTuple):
    """One symbol, or one product of a vector and a column, and its value."""

    text: str
    latex: str
    value: float


class Equation(NamedTuple):
    """symbol = bend(Σ over terms of the product of a term's factors) = value."""

    symbol: str
    latex: str
    bend: str
    terms: tuple[tuple[Factor, ...], ...]
    value: float

    @property
    def argument(self):
        """The sum under the bend, computed from the factors."""
        return sum(float(np.prod([factor.value for factor in term])) for term in self.terms)

    def lines(self, digits):
        """Return the right-hand sides, from symbols to the value, as plain text."""
        symbols = " + ".join(" · ".join(f.text for f in term) for term in self.terms)
        numbers = _sum_of_numbers(self.terms, " · ", digits)
        last = f"{self.value:.{digits}f}"
        if not self.bend:
            return [symbols, f"{numbers} = {last}"]
        under = f"{self.bend}({self.argument:.{digits}f})"
        return [f"{self.bend}({symbols})", f"{self.bend}({numbers})", f"{under} = {last}"]

    def latex_lines(self, digits):
        """Return the lines of an `aligned` environment."""
        symbols = " + ".join(r" \cdot ".join(f.latex for f in term) for term in self.terms)
        numbers = _sum_of_numbers(self.terms, r" \cdot ", digits)
        last = rf"\mathbf{{{self.value:.{digits}f}}}"
        if not self.bend:
            return [f"{self.latex} &= {symbols}", f"&= {numbers} = {last}"]
        bend = _LATEX_BENDS[self.bend]
        under = rf"{bend}({self.argument:.{digits}f})"
        return [
            rf"{self.latex} &= {bend}\left({symbols}\right)",
            rf"&= {bend}\left({numbers}\right) = {under} = {last}",
        ]


class Equations(Shown):
    """The equations of one step and unit: plain text, LaTeX in a notebook, and exact values.

    Attributes:
        title: layer, step and unit.
        equations: tuple of `Equation`, in the order of computation.
        note: what is special here, for instance a masked step.
    """

    def __init__(self, title, equations, note="", digits=4):
        self.title, self.equations, self.note = title, tuple(equations), note
        self.digits = digits

    @property
    def values(self):
        """Return {symbol: value}, in full precision."""
        return {equation.symbol: equation.value for equation in self.equations}

    @property
    def latex(self):
        """Return an `aligned` environment."""
        blocks = (r" \\ ".join(e.latex_lines(self.digits)) for e in self.equations)
        return r"\begin{aligned}" + "\n" + " \\\\[4pt]\n".join(blocks) + "\n" + r"\end{aligned}"

    def __str__(self):
        width = max(len(equation.symbol) for equation in self.equations)
        lines = [self.title]
        for equation in self.equations:
            first, *rest = equation.lines(self.digits)
            lines.append(f"  {equation.symbol:<{width}} = {first}")
            lines += [f"  {'':<{width}} = {line}" for line in rest]
        return "\n".join([*lines, *([f"  ({self.note})"] if self.note else [])])

    def _repr_html_(self):
        note = element("p", self.note, class_=AS_WRITTEN) if self.note else ""
        title = element("p", element("b", self.title), class_=AS_WRITTEN)
        return f"{title}\n$$\n{self.latex}\n$$\n{note}"


def equations_of(trace, step, unit):
    """Return the equations of a recurrent layer's trace, for one step and unit.

    Args:
        trace: an `LSTMTrace`, `GRUTrace` or `SimpleRNNTrace` of one text, B = 1.
        step: counted in the order of processing.
        unit: which of the H units.

    Returns:
        equations, note: a list of `Equation`, and a sentence where the step is masked.

    Raises:
        TypeError: no trace of a recurrent layer.
    """
    makers = {ref.LSTMTrace: _lstm, ref.GRUTrace: _gru, ref.SimpleRNNTrace: _simple_rnn}
    if type(trace) not in makers:
        raise TypeError(
            f"expected the trace of an LSTM, GRU or SimpleRNN, received a {type(trace).__name__}."
        )
    view = _Step(trace, step, unit)
    made, kept = makers[type(trace)](trace, view)
    if trace.walk.real is None or trace.walk.real[step, 0, 0]:
        return made, ""
    # The gates are what they would have been; the states are the ones before.
    made = [_kept(e, view.state(e.symbol)) if e.symbol in kept else e for e in made]
    return made, "masked step: the gates have no effect, the state is kept"


class _Step:
    """One step and unit of a trace: shares of the matrix products, states before."""

    def __init__(self, trace, step, unit):
        self.trace, self.step, self.unit = trace, step, unit
        x = trace.x[0, ::-1] if trace.walk.go_backwards else trace.x[0]
        self.x, self.units = x[step], len(trace.recurrent_kernel)
        names = ("h", "c") if isinstance(trace, ref.LSTMTrace) else ("h",)
        self.before = {
            name: getattr(trace, name)[0, step - 1] if step else first[0]
            for name, first in zip(names, trace.initial_state, strict=True)
        }

    def symbol(self, name):
        return float(getattr(self.trace, name)[0, self.step, self.unit])

    def state(self, name):
        """Return the state before the step as a factor."""
        return Factor(f"{name}_previous", f"{name}_{{t-1}}", float(self.before[name][self.unit]))

    def factor(self, name, latex=None):
        return Factor(name, latex or f"{name}_t", self.symbol(name))

    def products(self, gate, letter, bias_row=None):
        """Return the terms x @ W, h_previous @ U and b of a gate."""
        column, name = gate * self.units + self.unit, f"_{letter}" if letter else ""
        terms = [self.input_share(column, name), self.state_share(column, name)]
        return tuple((term,) for term in (*terms, *self.biases(column, name, bias_row)))

    def input_share(self, column, name):
        value = float(self.x @ self.trace.kernel[:, column])
        return Factor(f"x @ W{name}", f"x_t W{name}", value)

    def state_share(self, column, name):
        value = float(self.before["h"] @ self.trace.recurrent_kernel[:, column])
        return Factor(f"h_previous @ U{name}", f"h_{{t-1}} U{name}", value)

    def biases(self, column, name, row=None):
        """Return b, and with `reset_after` c too; `row` picks one of them."""
        bias = self.trace.bias
        if bias is None:
            return []
        rows = np.atleast_2d(bias)[:, column]
        factors = [
            Factor(f"{k}{name}", f"{k}{name}", float(v)) for k, v in zip("bc", rows, strict=False)
        ]
        return factors if row is None else factors[row : row + 1]


def _lstm(_trace, step):
    gates = [
        Equation(name, f"{name}_t", bend, step.products(k, name), step.symbol(name))
        for k, (name, bend) in enumerate(zip("ifgo", ("σ", "σ", "tanh", "σ"), strict=True))
    ]
    f, i, g, o = (step.factor(name) for name in "figo")
    c = Equation("c", "c_t", "", ((f, step.state("c")), (i, g)), step.symbol("c"))
    bent = Factor("tanh(c)", r"\tanh(c_t)", float(np.tanh(step.symbol("c"))))
    return [*gates, c, Equation("h", "h_t", "", ((o, bent),), step.symbol("h"))], ("c", "h")


def _gru(trace, step):
    z, r = (
        Equation(name, f"{name}_t", "σ", step.products(k, name), step.symbol(name))
        for k, name in enumerate("zr")
    )
    column = 2 * step.units + step.unit
    inner = Equation("inner", r"\text{inner}_t", "", _inner_terms(trace, step, column),
                     step.symbol("inner"))  # fmt: skip
    terms = [step.input_share(column, "_h"), *step.biases(column, "_h", 0)]
    terms = (*((term,) for term in terms), (step.factor("inner", r"\text{inner}_t"),))
    value = step.symbol("candidate")
    candidate = Equation("candidate", r"\tilde h_t", "tanh", terms, value)
    keep = step.factor("z")
    rest = Factor("(1 - z)", "(1 - z_t)", 1 - keep.value)
    new = Factor("candidate", r"\tilde h_t", value)
    h = Equation("h", "h_t", "", ((keep, step.state("h")), (rest, new)), step.symbol("h"))
    return [z, r, inner, candidate, h], ("h",)


def _inner_terms(trace, step, column):
    """Return r · (h_previous @ U_h + c_h), or (r · h_previous) @ U_h without `reset_after`."""
    if not trace.reset_after:
        reset = trace.r[0, step.step] * step.before["h"]
        value = float(reset @ trace.recurrent_kernel[:, column])
        text, latex = "(r · h_previous) @ U_h", r"(r_t \cdot h_{t-1}) U_h"
        return ((Factor(text, latex, value),),)
    parts = [step.state_share(column, "_h"), *step.biases(column, "_h", 1)]
    text, latex = (" + ".join(getattr(p, k) for p in parts) for k in ("text", "latex"))
    product = Factor(f"({text})", f"({latex})", sum(p.value for p in parts))
    return ((step.factor("r"), product),)


def _simple_rnn(trace, step):
    bend = _RNN_BENDS[trace.activation]
    return [Equation("h", "h_t", bend, step.products(0, ""), step.symbol("h"))], ("h",)


def _kept(equation, before):
    return equation._replace(bend="", terms=((before,),))


def _sum_of_numbers(terms, times, digits):
    """Write a sum of products: a minus between terms where it belongs, else in brackets."""
    text = ""
    for term in terms:
        values = [factor.value for factor in term]
        first, rest = values[0], [_bracketed(value, digits) for value in values[1:]]
        product = times.join([f"{abs(first):.{digits}f}", *rest])
        minus = first < 0
        text += (" - " if minus else " + ") + product if text else ("-" if minus else "") + product
    return text


def _bracketed(value, digits):
    number = f"{value:.{digits}f}"
    return f"({number})" if value < 0 else number
