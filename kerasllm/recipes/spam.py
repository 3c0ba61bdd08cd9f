"""Unwanted messages, English or Chinese: five folds, repeats removed before dividing.

    python -m kerasllm.recipes.spam
    python -m kerasllm.recipes.spam spam_zh
    python -m kerasllm.recipes.spam --pretrained minilm

Few messages are unwanted, so Matthews correlation is what counts, mean over the folds, beside the
linear baseline on the same folds. A tenth of the training rows of each fold chooses the epoch.
"""

import dataclasses
import statistics
from pathlib import Path
from typing import Annotated

import typer

import kerasllm
from kerasllm.recipes.shared.recipe import Fast, Output, Pretrained, Recipe, Share, how
from kerasllm.training import ClassificationSettings, PretrainSettings
from kerasllm.utils.errors import check_choice

LSTM = PretrainSettings(
    objective="masked", hidden_dim=128, units=96, dropout=0.2, lowercase=True,
    vocabulary_size=4000, length=64, batch_size=64, learning_rate=3e-3, steps=400,
)  # fmt: skip
TUNE = ClassificationSettings(
    pooling="max", dropout=0.5, word_dropout=0.1, learning_rate=2e-3, epochs=6.0
)
ENCODER = ClassificationSettings(pooling="mean", learning_rate=7e-5, epochs=2.0, length=96)

# data: (target, changes to how the LSTM is pretrained)
DATA = {
    "sms_spam": (0.96, {}),
    "spam_zh": (None, {"tokenizer": "character"}),
    "spam_en": (None, {}),
}


def main(
    data: Annotated[str, typer.Argument(help=f"one of {', '.join(DATA)}")] = "sms_spam",
    output: Output = Path("runs/spam"),
    pretrained: Pretrained = None,
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Cross-validate a filter of unwanted messages."""
    check_choice("data", data, DATA)
    recipe, (target, reading) = Recipe(output, pretrained, fast, share), DATA[data]
    run, tune = recipe.begins(), ENCODER
    if run is None:
        run, tune = recipe.pretrain(data, dataclasses.replace(LSTM, **reading), part=""), TUNE
    found = kerasllm.crossvalidate(
        run, recipe.data(data), output / "folds.json", folds=2 if fast else 5,
        settings=recipe.settings(tune, run), overwrite=fast,
    )  # fmt: skip
    spread = statistics.stdev(row["matthews"] for row in found.rows)
    result = {
        "data": data,
        "split": f"{len(found.rows)} folds",
        "rows": sum(row["test_rows"] for row in found.rows),
        "model": {"matthews": found.mean["matthews"]},
        "interval": {},
        "baselines": {"linear": {"matthews": found.mean["linear_matthews"]}},
    }
    note = f"± {spread:.3f} over the folds"
    title = f"{data}, {how(recipe, 'LSTM in two directions')}"
    recipe.row(output, title, "matthews", target, result=result, note=note)


if __name__ == "__main__":
    typer.run(main)
