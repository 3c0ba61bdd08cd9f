"""Two processes against one, over 200 steps; and a process that is killed.

`python -m tests.long processes` trains one model of each shape on JAX, in float64 and float32, in
one process and in two, and compares the losses of all steps. Then one of two processes is killed:
how long it takes until all have ended, whether it is named, and whether the training that goes on,
in one process or in two, ends with the weights of one that was never cut off.
"""

import argparse
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

FIGURES = Path(__file__).parent / "figures" / "processes.json"
STEPS = 200
BARS = {"float64": 1e-9, "float32": 1e-5}
RECURRENT = {"backbone": "recurrent", "units": 13, "hidden_dim": 11, "tokenizer": "word"}
GPT = {"backbone": "transformer", "hidden_dim": 12, "num_heads": 2, "tokenizer": "character"}
CASES = {  # task, settings
    "LSTM": ("language_model", {**RECURRENT, "dropout": 0.2, "length": 17, "batch_size": 7}),
    "GPT, in 3 parts": (
        "language_model",
        {**GPT, "length": 19, "batch_size": 11, "accumulate": 3, "dropout": 0.0},
    ),
    "masked": ("language_model", {**GPT, "objective": "masked", "length": 19, "batch_size": 7}),
    "classifier": ("classification", {**RECURRENT, "epochs": 60, "batch_size": 7}),
    "tagger": ("tagging", {"epochs": 60, "batch_size": 7}),
    "translation": ("seq2seq", {"epochs": 60, "batch_size": 7, "size": "tiny"}),
}
KILLED = [
    "pretrain", "topic_en", "--size", "tiny", "--tokenizer", "word", "--units", "13", "--dropout",
    "0.2", "--length", "17", "--batch-size", "6", "--steps", "400", "--eval-every", "20",
]  # fmt: skip


def main(arguments):
    """Run the command; return 1 where a figure is not what it has to be."""
    parser = argparse.ArgumentParser("python -m tests.long processes", description=__doc__)
    parser.add_argument("--inside", nargs=2, metavar=("CASE", "FILE"), help="internal")
    given = parser.parse_args(arguments)
    if given.inside:
        inside(*given.inside)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        found = {"steps": STEPS, "bars": BARS, "apart": {}}
        for dtype in BARS:
            found["apart"][dtype] = {case: apart(case, dtype, Path(folder)) for case in CASES}
        found["killed"] = killed(Path(folder))
    FIGURES.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(FIGURES.read_text("utf-8"))
    equal = all(a <= BARS[dtype] for dtype, cases in found["apart"].items() for a in cases.values())
    return int(not (equal and found["killed"]["seconds"] < 60 and found["killed"]["named"]))


# === Two are one ===


def apart(case, dtype, folder):
    """Return the largest relative difference of a loss in two processes from that in one."""
    losses = []
    for count in (1, 2):
        file = folder / f"losses_{count}.json"
        command = [sys.executable, "-m", "tests.long", "processes", "--inside", case, str(file)]
        environment = settings_of(dtype, folder)
        if count == 1:
            subprocess.run(command, env=environment, check=True)
        else:
            together(command, environment, count)
        losses.append(np.array(json.loads(file.read_text("utf-8"))))
    assert len(losses[0]) == STEPS and losses[0][-1] < losses[0][0]
    found = float(np.max(np.abs(losses[1] - losses[0]) / losses[0]))
    print(f"{case}, {dtype}: {found:.2g} apart, loss {losses[0][0]:.3f} to {losses[0][-1]:.3f}")
    return found


def settings_of(dtype, folder):
    """Return the environment of a process on JAX with a precision."""
    home = folder / dtype
    home.mkdir(exist_ok=True)
    (home / "keras.json").write_text(json.dumps({"floatx": dtype, "backend": "jax"}))
    return {
        **os.environ, "KERAS_HOME": str(home), "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "", "JAX_ENABLE_X64": str(int(dtype == "float64")),
        "KERASLLM_CACHE": str(folder / "cache"),
    }  # fmt: skip


def together(command, environment, count):
    """Run a command in several processes, as a launcher of a cluster does."""
    from kerasllm.cli.launching import _free_port

    started = []
    for rank in range(count):
        place = {
            "JAX_COORDINATOR_ADDRESS": environment.setdefault(
                "JAX_COORDINATOR_ADDRESS", f"127.0.0.1:{_free_port()}"
            ),
            "JAX_NUM_PROCESSES": str(count),
            "JAX_PROCESS_ID": str(rank),
        }
        started.append(subprocess.Popen(command, env={**environment, **place}))
    assert [process.wait(300) for process in started] == [0] * count


def inside(case, file):
    """Train a case, and have the first process write the losses of its steps."""
    from kerasllm.training.engine.processes import join

    join()
    from kerasllm.training import trainer
    from kerasllm.training.engine.compilation import compile_model
    from kerasllm.training.engine.loop import Stage, run_stage
    from kerasllm.training.engine.progress import Progress
    from kerasllm.training.settings import settings_for
    from kerasllm.training.settings.base import resolve
    from kerasllm.utils import ranks
    from tests.training.conftest import all_examples

    task, options = CASES[case]
    shape, report = settings_for(task), Progress(quiet=True)
    data = all_examples()[task]
    given = shape.read([row.text for row in data[0]] if task == "language_model" else data)
    settings = resolve(shape, None, **options)
    examples = settings.prepared(given, report)
    settings = settings.suited(examples, None, report)
    model, batches = trainer._begun(settings, examples, None)
    compile_model(model, settings.make_loss(model), settings, STEPS, batches)
    stage = Stage(case, model, batches, STEPS, eval_every=1, loss_name=model.loss_name)
    rows = run_stage(stage)
    if ranks.is_first():
        Path(file).write_text(json.dumps([row["loss"] for row in rows]))


# === One is killed ===


def killed(folder):
    """Return what happens when the second of two processes is killed, and how it goes on."""
    environment = settings_of("float64", folder)
    command(folder / "whole", environment, 1)
    cut = folder / "cut"
    started = command(cut, environment, 2, wait=False)
    while state_of(cut).get("step", 0) < 100:
        assert started.poll() is None
        time.sleep(0.05)
    os.kill(children_of(started.pid)[1], signal.SIGKILL)
    began = time.perf_counter()
    said = started.communicate()[1]
    seconds = time.perf_counter() - began
    step = state_of(cut)["step"]
    shutil.copytree(cut, folder / "cut_2")
    command(cut, environment, 1, "--resume")
    command(folder / "cut_2", environment, 2, "--resume")
    return {
        "seconds": round(seconds, 1),
        "named": "process 1 of 2" in said and "SIGKILL" in said,
        "checkpoint at step": step,
        "lock left": (cut / "lock.json").exists(),
        "resumed in 1 process, weights apart": weights_apart(cut, folder / "whole"),
        "resumed in 2 processes, weights apart": weights_apart(folder / "cut_2", folder / "whole"),
    }


def command(output, environment, count, *words, wait=True):
    """Run the training that is killed."""
    from kerasllm.cli.launching import COMMAND

    words = [*COMMAND, *KILLED, "--output", str(output), "--processes", str(count), *words]
    started = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
    if wait:
        said = started.communicate()[1]
        assert started.returncode == 0, said
    return started


def children_of(number):
    """Return the processes that a process has started, in their order."""
    found = Path(f"/proc/{number}/task/{number}/children").read_text()
    return sorted(map(int, found.split()))


def state_of(folder):
    """Return the facts of the last checkpoint, {} while there is none."""
    from kerasllm.training.engine.checkpoints import load_checkpoint

    path = folder / "checkpoint" / "last.npz"
    return load_checkpoint(path) if path.exists() else {}


def weights_apart(one, other):
    """Return the largest difference of a number in two checkpoints."""
    from kerasllm.utils.archives import read_arrays

    a, b = (read_arrays(folder / "checkpoint" / "last.npz")[0] for folder in (one, other))
    return max(float(np.abs(a[name] - b[name]).max()) for name in a if a[name].dtype == float)
