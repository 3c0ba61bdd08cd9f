"""`--processes`: the same command line in several processes of this machine, and what ends them.

What a launcher of a cluster sets (SLURM, MPI, Kubernetes) is set here: the processes find each
other in the same way. When one of them ends badly, the others are stopped, and it is named.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

from kerasllm.utils.ranks import launched
from kerasllm.utils.terminal import say

COMMAND = (sys.executable, "-c", "from kerasllm.cli import main; main()")
PATIENCE = 10.0  # seconds that a process has to end after it was asked to
_FORWARDED = (signal.SIGINT, signal.SIGTERM)


def must_launch(count):
    """Return whether this command has to start `count` processes; a launcher may have done so.

    Raises:
        ValueError: fewer than one, or another number than the launcher started.
    """
    there = launched().count
    if count < 1 or (there > 1 and count not in (1, there)):
        raise ValueError(
            f"expected --processes to be the {there} processes that the launcher started, or left "
            f"out, received {count}."
            if there > 1
            else f"expected --processes to be 1 or more, received {count}."
        )
    return count > 1 and there == 1


def launch(words, count):
    """Run a command line in several processes, and return the status that it ends with.

    Args:
        words: of the command line, behind `kerasllm`.
        count: how many processes.
    """
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(count)]
        address = f"127.0.0.1:{_free_port()}"
        running = [_start(words, rank, count, address, logs[rank]) for rank in range(count)]
        for process in running:
            stack.callback(_end, process)
        with _forwarded(running):
            rank = _first_to_fail(running)
        if rank is None:
            return 0
        status = running[rank].returncode
        if rank > 0 or status < 0:  # else it has said why
            say(f"error: {_named(rank, running)}; the others are stopped.", error=True)
            logs[rank].seek(0)
            say(logs[rank].read()[-2000:], error=True, end="")
        return status if status > 0 else 128 - status


def _start(words, rank, count, address, log):
    variables = {
        "JAX_COORDINATOR_ADDRESS": address,
        "JAX_NUM_PROCESSES": str(count),
        "JAX_PROCESS_ID": str(rank),
    }
    return subprocess.Popen(
        [*COMMAND, *words],
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=None if rank == 0 else subprocess.DEVNULL,
        stderr=None if rank == 0 else log,
        start_new_session=True,  # Ctrl-C comes to this process alone, which hands it on
    )


def _first_to_fail(running):
    """Wait, and return the rank of the first process that ends badly; None where none does."""
    while True:
        statuses = [process.poll() for process in running]
        for rank, status in enumerate(statuses):
            if status:
                return rank
        if None not in statuses:
            return None
        time.sleep(0.1)


@contextlib.contextmanager
def _forwarded(running):
    """Hand Ctrl-C and SIGTERM on to the processes, which end after the step that runs."""

    def forward(number, _frame):
        for process in running:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(process):
    """Let a process end; kill it if it does not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _named(rank, running):
    process, status = running[rank], running[rank].returncode
    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"failed ({status})"
    return f"process {rank} of {len(running)} (system's number {process.pid}) {how}"


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
