"""Unwanted messages: five folds of the SMS Spam Collection, repeats removed before dividing.

    python -m kerasllm.recipes.spam
    python -m kerasllm.recipes.spam --pretrained runs/minilm

A tenth of the training rows of each fold chooses the epoch. Matthews correlation, mean over the
folds, beside the linear baseline on the same folds.
"""

import dataclasses
import statistics
from pathlib import Path

import typer

import kerasllm
from kerasllm.recipes.record import record
from kerasllm.training import ClassificationSettings, PretrainSettings

LSTM = PretrainSettings(
    objective="masked", hidden_dim=128, units=96, dropout=0.2, lowercase=True,
    vocabulary_size=4000, length=64, batch_size=64, learning_rate=3e-3, steps=400,
)  # fmt: skip
TUNE = ClassificationSettings(
    pooling="max", dropout=0.5, word_dropout=0.1, learning_rate=2e-3, epochs=6.0
)
ENCODER = ClassificationSettings(pooling="mean", learning_rate=7e-5, epochs=2.0, length=96)


def main(
    output: Path = Path("runs/spam"), pretrained: Path | None = None, share: float = 1.0
) -> None:
    """Cross-validate; `share` scales steps and epochs."""
    if pretrained is None:
        steps = max(20, round(LSTM.steps * share))
        run = kerasllm.pretrain("sms_spam", output, settings=LSTM, steps=steps, resume=True)
        tune, title = TUNE, "LSTM in two directions"
    else:
        run, tune, title = pretrained, ENCODER, f"fine-tuned {pretrained.name}"
    tune = dataclasses.replace(tune, epochs=tune.epochs * share)
    found = kerasllm.crossvalidate(run, "sms_spam", output / "folds.json", settings=tune)
    spread = statistics.stdev([row["matthews"] for row in found.rows])
    result = {
        "data": "sms_spam",
        "split": "5 folds",
        "rows": sum(row["test_rows"] for row in found.rows),
        "model": {"matthews": found.mean["matthews"]},
        "interval": {},
        "baselines": {"linear": {"matthews": found.mean["linear_matthews"]}},
    }
    note = f"± {spread:.3f} over the folds"
    record(output, f"sms_spam, {title}", result, "matthews", 0.96, note=note)


if __name__ == "__main__":
    typer.run(main)
