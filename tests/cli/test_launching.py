"""Several processes of this machine: what is set for them, and what ends them."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from kerasllm.cli import launching
from kerasllm.cli.launching import launch, must_launch


@pytest.fixture
def running(monkeypatch):
    """Return a function that launches Python code in the place of the command."""

    def run(code, count=2):
        monkeypatch.setattr(launching, "COMMAND", (sys.executable, "-c", code))
        return launch(["a", "word"], count)

    return run


SAY = """
import os, sys
assert sys.argv[1:] == ["a", "word"]
place = [os.environ["JAX_PROCESS_ID"], os.environ["JAX_NUM_PROCESSES"]]
address, _, port = os.environ["JAX_COORDINATOR_ADDRESS"].partition(":")
open(os.path.join({folder!r}, *place[:1]), "w").write(f"{{place[1]}} {{address}}")
"""


def test_each_process_is_told_its_place(running, tmp_path):
    assert running(SAY.format(folder=str(tmp_path)), 3) == 0
    assert sorted(os.listdir(tmp_path)) == ["0", "1", "2"]
    assert {(tmp_path / name).read_text() for name in "012"} == {"3 127.0.0.1"}


def test_a_killed_process_ends_all_and_is_named(running, capsys):
    code = """
import os, time
if os.environ["JAX_PROCESS_ID"] == "1":
    os.kill(os.getpid(), 9)
time.sleep(60)
"""
    began = time.perf_counter()
    assert running(code) == 128 + signal.SIGKILL
    assert time.perf_counter() - began < 20
    said = capsys.readouterr().err
    assert "process 1 of 2" in said and "was killed by SIGKILL" in said


def test_what_another_process_said_at_its_end_is_shown(running, capsys):
    code = "import os, sys; sys.exit('too hot' if os.environ['JAX_PROCESS_ID'] == '1' else 0)"
    assert running(code) == 1
    said = capsys.readouterr().err
    assert "process 1 of 2" in said and "failed (1)" in said and "too hot" in said


def test_the_first_process_speaks_for_itself(running, capfd):
    code = """
import os, sys
print("from", os.environ["JAX_PROCESS_ID"])
print("error from", os.environ["JAX_PROCESS_ID"], file=sys.stderr)
sys.exit(2)
"""
    assert running(code, 1) == 2
    out, err = capfd.readouterr()
    assert out == "from 0\n" and err == "error from 0\n"


def test_a_signal_comes_to_all(running):
    code = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + 15))
time.sleep(60)
"""
    timer = threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    began = time.perf_counter()
    assert running(code) == 143
    assert time.perf_counter() - began < 20


def test_a_process_that_does_not_end_is_killed(running, monkeypatch):
    monkeypatch.setattr(launching, "PATIENCE", 0.3)
    code = """
import os, signal, sys, time
if os.environ["JAX_PROCESS_ID"] == "0":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(60)
time.sleep(0.5)
sys.exit(3)
"""
    began = time.perf_counter()
    assert running(code) == 3
    assert time.perf_counter() - began < 20


def test_who_launches(monkeypatch):
    assert must_launch(2) and not must_launch(1)
    with pytest.raises(ValueError, match="expected --processes to be 1 or more, received 0"):
        must_launch(0)
    monkeypatch.setenv("JAX_NUM_PROCESSES", "4")
    monkeypatch.setenv("JAX_PROCESS_ID", "3")
    assert not must_launch(4) and not must_launch(1)
    with pytest.raises(ValueError, match="the 4 processes that the launcher started"):
        must_launch(2)


def test_another_backend_is_refused_with_what_to_do(tmp_path):
    words = ["pretrain", "topic_en", "--output", str(tmp_path / "run"), "--processes", "2"]
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    done = subprocess.run(
        [*launching.COMMAND, *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "KERAS_BACKEND=jax" in done.stderr and "MultiWorkerMirroredStrategy" in done.stderr
    assert not (tmp_path / "run").exists()
