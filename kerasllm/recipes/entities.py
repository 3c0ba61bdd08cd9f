"""Names in sentences: spelling, BiLSTM and CRF from scratch, or a fine-tuned encoder.

    python -m kerasllm.recipes.entities conll2003
    python -m kerasllm.recipes.entities resume_ner
    python -m kerasllm.recipes.entities conll2003 --pretrained minilm

From scratch the model is that of Ma and Hovy (2016) without pretrained vectors; in Chinese each
character is tagged. F1 of whole names by the rules of conlleval; the validation sentences choose
the epoch.
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from kerasllm.recipes.shared.recipe import Fast, Output, Pretrained, Recipe, Share, how
from kerasllm.training import TaggingSettings
from kerasllm.utils.errors import check_choice

SCRATCH = dataclasses.replace(TaggingSettings(), epochs=15.0)
ENCODER = TaggingSettings(learning_rate=1e-4, epochs=3.0, units=128)
# data: (target from scratch, of an encoder)
TARGETS = {"conll2003": (83.0, 88.0), "resume_ner": (94.0, None), "atis_slu": (95.5, None),
           "snips_slu": (92.0, None), "msra_ner": (None, None), "conll2002_es": (None, None),
           "conll2002_nl": (None, None)}  # fmt: skip


def main(
    data: Annotated[str, typer.Argument(help=f"one of {', '.join(TARGETS)}")] = "conll2003",
    output: Output = Path("runs/entities"),
    pretrained: Pretrained = None,
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Find names, and what else is tagged, in sentences."""
    check_choice("data", data, TARGETS)
    recipe = Recipe(output, pretrained, fast, share)
    begins = recipe.begins()
    run = recipe.train(data, SCRATCH if begins is None else ENCODER, begins=begins)
    spelled = run.config["characters"] and "spelling, "
    title = f"{data}, {how(recipe, f'{spelled}BiLSTM')}, CRF"
    recipe.row(run, title, "f1", TARGETS[data][begins is not None], percent=True)


if __name__ == "__main__":
    typer.run(main)
