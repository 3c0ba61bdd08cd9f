"""What pretraining is worth: an LSTM from scratch and pretrained, at 100 and 1,000 labels.

    python -m kerasllm.recipes.pretraining_pays ag_news
    python -m kerasllm.recipes.pretraining_pays sst2

The same network and the same drawn rows; the pretrained one has read the training texts without
their labels, and learned which spans belong together, as in `kerasllm quickstart`. Linear and
semantic baselines are trained on the same rows. Scored on rows that took no part in any choice.
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

import kerasllm
from kerasllm.recipes.quickstart import LSTM, PRETRAINING, SCRATCH
from kerasllm.recipes.shared.recipe import Fast, Output, Recipe, Share
from kerasllm.recipes.shared.record import record
from kerasllm.utils.errors import check_choice

COUNTS = (100, 1000)
FEW = (12, 24)  # in the fast way
DATA = ("ag_news", "sst2")
METHODS = {
    "scratch": SCRATCH,
    "frozen": LSTM,
    "full": LSTM,
    "gradual": dataclasses.replace(LSTM, discriminative=1.5),
}


def main(
    data: Annotated[str, typer.Argument(help=f"one of {', '.join(DATA)}")],
    output: Output = Path("runs/payoff"),
    draws: Annotated[int, typer.Option(help="of the labelled rows")] = 5,
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Measure what pretraining is worth at two numbers of labels."""
    check_choice("data", data, DATA)
    recipe = Recipe(output, fast=fast, share=share)
    counts, draws = (FEW, 2) if fast else (COUNTS, draws)
    run = recipe.pretrain(data, PRETRAINING)
    found = kerasllm.payoff(
        run, recipe.data(data), output, label_counts=counts, methods=tuple(METHODS), seeds=draws,
        settings={name: recipe.settings(each, run) for name, each in METHODS.items()},
        **{"overwrite" if fast else "resume": True},
    )  # fmt: skip
    cells = {(row["method"], row["labels"]): row for row in found["summary"]}
    for count in counts:
        names = ("majority", "linear", "latent_semantic", "scratch", "frozen", "gradual")
        full, scratch = cells["full", count], cells["scratch", count]
        result = {
            "data": f"{data}, {count} labels",
            "split": "test",
            "rows": found["test_rows"],
            "model": {"accuracy": full["accuracy"]},
            "interval": {},
            "baselines": {name: {"accuracy": cells[name, count]["accuracy"]} for name in names},
        }
        # To be reached: above scratch by more than the spread of both.
        target = scratch["accuracy"] + max(full["sd"], scratch["sd"])
        (output / str(count)).mkdir(exist_ok=True)
        note = f"± {full['sd']:.3f} over {draws} draws, from scratch ± {scratch['sd']:.3f}"
        note = ", ".join(filter(None, [note, recipe.note]))
        record(
            output / str(count), "pay-off of pretraining, LSTM", result, "accuracy",
            round(100 * target, 1), percent=True, note=note,
        )  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
