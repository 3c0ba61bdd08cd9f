"""Systems that take turns, each in a process of its own, because Keras has one backend a process.

A busy moment of the machine meets all of them, and medians are compared. The processor seconds
that a round used are noted beside the wall clock's: on a machine that others use too they say more.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

from kerasllm.utils.allocator import keep_buffers


def work(build):
    """Answer each line of the input with the seconds and processor seconds that one run took.

    Every system keeps the memory that it frees, as this project's commands do.
    """
    keep_buffers()
    run = build()
    run()
    print("ready", flush=True)
    for _ in sys.stdin:
        start, cpu = time.perf_counter(), time.process_time()
        run()
        print("seconds", time.perf_counter() - start, time.process_time() - cpu, flush=True)


class Worker:
    """A system in a process of its own, which calls `work` when its file is run so."""

    def __init__(self, file, arguments, backend):
        environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - open while the process is
        self.process = subprocess.Popen(
            [sys.executable, file, *arguments],
            env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors,
        )  # fmt: skip
        self.ready = self._answer("ready") is not None

    def why_not(self):
        """Return the last line that the process wrote about its end."""
        self.errors.seek(0)
        return ([line.strip() for line in self.errors if line.strip()] or ["no reason given"])[-1]

    def _answer(self, word):
        for line in self.process.stdout:
            if line.startswith(word):
                return line.split()[1:]
        return None

    def seconds(self):
        """Run once more: (seconds, processor seconds)."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return tuple(map(float, self._answer("seconds")))

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def take_turns(file, case, backends, options, rounds):
    """Return {system: (median seconds, median processor seconds)} of those that can be had here.

    Args:
        file: the benchmark; called as `file case --worker system *options`.
        case: its case.
        backends: {system: Keras backend}.
        options: further arguments.
        rounds: how often each system has its turn.
    """
    workers = {}
    for name, backend in backends.items():
        print(f"{case}: {name} is built and warmed up", flush=True)
        workers[name] = Worker(file, [case, "--worker", name, *options], backend)
    for name in [name for name, worker in workers.items() if not worker.ready]:
        print(f"{name}: could not be had here ({workers[name].why_not():.120})")
        del workers[name]
    times = {name: [] for name in workers}
    for number in range(rounds):
        for name, worker in workers.items():
            times[name].append(worker.seconds())
            clock, cpu = times[name][-1]
            print(f"  round {number + 1} of {rounds}  {name:20} {clock:7.2f} s ({cpu:.2f})",
                  flush=True)  # fmt: skip
    for worker in workers.values():
        worker.close()
    return {
        name: tuple(map(statistics.median, zip(*both, strict=True))) for name, both in times.items()
    }


def ratios_of(speed, targets):
    """Return this project's ratio to the best of each peer, with the target.

    Args:
        speed: {system: (units a second, units a processor second)}.
        targets: {first letters of a peer's name: ratio to reach}.
    """
    found = []
    for peer, target in targets.items():
        rivals = [numbers for name, numbers in speed.items() if name.startswith(peer)]
        ours = [numbers for name, numbers in speed.items() if name.startswith("kerasllm")]
        if rivals and ours:
            best = max(ours)  # by the clock, of the backends
            clock, cpu = (
                mine / max(theirs)
                for mine, theirs in zip(best, zip(*rivals, strict=True), strict=True)
            )
            found.append({
                "peer": peer, "ratio": round(clock, 2), "by processor time": round(cpu, 2),
                "target": f"≥ {target}",
            })  # fmt: skip
    return found


def print_ratios(ratios):
    """Print what `ratios_of` returns."""
    for ratio in ratios:
        cpu = ratio.get("by processor time")
        cpu = "" if cpu is None else f" (by processor time {cpu:.2f})"
        print(
            f"  best kerasllm / {ratio['peer']:15} {ratio['ratio']:6.2f}{cpu}   "
            f"target {ratio['target']}"
        )
