"""How a command ends that does not end well: one message and a status, as shells know them.

    0, or what the verb says    the verb ended
    1                           an error, with its message
    2                           the command line was wrong
    130                         Ctrl-C

An error that was raised in this package is a sentence of ours. One from elsewhere is shown as
that: it should have been foreseen.
"""

import contextlib
import os
import sys
from pathlib import Path

import typer

from kerasllm.utils.errors import refused
from kerasllm.utils.terminal import say, show

HERE = str(Path(__file__).resolve().parents[1])
INTERRUPTED = 130


def ended(end, traceback=False):
    """Say what ended a command, and return its status.

    Args:
        end: what was raised.
        traceback: raise errors again.
    """
    if isinstance(end, typer.Exit):
        return end.exit_code
    if isinstance(end, SystemExit):
        return end.code
    if hasattr(end, "format_message"):
        return _wrong_usage(end)
    if isinstance(end, KeyboardInterrupt | typer.Abort | EOFError):
        if not getattr(end, "told", False):
            say(f"\n{end}".rstrip() if str(end) else "\nstopped by Ctrl-C", error=True)
        return INTERRUPTED
    if isinstance(end, BrokenPipeError):  # whoever read the output has seen enough
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if traceback:
        raise end
    _print_error(message_of(end))
    return 1


def _print_error(message):
    from rich.text import Text

    text = Text.assemble(("error:", "red"), " ", message)
    show(text, error=True)


def _wrong_usage(end):
    """Show a wrong command line as Typer does, with what was typed as data."""
    from typer.rich_utils import rich_format_error

    from kerasllm.utils.terminal import visible

    end.message = visible(end.message)
    rich_format_error(end)
    return end.exit_code


def message_of(error):
    """Return the sentence for an error: its own where this package raised it."""
    text = str(error).strip()
    if said := refused(error):
        return said
    if isinstance(error, OSError) and error.errno is not None and error.filename:
        return (
            f"{error.filename}: {error.strerror}. Look whether it is there, and whether you may "
            "read or write it."
        )
    if text and is_ours(error):
        return text
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return (
        f"this was not foreseen: {what}. Call it again as `kerasllm --traceback …` to see where "
        "it arose, and report it."
    )


def is_ours(error):
    """Return whether this package raised an error, with a sentence of its own."""
    kinds = (ValueError, TypeError, OSError, ArithmeticError, ImportError, RuntimeError)
    if not isinstance(error, kinds) or isinstance(error, UnicodeError | RecursionError):
        return False
    frame = error.__traceback__
    if frame is None:
        return True
    while frame.tb_next is not None:
        frame = frame.tb_next
    return frame.tb_frame.f_code.co_filename.startswith(HERE)
