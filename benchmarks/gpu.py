"""The parts of `benchmarks/gpu.sh`: what a GPU computes, how exactly, and how fast.

    KERAS_BACKEND=jax python benchmarks/gpu.py layers|recurrent|training|character [--small]

Each part prints what it found, and writes it to `benchmarks/results/gpu_PART.json`.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import jax
import keras
import numpy as np
from results import keep

GPT = {"hidden_dim": 384, "num_layers": 6, "num_heads": 6}
TARGET = 1.45  # nats a character, held out


def layers(small):
    """Compare layers with the reference on the device, with products in whole float32."""
    from kerasllm import layers as ours
    from kerasllm import verify

    jax.config.update("jax_default_matmul_precision", "highest")
    rng, found = np.random.default_rng(0), {}
    x = rng.normal(size=(2, 5, 12)).astype("float32")
    made = {
        "LSTM": ours.LSTM(11, return_sequences=True),
        "GRU": ours.GRU(11, return_sequences=True),
        "Bidirectional": ours.Bidirectional(ours.LSTM(7, return_sequences=True)),
        "MultiHeadAttention": ours.MultiHeadAttention(3, 4, causal=True),
        "TransformerEncoder": ours.TransformerEncoder(3, 13),
    }
    for name, layer in list(made.items())[: 2 if small else None]:
        report = verify.compare(layer, x)
        print(report)
        if not report.ok:
            raise SystemExit(f"{name} is not what the reference computes")
        found[name] = (max(row.max_rel for row in report.rows), None)
    return "layers against the reference, largest difference", "relative", found, []


def recurrent(small):
    """Time a recurrent layer: Keras' own, which takes cuDNN on a GPU, and ours."""
    from kerasllm import layers as ours
    from kerasllm.layers.kernels import of_jax

    shape = (2, 5, 7) if small else (64, 128, 512)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    found, outputs, weights = {}, [], None
    ways = {"kerasllm, as it chooses": of_jax.walks, "kerasllm, own loop": lambda: True}
    for way, walks in ways.items():
        of_jax.walks = walks
        found[way], output, weights = _layer(ours.LSTM, x, weights, 2 if small else 20)
        outputs.append(output)
    found["Keras"], output, _ = _layer(keras.layers.LSTM, x, weights, 2 if small else 20)
    apart = max(np.abs(other - output).max() for other in outputs)
    print(f"outputs apart: {apart:.2g}")
    if apart > 1e-2:
        raise SystemExit("the layers do not compute the same")
    return f"LSTM, {shape}, forward and backward", "ms", found, []


def _layer(kind, x, weights, rounds):
    """Return ((milliseconds, None), outputs, weights) of a step of a layer alone."""
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, kind(x.shape[-1], return_sequences=True)(inputs))
    if weights is not None:
        model.set_weights(weights)
    weights = model.get_weights()
    outputs = model.predict(x, verbose=0)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return (1000 * _seconds(lambda: model.train_on_batch(x, x), rounds), None), outputs, weights


def _seconds(run, rounds):
    """Return the median seconds of a run, after two that warm it up."""
    times = []
    for _ in range(rounds + 2):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return statistics.median(times[2:])


def training(small):
    """Train a GPT in both precisions: tokens a second, and the share of the device's peak."""
    from kerasllm.models import CausalLM, TransformerBackbone, TransformerConfig

    sizes = {"hidden_dim": 16, "num_layers": 1, "num_heads": 2} if small else GPT
    rows, length, vocabulary = (2, 8, 71) if small else (64, 256, 8000)
    ids = np.random.default_rng(0).integers(6, vocabulary, (rows, length + 1), dtype="int32")
    found, shares = {}, []
    for policy in ("float32", "mixed_bfloat16"):
        keras.config.set_dtype_policy(policy)
        keras.utils.set_random_seed(0)
        config = TransformerConfig(vocabulary, max_length=length, **sizes)
        model = CausalLM(TransformerBackbone(config))
        model.compile()
        losses = []
        seconds = _seconds(
            lambda m=model, kept=losses: kept.append(m.train_on_batch(ids[:, :-1], ids[:, 1:])),
            2 if small else 30,
        )
        speed = rows * length / seconds
        peak = _peak("bfloat16" if policy != "float32" else "float32", 256 if small else 8192)
        share = 6 * model.count_params() * speed / peak  # forward 2, backward 4, a weight and token
        print(
            f"{policy}: {speed:,.0f} tokens/s, {share:.0%} of {peak / 1e12:.3g} TF/s, {losses[-1]}"
        )
        found[policy] = (speed, None)
        shares.append(
            {"peer": f"{policy} product's peak", "ratio": round(share, 3), "target": None}
        )
    return (
        f"training a GPT of {sizes['num_layers']} × {sizes['hidden_dim']}",
        "tokens a second",
        found,
        shares,
    )


def _peak(dtype, side):
    """Return the multiplications and additions a second that a large product reaches."""
    a = jax.numpy.ones((side, side), dtype)
    product = jax.jit(jax.numpy.matmul)
    return 2 * side**3 / _seconds(lambda: product(a, a).block_until_ready(), 10)


def character(small):
    """Pretrain on tiny Shakespeare, and score what was held out."""
    from kerasllm import pretrain

    options = {**GPT, "backbone": "transformer", "tokenizer": "character", "length": 256,
               "batch_size": 64, "steps": 4000, "eval_every": 500, "dropout": 0.2,
               "mixed_precision": True}  # fmt: skip
    data = "tinyshakespeare"
    if small:
        data = "topic_en"
        options |= {"hidden_dim": 16, "num_layers": 1, "num_heads": 2, "length": 16, "steps": 4,
                    "batch_size": 2, "eval_every": 2}  # fmt: skip
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = pretrain(data, Path(folder) / "run", **options)
        seconds, loss = time.perf_counter() - began, run.metrics["val_loss"]
    print(f"{loss:.4f} nats a character after {seconds:.0f} s; target {TARGET}")
    ratio = {"peer": "held-out loss", "ratio": round(loss, 4), "target": f"≤ {TARGET}"}
    return f"character GPT, {data}", "seconds", {"kerasllm, JAX": (seconds, None)}, [ratio]


PARTS = {f.__name__: f for f in (layers, recurrent, training, character)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--small", action="store_true", help="tiny sizes; writes nothing")
    given = parser.parse_args()
    found = PARTS[given.part](given.small)
    print(found)
    if not given.small:
        device = jax.devices()[0]
        keep(f"gpu_{given.part}", *found, device=f"{jax.device_count()} × {device.device_kind}")


if __name__ == "__main__":
    main()
