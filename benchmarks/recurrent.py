"""A recurrent layer's training step: ours and Keras' own, in turns in one process.

    KERAS_BACKEND=jax python benchmarks/recurrent.py [LSTM] [GRU] [SimpleRNN] [--masked]

B = 20 texts of T = 35 tokens, D = H = 200, forward and backward. On TensorFlow once as a plain
graph and once with XLA; what is compared is the faster of the two of each side. Milliseconds of the
clock and of processor time, medians of the rounds, and the ratios.
"""

import argparse
import json
import statistics
import time

import keras
import numpy as np
from results import keep

from kerasllm import layers
from kerasllm.utils.allocator import keep_buffers

B, T, D, H = 20, 35, 200, 200
STEPS = 5
GRAPH, XLA = {"graph": False}, {"XLA": True}
WAYS = {"tensorflow": GRAPH | XLA, "jax": XLA, "torch": GRAPH}


def model_of(house, name, masked, jit):
    """Return a function that takes one step of training."""
    keras.utils.set_random_seed(1)
    x = keras.Input((T, D))
    inner = keras.layers.Masking()(x) if masked else x
    y = getattr(house, name)(H, return_sequences=True)(inner)
    model = keras.Model(x, y)
    model.compile(keras.optimizers.SGD(1e-3), "mse", jit_compile=jit)
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(B, T, D)).astype("float32")
    if masked:
        for row, length in enumerate(rng.integers(5, T + 1, B)):
            inputs[row, length:] = 0
    target = rng.normal(size=(B, T, H)).astype("float32")
    inputs, target = keras.ops.convert_to_tensor(inputs), keras.ops.convert_to_tensor(target)

    def run():
        for _ in range(STEPS):
            model.train_on_batch(inputs, target)

    run()
    return run


def compare(name, masked, rounds):
    """Return {side, way: (milliseconds, milliseconds of processor time)} a step."""
    houses = {"kerasllm": layers, "Keras": keras.layers}
    ways = WAYS[keras.backend.backend()]
    sides = {
        f"{side}, {way}": model_of(house, name, masked, jit)
        for side, house in houses.items()
        for way, jit in ways.items()
    }
    times = {side: [] for side in sides}
    for _ in range(rounds):
        for side, run in sides.items():
            began, cpu = time.perf_counter(), time.process_time()
            run()
            times[side].append((time.perf_counter() - began, time.process_time() - cpu))
    return {
        side: [round(1000 * statistics.median(t) / STEPS, 1) for t in zip(*found, strict=True)]
        for side, found in times.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=["SimpleRNN", "LSTM", "GRU"])
    parser.add_argument("--masked", action="store_true", help="ragged texts")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    keep_buffers()
    for name in given.names:
        found = compare(name, given.masked, given.rounds)
        clock, cpu = (
            min(v[k] for s, v in found.items() if s.startswith("Keras"))
            / min(v[k] for s, v in found.items() if s.startswith("kerasllm"))
            for k in (0, 1)
        )
        what = {"backend": keras.backend.backend(), "layer": name, "masked": given.masked}
        what |= {"ms": found, "ratio": round(clock, 2), "by processor time": round(cpu, 2)}
        print(json.dumps(what), flush=True)
        backend, masked = keras.backend.backend(), "_masked" if given.masked else ""
        row = f"layer {name}, forward and backward, {backend}" + masked.replace("_", ", ")
        ratio = {"peer": "Keras", "ratio": what["ratio"], "target": None}
        ratio["by processor time"] = what["by processor time"]
        keep(f"recurrent_{name}_{backend}{masked}", row, "ms", found, [ratio], rounds=given.rounds)


if __name__ == "__main__":
    main()
