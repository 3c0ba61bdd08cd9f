"""Time decoding with weights of 8 bits beside float32, and say what it does to the perplexity.

    KERAS_BACKEND=jax python benchmarks/eight_bits.py [--run runs/smollm2] [--rounds 5]

- three shapes with random weights: a character GPT of 0.8 million, one of 14 million with 8,000
  words, GPT-2 small with 124 million: 16 tokens given, 64 new, drawn among 10. Where 8 bits are
  slower, `run.generate(int8=True)` refuses (`SMALLEST` of `kerasllm.models.decoding.eight_bits`);
- with --run, a run folder of a causal Transformer: the same, and its perplexity on the opening of
  three of NLTK's texts in float32 and in 8 bits. Needs: pip install 'kerasllm[int8]'.
"""

import argparse
import time
from statistics import median

import numpy as np
from results import keep

GIVEN, NEW, TOP_K = 16, 64, 10
SHAPES = {  # (vocabulary, width, layers, heads, context), and whether the target is asked of it
    "character": ((65, 128, 4, 4, 256), False),
    "middle": ((8000, 384, 6, 6, 256), False),
    "gpt2": ((50257, 768, 12, 12, 1024), True),
}
TEXTS = ("austen-emma.txt", "carroll-alice.txt", "chesterton-brown.txt")
CHARACTERS = 4000


def speeds(model, rounds):
    """Return {name: (tokens a second by the clock, by processor time)}; they take turns."""
    from kerasllm.models import Sampling, generate_ids
    from kerasllm.models.decoding.eight_bits import EightBits

    size = model.backbone.settings.vocabulary_size
    prompts = np.random.default_rng(0).integers(6, size, (1, GIVEN)).tolist()
    sampling, decoder = Sampling(top_k=TOP_K), EightBits(model)
    runs = {
        "float32": lambda k: generate_ids(model, prompts, NEW, sampling, k, stop=()),
        "8 bits": lambda k: decoder.decode(prompts, NEW, sampling=sampling, seed=k, stop=()),
    }
    times = {name: [] for name in runs}
    for k in range(rounds + 1):
        for name, run in runs.items():
            began, work = time.perf_counter(), time.process_time()
            (tokens,) = run(k)
            took = time.perf_counter() - began, time.process_time() - work
            if len(tokens) != NEW:
                raise RuntimeError(f"expected {NEW} tokens, got {len(tokens)}")
            if k:  # the first one compiles
                times[name].append(took)
    return {
        name: tuple(NEW / median(part) for part in zip(*took, strict=True))
        for name, took in times.items()
    }, decoder


def perplexities(run, decoder):
    """Return the perplexity in float32 and in 8 bits, and the number of tokens."""
    from nltk.corpus import gutenberg

    losses = {"float32": [], "8 bits": []}
    for name in TEXTS:
        ids = np.array([run.tokenizer.encode(gutenberg.raw(name)[:CHARACTERS])[:1000]], "int32")
        for kind, logits in (
            ("float32", np.array(run.model(ids))), ("8 bits", decoder.logits(ids))
        ):  # fmt: skip
            x = logits[0, :-1].astype("float64")
            x = x - x.max(axis=-1, keepdims=True)
            x = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
            losses[kind].extend(-x[np.arange(len(x)), ids[0, 1:]])
    return {kind: float(np.exp(np.mean(found))) for kind, found in losses.items()}, len(
        losses[kind]
    )


def kept(name, row, speed, asked=True, **more):
    """Print and keep one row."""
    clock, work = (round(float(r), 2) for r in np.divide(speed["8 bits"], speed["float32"]))
    ratio = {"peer": "float32", "ratio": clock, "by processor time": work}
    ratio["target"] = "≥ 2.0" if asked else None
    print(row, speed, ratio, more, flush=True)
    keep(name, row, "tokens a second", speed, [ratio], **more)


def main():
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", help="run folder of a causal Transformer")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    import keras

    from kerasllm.models import CausalLM, TransformerBackbone, TransformerConfig

    backend = keras.backend.backend()
    for name, ((vocabulary, width, layers, heads, context), asked) in SHAPES.items():
        print(f"building {name}", flush=True)
        config = TransformerConfig(
            vocabulary, width, layers, heads, max_length=context, activation="gelu_tanh"
        )
        model = CausalLM(TransformerBackbone(config))
        row = f"decoding, {name}, {model.count_params() / 1e6:.1f} M weights, 8 bits on {backend}"
        kept(f"eight_bits_{name}_{backend}", row, speeds(model, args.rounds)[0], asked)
    if args.run:
        import kerasllm

        run = kerasllm.load_run(args.run)
        found, decoder = speeds(run.model, args.rounds)
        perplexity, tokens = perplexities(run, decoder)
        kept(
            f"eight_bits_run_{backend}", f"decoding, {run.path.name}, 8 bits, on {backend}", found,
            perplexity=perplexity, tokens=tokens,
        )  # fmt: skip


if __name__ == "__main__":
    main()
