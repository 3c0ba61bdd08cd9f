"""No text commands a terminal: what is not printable is spelled out, on every way there."""

import ast
import io
from pathlib import Path

import pytest

from kerasllm.training.engine.progress import Progress
from kerasllm.utils.tables import Table
from kerasllm.utils.terminal import PIPED, console, one_line, say, visible

ROOT = Path(__file__).parents[2] / "kerasllm"
TITLE, COLOUR, CLEAR = "\x1b]0;owned\x07", "\x1b[31m", "\x1b[2J\x1b[H"
HOSTILE = f"a{TITLE}b{COLOUR}c{CLEAR}d\x9b31me\rf\x08g\x7fh\u202ei\ud800j[red]k[/red][link=x]l[/]"
SPELLED = (
    r"a\x1b]0;owned\x07b\x1b[31mc\x1b[2J\x1b[Hd\x9b31me\rf\x08g\x7fh\u202ei\ud800j[red]k[/red]"
    "[link=x]l[/]"
)


def commands_in(text):
    return [sign for sign in text if not sign.isprintable() and sign not in "\n\t"]


def printed(print_it, **options):
    """Return what reaches a terminal of 400 columns without colours."""
    stream = io.StringIO()
    print_it(console(file=stream, width=400, force_terminal=True, color_system=None, **options))
    return stream.getvalue()


def test_what_a_terminal_would_obey_is_spelled_out():
    assert visible(HOSTILE) == SPELLED
    assert visible("天气 ü 😀\n\tﬁ עברית") == "天气 ü 😀\n\tﬁ עברית"
    assert one_line("a\tb\nc\x1b") == r"a\tb\nc\x1b"


def test_a_console_takes_texts_for_data():
    from rich.panel import Panel
    from rich.text import Text

    for shown in (HOSTILE, Text(HOSTILE.replace("\r", "").replace("\x08", "").replace("\x07", ""))):
        text = printed(lambda screen, shown=shown: screen.print(shown))
        assert r"\x1b[31mc\x1b[2J" in text and "[red]k[/red]" in text and not commands_in(text)
    assert not commands_in(printed(lambda screen: screen.print(Panel(Text(HOSTILE)))))


def test_the_colours_of_this_project_still_arrive():
    stream = io.StringIO()
    console(file=stream, force_terminal=True, color_system="standard").print("x", style="red")
    assert stream.getvalue() == "\x1b[31mx\x1b[0m\n"


@pytest.mark.parametrize("form", ["print", "str", "progress", "row", "say"])
def test_no_way_to_the_terminal_is_open(form, capsys):
    table = Table((HOSTILE, "n"), [(HOSTILE, 1)], HOSTILE)
    row = {"stage": HOSTILE, "step": 1, "seconds": 1.0, HOSTILE: 0.5}
    text = {
        "print": lambda: printed(table.print),
        "str": lambda: str(table),
        "progress": lambda: printed(lambda screen: Progress(console=screen).say(HOSTILE)),
        "row": lambda: printed(lambda screen: Progress(console=screen).row(row)),
        "say": lambda: say(HOSTILE) or say(HOSTILE, error=True) or "".join(capsys.readouterr()),
    }[form]()
    assert text.count(r"a\x1b]0;owned") >= 2 - (form == "progress")
    assert not commands_in(text)


def test_a_pipe_has_room_for_wide_lines(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert console().width == PIPED
    monkeypatch.setenv("COLUMNS", "80")
    assert console().width == 80


def test_nothing_else_writes_to_the_terminal():
    """Consoles are made in one place, and the command prints by `say` alone."""
    for path in ROOT.rglob("*.py"):
        calls = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)]
        names = {ast.unparse(call.func) for call in calls}
        where = path.relative_to(ROOT).as_posix()
        if where != "utils/terminal.py":
            assert not names & {"Console", "rich.get_console", "rich.print"}, where
        if where.startswith("cli/") and where != "cli/flags.py":  # which echoes help pages
            assert not names & {"typer.echo", "print", "typer.secho"}, where
