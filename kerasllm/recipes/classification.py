"""Any set of `news` and `sentiment` under one command, as the rows of before were made.

python -m kerasllm.recipes.classification sst2
python -m kerasllm.recipes.classification ag_news --pretrained runs/minilm
"""

from pathlib import Path
from typing import Annotated

import typer

from kerasllm.recipes import news, sentiment
from kerasllm.recipes.classifiers import ENCODER, LSTM, TUNE, classify
from kerasllm.recipes.recipe import Fast, Output, Pretrained, Recipe, Share
from kerasllm.utils.errors import check_choice

DATA = news.DATA | sentiment.DATA
SETTINGS = (LSTM, TUNE, ENCODER)


def main(
    data: Annotated[str, typer.Argument(help=f"one of {', '.join(DATA)}")],
    output: Output = Path("runs/classification"),
    pretrained: Pretrained = None,
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Train and score a classifier on one of the sets of news and sentiment."""
    check_choice("data", data, DATA)
    classify(Recipe(output, pretrained, fast, share), data, **DATA[data])


if __name__ == "__main__":
    typer.run(main)
