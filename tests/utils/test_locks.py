"""A folder is one process's at a time, until it ends, however it ends."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from kerasllm.utils import locks, ranks
from kerasllm.utils.locks import NAME, InUseError, holder, lock

HOLD = """
import sys, time
from kerasllm.utils.locks import lock
with lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""
OTHER = {"process": 7, "host": "elsewhere", "boot": "another", "since": "2026-01-01 10:00:00"}


@pytest.fixture
def other_process(tmp_path):
    """Return a process that holds the folder; killed at the end."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_told_who_has_it(tmp_path, other_process):
    me = rf"in use: process {other_process.pid} on .* writes there since 2.* another --output"
    with pytest.raises(InUseError, match=me), lock(tmp_path):
        raise AssertionError("never here")
    assert holder(tmp_path)["process"] == other_process.pid
    other_process.kill()  # as the system does: nothing can be cleared away
    other_process.wait()
    assert (tmp_path / NAME).exists()
    with lock(tmp_path):
        assert holder(tmp_path)["process"] == os.getpid()
    assert not (tmp_path / NAME).exists() and holder(tmp_path) == {}


def test_an_error_in_the_block_lets_go(tmp_path):
    with pytest.raises(KeyboardInterrupt), lock(tmp_path):
        raise KeyboardInterrupt
    with lock(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_of_many_threads_one_has_it(tmp_path):
    inside, most, turns = [], [], threading.Barrier(8)

    def work():
        turns.wait()
        for _ in range(20):
            with contextlib.suppress(InUseError), lock(tmp_path):
                inside.append(1)
                time.sleep(0.001)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1} and not list(tmp_path.iterdir())


def test_a_process_of_another_machine_is_believed(tmp_path):
    (tmp_path / NAME).write_text(json.dumps(OTHER))
    message = rf"process 7 on elsewhere .*since 2026-01-01 10:00:00.*delete .*{NAME}"
    with pytest.raises(InUseError, match=message), lock(tmp_path):
        pass
    (tmp_path / NAME).unlink()
    with lock(tmp_path):
        pass


def test_a_container_that_was_started_anew_takes_over(tmp_path):
    (tmp_path / NAME).write_text(json.dumps({**OTHER, "boot": locks._boot()}))
    if not locks._boot():
        pytest.skip("this system does not say when it was started")
    with lock(tmp_path):
        pass


@pytest.mark.parametrize("left", ["", "{", "[]", "null", '{"process": "x"}'])
def test_a_damaged_file_of_nobody_is_taken_over(tmp_path, left):
    (tmp_path / NAME).write_text(left)
    if left.startswith('{"'):  # of a machine that is not named: of another one
        with pytest.raises(InUseError, match=r"process x on \?"), lock(tmp_path):
            pass
        return
    with lock(tmp_path):
        pass


def test_a_disk_without_locks_goes_by_the_process(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def unknown(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with lock(tmp_path), pytest.raises(InUseError, match=f"process {os.getpid()} "), lock(tmp_path):
        pass
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / NAME).write_text(json.dumps({"process": ended.pid, "host": locks.HOST}))
    with lock(tmp_path):
        pass


def test_a_link_is_not_followed(tmp_path):
    # In the folder of a stranger it may lead to a file that would be emptied.
    (tmp_path / "letter.txt").write_text("Dear")
    (tmp_path / NAME).symlink_to(tmp_path / "letter.txt")
    with pytest.raises(OSError, match="symbolic link"), lock(tmp_path):
        pass
    assert (tmp_path / "letter.txt").read_text() == "Dear"


def test_a_full_disk_leaves_no_lock(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(locks.json, "dump", full)
    with pytest.raises(OSError, match="No space left"), lock(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_the_first_of_several_has_it_for_all(tmp_path, monkeypatch):
    monkeypatch.setattr(ranks, "_place", ranks.Place(0, 3))
    with lock(tmp_path):
        assert holder(tmp_path)["processes"] == 3
        who = r"process \d+ on .*, the first of 3, writes there"
        with pytest.raises(InUseError, match=who), lock(tmp_path):
            raise AssertionError("never here")
