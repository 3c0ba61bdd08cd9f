"""A language model's training step with head and loss as one, and with all its logits, in turns.

    KERAS_BACKEND=jax python benchmarks/head.py --vocabulary 1000 2000 10000 --rounds 7

Two layers of LSTM of 200 units, 20 texts of 35 tokens, AdamW. Prints milliseconds a step, by the
clock and of processor time, and the peak of the memory that each way adds where it alone runs
(`--alone`).
"""

import argparse
import json
import resource
import statistics
import time

import keras
import numpy as np
from results import keep

from kerasllm.models import CausalLM
from kerasllm.models.language import head

WAYS = {"one": 0, "logits": float("inf")}  # the smallest vocabulary that takes the first way
STEPS = 4


def model_of(vocabulary, way):
    keras.utils.set_random_seed(1)
    model = CausalLM.from_size(
        "tiny", vocabulary, backbone="recurrent", hidden_dim=200, units=200, num_layers=2
    )
    xla = keras.backend.backend() != "torch"
    model.compile(keras.optimizers.AdamW(1e-3, global_clipnorm=1.0), jit_compile=xla)
    step(model, vocabulary, way)
    return model


def step(model, vocabulary, way):
    rng = np.random.default_rng(0)
    ids, targets = (rng.integers(1, vocabulary, (20, 35)) for _ in range(2))
    head.SMALLEST = {(keras.backend.backend(), model.jit_compile): WAYS[way]}
    model.train_on_batch(ids, targets)


def compare(vocabulary, rounds):
    """Return {way: milliseconds a step, by the clock and of processor time}, and the ratios."""
    models, found = {way: model_of(vocabulary, way) for way in WAYS}, {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, model in models.items():
            began, cpu = time.perf_counter(), time.process_time()
            for _ in range(STEPS):
                step(model, vocabulary, way)
            found[way].append((time.perf_counter() - began, time.process_time() - cpu))
    medians = {
        way: [1000 * statistics.median(t) / STEPS for t in zip(*times, strict=True)]
        for way, times in found.items()
    }
    ratios = [b / a for a, b in zip(medians["one"], medians["logits"], strict=True)]
    shown = {way: [round(t, 1) for t in times] for way, times in medians.items()}
    return {**shown, "ratio": round(ratios[0], 2), "by processor time": round(ratios[1], 2)}


def peak(vocabulary, way):
    """Return the megabytes that training one way adds to this process."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = model_of(vocabulary, way)
    for _ in range(STEPS):
        step(model, vocabulary, way)
    return round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocabulary", type=int, nargs="+", default=[1000, 2000, 10000])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--alone", choices=WAYS, help="one way only: its memory")
    given = parser.parse_args()
    backend = keras.backend.backend()
    for vocabulary in given.vocabulary:
        what = {"backend": backend, "vocabulary": vocabulary}
        if given.alone:
            what |= {"way": given.alone, "megabytes": peak(vocabulary, given.alone)}
            name = f"head_memory_{backend}_{vocabulary}_{given.alone}"
            row = f"memory that training an LSTM adds, {vocabulary:,} words, {backend}"
            keep(name, row, "MB", {given.alone: (what["megabytes"], None)})
        else:
            what |= compare(vocabulary, given.rounds)
            name = f"head_{backend}_{vocabulary}"
            row = f"a step of an LSTM, {vocabulary:,} words, {backend}"
            systems = {"head and loss as one": what["one"], "logits": what["logits"]}
            ratio = {"peer": "logits", "ratio": what["ratio"], "target": None}
            ratio["by processor time"] = what["by processor time"]
            keep(name, row, "ms", systems, [ratio], rounds=given.rounds)
        print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
