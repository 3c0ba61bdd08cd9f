"""Answers found in a text: an imported encoder points at the span (Devlin et al. 2019).

    kerasllm import FOLDER_OR_NAME --output runs/minilm
    python -m kerasllm.recipes.answers runs/minilm

SQuAD's dev set is split by article: no paragraph stands on both sides. It is an eighth of the
usual training set, so figures on it are not those of SQuAD.
"""

import dataclasses
from pathlib import Path

import typer

import kerasllm
from kerasllm.recipes.record import record
from kerasllm.training.settings.span import SpanSettings

SETTINGS = SpanSettings(
    learning_rate=1.5e-4, epochs=2.0, length=224, batch_size=24, validation_rows=300
)


def main(pretrained: Path, output: Path = Path("runs/answers"), share: float = 1.0) -> None:
    """Train and score; `share` scales the epochs."""
    settings = dataclasses.replace(SETTINGS, epochs=SETTINGS.epochs * share)
    run = kerasllm.train("squad", output, pretrained=pretrained, settings=settings, resume=True)
    result = kerasllm.evaluate(run)
    note = "" if share == 1 else f"{share:g} of the epochs"
    record(output, f"squad, fine-tuned {pretrained.name}", result, "f1", 60.0, note=note)


if __name__ == "__main__":
    typer.run(main)
