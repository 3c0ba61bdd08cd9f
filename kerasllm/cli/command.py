"""The command itself, and its groups of verbs."""

import os
import sys
import warnings
from typing import Annotated

import typer

from kerasllm.cli.failures import ended
from kerasllm.utils.allocator import keep_buffers
from kerasllm.utils.errors import at_terminal
from kerasllm.utils.terminal import say

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
    """Run the command; whatever ends it is one message, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a sign that it has no code for is spelled out
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = _warned
    keep_buffers()
    if "_KERASLLM_COMPLETE" in os.environ:  # a shell asks how a word goes on
        app()
    try:
        run(app, "kerasllm", sys.argv[1:])
    except BaseException as end:
        status = ended(end, traceback="--traceback" in sys.argv)
    else:
        status = 0
    sys.exit(status)


def _warned(message, *_, **__):
    """Print a warning as this command prints all else: its text is data."""
    say(f"warning: {message}", error=True)


def run(commands, title, words):
    """Run the words of a command line; what ends it goes on to the caller as it was raised."""
    command = typer.main.get_command(commands)
    with command.make_context(title, list(words)) as context:
        command.invoke(context)


@app.callback()
def options(
    context: typer.Context,
    traceback: Annotated[bool, typer.Option(help="show where an error arose")] = False,  # noqa: ARG001 - see main
):
    """Learn, run and check language models in Keras."""
    context.with_resource(at_terminal())
