"""Sentiment: whether somebody liked it, in English or Chinese.

    python -m kerasllm.recipes.sentiment sst2
    python -m kerasllm.recipes.sentiment chnsenticorp_htl
    python -m kerasllm.recipes.sentiment sst2 --pretrained minilm

The labels of SST-2's test set are not public: its validation split is scored, and 5 % of the
training rows choose the epoch.
"""

from pathlib import Path
from typing import Annotated

import typer

from kerasllm.recipes.shared.classifiers import classify
from kerasllm.recipes.shared.recipe import Fast, Output, Pretrained, Recipe, Share
from kerasllm.utils.errors import check_choice

# data: what is particular to it
DATA = {
    "sst2": {"target": (82.0, 90.5), "split": "validation", "tuning": {"held_out": 0.05}},
    "chnsenticorp_htl": {
        "target": (90.0, None),
        "reading": {"tokenizer": "character", "length": 200},
    },
    "sentiment_en": {},
    "sentiment_zh": {"reading": {"tokenizer": "character"}},
}


def main(
    data: Annotated[str, typer.Argument(help=f"one of {', '.join(DATA)}")] = "sst2",
    output: Output = Path("runs/sentiment"),
    pretrained: Pretrained = None,
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Tell praise from blame, in English or Chinese."""
    check_choice("data", data, DATA)
    classify(Recipe(output, pretrained, fast, share), data, **DATA[data])


if __name__ == "__main__":
    typer.run(main)
