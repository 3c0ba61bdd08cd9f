"""A real Llama against `transformers`, from one GGUF file: `python -m tests.long smollm2 [FILE]`.

`transformers` loads the same file in torch (extras `gguf` and `bench`). Compared are the logits of
real prompts, how lines are cut into tokens, and greedy continuations.

- `transformers` does not read the rule by which a GGUF file cuts digits: its tokenizer gets the
  pre-tokenizer that the file names (`smollm`: digits alone) before lines are compared.
- Memory is the growth of the process while the model is loaded, over the bytes of its weights.
"""

import importlib.util
import json
import os
import random
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "figures" / "smollm2.json"
NEEDED = ("gguf", "torch", "transformers", "accelerate")
PROMPTS, LINES, TEXTS, NEW = 50, 10_000, 20, 64
SETS = ("sst2", "ag_news", "waimai_10k", "thucnews", "squad", "multi30k")
CLOSE = 1e-3  # between the two best logits, where rounding may choose


def main(arguments):
    """Compare, print and write the figures."""
    if lost := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        print(f"skipped: needs {', '.join(lost)} (pip install 'kerasllm[gguf,bench]')")
        return 0
    os.environ.setdefault("KERASLLM_DATA", "")
    from kerasllm.utils.hub.fetching import find

    path, source = find(arguments[0] if arguments else "smollm2")
    lines = real_lines()
    model, figures = loaded(path)
    figures = {"source": source, **figures}
    there, tokenizer = theirs(path)
    for found in (
        partial(tokens, tokenizer=tokenizer), partial(logits, there=there),
        partial(continuations, there=there),
    ):  # fmt: skip
        print(figures, flush=True)
        figures |= found(model, lines=lines)
    print(figures)
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n")
    return int(figures["lines_cut_otherwise"] or figures["logits_apart"] > 1e-3
               or figures["continuations_otherwise"])  # fmt: skip


def real_lines():
    """Return lines of public sets, and of all kinds of characters."""
    from kerasllm import datasets

    draw, lines = random.Random(0), []
    for name in SETS:
        data = datasets.load(name, split="train").take(4000, 0)
        for example in data:
            row = getattr(example, "text", None) or getattr(example, "context", None)
            lines.append(row or example.source)
    draw.shuffle(lines)
    return [line for line in lines if line.strip()][:LINES]


def loaded(path):
    """Return our model, and how long it took and how much memory to load it."""
    import keras

    from kerasllm.models import CausalLM, CausalPreprocessor
    from kerasllm.models.hub import load_checkpoint

    keras.ops.ones(1)
    before, peak, over = resident(), [0], threading.Event()

    def watch():
        while not over.wait(0.005):
            peak[0] = max(peak[0], resident())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    began = time.perf_counter()
    backbone, tokenizer, _ = load_checkpoint(path)
    seconds = time.perf_counter() - began
    over.set()
    watcher.join()
    bytes_of = 4 * sum(int(np.prod(w.shape)) for w in backbone.weights)
    model = CausalLM(backbone, preprocessor=CausalPreprocessor(tokenizer, 1024))
    return model, {
        "backend": keras.backend.backend(),
        "weights": backbone.count_params(),
        "seconds_to_load": round(seconds, 2),
        "peak_over_weights": round((peak[0] - before) / bytes_of, 3),
    }


def resident():
    """Return the bytes of this process that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def theirs(path):
    """Return the model and the tokenizer that `transformers` makes of the same file."""
    import torch
    import transformers
    from tokenizers import pre_tokenizers

    transformers.logging.set_verbosity_error()
    options = {"gguf_file": path.name, "dtype": torch.float32}
    model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, **options).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True),
         pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )  # fmt: skip
    return model, tokenizer


def tokens(model, tokenizer, lines):
    """Return how many lines are cut otherwise."""
    mine = model.preprocessor.tokenizer
    options = {"add_special_tokens": False, "split_special_tokens": True}
    there = tokenizer(lines, **options)["input_ids"]
    wrong = [
        line
        for line, ours, expected in zip(lines, mine.encode_batch(lines), there, strict=True)
        if mine.original_ids[ours].tolist() != expected
    ]
    for line in wrong[:3]:
        print(f"cut otherwise: {line!r:.200}", file=sys.stderr)
    return {"lines": len(lines), "lines_cut_otherwise": len(wrong)}


def prompts(model, lines, count, length):
    """Return the ids here of the beginnings of lines."""
    ids = (model.preprocessor.tokenizer.encode(line)[:length] for line in lines)
    return [row for row in ids if len(row) >= 8][:count]


def logits(model, there, lines):
    """Return how far apart logits are, at most, over all tokens of real prompts."""
    import keras
    import torch

    apart = 0.0
    for ids in prompts(model, lines, PROMPTS, 128):
        with torch.no_grad():
            expected = there(torch.as_tensor([ids]) - 1).logits[0].numpy()
        row = np.zeros((1, 128), "int32")
        row[0, : len(ids)] = ids
        ours = keras.ops.convert_to_numpy(model(row))[0, : len(ids), 1:]
        apart = max(apart, float(np.abs(ours - expected).max()))
    return {"prompts": PROMPTS, "logits_apart": apart}


def continuations(model, there, lines):
    """Return how many greedy continuations differ, but for where two logits are equally good."""
    import torch

    from kerasllm.models import generate_ids

    same = excused = 0
    for ids in prompts(model, lines, TEXTS, 32):
        ours = generate_ids(model, [ids], NEW, stop=(), never=(0,))[0]
        given = torch.as_tensor([ids]) - 1
        with torch.no_grad():
            said = there.generate(given, max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False,
                                  eos_token_id=None, pad_token_id=0)  # fmt: skip
        expected = (said[0, len(ids) :] + 1).tolist()
        same += ours == expected
        if ours != expected:
            first = next(i for i in range(NEW) if ours[i] != expected[i])
            with torch.no_grad():
                last = there(said[:, : len(ids) + first]).logits[0, -1]
            best = last.topk(2).values
            excused += float(best[0] - best[1]) < CLOSE
    return {"texts": TEXTS, "new_tokens": NEW, "continuations_equal": same,
            "continuations_excused": excused,
            "continuations_otherwise": TEXTS - same - excused}  # fmt: skip
