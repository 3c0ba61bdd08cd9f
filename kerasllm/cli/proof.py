"""Verbs that check: verify, trace, doctor."""

import os
from pathlib import Path
from typing import Annotated

import typer

from kerasllm.cli import flags
from kerasllm.cli.command import CHECK, app
from kerasllm.cli.flags import Data, RunFolder
from kerasllm.utils.terminal import show


@app.command(rich_help_panel=CHECK)
def verify(
    model: Annotated[Path | None, typer.Option(help="run folder: prove this model")] = None,
    backend: Annotated[str | None, typer.Option(help="tensorflow, jax or torch")] = None,
    preset: Annotated[str | None, typer.Option(help="tiny, small, base or all: 300 steps")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="one case of each equation: seconds, not minutes")
    ] = False,
    rows: Annotated[bool, typer.Option("--rows", help="print every comparison")] = False,
    json: Annotated[Path | None, typer.Option(help="file for every comparison")] = None,
    html: Annotated[Path | None, typer.Option(help="file for a page")] = None,
    table: Annotated[Path | None, typer.Option(help="file for the summary, Markdown")] = None,
):
    """Prove that NumPy and Keras agree: every equation, a trained model, or a preset's training.

    Example: kerasllm verify --model runs/finetuned
    """
    from kerasllm.verify.proofs.command import announce, on_backend, verify_command

    if backend is not None and backend != os.environ.get("KERAS_BACKEND"):
        files = {
            "--model": model,
            "--preset": preset,
            "--json": json,
            "--html": html,
            "--table": table,
        }
        given = [part for name, path in files.items() if path for part in (name, str(path))]
        switches = [*(["--quick"] if quick else []), *(["--rows"] if rows else [])]
        parts = [*given, *switches, "--backend", backend]
        raise typer.Exit(on_backend(backend, ["verify", *parts]))
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # its remarks would stand between the lines
    announce(model, preset, quick)
    flags.load_keras()
    agreed = verify_command(
        model, preset=preset, quick=quick, rows=rows, json=json, html=html, table=table
    )
    raise typer.Exit(0 if agreed else 1)


@app.command(rich_help_panel=CHECK)
def trace(
    run: RunFolder,
    text: Annotated[str, typer.Argument(help="text to read", show_default=False)],
    context: Annotated[
        str | None, typer.Option(help="finding answers: the text in which to look for one")
    ] = None,
    layer: Annotated[str | None, typer.Option(help="layer; all that are drawn if none")] = None,
    symbol: Annotated[str | None, typer.Option(help="symbol, such as f, c, h or weights")] = None,
    step: Annotated[int | None, typer.Option(help="token whose equations to print")] = None,
    unit: Annotated[int, typer.Option(help="unit whose equations to print")] = 0,
    top: Annotated[int, typer.Option(help="predictions at each step")] = 5,
):
    """Show every number that a model computes on a text, and draw it into RUN/figures.

    Example: kerasllm trace runs/pretrained "To be, or not" --layer lstm_0 --symbol f
    """
    flags.load_keras()
    from kerasllm.verify.proofs.command import show_trace

    text = text if context is None else (text, context)
    show_trace(run, text, layer=layer, symbol=symbol, step=step, unit=unit, top=top)


@app.command("loss-masks", rich_help_panel=CHECK)
def loss_masks(run: RunFolder, data: Data):
    """Show which tokens of conversations a model that chats learns, and find mistakes in it.

    Also before the training, with the run that it will begin from.

    Example: kerasllm loss-masks runs/imported instructions_en
    """
    flags.load_keras()
    from kerasllm.verify import loss_masks as found_in

    found = found_in(run, data)
    show(str(found))
    raise typer.Exit(0 if found.ok else 1)


@app.command(rich_help_panel=CHECK)
def doctor():
    """Look over this installation, with a cure for what is wrong.

    Example: kerasllm doctor
    """
    from kerasllm.diagnosis.report import doctor

    raise typer.Exit(0 if doctor().ok else 1)
