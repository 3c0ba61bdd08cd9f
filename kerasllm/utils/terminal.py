"""What is written to a terminal: texts are data, and the colours are this project's own.

A label, a token, a file name or a message may hold anything. A terminal obeys control characters
(colours, a new title, keys typed in the reader's place), so they are spelled out here, in the one
place that writes; characters that turn the order of a line about, too.
"""

import functools
import os
import re
import sys

# C0 and C1 but for tab and line feed; embeddings and overrides of direction; lone surrogates.
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
PIPED = 200  # columns where nothing says how wide the place is: a pipe, or a file


def visible(text):
    r"""Return a text with the characters that a terminal would obey spelled out.

    Example:
        >>> print(visible("spam\x1b[31m\r"))
        spam\x1b[31m\r
    """
    return _COMMANDS.sub(lambda sign: repr(sign[0])[1:-1], str(text))


def one_line(text):
    r"""Return a text as one line, its line ends and tabs spelled out too.

    Example:
        >>> print(one_line("a\tb\n"))
        a\tb\n
    """
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def say(text="", error=False, end="\n"):
    """Write a text to standard output, or to standard error."""
    print(visible(text), file=sys.stderr if error else sys.stdout, end=end, flush=True)


def show(text, error=False):
    """Print a text, in a terminal broken between words, elsewhere line for line."""
    screen = console(error)
    screen.print(text, soft_wrap=not screen.is_terminal)


def console(error=False, **options):
    """Return a rich console to which texts are data: neither markup nor commands.

    Args:
        error: on standard error; else on standard output.
        **options: of a rich console. Where nothing says how wide it is, a pipe has room for all.
    """
    found = _kind()(stderr=error, **options)
    known = found.is_terminal or found.is_jupyter or "COLUMNS" in os.environ or options
    return found if known else _kind()(stderr=error, width=PIPED)


@functools.cache
def _kind():
    """Return the class of console; rich is loaded when something is printed."""
    from rich.console import Console
    from rich.segment import Segment

    class Terminal(Console):
        def __init__(self, **options):
            super().__init__(markup=False, highlight=False, emoji=False, **options)

        def render(self, renderable, options=None):
            for segment in super().render(renderable, options):
                shown = Segment(visible(segment.text), segment.style)
                yield segment if segment.control else shown  # what rich itself commands

    return Terminal
