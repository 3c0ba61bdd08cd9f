"""News: the desk that a report (English) or a title (Chinese) belongs to.

    python -m kerasllm.recipes.news ag_news
    python -m kerasllm.recipes.news thucnews
    python -m kerasllm.recipes.news ag_news --pretrained minilm

A Chinese title has some twenty characters, and is read character by character.
"""

from pathlib import Path
from typing import Annotated

import typer

from kerasllm.recipes.shared.classifiers import classify
from kerasllm.recipes.shared.recipe import Fast, Output, Pretrained, Recipe, Share
from kerasllm.utils.errors import check_choice

# data: what is particular to it
DATA = {
    "ag_news": {"target": (88.0, 91.5), "reading": {"length": 96}},
    "thucnews": {"target": (88.0, None), "reading": {"tokenizer": "character", "length": 40}},
    "topic_en": {},
    "topic_zh": {"reading": {"tokenizer": "character"}},
}


def main(
    data: Annotated[str, typer.Argument(help=f"one of {', '.join(DATA)}")] = "ag_news",
    output: Output = Path("runs/news"),
    pretrained: Pretrained = None,
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Tell news apart by topic, in English or Chinese."""
    check_choice("data", data, DATA)
    classify(Recipe(output, pretrained, fast, share), data, **DATA[data])


if __name__ == "__main__":
    typer.run(main)
