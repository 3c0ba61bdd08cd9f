"""Summaries: a headline of a report, one sentence of an abstract, a title of a Chinese abstract.

    python -m kerasllm.recipes.summaries ag_news_titles
    python -m kerasllm.recipes.summaries scitldr
    python -m kerasllm.recipes.summaries csl

The model may copy words of the text. What it has to beat is taken from the text without any
learning: its first words, its first sentence, its central sentence (TextRank).
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

import kerasllm
from kerasllm import datasets
from kerasllm.recipes.shared.recipe import Fast, Output, Recipe, Share
from kerasllm.training import Seq2SeqSettings
from kerasllm.utils.errors import check_choice

SETTINGS = Seq2SeqSettings(
    copy=True, cell="gru", attention="bahdanau", hidden_dim=192, units=256, num_layers=1,
    lowercase=True, dropout=0.3, learning_rate=2e-3, batch_size=32, epochs=8.0, metric="rouge_l",
    truncate=True, beam=4, length_penalty=1.0, vocabulary_size=10_000,
)  # fmt: skip
# data: (tokens of a text that are read, the tokenizer)
DATA = {"ag_news_titles": (96, "bpe"), "scitldr": (256, "bpe"), "csl": (256, "character")}


def main(
    data: Annotated[str, typer.Argument(help=f"one of {', '.join(DATA)}")] = "ag_news_titles",
    output: Output = Path("runs/summaries"),
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Write summaries, beside those that are taken from the text."""
    check_choice("data", data, DATA)
    recipe, (length, tokenizer) = Recipe(output, fast=fast, share=share), DATA[data]
    settings = dataclasses.replace(SETTINGS, length=length, tokenizer=tokenizer)
    run = recipe.train(data, settings)
    recipe.row(run, f"{data}, recurrent encoder-decoder that copies", "rouge_l")
    first = datasets.load(recipe.data(data), split="test")[0]
    print(f"text:    {first.source[:300]}\nsummary: {first.target}")
    print(f"written: {kerasllm.predict(run, first.source)[0]['answer']}")


if __name__ == "__main__":
    typer.run(main)
