"""Sentiment and topics, English and Chinese: an LSTM with pretraining on the same texts.

    python -m kerasllm.recipes.classification sst2
    python -m kerasllm.recipes.classification ag_news --pretrained runs/minilm

The LSTM reads in both directions; hidden words of the training texts teach it before the labels do.
With `--pretrained`, an imported encoder is fine-tuned instead (`kerasllm import`). The validation
split chooses the epoch; where that is what is scored, 5 % of the training rows do.
"""

import dataclasses
from pathlib import Path

import typer

import kerasllm
from kerasllm.recipes.record import record
from kerasllm.training import ClassificationSettings, PretrainSettings
from kerasllm.utils.errors import check_choice

LSTM = PretrainSettings(
    objective="masked",
    hidden_dim=128,
    units=128,
    dropout=0.2,
    lowercase=True,
    vocabulary_size=12_000,
    length=64,
    batch_size=64,
    learning_rate=3e-3,
    steps=1500,
)
TUNE = ClassificationSettings(
    pooling="max", dropout=0.5, word_dropout=0.1, batch_size=64, learning_rate=1e-3, epochs=4.0
)  # fmt: skip
ENCODER = ClassificationSettings(
    pooling="mean", batch_size=32, learning_rate=7e-5, epochs=3.0, length=128, discriminative=1.2
)  # fmt: skip

# data: (the split that is scored, the target of the LSTM, of the encoder,
#        changes to how the LSTM is pretrained, to how either is fine-tuned)
DATA = {
    "sst2": ("validation", 82.0, 90.5, {}, {"held_out": 0.05}),
    "ag_news": ("test", 88.0, 91.5, {"length": 96}, {}),
    "thucnews": ("test", 88.0, None, {"tokenizer": "character", "length": 40}, {}),
    "chnsenticorp_htl": ("test", 90.0, None, {"tokenizer": "character", "length": 200}, {}),
}


def main(
    data: str,
    output: Path = Path("runs/classification"),
    pretrained: Path | None = None,
    share: float = 1.0,
) -> None:
    """Train and score on one of the sets in `DATA`; `share` scales steps and epochs."""
    check_choice("data", data, DATA)
    split, lstm, encoder, changes, tuning = DATA[data]
    if pretrained is None:
        settings = dataclasses.replace(LSTM, steps=round(LSTM.steps * share), **changes)
        run = kerasllm.pretrain(data, output / "pretrained", settings=settings, resume=True)
        tune, title, target = TUNE, "LSTM in two directions", lstm
    else:
        run, tune, title, target = pretrained, ENCODER, f"fine-tuned {pretrained.name}", encoder
    tune = dataclasses.replace(tune, **tuning)
    tune = dataclasses.replace(tune, epochs=tune.epochs * share)
    tuned = kerasllm.finetune(run, data, output / "finetuned", settings=tune, resume=True)
    result = kerasllm.evaluate(tuned, split=split)
    note = "" if share == 1 else f"{share:g} of the steps"
    record(tuned.path, f"{data}, {title}", result, "accuracy", target, percent=True, note=note)


if __name__ == "__main__":
    typer.run(main)
