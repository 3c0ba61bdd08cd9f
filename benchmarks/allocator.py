"""What keeping freed memory does in a training: milliseconds, page faults and peak memory.

    KERAS_BACKEND=jax python benchmarks/allocator.py

The LSTM of `training.py`, trained as the commands train, in a process of its own for each way: with
nothing kept, with all options of `kerasllm.utils.allocator`, and with all but one.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time

from results import keep

from kerasllm.utils import allocator

ROUNDS = 5
WAYS = ["nothing kept", "kept", *(f"kept, without {name}" for name in allocator.KEEP)]


def measure(way):
    """Return (milliseconds a step, page faults a step, peak in MB) of this process."""
    if way != "nothing kept":
        allocator.KEEP.pop(way.rpartition(" ")[2], None)
        allocator.keep_buffers()
    os.environ[allocator.VARIABLE] = "0"  # training calls it again
    allocator.keep_buffers.cache_clear()
    from training import SHAPES, kerasllm_lstm

    run, steps, times = kerasllm_lstm(SHAPES["lstm"]), SHAPES["lstm"]["steps"], []
    run()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start) / steps)
    after = resource.getrusage(resource.RUSAGE_SELF)
    faults = (after.ru_minflt - before) / ROUNDS / steps
    return statistics.median(times), faults, after.ru_maxrss / 1024


def main():
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
        return
    found = {}
    for way in WAYS:
        run = subprocess.run(
            [sys.executable, __file__, way], capture_output=True, text=True, check=True
        )
        found[way] = json.loads(run.stdout.splitlines()[-1])
        ms, faults, peak = found[way]
        print(f"{way:34} {ms:7.1f} ms {faults:8.0f} faults a step {peak:6.0f} MB", flush=True)
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    for number, what in enumerate(("ms", "page faults a step", "peak, MB")):
        row = f"a step of an LSTM, memory kept, {backend}"
        systems = {way: (all_three[number], None) for way, all_three in found.items()}
        keep(f"allocator_{backend}_{number}", row, what, systems)


if __name__ == "__main__":
    main()
