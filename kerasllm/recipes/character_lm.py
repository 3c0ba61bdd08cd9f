"""A character language model of Shakespeare: a small GPT, beside a Kneser-Ney model.

    python -m kerasllm.recipes.character_lm
    python -m kerasllm.recipes.character_lm --five-minutes

The first has the size and the tokens of nanoGPT's recipe for a CPU (4 layers of 128, context 64,
batch 12, 2,000 steps; its README gives 1.88 nats a character). The second is free to choose: rotary
positions, a longer context and larger batches. The last tenth of the text is held out and scored
once, at the end: it chooses no step. The learning rate of the first was chosen on a part of the
rest.
"""

import dataclasses
from pathlib import Path

import typer

import kerasllm
from kerasllm.recipes.shared.recipe import Fast, Output, Recipe, Share
from kerasllm.training import PretrainSettings

NANOGPT = PretrainSettings(
    backbone="transformer",
    tokenizer="character",
    hidden_dim=128,
    num_layers=4,
    num_heads=4,
    dropout=0.0,
    length=64,
    batch_size=12,
    learning_rate=3e-3,
    steps=2000,
)
FIVE_MINUTES = dataclasses.replace(
    NANOGPT, positions="rotary", length=128, batch_size=32, learning_rate=4e-3, steps=1000
)


def main(
    output: Output = Path("runs/character_lm"),
    five_minutes: bool = False,
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Train a GPT on the characters of tinyshakespeare."""
    recipe = Recipe(output, fast=fast, share=share)
    settings = FIVE_MINUTES if five_minutes else NANOGPT
    settings = dataclasses.replace(settings, eval_every=recipe.settings(settings).steps)
    run = recipe.pretrain("tinyshakespeare", settings, part="")
    title = "characters, GPT in five minutes" if five_minutes else "characters, nanoGPT's size"
    target = 1.60 if five_minutes else 1.80
    recipe.row(run, title, "loss", target, split="validation", lower=True)
    print(kerasllm.generate(run, "ROMEO:", max_new_tokens=200, temperature=0.8, top_k=40))


if __name__ == "__main__":
    typer.run(main)
