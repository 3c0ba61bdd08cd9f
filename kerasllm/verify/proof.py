"""What `kerasllm verify` shows: every equation, and how many digits each rung agrees to.

A proof has thousands of comparisons. This is the summary: a row for each function, its worst figure
on each rung.
"""

import time
from typing import NamedTuple

import keras

from kerasllm.verify.equations import CASES_OF, EXEMPT, TRAJECTORIES, verify_equations

__all__ = ["FunctionProof", "Proof", "prove_equations"]

RUNGS = {
    "1": "1",
    "2 float64": "2 f64",
    "2 float32": "2 f32",
    "3 float64": "3 f64",
    "3 float32": "3 f32",
    "4": "4",
}
LEGEND = """\
Digits of agreement, the worst of all cases (random weights, masks, directions).
1  backward by hand against centred differences, float64: 8 digits pass
2  forward against Keras: 12 digits in float64, 5 in float32
3  every gradient against automatic differentiation: 10 digits, 4 in float32
4  weights of a twin trained beside Keras: 9 digits after 300 steps in float64,
   4 after 10 steps in float32"""


class FunctionProof(NamedTuple):
    """What was found for one function.

    Attributes:
        name: of the function; its backward is part of the proof.
        topic: where it belongs.
        comparisons: number of compared arrays.
        digits: {rung: worst digits of agreement}, the keys of `RUNGS`.
        ok: whether every comparison passes.
    """

    name: str
    topic: str
    comparisons: int
    digits: dict
    ok: bool


class Proof:
    """A report of all equations, by function.

    Attributes:
        report: the `Report` with all rows.
        seconds: how long it took.
        functions: tuple of `FunctionProof`.
    """

    def __init__(self, report, seconds=0.0):
        self.report, self.seconds = report, seconds
        covers = _covers()
        found = {}
        for row in report.rows:
            topic, names = covers[row.name[0] == "4", row.name[2:]]
            for name in names:
                found.setdefault((topic, name), []).append(row)
        self.functions = tuple(_function(*key, rows) for key, rows in found.items())

    @property
    def ok(self):
        """Whether every comparison passes."""
        return self.report.ok

    @property
    def rungs(self):
        """The rungs that were climbed on this backend."""
        return [rung for rung in RUNGS if any(rung in f.digits for f in self.functions)]

    def topics(self):
        """Return {topic: its functions}."""
        grouped = {}
        for function in self.functions:
            grouped.setdefault(function.topic, []).append(function)
        return grouped

    def worst(self):
        """Return {rung: (digits, function)} of the least agreement."""
        return {
            rung: min((f.digits[rung], f.name) for f in self.functions if rung in f.digits)
            for rung in self.rungs
        }

    def summary(self):
        """Return the result in one sentence."""
        count, failed = len(self.report.rows), len(self.report.failures)
        said = "all agree" if not failed else f"{failed} DO NOT AGREE"
        return (
            f"{count:,} comparisons of {len({f.name for f in self.functions})} functions with "
            f"Keras {keras.__version__} on {keras.backend.backend()}: {said}"
        )

    def notes(self):
        """Return what the rows have to say, each sentence once."""
        return list(dict.fromkeys(row.note for row in self.report.rows if row.note))

    def print(self, console=None):
        """Print the table with rich."""
        from kerasllm.verify.proof_tables import print_proof

        print_proof(self, console)

    def markdown(self, command="kerasllm verify"):
        """Return the table as Markdown, with the command that makes it in its head."""
        from kerasllm.verify.proof_tables import markdown

        return markdown(self, command)

    def __repr__(self):
        worst = (f"{rung}: {digits:.1f} ({name})" for rung, (digits, name) in self.worst().items())
        return f"{self.summary()}.\nThe least digits of agreement on each rung: {', '.join(worst)}."

    def _repr_html_(self):
        from kerasllm.verify.proof_tables import table

        return table(self)

    def html(self):
        """Return a page of its own: the table, and every row below it."""
        from kerasllm.verify.proof_tables import page

        return page(self)


def prove_equations(backend=None, *, trajectories=True, console=None):
    """Prove every equation, with a line for each topic, and return a `Proof`.

    Args:
        backend: what Keras is expected to run on; see `verify_equations`.
        trajectories: whether to climb rung 4 too.
        console: a rich console for the lines; None prints nothing.
    """
    began = time.perf_counter()
    progress = _progress(console) if console else None
    report = verify_equations(backend, trajectories=trajectories, progress=progress)
    return Proof(report, time.perf_counter() - began)


def exempt():
    """Return {reason: functions} that have nothing to compare on the rungs."""
    reasons = {}
    for name, reason in EXEMPT.items():
        reasons.setdefault(reason, []).append(name)
    return reasons


def _covers():
    """Return {(whether of rung 4, case name): (topic, functions)}."""
    cases = {
        (False, case.name): (topic, case.covers)
        for topic, cases in CASES_OF.items()
        for case in cases
    }
    return cases | {(True, one.name): ("optimizers", one.covers) for one in TRAJECTORIES}


def _function(topic, name, rows):
    digits = {}
    for row in rows:
        rung = row.name[0]
        if rung in "23":
            rung += " float64" if "(float64)" in row.quantity else " float32"
        digits[rung] = min(row.digits, digits.get(rung, 16.0))
    return FunctionProof(name, topic, len(rows), digits, all(row.ok for row in rows))


def _progress(console):
    from rich.markup import escape

    began = {}

    def show(topic, rows):
        if rows is None:
            began[topic] = time.perf_counter()
            return
        seconds, failed = time.perf_counter() - began[topic], sum(not row.ok for row in rows)
        sign = "[bold red]✗[/]" if failed else "[green]✓[/]"
        wrong = f"  [bold red]{failed} fail[/]" if failed else ""
        console.print(
            f"{sign} {escape(topic):<12}{len(rows):>5} comparisons {seconds:5.1f} s{wrong}"
        )

    return show
