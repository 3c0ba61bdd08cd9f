"""Translation: German, French, Spanish or Chinese, from English or into it.

    python -m kerasllm.recipes.translation multi30k
    python -m kerasllm.recipes.translation multi30k --architecture transformer
    python -m kerasllm.recipes.translation "tatoeba?from_english=false"

The validation pairs choose the epoch, by what the model writes; the test pairs are scored once.
A sentence stays with its translations on one side of a split, and they with theirs.
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from kerasllm.recipes.shared.recipe import Fast, Output, Pretrained, Recipe, Share
from kerasllm.training import Seq2SeqSettings
from kerasllm.utils.errors import check_choice

RECURRENT = Seq2SeqSettings(
    lowercase=True, cell="gru", attention="bahdanau", hidden_dim=256, units=384, num_layers=1,
    tied=True, dropout=0.3, learning_rate=2e-3, batch_size=64, epochs=8.0, metric="bleu",
    decode_every=2, beam=5, length_penalty=1.0,
)  # fmt: skip
TRANSFORMER = Seq2SeqSettings(
    architecture="transformer", lowercase=True, hidden_dim=256, num_layers=3, num_heads=4,
    inner_dim=512, tied=True, dropout=0.2, learning_rate=1.5e-3, warmup=0.1, batch_size=96,
    epochs=14.0, metric="bleu", decode_every=4, beam=5, length_penalty=1.0,
)  # fmt: skip
SETTINGS = {"recurrent": RECURRENT, "transformer": TRANSFORMER}

# Short sentences with many translations: one vocabulary of both scripts, chosen by characters.
TATOEBA = {"metric": "chrf", "vocabulary_size": 6000}
# data: (target in BLEU, changes to the settings)
DATA = {
    "multi30k": (30.0, {}),  # German into English
    "tatoeba": (None, TATOEBA),  # English into Chinese
    "tatoeba?from_english=false": (None, TATOEBA),
    "tatoeba_fr": (None, TATOEBA),
    "tatoeba_es": (None, TATOEBA),
}


def main(
    data: Annotated[str, typer.Argument(help=f"one of {', '.join(DATA)}")] = "multi30k",
    output: Output = Path("runs/translation"),
    architecture: Annotated[str, typer.Option(help=" or ".join(SETTINGS))] = "recurrent",
    pretrained: Pretrained = None,
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Translate with an encoder-decoder; with --pretrained, one that goes on from a run of ours."""
    check_choice("data", data, DATA)
    check_choice("architecture", architecture, SETTINGS)
    recipe, (target, changes) = Recipe(output, pretrained, fast, share), DATA[data]
    settings = dataclasses.replace(SETTINGS[architecture], **changes)
    run = recipe.train(data, settings, begins=recipe.begins())
    recipe.row(run, f"{data}, {architecture} encoder-decoder", "bleu", target)


if __name__ == "__main__":
    typer.run(main)
