"""What more workers would give: an estimate from what was measured on one machine.

    KERAS_BACKEND=jax python benchmarks/scale.py    # measures; writes docs/scale_estimate.md

Measured here: a step of training of two shapes for several batches a worker, and what it takes two
processes of this machine to add up vectors of several sizes (gloo, as `--processes 2` does it).

A step with n workers, each with a batch of b texts, is taken for

    t(n) = t_1(b) + 2 (n - 1) α + 2 (n - 1) / n · S / β

with S bytes of gradients, α seconds of latency and β bytes a second of the network: a ring adds up
in 2 (n - 1) parts (Patarasu and Yuan 2009). Nothing is assumed to run beside the products. The
efficiency is t_1 / t(n): the share of n times the texts a second of one worker.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from results import machine, versions

HERE = Path(__file__).parent
PAGE, FIGURES = HERE.parent / "docs" / "scale_estimate.md", HERE / "scale.json"
SHAPES = {
    "character GPT, 4 layers × 128": {"dim": 128, "layers": 4, "heads": 4, "vocabulary": 71,
                                       "length": 64, "batches": (12, 48)},
    "GPT, 6 layers × 384": {"dim": 384, "layers": 6, "heads": 6, "vocabulary": 8000, "length": 128,
                            "batches": (4, 16)},
}  # fmt: skip
NETWORKS = {  # latency in seconds, bytes a second
    "two processes, this machine": None,
    "Ethernet, 10 Gbit/s": (50e-6, 1.25e9),
    "Ethernet, 100 Gbit/s": (10e-6, 12.5e9),
}
WORKERS = (1, 2, 8, 64, 512)
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)  # numbers of 32 bits
ROUNDS = 7


def step_seconds(shape, batch):
    """Return (seconds of a step, bytes of its gradients)."""
    from training import _stages

    from kerasllm.models import CausalLM, TokenCrossEntropy, TransformerBackbone, TransformerConfig
    from kerasllm.text.batching import StreamBatches

    config = TransformerConfig(
        shape["vocabulary"], shape["dim"], shape["layers"], shape["heads"],
        max_length=shape["length"],
    )  # fmt: skip
    model = CausalLM(TransformerBackbone(config))
    text = np.random.default_rng(0).integers(6, shape["vocabulary"], 100_000, dtype="int32")
    batches = StreamBatches(text, shape["length"], batch)
    run, steps, took = _stages(model, TokenCrossEntropy(), batches, 5), 5, []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        run()
        took.append((time.perf_counter() - began) / steps)
    return statistics.median(took[1:]), 4 * model.count_params()


def sums():
    """Return {numbers: seconds that two processes need to add up vectors of so many}."""
    from kerasllm.cli.launching import _free_port

    address, running = f"127.0.0.1:{_free_port()}", []
    for rank in range(2):
        variables = {
            "JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2",
            "JAX_PROCESS_ID": str(rank), "JAX_PLATFORMS": "cpu",
        }  # fmt: skip
        command = [sys.executable, __file__, "--worker"]
        pipes = {"stdout": subprocess.PIPE, "text": True}
        running.append(subprocess.Popen(command, env={**os.environ, **variables}, **pipes))
    said = [process.communicate()[0] for process in running]
    return {int(size): seconds for size, seconds in json.loads(said[0].splitlines()[-1]).items()}


def worker():
    """Add up vectors with the other process, and print the seconds."""
    from kerasllm.training.engine.processes import join

    join()
    import jax
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    mesh = Mesh(np.array(jax.devices()), ("data",))
    parts, whole = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("data",), ()))
    add = jax.jit(lambda x: x.sum(axis=0), out_shardings=whole)
    found = {}
    for size in SIZES:
        x = jax.make_array_from_process_local_data(parts, np.ones((1, size), "float32"))
        took = []
        for _ in range(ROUNDS + 1):
            began = time.perf_counter()
            add(x).block_until_ready()
            took.append(time.perf_counter() - began)
        found[size] = statistics.median(took[1:])
    print(json.dumps(found), flush=True)


def line_of(found):
    """Return (α, β) of t = 2 α + S / β, which is the model of the page for two workers."""
    sizes = np.array([4.0 * int(size) for size in found])
    seconds = np.array(list(found.values()))
    # Each is weighed by its own size: a straight fit would see the largest alone.
    slope, begin = np.polyfit(sizes, seconds, 1, w=1 / seconds)
    return max(begin, 0.0) / 2, 1 / slope


def seconds_of(alone, size, network, workers):
    """Return the estimate of a step in seconds; see above."""
    latency, rate = network
    return alone + 2 * (workers - 1) * latency + 2 * (workers - 1) / workers * size / rate


def half_lost(alone, size, network):
    """Return the first power of two of workers whose step takes twice that of one; None if none."""
    counts = (2**k for k in range(1, 21))
    return next((n for n in counts if seconds_of(alone, size, network, n) > 2 * alone), None)


def page(found):
    """Return the page, made of the figures alone."""
    here = line_of(found["sums"])
    parts = [HEAD.format(**found, rate=here[1] / 1e6, latency=here[0] * 1e3)]
    for name, rows in found["steps"].items():
        parts.append(f"\n## {name}\n")
        parts.append("| texts a worker | network | " + " | ".join(
            f"{n} workers" if n > 1 else "alone" for n in WORKERS) + " | half at |")  # fmt: skip
        parts.append("|" + "---|" * (len(WORKERS) + 3))
        for batch, (alone, size) in rows.items():
            for network, given in NETWORKS.items():
                times = [seconds_of(alone, size, given or here, n) for n in WORKERS]
                cells = [f"{1000 * t:,.0f} ms, {alone / t:.0%}" for t in times]
                half = half_lost(alone, size, given or here)
                cells.append(f"{half:,} workers" if half else "never, up to a million")
                parts.append(f"| {batch} | {network} | " + " | ".join(cells) + " |")
    return "\n".join(parts) + "\n"


HEAD = """# What more workers would give: an estimate

Made by `KERAS_BACKEND=jax python benchmarks/scale.py` from what it measured on {date}, on a machine
of {machine}. **No cluster has been used**: what stands below one worker is a model, not a
measurement.

    t(n) = t_1 + 2 (n - 1) α + 2 (n - 1) / n · S / β

t_1 is the step of one worker, measured; S the bytes of its gradients; α and β the latency and the
rate of the network. Those of two processes on this machine were measured by adding up vectors of
10,000 to 10,000,000 numbers: {latency:.2f} ms and {rate:,.0f} MB a second. Those of the other rows
are assumed. Nothing is taken to overlap, so a good network stack does better; slow workers, disks
and validation are not in it, so a real cluster does worse. Each cell is a step and the efficiency,
the share of n times the texts a second of one worker. "Half at" is the first power of two at which
half of the work is lost: more workers than that do not pay. A larger batch a worker moves it, and
costs memory; a larger batch of all may need another rate and more steps to the same loss, which no
line here counts.
"""


def main():
    """Measure, print, and write the figures and the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--page", action="store_true", help="write the page from the kept figures")
    given = parser.parse_args()
    if given.worker:
        return worker()
    if not given.page:
        steps = {}
        for name, shape in SHAPES.items():
            steps[name] = {batch: step_seconds(shape, batch) for batch in shape["batches"]}
            print(name, steps[name], flush=True)
        found = {"steps": steps, "sums": sums(), "machine": machine(), "versions": versions(),
                 "date": time.strftime("%Y-%m-%d")}  # fmt: skip
        print(found["sums"], flush=True)
        FIGURES.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    PAGE.write_text(page(json.loads(FIGURES.read_text("utf-8"))), "utf-8")
    return None


if __name__ == "__main__":
    main()
