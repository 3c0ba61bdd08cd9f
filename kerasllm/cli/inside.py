"""Verbs that change what happens inside a model, or show it: intervene, explore."""

from pathlib import Path
from typing import Annotated

import typer

from kerasllm.cli import flags
from kerasllm.cli.command import CHECK, app
from kerasllm.cli.flags import RunFolder
from kerasllm.utils.terminal import say


@app.command(rich_help_panel=CHECK)
def intervene(
    run: RunFolder,
    text: Annotated[str, typer.Argument(help="text to read", show_default=False)],
    layer: Annotated[
        str | None, typer.Argument(help="layer; all that can be changed if none")
    ] = None,
    symbol: Annotated[str, typer.Argument(help="symbol, such as f, c, h, z or output")] = "output",
    value: Annotated[float, typer.Option(help="what to put in its place")] = 0.0,
    other: Annotated[str | None, typer.Option(help="put there what it is in this text")] = None,
    unit: Annotated[int | None, typer.Option(help="unit; all if none")] = None,
    position: Annotated[int | None, typer.Option(help="token, from 0; all if none")] = None,
    head: Annotated[int | None, typer.Option(help="attention head; all if none")] = None,
):
    """Put another number in the place of a symbol, and see what follows.

    Example: kerasllm intervene runs/pretrained "The cats near" lstm_0 c --unit 3 --position 1
    """
    flags.load_keras()
    from kerasllm.verify import intervene

    reads = intervene(run, text)
    if layer is None:
        say(reads)
        return
    where = {"unit": unit, "position": position, "head": head}
    if other is None:
        say(reads.set(layer, symbol, value, **where))
    else:
        say(reads.swap(layer, symbol, other, **where))


@app.command(rich_help_panel=CHECK)
def explore(
    run: RunFolder,
    texts: Annotated[list[str] | None, typer.Argument(help="texts to begin with")] = None,
    output: Annotated[Path | None, typer.Option(help="file; RUN/explorer.html if none")] = None,
):
    """Write a page that needs no network: type a text, see every number, change one.

    Example: kerasllm explore runs/pretrained "To be, or not"
    """
    flags.load_keras()
    from kerasllm.explorer import explore

    say(f"saved {explore(run, texts or (), output)}")
