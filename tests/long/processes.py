"""One process and two over 200 steps, on JAX; then one of two is killed, and others go on.

`python -m tests.long processes [--steps 200]` trains a small recurrent and a small Transformer
language model, with dropout and with batches in two parts, in float64 and in float32, and compares
every loss with that of one process. In the second half one of two processes is killed at once;
one process, and three, go on from what is left, and end with the same weights.
"""

import argparse
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from kerasllm.cli.launching import COMMAND
from kerasllm.utils.archives import read_arrays

FIGURES = Path(__file__).parent / "figures" / "processes.json"
BARS = {"float64": 1e-9, "float32": 1e-5}
KINDS = {
    "lstm": ["--backbone", "recurrent", "--units", "7", "--hidden-dim", "11", "--num-layers", "2"],
    "transformer": ["--backbone", "transformer", "--hidden-dim", "12", "--num-layers", "2",
                    "--num-heads", "3"],
}  # fmt: skip


def main(arguments):
    """Run all, print and write the figures; return 1 where a bar is passed."""
    parser = argparse.ArgumentParser("python -m tests.long processes", description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    steps = parser.parse_args(arguments).steps
    found, began = {"steps": steps}, time.perf_counter()
    for kind in KINDS:
        for precision in BARS:
            with tempfile.TemporaryDirectory() as folder:
                found[f"{kind}, {precision}"] = compared(Path(folder), kind, precision, steps)
            print(kind, precision, found[f"{kind}, {precision}"], flush=True)
    found["seconds"] = round(time.perf_counter() - began)
    FIGURES.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return int(
        any(
            value > BARS[name.split(", ")[1]]
            for name, part in found.items()
            if isinstance(part, dict)
            for what, value in part.items()
            if what.startswith("losses")
        )
    )


def compared(folder, kind, precision, steps):
    """Return the largest differences between one process and others, as shares."""
    run = Trainings(folder, kind, precision, steps)
    one, two = folder / "1", folder / "2"
    run(one, 1)
    run(two, 2)
    figures = {"losses of two": apart(one, two, losses), "weights of two": apart(one, two, weights)}
    killed = folder / "killed"
    run.killed(killed)
    for count in (1, 3):
        again = folder / f"again{count}"
        shutil.copytree(killed, again)
        run(again, count, "--resume")
        figures[f"losses, killed, on with {count}"] = apart(one, again, losses)
        figures[f"weights, killed, on with {count}"] = apart(one, again, weights)
    return figures


class Trainings:
    """The same training, in a number of processes that is given.

    Args:
        folder: where Keras' settings of the precision are written.
        kind: of `KINDS`.
        precision: "float64" or "float32".
        steps: of the training.
    """

    def __init__(self, folder, kind, precision, steps):
        home = folder / "keras"
        home.mkdir()
        (home / "keras.json").write_text(json.dumps({"floatx": precision}), "utf-8")
        self.words = [
            "pretrain", "topic_en", "--tokenizer", "word", *KINDS[kind], "--length", "13",
            "--batch-size", "5", "--steps", str(steps), "--eval-every", "5", "--dropout", "0.3",
            "--accumulate", "2", "--quiet",
        ]  # fmt: skip
        self.environment = os.environ | {
            "KERAS_BACKEND": "jax", "KERAS_HOME": str(home), "JAX_PLATFORMS": "cpu",
            "CUDA_VISIBLE_DEVICES": "", "XLA_FLAGS": "--xla_backend_optimization_level=0",
            "JAX_ENABLE_X64": "1" if precision == "float64" else "0",
        }  # fmt: skip

    def start(self, folder, count, *words):
        """Start the command."""
        command = [*COMMAND, *self.words, "--output", str(folder), "--processes", str(count)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen([*command, *words], env=self.environment, **pipes)

    def __call__(self, folder, count, *words):
        """Run the command to its end."""
        process = self.start(folder, count, *words)
        said = process.communicate()[0]
        if process.returncode:
            raise RuntimeError(said[-2000:])

    def killed(self, folder):
        """Kill the second of two processes where half of the steps are done."""
        process = self.start(folder, 2)
        half = int(self.words[self.words.index("--steps") + 1]) // 2
        while process.poll() is None and _last_step(folder) < half:
            time.sleep(0.05)
        os.kill(_children(process.pid)[-1], signal.SIGKILL)
        said = process.communicate(timeout=60)[0]
        if process.returncode == 0:
            raise RuntimeError(f"the training ended before it was killed: {said[-500:]}")


def _last_step(folder):
    begun = (folder / "history.csv").exists()
    return max(losses_by_step(folder), default=0) if begun else 0


def _children(pid):
    """Return the processes that a process started, in the order of their numbers."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], stdout=subprocess.PIPE, text=True
    ).stdout
    return sorted(map(int, listed.split()))


def losses_by_step(folder):
    """Return {step: [training loss, validation loss]}."""
    with open(folder / "history.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {int(row["step"]): [float(row["loss"]), float(row["val_loss"])] for row in rows}


def losses(folder):
    """Return all losses of a run, in order."""
    return {"losses": np.array([row for _, row in sorted(losses_by_step(folder).items())])}


def weights(folder):
    """Return the weights that a run ended with."""
    return read_arrays(folder / "checkpoint" / "last.npz")[0]


def apart(one, other, what):
    """Return the largest difference of two runs, as a share of the largest entry."""
    one, other = what(one), what(other)
    if one.keys() != other.keys():
        raise RuntimeError(f"one has {sorted(one)}, the other {sorted(other)}")
    shares = [
        np.abs(one[name] - other[name]).max() / max(np.abs(one[name]).max(), 1e-8)
        for name in one
        if np.size(one[name]) and np.issubdtype(np.asarray(one[name]).dtype, np.floating)
    ]
    return float(f"{max(shares):.2g}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
