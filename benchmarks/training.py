"""Time training beside PyTorch and the Hugging Face Trainer: the same models, data and optimizer.

    python benchmarks/training.py [character] [lstm] [minilm] [--rounds 7] [--threads 2]

- character: a causal Transformer of 4 layers x 128, 64 characters of context, 12 windows a step.
- lstm: a language model of 2 LSTM layers x 200, 10,000 words, 20 windows of 35 a step.
- minilm: an epoch of fine-tuning an encoder of 6 layers x 384 (22M weights, drawn at random) on
  sentences of SST-2, 32 a step, padded as each side pads them by default.

All use AdamW and clip the gradients at a global norm of 1. This project trains as its commands do:
`compile_model` and `run_stage`. PyTorch gets its fastest form: fused AdamW, its fused attention,
and, as a system of its own, `torch.compile`.
Needs: pip install torch transformers accelerate; the sentences are looked for as every data set.
"""

import argparse
import os
import time
from functools import partial

import numpy as np
from results import keep
from turns import print_ratios, ratios_of, take_turns, work

TARGETS = {
    "character": {"PyTorch": 1.0},
    "lstm": {"PyTorch": 1.2},
    "minilm": {"Hugging Face": 2.5},
}
ROWS = {
    "character": "training, character GPT of 4 layers × 128",
    "lstm": "training, 2 LSTM layers × 200, 10,000 words",
    "minilm": "fine-tuning, MiniLM's shape on SST-2",
}
SHAPES = {
    "character": {"vocabulary": 71, "batch": 12, "length": 64, "dim": 128, "layers": 4,
                  "heads": 4, "steps": 200},
    "lstm": {"vocabulary": 10_000, "batch": 20, "length": 35, "dim": 200, "layers": 2,
             "steps": 20},
    "minilm": {"vocabulary": 30_522, "batch": 32, "dim": 384, "layers": 6, "heads": 12,
               "inner": 1536, "texts": 640},
}  # fmt: skip
PEAK_SHARE = 0.55
RATE, DECAY, BETAS = 1e-3, 0.01, (0.9, 0.99)


def tokens(shape):
    """Return a text of random tokens, special ones excluded."""
    return np.random.default_rng(0).integers(6, shape["vocabulary"], 200_000, dtype="int32")


def sentences(shape):
    """Return (lists of token ids, labels) of the first sentences of SST-2's training part."""
    from kerasllm import datasets
    from kerasllm.text import train_tokenizer

    data = datasets.load("sst2", split="train")
    texts = [data.texts[i] for i in range(shape["texts"])]
    tokenizer = train_tokenizer(data.texts, kind="wordpiece", vocabulary_size=shape["vocabulary"])
    ids = [tokenizer.frame(row) for row in tokenizer.encode_batch(texts)]
    names = sorted(set(data.labels))
    return ids, np.array([names.index(name) for name in data.labels_of[: shape["texts"]]])


# --- this project ---


def _stages(model, loss, batches, steps):
    """Return a function that trains for so many steps, as the commands do."""
    from kerasllm.training.engine.compilation import compile_model
    from kerasllm.training.engine.loop import Stage, run_stage
    from kerasllm.training.settings.pretraining import PretrainSettings

    settings = PretrainSettings(learning_rate=RATE, weight_decay=DECAY)
    compile_model(model, loss, settings, 10**6, batches)
    return lambda: run_stage(Stage("timing", model, batches, steps, eval_every=steps))


def _language(backbone, shape):
    from kerasllm.models import CausalLM, TokenCrossEntropy
    from kerasllm.text.batching import StreamBatches

    batches = StreamBatches(tokens(shape), shape["length"], shape["batch"])
    return _stages(CausalLM(backbone), TokenCrossEntropy(), batches, shape["steps"])


def kerasllm_character(shape):
    """Return a function that trains this project's Transformer."""
    from kerasllm.models import TransformerBackbone, TransformerConfig

    config = TransformerConfig(
        shape["vocabulary"], shape["dim"], shape["layers"], shape["heads"],
        max_length=shape["length"],
    )  # fmt: skip
    return _language(TransformerBackbone(config), shape)


def kerasllm_lstm(shape):
    """Return a function that trains this project's LSTM."""
    from kerasllm.models import RecurrentBackbone, RecurrentConfig

    config = RecurrentConfig(
        shape["vocabulary"], shape["dim"], shape["dim"], shape["layers"], project=False
    )
    return _language(RecurrentBackbone(config), shape)


def kerasllm_minilm(shape):
    """Return a function that fine-tunes this project's encoder for an epoch."""
    import keras

    from kerasllm.models import TextClassifier, TransformerBackbone, TransformerConfig
    from kerasllm.text.batching import TextBatches

    config = TransformerConfig(
        shape["vocabulary"], shape["dim"], shape["layers"], shape["heads"], shape["inner"],
        causal=False, norm="post", segments=2, dropout=0.1, epsilon=1e-12,
    )  # fmt: skip
    model = TextClassifier(TransformerBackbone(config), 2, dropout=0.1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    ids, labels = sentences(shape)
    batches = TextBatches(ids, labels, shape["batch"], bucket=4)
    return _stages(model, loss, batches, batches.steps_per_epoch)


# --- PyTorch ---


def _transformer(shape):
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self, dim, heads):
            super().__init__()
            self.heads, self.norm_1, self.norm_2 = heads, nn.LayerNorm(dim), nn.LayerNorm(dim)
            self.qkv, self.output = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
            self.expand, self.contract = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

        def forward(self, x):
            batch, length, dim = x.shape
            q, k, v = (
                part.view(batch, length, self.heads, -1).transpose(1, 2)
                for part in self.qkv(self.norm_1(x)).split(dim, 2)
            )
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.output(y.transpose(1, 2).reshape(batch, length, dim))
            return x + self.contract(functional.gelu(self.expand(self.norm_2(x))))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(shape["vocabulary"], shape["dim"])
            self.positions = nn.Embedding(shape["length"], shape["dim"])
            blocks = [Block(shape["dim"], shape["heads"]) for _ in range(shape["layers"])]
            self.blocks, self.norm = nn.Sequential(*blocks), nn.LayerNorm(shape["dim"])

        def forward(self, ids):
            x = self.table(ids) + self.positions.weight[: ids.shape[1]]
            return self.norm(self.blocks(x)) @ self.table.weight.T

    return Transformer()


def _recurrent(shape):
    from torch import nn

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            dim = shape["dim"]
            self.table = nn.Embedding(shape["vocabulary"], dim)
            self.stack = nn.LSTM(dim, dim, shape["layers"], batch_first=True)

        def forward(self, ids):
            return self.stack(self.table(ids))[0] @ self.table.weight.T

    return Recurrent()


def _torch(model, shape, compiled):
    """Return a function that trains a PyTorch language model."""
    import torch

    torch.nn.init.normal_(model.table.weight, std=0.02)
    optimizer = torch.optim.AdamW(model.parameters(), RATE, BETAS, weight_decay=DECAY, fused=True)
    forward = torch.compile(model) if compiled else model
    text, length, rng = tokens(shape), shape["length"], np.random.default_rng(0)

    def step():
        starts = rng.integers(0, len(text) - length, shape["batch"])
        rows = torch.from_numpy(text[starts[:, None] + np.arange(length + 1)]).long()
        scores = forward(rows[:, :-1])
        loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return lambda: [step() for _ in range(shape["steps"])]


def hugging_face(shape):
    """Return a function that fine-tunes an encoder for an epoch with the Trainer."""
    import tempfile

    import torch
    import transformers

    config = transformers.BertConfig(
        vocab_size=shape["vocabulary"], hidden_size=shape["dim"],
        num_hidden_layers=shape["layers"], num_attention_heads=shape["heads"],
        intermediate_size=shape["inner"], num_labels=2,
    )  # fmt: skip
    ids, labels = sentences(shape)
    data = [{"input_ids": i, "labels": int(y)} for i, y in zip(ids, labels, strict=True)]

    def padded(rows):  # what DataCollatorWithPadding does, without the tokenizer's files
        width = max(len(row["input_ids"]) for row in rows)
        filled = [row["input_ids"] + [0] * (width - len(row["input_ids"])) for row in rows]
        batch = torch.tensor(filled)
        answers = torch.tensor([row["labels"] for row in rows])
        return {"input_ids": batch, "attention_mask": (batch != 0).long(), "labels": answers}

    arguments = transformers.TrainingArguments(
        tempfile.mkdtemp(), num_train_epochs=1, per_device_train_batch_size=shape["batch"],
        learning_rate=RATE, weight_decay=DECAY, adam_beta2=BETAS[1], max_grad_norm=1.0,
        report_to="none", save_strategy="no", disable_tqdm=True, logging_strategy="no",
        use_cpu=True,
    )  # fmt: skip
    trainer = transformers.Trainer(
        transformers.BertForSequenceClassification(config), arguments,
        train_dataset=data, data_collator=padded,
    )  # fmt: skip
    return trainer.train


# case: {name: (backend of Keras, what builds it)}
SYSTEMS = {
    "character": {
        "kerasllm": ("tensorflow", kerasllm_character),
        "kerasllm, JAX": ("jax", kerasllm_character),
        "PyTorch, eager": ("torch", lambda shape: _torch(_transformer(shape), shape, False)),
        "PyTorch, compiled": ("torch", lambda shape: _torch(_transformer(shape), shape, True)),
    },
    "lstm": {
        "kerasllm": ("tensorflow", kerasllm_lstm),
        "kerasllm, JAX": ("jax", kerasllm_lstm),
        "PyTorch, eager": ("torch", lambda shape: _torch(_recurrent(shape), shape, False)),
        "PyTorch, compiled": ("torch", lambda shape: _torch(_recurrent(shape), shape, True)),
    },
    "minilm": {
        "kerasllm": ("tensorflow", kerasllm_minilm),
        "Hugging Face": ("torch", hugging_face),
    },
}


def set_threads(backend, count):
    """Give a backend so many threads."""
    if backend == "torch":
        import torch

        torch.set_num_threads(count)
    elif backend == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(count)
        tf.config.threading.set_inter_op_parallelism_threads(count)


def real_tokens(case):
    """Return how many tokens, padding excluded, a round trains on."""
    shape = SHAPES[case]
    if case == "minilm":
        return sum(map(len, sentences(shape)[0]))
    return shape["batch"] * shape["length"] * shape["steps"]


def encoder_flops(shape):
    """Return the multiplications and additions of an epoch's matrix products, padding excluded.

    Forward: 2 a weight and token, and 4 D a pair of tokens and layer in the attention. Backward:
    twice that. Embeddings are looked up, not multiplied.
    """
    dim, inner = shape["dim"], shape["inner"]
    weights = shape["layers"] * (4 * dim * dim + 2 * dim * inner)
    lengths = np.array([len(row) for row in sentences(shape)[0]], dtype="float64")
    pairs = 4 * shape["layers"] * dim * (lengths**2).sum()
    return 3 * (2 * weights * lengths.sum() + pairs)


def matrix_peak():
    """Return the most multiplications and additions a second that a large product reached."""
    import tensorflow as tf

    a = tf.random.normal((2048, 2048))
    best = np.inf
    for _ in range(12):
        start = time.perf_counter()
        tf.matmul(a, a).numpy()
        best = min(best, time.perf_counter() - start)
    return 2 * 2048**3 / best


def begun(case, system, threads):
    """Return what trains once more."""
    backend, build = SYSTEMS[case][system]
    set_threads(backend, threads)
    return build(SHAPES[case])


def compare(case, rounds, threads):
    """Print the tokens a second of each system, and the ratios to this project's."""
    backends = {name: backend for name, (backend, _) in SYSTEMS[case].items()}
    times = take_turns(__file__, case, backends, ["--threads", str(threads)], rounds)
    count = real_tokens(case)
    speed = {name: tuple(count / seconds for seconds in both) for name, both in times.items()}
    busy = os.getloadavg()[0]
    print(f"\n{case}, {threads} threads, median of {rounds} rounds, load of the machine {busy:.1f}")
    for name, (clock, cpu) in speed.items():
        print(f"  {name:22} {clock:8.0f} tokens/s {cpu:8.0f} a processor second")
    ratios = ratios_of(speed, TARGETS[case])
    if case == "minilm":
        set_threads("tensorflow", threads)
        share = encoder_flops(SHAPES[case]) / times["kerasllm"][0] / matrix_peak()
        print(f"  share of the matrix product's peak {share:.0%}   target {PEAK_SHARE:.0%}")
        peak = {"peer": "matrix product's peak", "ratio": round(share, 2)}
        ratios.append({**peak, "target": f"≥ {PEAK_SHARE}"})
    print_ratios(ratios)
    keep(f"training_{case}", ROWS[case], "tokens a second", speed, ratios, threads=threads,
         rounds=rounds, load=round(busy, 1))  # fmt: skip


def main():
    """Run the cases that were asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(SHAPES)}; all by default")
    parser.add_argument("--rounds", type=int, default=7, help="at least 5")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of every system")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    for case in args.cases or SHAPES:
        if args.worker:
            work(partial(begun, case, args.worker, args.threads))
        else:
            compare(case, max(args.rounds, 5), args.threads)


if __name__ == "__main__":
    main()
