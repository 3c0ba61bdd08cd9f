"""Slots and intents together: what is wanted, and the words that say where and when.

    python -m kerasllm.recipes.slots atis_slu
    python -m kerasllm.recipes.slots snips_slu --pretrained minilm

One tagger says both: a token in front of the sentence has the intent for its tag (Hakkani-Tür et
al. 2016), so that the CRF knows which slots go with it. A frame is right where the intent and all
slots are.
"""

from pathlib import Path
from typing import Annotated

import typer

import kerasllm
from kerasllm import datasets
from kerasllm.metrics.frames import frame_intervals, frame_metrics
from kerasllm.models.tagging.scoring import tag_sentences
from kerasllm.recipes.entities import ENCODER, SCRATCH
from kerasllm.recipes.shared.recipe import Fast, Output, Pretrained, Recipe, Share, how
from kerasllm.utils.errors import check_choice

# data: the target of whole frames, per cent
DATA = {"atis_slu": None, "snips_slu": None}


def frames(run, test, train):
    """Return the scores of frames on a data set, the network's and those of the baselines."""
    true = [list(example.tags) for example in test]
    said = tag_sentences(run.model, [example.tokens for example in test])
    found = {name: each(train, test).predicted
             for name, each in run.model.baselines_for(test).items()}  # fmt: skip
    return {
        "data": test.name,
        "split": test.split,
        "rows": len(test),
        "model": frame_metrics(true, said),
        "interval": frame_intervals(true, said),
        "baselines": {name: frame_metrics(true, tags) for name, tags in found.items()},
    }


def main(
    data: Annotated[str, typer.Argument(help=f"one of {', '.join(DATA)}")] = "atis_slu",
    output: Output = Path("runs/slots"),
    pretrained: Pretrained = None,
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Tag a request with its slots and its intent at once."""
    check_choice("data", data, DATA)
    recipe = Recipe(output, pretrained, fast, share)
    begins, joint = recipe.begins(), recipe.data(data, intents="true")
    run = recipe.train(
        f"{data}?intents=true", SCRATCH if begins is None else ENCODER, begins=begins
    )
    test, train = (datasets.load(joint, split=split) for split in ("test", "train"))
    result = frames(run, test, train)
    for name, scores in {"network": result["model"], **result["baselines"]}.items():
        print(f"{name:10}", "  ".join(f"{score} {100 * x:.1f}" for score, x in scores.items()))
    said = kerasllm.predict(run, ["¶ show me flights from boston to denver"])[0]
    print(" ".join(f"{entity['type']}={entity['text']}" for entity in said["entities"]))
    title = f"{data}, slots and intents, {how(recipe, 'BiLSTM')}, CRF"
    recipe.row(run, title, "frame", DATA[data], result=result, percent=True)


if __name__ == "__main__":
    typer.run(main)
