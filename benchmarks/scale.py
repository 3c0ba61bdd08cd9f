"""What more machines give: estimated from the step and the all-reduce that are measured here.

    KERAS_BACKEND=jax python benchmarks/scale.py [--rounds 7] [--small]

Measured: a training step with all, a half, a quarter … of the rows of a batch, in one process; and
the sum over two processes of arrays from 16 kB to 16 MB (gloo, on this machine). From them:

    step(b)  = fixed + b · per row                                   least squares
    sum(n)   = 2 (n - 1) · latency + 2 (n - 1)/n · bytes / bandwidth  a ring of n processes
    time(n)  = step(B / n) + sum(n)                                  nothing overlaps

It writes `benchmarks/results/scale_*.json`, and the section of docs/scale.md that shows them.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from results import FOLDER, keep

PAGE = Path(__file__).parents[1] / "docs" / "scale.md"
BEGIN, END = "<!-- Written by `python benchmarks/scale.py`. -->", "<!-- End. -->"
MODELS = {  # name: (settings of the GPT, tokens a row)
    "character GPT, 4 × 128": ({"hidden_dim": 128, "num_layers": 4, "num_heads": 4}, 64),
    "GPT, 6 × 384": ({"hidden_dim": 384, "num_layers": 6, "num_heads": 6}, 64),
}
SMALL = {"GPT, 1 × 8": ({"hidden_dim": 8, "num_layers": 1, "num_heads": 2}, 8)}
VOCABULARY, ROWS = 71, 64
SIZES = tuple(2**k for k in range(12, 23, 2))  # float32 numbers of a sum: 16 kB to 16 MB
WORKERS = (1, 2, 8, 64, 512)
PAYS = 0.5  # of the time of workers that is spent as one worker would spend it


def step_times(settings, length, rounds):
    """Return ({rows: seconds a step}, weights of the model)."""
    from kerasllm.models import CausalLM, TransformerBackbone, TransformerConfig
    from kerasllm.text.batching import StreamBatches
    from kerasllm.training.engine.compilation import compile_model
    from kerasllm.training.settings.pretraining import PretrainSettings

    config = TransformerConfig(VOCABULARY, max_length=length, **settings)
    model = CausalLM(TransformerBackbone(config))
    compile_model(model, model.default_loss(), PretrainSettings(), 10**6, None)
    tokens = np.random.default_rng(0).integers(6, VOCABULARY, 10_000, dtype="int32")
    found, rows = {}, ROWS
    while rows:
        batch = StreamBatches(tokens, length, rows).batch(0)
        model.train_on_batch(*batch)
        found[rows] = statistics.median(_timed(lambda b=batch: model.train_on_batch(*b), rounds))
        print(f"  {rows:3} rows {1000 * found[rows]:8.1f} ms", flush=True)
        rows //= 2
    return found, model.count_params()


def _timed(run, rounds):
    """Yield the seconds of each round."""
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        yield time.perf_counter() - began


def sum_times(rounds):
    """Return {bytes: seconds} of the sum over two processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    started = []
    for rank in (0, 1):
        command = [sys.executable, __file__, "--sum", address, str(rank), "--rounds", str(rounds)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    said, _ = (process.communicate()[0] for process in started)
    found = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    return {int(size): seconds for size, seconds in found.items()}


def sums(address, rank, rounds):
    """Be one of the two processes that `sum_times` starts."""
    import jax
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    jax.distributed.initialize(address, 2, rank)
    mesh = Mesh(np.array(jax.devices()), ("process",))
    apart, everywhere = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (["process"], []))
    total, found = jax.jit(lambda x: x.sum(0), out_shardings=everywhere), {}
    for size in SIZES:
        array = jax.make_array_from_process_local_data(apart, np.ones((1, size), "float32"))
        total(array).block_until_ready()
        times = _timed(lambda a=array: total(a).block_until_ready(), 5 * rounds)
        found[4 * size] = statistics.median(times)
    print(json.dumps(found), flush=True)


def line(points):
    """Return (a, b) of the line y = a + b x through {x: y} by least squares, neither below 0."""
    x, y = np.array(list(points)), np.array(list(points.values()))
    b, a = np.polyfit(x, y, 1, w=1 / y)  # every point counts by its own size
    return max(float(a), 0.0), max(float(b), 0.0)


def estimate(step, weights, network, workers, rows):
    """Return the seconds of a step of several workers.

    Args:
        step: (fixed, per row) seconds.
        weights: of the model; a float32 gradient of each is summed up.
        network: (latency, seconds a byte) of a message to one neighbour.
        workers: n.
        rows: of the whole batch.
    """
    latency, per_byte = network
    alone = step[0] + step[1] * rows / workers
    return alone + 2 * (workers - 1) * (latency + per_byte * 4 * weights / workers)


def tables(steps, network):
    """Return the estimates as Markdown, a table for each model."""
    parts = []
    for name, (times, weights) in steps.items():
        step = line(times)
        parts.append(
            f"**{name}**, {weights:,} weights: a step takes {1000 * step[0]:.1f} ms and "
            f"{1000 * step[1]:.2f} ms a row.\n\n"
            f"| workers | the same {ROWS} rows: ms a step | times as fast | {ROWS} rows each: "
            "ms a step | times the rows a second | of that is waiting |\n|---|---|---|---|---|---|"
        )
        one = estimate(step, weights, network, 1, ROWS)
        for n in WORKERS:
            fixed, grown = (estimate(step, weights, network, n, rows) for rows in (ROWS, n * ROWS))
            shown = f"{1000 * fixed:,.0f} | {one / fixed:.2f}" if n <= ROWS else "– | –"
            parts[-1] += (
                f"\n| {n} | {shown} | {1000 * grown:,.0f} | {n * one / grown:,.1f} | "
                f"{1 - one / grown:.0%} |"
            )
        parts.append(_ends(step, weights, network, one))
    return "\n\n".join(parts)


def _ends(step, weights, network, one):
    """Say from how many workers on half of the time is lost."""
    counts = [2**k for k in range(1, 13)]
    same = [n for n in counts if one / estimate(step, weights, network, n, ROWS) < PAYS * n]
    more = [n for n in counts if one / estimate(step, weights, network, n, n * ROWS) < PAYS]
    places = [f"{found[0]:,} workers" if found else "more than 4,096" for found in (same, more)]
    return (
        f"Half of the workers' time is lost from {places[0]} on with the same batch, and from "
        f"{places[1]} on with {ROWS} rows each."
    )


def write(steps, network, sums_found):
    """Write the section of the page."""
    rows = "\n".join(f"| {b / 1024:,.0f} | {1000 * s:.2f} |" for b, s in sums_found.items())
    text = (
        f"{BEGIN}\n\n| kB | ms, the sum over two processes |\n|---|---|\n{rows}\n\n"
        f"A message takes {1e6 * network[0]:,.0f} µs, and {1e-9 / max(network[1], 1e-12):.2f} GB "
        f"a second go through.\n\n{tables(steps, network)}\n\n{END}"
    )
    page = PAGE.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    PAGE.write_text(before + text + rest.partition(END)[2], "utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--small", action="store_true", help="a tiny model; writes nothing")
    parser.add_argument("--sum", nargs=2, help="internal")
    given = parser.parse_args()
    if given.sum:
        sums(given.sum[0], int(given.sum[1]), given.rounds)
        return
    os.environ.setdefault("KERAS_BACKEND", "jax")
    found = sum_times(given.rounds)
    a, b = line(found)  # of two: 2 latency + bytes / bandwidth
    network, steps = (a / 2, b), {}
    for name, (settings, length) in (SMALL if given.small else MODELS).items():
        print(name, flush=True)
        steps[name] = step_times(settings, length, given.rounds)
    if given.small:
        print(tables(steps, network))
        return
    sizes = {f"{size // 1024} kB": (1000 * s, None) for size, s in found.items()}
    keep("scale_sum", "sum over two processes (gloo)", "ms", sizes, rounds=given.rounds)
    for number, (name, (times, weights)) in enumerate(steps.items()):
        systems = {f"{rows} rows": (1000 * s, None) for rows, s in times.items()}
        keep(f"scale_step_{number}", f"a step, {name}, JAX", "ms", systems, weights=weights)
    write(steps, network, found)
    print(f"written: {PAGE.name}, {FOLDER.name}/scale_*.json")


if __name__ == "__main__":
    main()
