"""A proof as a table: in a terminal, as Markdown, as a page."""

import html

import keras
import numpy as np

from kerasllm.verify.proofs.summary import CHECKS, LEGEND, exempt

__all__ = ["markdown", "page", "print_model_proof", "print_proof", "table"]

STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.15em .8em;text-align:left}
tr{border-bottom:1px solid #8884}pre{overflow:auto}.bad{color:#c62828;font-weight:bold}
"""


def print_proof(proof, console=None):
    """Print a `Proof`: a section for each topic, a row for each function."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table

    console = console or Console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("function", no_wrap=True)
    for check in proof.checks:
        table.add_column(CHECKS[check], justify="right", no_wrap=True)
    table.add_column("")
    for topic, functions in proof.topics().items():
        table.add_row(f"[bold cyan]{topic}[/]")
        for function in functions:
            name = function.name if function.ok else f"[bold red]{function.name}[/]"
            cells = (_coloured(function, check) for check in proof.checks)
            table.add_row(f"  {name}", *cells, "[green]✓[/]" if function.ok else "[bold red]✗[/]")
        table.add_section()
    console.print(table)
    console.print(LEGEND, style="dim", highlight=False)
    for row in proof.report.failures[:10]:
        console.print("  ".join(row.cells()), style="red", markup=False)
    style = "green" if proof.ok else "bold red"
    text = f"{proof.summary()} ({proof.seconds:.0f} s)"
    console.print(Panel(text, style=style, expand=False))


def _coloured(function, check):
    if check not in function.digits:
        return "[dim]·[/]"
    text = f"{function.digits[check]:.1f}"
    return text if function.ok else f"[red]{text}[/]"


def markdown(proof, command):
    """Return a `Proof` as a Markdown page."""
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
        "The worst figure of each check: "
        + ", ".join(
            f"check {CHECKS[k]}: {d:.1f} (`{name}`)" for k, (d, name) in proof.worst().items()
        )
        + ".",
    ]
    for topic, functions in proof.topics().items():
        lines += ["", f"## {topic.capitalize()}", "", *_markdown_table(proof, functions)]
    lines += ["", "## Not on the checks", ""]
    for reason, names in exempt().items():
        lines.append(f"- {', '.join(f'`{name}`' for name in names)}: {reason}.")
    if notes := proof.notes():
        lines += ["", "## Notes of the comparisons", "", *(f"- {note}" for note in notes)]
    return "\n".join(lines) + "\n"


def _markdown_table(proof, functions):
    heads = ["function", *(CHECKS[check] for check in proof.checks), "comparisons", ""]
    yield "| " + " | ".join(heads) + " |"
    yield "|---|" + "---:|" * (len(heads) - 2) + "---|"
    for function in functions:
        digits = (function.digits.get(check) for check in proof.checks)
        cells = ["" if d is None else f"{d:.1f}" for d in digits]
        verdict = "pass" if function.ok else "**FAIL**"
        cells = [f"`{function.name}`", *cells, str(function.comparisons), verdict]
        yield "| " + " | ".join(cells) + " |"


def page(proof):
    """Return a `Proof` as an HTML page that needs nothing else."""
    return whole_page("The proof", proof.summary(), table(proof), proof.report)


def table(proof):
    """Return a `Proof` as an HTML table: a row for each function, digits on each check."""
    heads = ["function", *(CHECKS[check] for check in proof.checks), ""]
    body = []
    for topic, functions in proof.topics().items():
        body.append(f"<tr><th colspan={len(heads)}>{html.escape(topic)}</th></tr>")
        for f in functions:
            digits = (f"{f.digits[r]:.1f}" if r in f.digits else "" for r in proof.checks)
            cells = [f.name, *digits, "✓" if f.ok else "✗"]
            row = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
            body.append(f"<tr{'' if f.ok else ' class=bad'}>{row}</tr>")
    head = "".join(f"<th>{html.escape(name)}</th>" for name in heads)
    return f"<table><tr>{head}</tr>{''.join(body)}</table><pre>{html.escape(LEGEND)}</pre>"


def whole_page(title, summary, body, report):
    """Return an HTML page with a summary, a body and all rows of a report, folded."""
    rows = f"<details><summary>all comparisons</summary>{report._repr_html_()}</details>"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>"
        f"<style>{STYLE}</style><h1>{html.escape(title)}</h1><p>{html.escape(summary)}</p>"
        f"{body}{rows}</html>\n"
    )


def print_model_proof(report, seconds, console=None):
    """Print the report of a model: a row for each layer, the worst of each kind."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.panel import Panel
    from rich.table import Table

    console = console or Console()
    console.print(f"[bold]{escape(report.title)}[/]\nDigits of agreement, the worst of each layer:")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("layer", no_wrap=True)
    for kind in ("forward", "gradients", "steps"):
        table.add_column(kind, justify="right")
    table.add_column("")
    for name, kinds in by_layer(report).items():
        cells = (_worst(kinds.get(kind)) for kind in ("forward", "gradient", "after"))
        ok = all(row.ok for rows in kinds.values() for row in rows)
        table.add_row(escape(name), *cells, "[green]✓[/]" if ok else "[bold red]✗[/]")
    console.print(table)
    for note in dict.fromkeys(row.note for row in report.rows if row.note):
        console.print(f"note: {escape(note)}", style="yellow", highlight=False)
    style = "green" if report.ok else "bold red"
    text = f"{escape(report.summary())}\n{keras.backend.backend()}, {seconds:.0f} s"
    console.print(Panel(text, style=style, expand=False))


def _worst(rows):
    if not rows:
        return "[dim]·[/]"
    text = f"{min(row.digits for row in rows):.1f}"
    return text if all(row.ok for row in rows) else f"[bold red]{text}[/]"


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
