"""Whatever ends a command is one message with a status, never a traceback."""

import errno
import sys
import warnings

import pytest
import typer

from kerasllm import cli
from kerasllm.cli import command, failures, flags
from kerasllm.datasets import load
from kerasllm.utils.terminal import say


def ended(monkeypatch, capsys, end):
    """Return (status, standard error) of a command that ends so."""

    def raises(*_):
        raise end

    monkeypatch.setattr(command, "run", raises)
    monkeypatch.setattr(sys, "argv", ["kerasllm", "data", "list"])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    return exit.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("end", "status", "message"),
    [
        (typer.Exit(7), 7, ""),
        (SystemExit(3), 3, ""),
        (KeyboardInterrupt(), 130, "\nstopped by Ctrl-C\n"),
        (KeyboardInterrupt("stopped at step 7"), 130, "\nstopped at step 7\n"),
        (BrokenPipeError(), 1, ""),
        (KeyError("x"), 1, "error: this was not foreseen: KeyError: 'x'. Call it again as"),
        (ValueError("of a library"), 1, "error: this was not foreseen: ValueError: of a library"),
        (RecursionError("deep"), 1, "error: this was not foreseen: RecursionError: deep"),
        (MemoryError(), 1, "error: the memory does not suffice (MemoryError): lower --batch-size"),
        (RuntimeError("RESOURCE_EXHAUSTED: 9 GB"), 1, "error: the memory does not suffice (RESO"),
        (PermissionError(errno.EACCES, "Permission denied", "a.csv"), 1, "error: a.csv: Perm"),
        (ValueError("\x1b[31m[red]"), 1, r"error: this was not foreseen: ValueError: \x1b[31m"),
    ],
)  # fmt: skip
def test_each_end_has_its_status_and_message(monkeypatch, capsys, end, status, message):
    monkeypatch.setattr("os.dup2", lambda *_: None)  # what is read of this test goes on
    found, error = ended(monkeypatch, capsys, end)
    assert found == status and error.startswith(message)
    assert error.strip().count("\n") == 0 and "Traceback" not in error and "\x1b" not in error


def test_our_own_sentences_stand_alone():
    with pytest.raises(ValueError) as caught:
        load("topic_ne")
    assert failures.is_ours(caught.value)
    assert failures.message_of(caught.value).startswith("There is no data set 'topic_ne'.")


@pytest.mark.parametrize("end", [KeyboardInterrupt("stopped at step 7"), typer.Exit(5)])
def test_the_verbs_whose_flags_follow_the_data_end_alike(monkeypatch, capsys, end):
    def raises(**_):
        raise end

    monkeypatch.setattr(flags, "load_keras", raises)
    monkeypatch.setattr(sys, "argv", ["kerasllm", "train", "topic_en"])
    with pytest.raises(SystemExit) as exit:
        cli.main()
    assert exit.value.code == getattr(end, "exit_code", 130)
    assert ("stopped at step 7" in capsys.readouterr().err) == (exit.value.code == 130)


def test_a_warning_is_one_line_and_its_text_is_data(monkeypatch, capsys):
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # and put back
    monkeypatch.setattr(sys, "argv", ["kerasllm", "data", "list"])
    monkeypatch.setattr(command, "run", lambda *_: warnings.showwarning("a \x1b[31m", None, "", 1))
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    assert capsys.readouterr().err == "warning: a \\x1b[31m\n"


def test_wrong_usage_shows_what_was_typed_as_data(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["kerasllm", "evil\x1b[31m"])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    error = capsys.readouterr().err
    assert "No such command" in error and r"evil\x1b[31m" in error.replace(r"\\", "\\")
    assert "\x1b" not in error


def test_a_terminal_without_unicode_gets_what_it_can_show(monkeypatch):
    import io

    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "argv", ["kerasllm", "data", "show", "topic_zh"])
    monkeypatch.setattr(command, "run", lambda *_: say("天气"))
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    stream.flush()
    assert stream.buffer.getvalue() == b"\\u5929\\u6c14\n"
