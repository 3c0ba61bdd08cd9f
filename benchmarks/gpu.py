"""A GPU in ten minutes, on JAX, without network: right, fast, and to nanoGPT's figure.

    sh benchmarks/gpu.sh                 # on a machine with a GPU
    sh benchmarks/gpu.sh --small         # anywhere: the same steps, with small sizes

1. Layers against the NumPy reference, computed on the device.
2. Recurrent layers: our loop beside Keras' own, which takes cuDNN's where that is there.
3. Training a GPT in float32 and in bfloat16: tokens a second, and the share of the largest rate of
   operations that a matrix product reached in the same precision.
4. A character GPT on tiny Shakespeare, to a held-out loss of 1.45 nats a character or less.

It needs the text of tiny Shakespeare where data sets are looked for (KERASLLM_DATA); without it the
fourth step is left out. Nothing of this page has been run on a GPU by the project yet: on a CPU
`--small` is what the tests run.
"""

import argparse
import statistics
import tempfile
import time

import numpy as np
from results import keep

LARGE = {
    "dim": 384, "layers": 6, "heads": 6, "length": 256, "batch": 64, "vocabulary": 71,
    "steps": 20, "rounds": 5, "matrix": 8192, "recurrent": (64, 128, 512), "minutes": 5,
}  # fmt: skip
SMALL = {
    "dim": 24, "layers": 1, "heads": 2, "length": 16, "batch": 3, "vocabulary": 71,
    "steps": 2, "rounds": 1, "matrix": 128, "recurrent": (3, 7, 11), "minutes": 0,
}  # fmt: skip
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
TARGET = 1.45


def proof():
    """Return {layer: the largest difference to its NumPy twin}, forward and gradients."""
    import keras

    from kerasllm import layers, verify

    draw, found = np.random.default_rng(0), {}
    x, y = (draw.normal(size=(3, 7, 10)).astype("float32") for _ in range(2))
    for layer in (
        layers.LSTM(10, return_sequences=True), layers.GRU(10, return_sequences=True),
        layers.MultiHeadAttention(2), layers.TransformerEncoder(2, causal=True),
    ):  # fmt: skip
        model = keras.Sequential([keras.Input(x.shape[1:]), layer])
        model.compile("sgd", "mse")
        report = verify.compare(model, x, y)
        found[type(layer).__name__] = float(f"{max(row.max_rel for row in report.rows):.2g}")
        if not report.ok:
            print(report)
    return found


def timed(run, rounds):
    """Return the median of so many rounds, in seconds; one more before them compiles."""
    took = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        run()
        took.append(time.perf_counter() - began)
    return statistics.median(took[1:])


def recurrent(shape):
    """Return {layer: {side: milliseconds}} of a step of training."""
    import keras

    from kerasllm import layers

    batch, length, units = shape["recurrent"]
    x = np.random.default_rng(0).normal(size=(batch, length, units)).astype("float32")
    found = {}
    for name in ("LSTM", "GRU"):
        found[name] = {}
        for side, house in (("kerasllm", layers), ("Keras", keras.layers)):
            inputs = keras.Input(x.shape[1:])
            outputs = getattr(house, name)(units, return_sequences=True)(inputs)
            model = keras.Model(inputs, outputs)
            model.compile("sgd", "mse")
            run = lambda model=model: model.train_on_batch(x, x)  # noqa: E731
            found[name][side] = round(1000 * timed(run, shape["rounds"]), 2)
    return found


def training(shape, precision):
    """Return (tokens a second, share of the matrix product's rate) of a GPT of a shape."""
    import keras
    from training import _stages, tokens

    from kerasllm.models import CausalLM, TokenCrossEntropy, TransformerBackbone, TransformerConfig
    from kerasllm.text.batching import StreamBatches

    keras.config.set_dtype_policy(PRECISIONS[precision])
    config = TransformerConfig(
        shape["vocabulary"], shape["dim"], shape["layers"], shape["heads"],
        max_length=shape["length"],
    )  # fmt: skip
    model = CausalLM(TransformerBackbone(config))
    batches = StreamBatches(tokens(shape), shape["length"], shape["batch"])
    run = _stages(model, TokenCrossEntropy(), batches, shape["steps"])
    seconds = timed(run, shape["rounds"])
    count = shape["batch"] * shape["length"] * shape["steps"]
    # Forward: 2 a weight of a block and token, and 4 D a pair of tokens; backward: twice that.
    weights = shape["layers"] * 12 * shape["dim"] ** 2 + shape["vocabulary"] * shape["dim"]
    operations = 3 * count * (2 * weights + 4 * shape["layers"] * shape["dim"] * shape["length"])
    share = operations / seconds / rate(shape["matrix"], precision, shape["rounds"])
    keras.config.set_dtype_policy("float32")
    return count / seconds, share


def rate(size, precision, rounds):
    """Return the operations a second of a square matrix product."""
    import jax

    x = jax.numpy.ones((size, size), precision)
    product = jax.jit(lambda x: x @ x)
    return 2 * size**3 / timed(lambda: product(x).block_until_ready(), rounds)


def shakespeare(minutes):
    """Return the held-out loss of a character GPT, in nats a character; None without the text."""
    import kerasllm

    limit = {"minutes": float(minutes)} if minutes else {}
    try:
        kerasllm.datasets.load("tinyshakespeare")
    except (FileNotFoundError, ValueError) as error:
        print(f"left out: {error}")
        return None
    with tempfile.TemporaryDirectory() as folder:
        run = kerasllm.pretrain(
            "tinyshakespeare", folder, tokenizer="character", backbone="transformer",
            size="base" if minutes else "tiny", length=256 if minutes else 16, dropout=0.2,
            batch_size=64 if minutes else 3, steps=5000 if minutes else 2,
            mixed_precision=bool(minutes), quiet=True, **limit,
        )  # fmt: skip
        found = kerasllm.evaluate(run, split="validation", with_baselines=False, quiet=True)
        return float(found["model"]["loss"])


def main():
    """Run the four steps, print what they find, and keep the rows of a GPU."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="small sizes, on any device")
    small = parser.parse_args().small
    import jax

    device = jax.devices()[0]
    if device.platform != "gpu" and not small:
        parser.error(
            f"JAX has no GPU here, it has {device}: pip install 'jax[cuda12]', or --small."
        )
    shape = SMALL if small else LARGE
    print(f"{device.device_kind}, JAX {jax.__version__}", flush=True)
    with jax.default_matmul_precision("float32"):  # a GPU multiplies in fewer bits by default
        found = proof()
    print(f"1  differences to the reference: {found}", flush=True)
    sides = recurrent(shape)
    print(f"2  recurrent layers, milliseconds a step: {sides}", flush=True)
    speed = {name: training(shape, name) for name in PRECISIONS}
    for name, (count, share) in speed.items():
        print(f"3  GPT, {name}: {count:,.0f} tokens/s, {share:.0%} of the peak", flush=True)
    loss = shakespeare(shape["minutes"])
    print(f"4  tiny Shakespeare: {loss} nats a character (target ≤ {TARGET})", flush=True)
    if not small:
        systems = {name: (count, None) for name, (count, _) in speed.items()}
        target = {"peer": "nats a character", "ratio": loss, "target": f"≤ {TARGET}"}
        keep("gpu", f"GPT of 6 layers × 384 on {device.device_kind}", "tokens a second", systems,
             [target] if loss else [], differences=found, recurrent=sides,
             peak={name: round(share, 2) for name, (_, share) in speed.items()})  # fmt: skip


if __name__ == "__main__":
    main()
