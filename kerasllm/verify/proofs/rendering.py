"""A proof as a table: in a terminal, as Markdown, as a page."""

import re

import keras
import numpy as np

from kerasllm.utils import pages
from kerasllm.utils.pages import element, scrolling
from kerasllm.utils.tables import Table
from kerasllm.utils.terminal import console as terminal
from kerasllm.verify.proofs.summary import CHECKS, LEGEND, ULPS, beside, nearest_to_failing


def table(proof):
    """Return a `Proof` as a `Table`: a row for each function under the heading of its topic."""
    columns, rows, marks = ("function", *heads(proof), ""), [], []
    for topic, functions in proof.topics().items():
        rows.append((topic, *[""] * (len(columns) - 1)))
        rows += [
            (f.name, *f.cells(proof.checks, proof.dtypes), "✓" if f.ok else "✗") for f in functions
        ]
        marks += ["heading", *("" if f.ok else "bad" for f in functions)]
    return Table(columns, rows, marks=marks, right=range(1, len(columns) - 1))


def heads(proof):
    """Return the heads of the columns of figures."""
    return (*(CHECKS[check] for check in proof.checks), *(ULPS[dtype] for dtype in proof.dtypes))


def print_proof(proof, console=None):
    """Print a `Proof`: the table, what its numbers mean, the first failures and the verdict."""
    console = console or terminal()
    table(proof).print(console)
    console.print(LEGEND, style="dim", highlight=False)
    console.print("Not covered:", style="bold cyan")
    for what, why in proof.not_covered().items():
        console.print(f"- {what}: {why}", style="dim", markup=False, highlight=False)
    for row in proof.report.failures[:10]:
        console.print("  ".join(row.cells()), style="red", markup=False)
    _print_verdict(console, f"{proof.summary()} ({proof.seconds:.0f} s)", proof.ok)


def _print_verdict(console, text, ok):
    from rich.panel import Panel
    from rich.text import Text

    console.print(Panel(Text(text), style="green" if ok else "bold red", expand=False))


def markdown(proof, command, mutants=None):
    """Return a `Proof` as a Markdown page, with the figures of mutants if there are any."""
    worst = (f"check {CHECKS[k]}: {d:.1f} (`{name}`)" for k, (d, name) in proof.worst().items())
    lines = [
        "# The proof",
        "",
        f"Made by `{command}`; run it again to make this page anew, it is not written by hand.",
        "",
        f"{proof.summary()}; NumPy {np.__version__}.",
        "",
        "```text",
        *LEGEND.splitlines(),
        "```",
        "",
        f"The worst figure of each check: {', '.join(worst)}.",
    ]
    columns = ("function", *heads(proof), "comparisons", "")
    for topic, functions in proof.topics().items():
        rows = [
            (
                f"`{f.name}`", *f.cells(proof.checks, proof.dtypes), f.comparisons,
                "pass" if f.ok else "**FAIL**",
            )
            for f in functions
        ]  # fmt: skip
        drawn = Table(columns, rows, right=range(1, len(columns) - 1)).markdown()
        lines += ["", f"## {topic.capitalize()}", "", *drawn]
    lines += ["", "## Not covered", ""]
    for what, why in proof.not_covered().items():
        names = ", ".join(f"`{n}`" if n.isidentifier() else n for n in what.split(", "))
        lines.append(f"- {names}: {_with_commands(why)}.")
    if notes := proof.notes():
        lines += ["", "## Notes of the comparisons", "", *(f"- {note}" for note in notes)]
    if mutants:
        lines += ["", "## Mutants", "", *_mutants(mutants)]
    return "\n".join(lines) + "\n"


def _with_commands(text):
    """Return text with its commands as code; what is code already stays."""
    commands = r"`[^`]+`|kerasllm verify(?: --\w+(?: \w+)?)*"
    return re.sub(commands, lambda found: f"`{found[0].strip('`')}`", text)


def _mutants(figures):
    """Return what became of mutants: what dies when one small thing is made wrong."""
    changing = figures["died"] + figures["survived"]
    lines = [
        f"Made by `{figures['command']}`, {figures['minutes']} minutes of one core that others "
        f"used too. Of {figures['tried']} small changes to `reference`, `layers` and `verify`, "
        f"drawn by seed {figures['seed']}, {figures['equal']} change no value in the tests that "
        f"run their line. Of the other {changing} a test notices {figures['died']}: "
        f"**{100 * figures['rate']:.1f} %**.",
    ]
    if figures["survivors"]:
        lines += ["", "Not noticed:", "", *(f"- `{line}`" for line in figures["survivors"])]
    return lines


def shown(proof):
    """Return a `Proof` as HTML: the table, and what its numbers mean."""
    return pages.Markup(scrolling(table(proof)._repr_html_()) + element("pre", LEGEND))


def page(proof):
    """Return a `Proof` as an HTML page that needs nothing else."""
    return whole_page("The proof", proof.summary(), proof.report, shown(proof))


def whole_page(title, summary, report, *content):
    """Return an HTML page with a summary, some content and all rows of a report, folded."""
    rows = element("summary", "all comparisons"), scrolling(report._repr_html_())
    parts = (
        element("h1", title),
        element("p", summary),
        report.warned_html(),
        *content,
        element("details", *rows),
    )
    return pages.page(title, *parts)


def print_model_proof(report, seconds, console=None):
    """Print the report of a model: a row for each layer, the worst of each kind."""
    console, rows, marks = console or terminal(), [], []
    for name, kinds in by_layer(report).items():
        ok = all(row.ok for rows in kinds.values() for row in rows)
        cells = (_worst(kinds.get(kind)) for kind in ("forward", "gradient", "after"))
        rows.append((name, *cells, "✓" if ok else "✗"))
        marks.append("" if ok else "bad")
    title = f"{report.title}\nDigits of agreement / digits that pass, the worst of each layer:"
    columns = ("layer", "forward", "gradients", "steps", "")
    Table(columns, rows, title, marks, right=(1, 2, 3)).print(console)
    for note in dict.fromkeys(row.note for row in report.rows if row.note):
        console.print(f"note: {note}", style="yellow", markup=False, highlight=False)
    for warning in report.warnings:
        console.print(f"warning: {warning}", style="bold yellow", markup=False, highlight=False)
    text = f"{report.summary()}\n{keras.backend.backend()}, {seconds:.0f} s"
    _print_verdict(console, text, report.ok)


def _worst(rows):
    return beside(*nearest_to_failing(rows)) if rows else "·"


def by_layer(report):
    """Return {layer: {kind: rows}}, the kinds being forward, gradient and after (steps)."""
    layers = [row.name for row in report.rows if _kind(row) == "forward"]
    grouped = {name: {} for name in layers}
    for row in report.rows:
        kind = _kind(row)
        owner = row.name if kind == "forward" else _owner(row.name, layers)
        grouped.setdefault(owner, {}).setdefault(kind, []).append(row)
    return grouped


def _kind(row):
    word = row.quantity.split()[0]
    return word if word in ("gradient", "after") else "forward"


def _owner(path, layers):
    """Return the layer that a variable belongs to: the longest name that its path begins with."""
    fitting = [name for name in layers if path.startswith(f"{name}/") or f"/{name}/" in path]
    return max(fitting, key=len, default=path.rsplit("/", 1)[0])
