"""Names in sentences: spelling, BiLSTM and CRF from scratch, or a fine-tuned encoder.

    python -m kerasllm.recipes.entities conll2003
    python -m kerasllm.recipes.entities resume_ner
    python -m kerasllm.recipes.entities conll2003 --pretrained runs/minilm

From scratch the model is that of Ma and Hovy (2016) without pretrained vectors. F1 of whole names
by the rules of conlleval; the validation sentences choose the epoch.
"""

import dataclasses
from pathlib import Path

import typer

import kerasllm
from kerasllm.recipes.record import record
from kerasllm.training import TaggingSettings
from kerasllm.utils.errors import check_choice

SCRATCH = TaggingSettings()
ENCODER = TaggingSettings(learning_rate=1e-4, epochs=3.0, units=128)
TARGETS = {"conll2003": (83.0, 88.0), "resume_ner": (94.0, None), "atis_slu": (95.5, None),
           "snips_slu": (92.0, None)}  # fmt: skip


def main(
    data: str,
    output: Path = Path("runs/entities"),
    pretrained: Path | None = None,
    share: float = 1.0,
) -> None:
    """Train and score a tagger; `share` scales the epochs."""
    check_choice("data", data, TARGETS)
    settings, epochs = (SCRATCH, 15.0) if pretrained is None else (ENCODER, ENCODER.epochs)
    settings = dataclasses.replace(settings, epochs=epochs * share)
    run = kerasllm.train(data, output, pretrained=pretrained, settings=settings, resume=True)
    result = kerasllm.evaluate(run)
    spelled = run.config["characters"] and "spelling, "
    how = f"{spelled}BiLSTM, CRF" if pretrained is None else f"fine-tuned {pretrained.name}, CRF"
    target = TARGETS[data][pretrained is not None]
    note = "" if share == 1 else f"{share:g} of the epochs"
    record(output, f"{data}, {how}", result, "f1", target, percent=True, note=note)


if __name__ == "__main__":
    typer.run(main)
