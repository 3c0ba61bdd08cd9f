"""The command itself, its groups of verbs, and how it ends in error."""

import sys
from typing import Annotated

import typer

from kerasllm.utils.errors import at_terminal

TRAIN, USE, CHECK = "Train", "Use", "Check"  # panels of the help page

app = typer.Typer(
    name="kerasllm",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def group(name, help, panel):
    """Return a group of verbs, `kerasllm NAME VERB`."""
    verbs = typer.Typer(no_args_is_help=True, help=help)
    app.add_typer(verbs, name=name, rich_help_panel=panel)
    return verbs


def main():
    """Run the command; an expected error is one message, not a traceback."""
    try:
        app()
    except (ValueError, TypeError, OSError, ArithmeticError, ImportError, RuntimeError) as error:
        if "--traceback" in sys.argv:
            raise
        from rich.console import Console
        from rich.markup import escape

        Console(stderr=True).print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)


@app.callback()
def options(
    context: typer.Context,
    traceback: Annotated[bool, typer.Option(help="show where an error arose")] = False,  # noqa: ARG001 - see main
):
    """Learn, run and check language models in Keras."""
    context.with_resource(at_terminal())
