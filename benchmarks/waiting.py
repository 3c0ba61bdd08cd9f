"""How long one waits for what is not training: seconds from the shell to the end of a command.

    python benchmarks/waiting.py

Each command is a process of its own; the first time, which fills the caches of the disk, is not
counted. The run folder that it asks is trained before, with settings so small that only waiting is
left. Beside it: how long `import keras` takes alone, which no command that computes can avoid.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from results import keep

ROUNDS = 5
PYTHON = [sys.executable, "-c"]
COMMAND = [*PYTHON, "from kerasllm.cli import main; main()"]
SMALL = ["--size", "tiny", "--epochs", "1", "--vocabulary-size", "500", "--quiet"]
REFERENCE = (
    "import numpy, time; t = time.perf_counter(); import kerasllm.reference;"
    "print(time.perf_counter() - t)"
)


def main():
    with tempfile.TemporaryDirectory() as folder:
        run = os.path.join(folder, "run")
        print("training a small run …", flush=True)
        subprocess.run([*COMMAND, "train", "topic_en", *SMALL, "--output", run], check=True)
        show("help", "kerasllm --help", [*COMMAND, "--help"], "≤ 0.5")
        show("reference", "import kerasllm.reference, NumPy loaded", [*PYTHON, REFERENCE], "≤ 0.05")
        show("keras", "import keras", [*PYTHON, "import keras"], None)
        text = "the goalkeeper saved three shots"
        show("predict", "kerasllm predict, a small run", [*COMMAND, "predict", run, text], "≤ 5")
        trace = [*COMMAND, "trace", run, "three tokens here"]
        show("trace", "kerasllm trace, three tokens, a small run", trace, None)


def show(name, row, command, target):
    """Time a command, print its median and keep it."""
    measure(command)
    times = [measure(command) for _ in range(ROUNDS)]
    seconds, processor = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{row:45} {seconds:6.2f} s   processor {processor:6.2f} s", flush=True)
    ratio = {"peer": "seconds", "ratio": round(seconds, 3), "target": target}
    keep(f"waiting_{name}", row, "seconds", {"kerasllm": (seconds, processor)}, [ratio])


def measure(command):
    """Return (seconds, seconds of processor time); a command that prints a number is that long."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = sum(getattr(after, key) - getattr(before, key) for key in ("ru_utime", "ru_stime"))
    if command[-1] == REFERENCE:
        return float(done.stdout), float(done.stdout)
    return seconds, processor


if __name__ == "__main__":
    main()
