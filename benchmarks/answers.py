"""The head of a fine-tuning on answers: all logits, and those of the tokens that count alone.

    KERAS_BACKEND=jax python benchmarks/answers.py [--rounds 7] [--counted 46]

512 tokens in a table of 49,153, as in a step of SmolLM2, of which 46 count; the table is frozen, as
under LoRA. The two take turns, the loss and its gradient are computed each time, and medians are
compared; both give the same numbers.
"""

import argparse
import json
import statistics
import time

import keras
import numpy as np
from keras import ops
from results import keep

from kerasllm.layers import linear_cross_entropy
from kerasllm.models import TokenCrossEntropy

TOKENS, WIDTH, VOCABULARY = 512, 576, 49_153
ALL, FEW = "all logits", "tokens that count"


def ways(counted):
    """Return {way: function of the features that returns loss and gradient}, and the features."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(1, TOKENS, WIDTH)).astype("float32")
    table = keras.Variable(0.02 * rng.normal(size=(VOCABULARY, WIDTH)), trainable=False)
    targets = np.zeros((1, TOKENS), "int32")
    targets[0, rng.permutation(TOKENS)[:counted]] = rng.integers(1, VOCABULARY, counted)
    losses = {
        FEW: lambda h: linear_cross_entropy(
            h, table, targets, tied=True, counted_only=True, learn_kernel=False
        ),
        ALL: lambda h: TokenCrossEntropy()(targets, ops.matmul(h, ops.transpose(table))),
    }
    return {way: gradient_of(loss) for way, loss in losses.items()}, ops.convert_to_tensor(features)


def gradient_of(loss):
    """Return a compiled function that returns a loss and its gradient."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(jax.value_and_grad(loss))
    import tensorflow as tf

    @tf.function
    def both(h):
        with tf.GradientTape() as tape:
            tape.watch(h)
            value = loss(h)
        return value, tape.gradient(value, h)

    return both


def compare(counted, rounds):
    """Return {way: (milliseconds by the clock, of processor time)}, once both agree."""
    made, features = ways(counted)
    first = [[np.asarray(part) for part in way(features)] for way in made.values()]
    np.testing.assert_allclose(first[0][0], first[1][0], rtol=1e-5)
    np.testing.assert_allclose(first[0][1], first[1][1], atol=1e-5)
    found = {way: [] for way in made}
    for _ in range(rounds):
        for name, way in made.items():
            began, cpu = time.perf_counter(), time.process_time()
            np.asarray(way(features)[1])
            found[name].append((time.perf_counter() - began, time.process_time() - cpu))
    return {
        way: tuple(1000 * statistics.median(t) for t in zip(*times, strict=True))
        for way, times in found.items()
    }


def main():
    """Print and keep both times, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--counted", type=int, default=46, help=f"of {TOKENS} tokens")
    given, backend = parser.parse_args(), keras.backend.backend()
    times = compare(given.counted, given.rounds)
    clock, cpu = (b / a for a, b in zip(times[FEW], times[ALL], strict=True))
    ratio = {"peer": ALL, "ratio": round(clock, 2), "by processor time": round(cpu, 2),
             "target": None}  # fmt: skip
    row = f"head of SmolLM2 in a step, {given.counted} of {TOKENS} tokens count, {backend}"
    keep(f"answers_{backend}", row, "ms", times, [ratio], rounds=given.rounds)
    print(json.dumps({**times, **ratio}))


if __name__ == "__main__":
    main()
