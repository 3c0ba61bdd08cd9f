"""What `kerasllm verify` shows: every equation, and how many digits each check agrees to.

A proof has thousands of comparisons. This is the summary: a row for each function, its worst figure
on each check.
"""

import time

import keras

from kerasllm.verify.proofs.equations import verify_equations
from kerasllm.verify.proofs.summary import CHECKS, _covers, _function

__all__ = ["Proof", "prove_equations"]


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
    def checks(self):
        """The checks that were climbed on this backend."""
        return [check for check in CHECKS if any(check in f.digits for f in self.functions)]

    def topics(self):
        """Return {topic: its functions}."""
        grouped = {}
        for function in self.functions:
            grouped.setdefault(function.topic, []).append(function)
        return grouped

    def worst(self):
        """Return {check: (digits, function)} of the least agreement."""
        return {
            check: min((f.digits[check], f.name) for f in self.functions if check in f.digits)
            for check in self.checks
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
        from kerasllm.verify.proofs.rendering import print_proof

        print_proof(self, console)

    def markdown(self, command="kerasllm verify"):
        """Return the table as Markdown, with the command that makes it in its head."""
        from kerasllm.verify.proofs.rendering import markdown

        return markdown(self, command)

    def __repr__(self):
        worst = (
            f"{check}: {digits:.1f} ({name})" for check, (digits, name) in self.worst().items()
        )
        return (
            f"{self.summary()}.\nThe least digits of agreement on each check: {', '.join(worst)}."
        )

    def _repr_html_(self):
        from kerasllm.verify.proofs.rendering import table

        return table(self)

    def html(self):
        """Return a page of its own: the table, and every row below it."""
        from kerasllm.verify.proofs.rendering import page

        return page(self)


def prove_equations(backend=None, *, trajectories=True, console=None):
    """Prove every equation, with a line for each topic, and return a `Proof`.

    Args:
        backend: what Keras is expected to run on; see `verify_equations`.
        trajectories: whether to climb check 4 too.
        console: a rich console for the lines; None prints nothing.
    """
    began = time.perf_counter()
    progress = _progress(console) if console else None
    report = verify_equations(backend, trajectories=trajectories, progress=progress)
    return Proof(report, time.perf_counter() - began)


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
