"""What `kerasllm verify` shows: every equation, and how many digits each check agrees to.

A proof has thousands of comparisons. This is the summary: a row for each function, its worst figure
on each check.
"""

import time

import keras

from kerasllm.utils.tables import Shown
from kerasllm.verify.proofs import rendering
from kerasllm.verify.proofs.equations import verify_equations
from kerasllm.verify.proofs.plan import SECONDS, SLOWER, Progress
from kerasllm.verify.proofs.summary import CHECKS, ULPS, covers, not_covered, of_function


class Proof(Shown):
    """A report of all equations, by function.

    Attributes:
        report: the `Report` with all rows.
        seconds: how long it took.
        quick: whether one case of each function was proven.
        functions: tuple of `FunctionProof`.
    """

    def __init__(self, report, seconds=0.0, quick=False):
        self.report, self.seconds, self.quick = report, seconds, quick
        known, found = covers(), {}
        for row in report.rows:
            for function in known[row.name[0] == "4", row.name[2:]]:
                found.setdefault(function, []).append(row)
        self.functions = tuple(of_function(*key, rows) for key, rows in found.items())

    @property
    def ok(self):
        """Whether every comparison passes."""
        return self.report.ok

    @property
    def checks(self):
        """The checks that were climbed on this backend."""
        return [check for check in CHECKS if any(check in f.digits for f in self.functions)]

    @property
    def dtypes(self):
        """The dtypes in which entries were counted in ulps."""
        return [dtype for dtype in ULPS if any(dtype in f.ulps for f in self.functions)]

    def topics(self):
        """Return {topic: its functions}."""
        grouped = {}
        for function in self.functions:
            grouped.setdefault(function.topic, []).append(function)
        return grouped

    def worst(self):
        """Return {check: (digits, function)} of the least agreement."""
        return {
            check: min((f.digits[check][0], f.name) for f in self.functions if check in f.digits)
            for check in self.checks
        }

    def not_covered(self):
        """Return {what is not proven here: why, or how it is}."""
        return not_covered(self.quick)

    def summary(self):
        """Return the result in one sentence."""
        count, failed = len(self.report.rows), len(self.report.failures)
        said = "all agree" if not failed else f"{failed} DO NOT AGREE"
        names = len({f.name for f in self.functions})
        return (
            f"{count:,} comparisons of {names} functions and layers with Keras "
            f"{keras.__version__} on {keras.backend.backend()}: {said}"
        )

    def notes(self):
        """Return what the rows have to say, each sentence once."""
        return list(dict.fromkeys(row.note for row in self.report.rows if row.note))

    def print(self, console=None):
        """Print the table with rich."""
        rendering.print_proof(self, console)

    def markdown(self, command="kerasllm verify", mutants=None):
        """Return the table as Markdown, with the command that makes it in its head.

        Args:
            command: what made it.
            mutants: the figures of `python -m tests.long mutants`, if they belong to the page.
        """
        return rendering.markdown(self, command, mutants)

    def html(self):
        """Return a page of its own: the table, and every row below it."""
        return rendering.page(self)

    def _repr_html_(self):
        return rendering.shown(self)

    def __str__(self):
        said = ", ".join(f"{check}: {d:.1f} ({name})" for check, (d, name) in self.worst().items())
        return f"{self.summary()}.\nThe least digits of agreement on each check: {said}."


def prove_equations(backend=None, *, trajectories=True, quick=False, console=None):
    """Prove every equation, with a line for each topic, and return a `Proof`.

    Args:
        backend: what Keras is expected to run on; see `verify_equations`.
        trajectories: whether to climb check 4 too.
        quick: prove one case of each function in one precision, without training: seconds.
        console: a rich console for the lines; None prints nothing.
    """
    began, slower = time.perf_counter(), SLOWER.get(keras.backend.backend(), 1)
    seconds = {t: s * slower for t, s in SECONDS.items() if trajectories or t != "training"}
    with Progress(console, {} if quick else seconds).alive() as progress:
        report = verify_equations(
            backend, trajectories=trajectories, quick=quick, progress=progress
        )
    return Proof(report, time.perf_counter() - began, quick)
