"""The learning rate of a pretraining: what the loss is after few steps, by rate and by width.

    python benchmarks/rates.py --rates default 1e-3 1e-2 --steps 300

Every training is scored on its validation text, by its best weights. The default rate (`--rates
default`) is the one that `kerasllm pretrain` chooses itself. Results:
`benchmarks/results/defaults/rates.json`; `defaults_page.py` makes a table of them.
"""

import argparse
import json
import tempfile
from pathlib import Path

import keras

import kerasllm

MODELS = {
    "zh, recurrent, tiny": ("chinese_poetry", {"size": "tiny"}),
    "zh, Transformer, tiny": ("chinese_poetry", {"size": "tiny", "backbone": "transformer"}),
    "en, recurrent, small": ("ptb", {"size": "small"}),
    "en, Transformer, small": ("ptb", {"size": "small", "backbone": "transformer"}),
}
PATH = Path(__file__).parent / "results" / "defaults" / "rates.json"


def loss(model, rate, steps):
    """Return (the rate, nats a token of the validation text) of a training with a rate."""
    data, options = MODELS[model]
    options = {**options, "tokenizer": "character" if data == "chinese_poetry" else "bpe"}
    with tempfile.TemporaryDirectory() as folder:
        run = kerasllm.pretrain(
            data, Path(folder) / "run", steps=steps, eval_every=steps // 3, learning_rate=rate,
            length=64, quiet=True, **options,
        )  # fmt: skip
        found = run.settings["learning_rate"], run.metrics["val_loss"]
    keras.backend.clear_session()
    return found


def main():
    """Train with each rate, print the losses, and keep them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--rates", nargs="+", default=["default", "1e-3", "3e-3", "1e-2"])
    parser.add_argument("--steps", nargs="+", type=int, default=[300])
    given = parser.parse_args()
    kept = json.loads(PATH.read_text()) if PATH.exists() else []
    for model in given.models:
        for steps in given.steps:
            for text in given.rates:
                rate, nats = loss(model, None if text == "default" else float(text), steps)
                row = {"model": model, "steps": steps, "given": text, "rate": rate, "loss": nats}
                print(json.dumps(row, ensure_ascii=False), flush=True)
                same = ("model", "steps", "given")
                kept = [r for r in kept if [r[k] for k in same] != [row[k] for k in same]] + [row]
                PATH.parent.mkdir(exist_ok=True, parents=True)
                PATH.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
