"""A word language model of the Penn Treebank: two LSTM layers, one table for input and output.

    python -m kerasllm.recipes.word_lm

Dropout on the embeddings, between the layers and before the scores (Zaremba et al. 2014), tied
tables (Press and Wolf 2017). The official validation text chooses the epoch, the test text is
scored once, beside a Kneser-Ney model of five words.
"""

from pathlib import Path

import typer

from kerasllm.recipes.shared.recipe import Fast, Output, Recipe, Share
from kerasllm.training import PretrainSettings

SETTINGS = PretrainSettings(
    tokenizer="word",
    word_splitter="space",
    vocabulary_size=20_000,  # all of the 10,000 that there are
    min_frequency=1,
    hidden_dim=256,
    units=256,
    num_layers=2,
    residual=True,
    dropout=0.3,
    output_dropout=0.4,
    length=64,
    batch_size=20,
    learning_rate=4e-3,
    weight_decay=0.05,
    final_rate=0.01,
    steps=7000,  # of 1,280 words each: about ten passes
)


def main(output: Output = Path("runs/word_lm"), fast: Fast = False, share: Share = 1.0) -> None:
    """Train an LSTM on the words of ptb."""
    recipe = Recipe(output, fast=fast, share=share)
    run = recipe.pretrain("ptb", SETTINGS, part="")
    recipe.row(run, "words, LSTM", "perplexity", 110, lower=True)


if __name__ == "__main__":
    typer.run(main)
