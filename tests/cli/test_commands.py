"""Options that make no sense are refused by name, before anything is written: a table of lines.

`commands.txt` has a command line a row, and what is said of it:

    COMMAND LINE -> what the message holds          an error of ours
    COMMAND LINE -> usage: what the message holds   a wrong command line

`python -m tests.long commands` tries them too, and those that take a while to fail.
"""

import contextlib
import io
import shlex
import shutil
from pathlib import Path

import pytest
import typer

from kerasllm.cli import failures, flags
from kerasllm.cli.command import app, run

HERE = Path(__file__).parent


def lines_of(path):
    """Return the (command line, message) pairs of a file."""
    rows = path.read_text("utf-8").splitlines()
    return [tuple(row.split(" -> ")) for row in rows]


LINES = lines_of(HERE / "commands.txt")


def fill(place, pretrained, classifier):
    """Make the files and runs that the command lines name."""
    shutil.copytree(pretrained, place / "lm")
    shutil.copytree(classifier, place / "tc")
    (place / "data").mkdir()
    rows = "".join(f"a text number {i},{'yes' if i % 2 else 'no'}\n" for i in range(40))
    for name in ("reviews.csv", "data/train.csv"):
        (place / name).write_text("text,label\n" + rows)
    (place / "text.txt").write_text("".join(f"this is line {i} of a text\n" for i in range(400)))
    (place / "empty.txt").write_text("\n")
    (place / "one.txt").write_text("one two three\n")


def fault_of(line, message):
    """Try a command line, and return what is wrong with how it ended, "" where all is well."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            run(app, "kerasllm", shlex.split(line))
            return "it did not fail"
        except (Exception, SystemExit) as error:
            end = error
    if message.startswith("usage:"):
        shown = end.format_message() if hasattr(end, "format_message") else said.getvalue()
        status = getattr(end, "exit_code", 0)
        right = status == 2 and message.removeprefix("usage:").strip() in shown
        return "" if right else f"status {status}: {shown}"
    if isinstance(end, typer.Exit) or not failures.is_ours(end):
        return f"not an error of ours: {type(end).__name__}: {end}"
    shown = failures.message_of(end)
    return "" if message in shown else shown


def listing(place):
    """Return the names of all files."""
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


@contextlib.contextmanager
def working_in(place):
    """Call the command in a folder, Keras being loaded, on a wide terminal."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(flags, "load_keras", lambda **_: None)
        patch.setenv("COLUMNS", "200")
        yield place


@pytest.fixture(scope="module")
def place(pretrained, classifier, tmp_path_factory):
    """Work in a folder with the files and runs that the command lines name."""
    folder = tmp_path_factory.mktemp("commands")
    fill(folder, pretrained.path, classifier.path)
    with working_in(folder):
        yield folder


def test_the_table_is_long_and_says_nothing_twice():
    assert len(LINES) >= 250
    assert len({line for line, _ in LINES}) == len(LINES)
    verbs = {line.split()[0] for line, _ in LINES}
    assert verbs >= {"pretrain", "train", "finetune", "evaluate", "predict", "generate", "import",
                     "export", "payoff", "crossvalidate", "verify", "trace", "data", "lessons",
                     "quickstart", "doctor", "intervene", "explore"}  # fmt: skip


def test_verbs_that_look_inside(place, capsys):
    run(app, "kerasllm", ["explore", "lm", "the a"])
    assert 1e4 < (place / "lm/explorer.html").stat().st_size < 5e6
    run(app, "kerasllm", ["intervene", "lm", "the a"])
    assert "What can be changed" in capsys.readouterr().out
    run(app, "kerasllm", shlex.split("intervene lm 'the a' lstm_0 c --unit 3 --value 2"))
    assert "stack/lstm_0: c, unit 3 := 2" in capsys.readouterr().out
    run(app, "kerasllm", shlex.split("intervene lm 'the a' lstm_0 c --other a --position 0"))
    assert "position 0 as in 'a'" in capsys.readouterr().out


@pytest.mark.parametrize(("line", "message"), LINES, ids=[line for line, _ in LINES])
def test_a_line_that_makes_no_sense_is_refused_by_name(place, line, message):
    before = listing(place)
    assert not fault_of(line, message)
    assert listing(place) == before
