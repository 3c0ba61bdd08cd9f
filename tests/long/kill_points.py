"""Every shape of task and every method, killed at every replace of a file, on three backends.

A small training is run once, and its folder is copied just before each file is put in its place. A
process of its own then resumes each copy, and compares weights, history and scores, to the last
bit, with those of the training that was never cut off.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FIGURES = Path(__file__).parent / "figures" / "kill_points.json"
BACKENDS = ("tensorflow", "jax", "torch")
METHODS = ("scratch", "frozen", "full", "gradual", "lora")
BASES = {
    "classification": "lstm",
    "tagging": "encoder",
    "span": "encoder",
    "seq2seq": "transformer",
    "language_model": "contrastive",
}
CASES = [
    (task, None if method == "scratch" else base, method)
    for task, base in BASES.items()
    for method in METHODS
]


def main(arguments):
    """Run the command; return 1 where a resumed training differs."""
    parser = argparse.ArgumentParser("python -m tests.long kill-points", description=__doc__)
    parser.add_argument("--backends", nargs="+", default=BACKENDS, choices=BACKENDS)
    parser.add_argument("--inside", nargs=2, metavar=("make|resume", "FOLDER"), help="internal")
    given = parser.parse_args(arguments)
    if given.inside:
        step, folder = given.inside
        {"make": make, "resume": resume}[step](Path(folder))
        return 0
    os.nice(5)
    FIGURES.parent.mkdir(exist_ok=True)
    found = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    for backend in given.backends:
        found[backend] = summary(on_backend(backend))
        FIGURES.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    print(table(found))
    return int(any(part["identical"] != part["points"] for part in found.values()))


def on_backend(backend):
    """Return {case: {"points", "different", "seconds"}} of one backend."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1",
                   "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu",
                   "XLA_FLAGS": "--xla_backend_optimization_level=0"}  # fmt: skip
    command = [sys.executable, "-m", "tests.long", "kill_points", "--inside"]
    with tempfile.TemporaryDirectory() as folder:
        environment["KERASLLM_CACHE"] = f"{folder}/cache"
        for step in ("make", "resume"):
            subprocess.run([*command, step, folder], env=environment, check=True)
        return json.loads(Path(folder, "found.json").read_text("utf-8"))


def make(folder):
    """Train each case, and copy its folder at every replace."""
    from kerasllm.training import train
    from tests.training import conftest as tiny

    animals = tiny.all_examples()
    bases = tiny.bases_in(folder, animals)
    with tiny.eager_training():
        for case in CASES:
            data, options = tiny.training_of(*case, animals, bases)
            place = folder / name_of(case)
            with tiny.copied_at_every_replace(place / "whole", place):
                place.mkdir()
                train(data, place / "whole", **options)


def resume(folder):
    """Resume from each copy, and write what is different into found.json."""
    from kerasllm.training import load_run, train
    from tests.training import conftest as tiny

    animals, found = tiny.all_examples(), {}
    with tiny.eager_training():
        for case in CASES:
            data, options = tiny.training_of(
                *case, animals, lambda base: load_run(folder / f"base_{base}")
            )
            place, began, different = folder / name_of(case), time.perf_counter(), {}
            expected = tiny.found_in(load_run(place / "whole"))
            points = sorted(place.iterdir())
            for point in points:
                run = train(data, point, resume=True, **options)
                if wrong := tiny.differences(tiny.found_in(run), expected):
                    different[point.name] = wrong
            seconds = round(time.perf_counter() - began, 1)
            found[name_of(case)] = {
                "points": len(points), "different": different, "seconds": seconds
            }  # fmt: skip
            print(os.environ["KERAS_BACKEND"], name_of(case), found[name_of(case)], flush=True)
            (folder / "found.json").write_text(json.dumps(found), "utf-8")


def name_of(case):
    """Return what a case is called."""
    return f"{case[0]}, {case[2]}"


def summary(cases):
    """Return how many points there are and how many ended with the same bits, and the cases."""
    points = sum(case["points"] for case in cases.values())
    wrong = sum(len(case["different"]) for case in cases.values())
    return {"points": points, "identical": points - wrong, "cases": cases}


def table(found):
    """Return a line a backend."""
    return "\n".join(
        f"{backend:10}  {len(part['cases'])} shapes and methods, {part['identical']} of "
        f"{part['points']} points identical"
        for backend, part in found.items()
    )
