"""Time the NumPy reference beside the compiled Keras layer: forward and backward, float32.

    python benchmarks/reference_speed.py [--rounds 7]

Both sides get the same sizes and the same number of threads (the environment decides how many:
OMP_NUM_THREADS, TF_NUM_INTRAOP_THREADS, TF_NUM_INTEROP_THREADS). Rounds are interleaved, so that a
busy moment of the machine meets both; medians are compared.
"""

import argparse
import statistics
import time

import keras
import numpy as np
import tensorflow as tf
from results import keep

from kerasllm import reference as ref

B, T, D, HEADS = 32, 64, 128, 8
rng = np.random.default_rng(0)
X = rng.standard_normal((B, T, D)).astype("float32")
D_OUTPUT = rng.standard_normal((B, T, D)).astype("float32")


def compiled(layer, *inputs):
    """Return a function that runs the layer forward and backward in one compiled graph."""
    layer(*inputs)

    @tf.function
    def step(inputs, d_output):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            output = layer(*inputs)
        return output, tape.gradient(output, [*inputs, *layer.trainable_variables], d_output)

    tensors = [tf.constant(x) for x in inputs]
    d_output = tf.constant(D_OUTPUT)
    return lambda: step(tensors, d_output)[0].numpy()


def recurrent(name, function, backward):
    """Return (NumPy, Keras) for a recurrent layer."""
    layer = getattr(keras.layers, name)(D, return_sequences=True)
    in_keras = compiled(layer, X)
    weights = layer.get_weights()

    def in_numpy():
        output, trace = function(X, *weights, return_sequences=True)
        backward(D_OUTPUT, trace)
        return output

    return in_numpy, in_keras


def attention():
    """Return (NumPy, Keras) for multi-head self-attention."""
    layer = keras.layers.MultiHeadAttention(HEADS, D // HEADS)
    in_keras = compiled(layer, X, X)
    weights = layer.get_weights()

    def in_numpy():
        output, trace = ref.multi_head_attention(X, X, X, *weights)
        ref.multi_head_attention_backward(D_OUTPUT, trace)
        return output

    return in_numpy, in_keras


PAIRS = {
    "SimpleRNN": lambda: recurrent("SimpleRNN", ref.simple_rnn, ref.simple_rnn_backward),
    "LSTM": lambda: recurrent("LSTM", ref.lstm, ref.lstm_backward),
    "GRU": lambda: recurrent("GRU", ref.gru, ref.gru_backward),
    "MultiHeadAttention": attention,
}


def seconds(function):
    """Return how long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main():
    """Print one line a layer: both medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="interleaved rounds (at least 5)")
    rounds = max(parser.parse_args().rounds, 5)
    print(f"forward + backward, B={B} T={T} D=H={D}, float32, median of {rounds} rounds")
    for name, build in PAIRS.items():
        in_numpy, in_keras = build()
        difference = np.abs(in_numpy() - in_keras()).max()
        times = [(seconds(in_numpy), seconds(in_keras)) for _ in range(rounds)]
        ours, theirs = (statistics.median(side) for side in zip(*times, strict=True))
        print(
            f"{name:20} NumPy {1e3 * ours:7.1f} ms   Keras {1e3 * theirs:7.1f} ms   "
            f"ratio {ours / theirs:5.2f}   largest difference {difference:.0e}"
        )
        target = "≤ 2" if name in ("LSTM", "MultiHeadAttention") else None
        ratio = {"peer": "the compiled Keras layer", "ratio": round(ours / theirs, 2)}
        systems = {"NumPy": (1e3 * ours, None), "Keras": (1e3 * theirs, None)}
        row = f"reference, {name}, forward and backward"
        keep(f"reference_{name}", row, "ms", systems, [{**ratio, "target": target}], rounds=rounds)


if __name__ == "__main__":
    main()
