"""What pretraining is worth: an LSTM from scratch and pretrained, at 100 and 1,000 labels.

    python -m kerasllm.recipes.pretraining_pays ag_news
    python -m kerasllm.recipes.pretraining_pays sst2

The same network and the same drawn rows; the pretrained one has read the training texts without
their labels, and learned which spans belong together, as in `kerasllm quickstart`. Linear and
semantic baselines are trained on the same rows. Scored on rows that took no part in any choice.
"""

import dataclasses
from pathlib import Path

import typer

import kerasllm
from kerasllm.recipes.quickstart import LSTM, PRETRAINING, SCRATCH
from kerasllm.recipes.record import record
from kerasllm.utils.errors import check_choice

COUNTS = (100, 1000)
DATA = ("ag_news", "sst2")
METHODS = {
    "scratch": SCRATCH,
    "frozen": LSTM,
    "full": LSTM,
    "gradual": dataclasses.replace(LSTM, discriminative=1.5),
}


def main(data: str, output: Path = Path("runs/payoff"), draws: int = 5, share: float = 1.0) -> None:
    """Measure on one of the sets in `DATA`; `share` scales the steps of the pretraining."""
    check_choice("data", data, DATA)
    steps = max(20, round(PRETRAINING.steps * share))
    run = kerasllm.pretrain(
        data, output / "pretrained", settings=PRETRAINING, steps=steps, resume=True
    )
    found = kerasllm.payoff(
        run, data, output, label_counts=COUNTS, methods=tuple(METHODS), seeds=draws,
        settings=METHODS, resume=True,
    )  # fmt: skip
    cells = {(row["method"], row["labels"]): row for row in found["summary"]}
    for count in COUNTS:
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
        record(
            output / str(count), "pay-off of pretraining, LSTM", result, "accuracy",
            round(100 * target, 1), percent=True, note=note,
        )  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
