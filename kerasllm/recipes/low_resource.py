"""A language with little text: what a related language, or text without labels, is worth.

    python -m kerasllm.recipes.low_resource glg
    python -m kerasllm.recipes.low_resource conll2002_es

Galician has nine thousand characters here: the Declaration of Human Rights (NLTK's udhr2). The same
network learns from them alone, or after Portuguese and Spanish, or after Swahili, which is the
control: what any text of that size is worth. For names in Spanish there are few tagged sentences:
the tagger begins from nothing, or from the same network after the untagged text.
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

import kerasllm
from kerasllm.recipes.character_lm import NANOGPT
from kerasllm.recipes.shared.recipe import Fast, Output, Recipe, Share
from kerasllm.training import PretrainSettings, TaggingSettings
from kerasllm.utils.errors import check_choice
from kerasllm.utils.tables import Table

# The text of all languages spells out which characters there are; BPE knows every one.
LETTERS = dataclasses.replace(
    NANOGPT, tokenizer="bpe", vocabulary_size=400, dropout=0.2, steps=600, learning_rate=2e-3
)
WORDS = PretrainSettings(
    objective="masked", tokenizer="wordpiece", hidden_dim=96, units=96, steps=1000, length=64
)
TAGGER = TaggingSettings(epochs=20.0, units=96, learning_rate=2e-3)
FROM = {"nothing": None, "related": "por_PT,spa", "control": "swh"}
SENTENCES = 500
DATA = ("glg", "conll2002_es", "conll2002_nl")


def language_models(recipe, code):
    """Return {where it began: bits a byte} on the held-out text of a language."""
    data, bits = f"udhr2?languages={code}", {}
    for name, others in FROM.items():
        begins = others and recipe.pretrain(f"udhr2?languages={others}", LETTERS, f"{name}/before")
        # From nothing it learns for as long as the others do before and after together.
        steps = LETTERS.steps * (1 if others else 2)
        settings = dataclasses.replace(LETTERS, steps=steps)
        run = recipe.train(data, settings, f"{name}/{code}", begins or None)
        bits[name] = kerasllm.evaluate(run, split="test", quiet=True)["model"]["bits_per_byte"]
    return bits


def taggers(recipe, data):
    """Return {where it began: F1} of taggers that saw few sentences."""
    few = f"{data}?rows={SENTENCES}" if not recipe.fast else data
    before = recipe.pretrain(data, WORDS)
    runs = {
        "nothing": recipe.train(
            few, dataclasses.replace(TAGGER, method="scratch"), "nothing", before
        ),
        "its own text": recipe.train(few, TAGGER, "pretrained_tagger", before),
    }
    return {
        name: 100
        * kerasllm.evaluate(run, recipe.data(data), split="test", quiet=True)["model"]["f1"]
        for name, run in runs.items()
    }


def main(
    data: Annotated[str, typer.Argument(help=f"one of {', '.join(DATA)}")] = "glg",
    output: Output = Path("runs/low_resource"),
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Measure what another language, or text without labels, brings."""
    check_choice("data", data, DATA)
    recipe = Recipe(output, fast=fast, share=share)
    by_tags = data.startswith("conll")
    found = (taggers if by_tags else language_models)(recipe, data)
    measure = f"F1 with {SENTENCES} sentences" if by_tags else "bits a byte, the lower the better"
    Table(("began from", measure), list(found.items()), data).print()
    if recipe.note:
        print(recipe.note)


if __name__ == "__main__":
    typer.run(main)
