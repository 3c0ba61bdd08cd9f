"""Questions on a text: the place of the answer in it, or a word that a story implies.

    python -m kerasllm.recipes.answers squad --pretrained minilm
    python -m kerasllm.recipes.answers cmrc2018
    python -m kerasllm.recipes.answers babi_qa --task 2

An encoder points at the answer's first and last token (Devlin et al. 2019). SQuAD's dev set, an
eighth of the usual training set, is split by article: no paragraph stands on both sides, and
figures on it are not those of SQuAD. A question of bAbI is read together with its story; its
answers are few words, and the model chooses among them.
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from kerasllm.recipes.shared.recipe import Fast, Output, Pretrained, Recipe, Share, how
from kerasllm.training import ClassificationSettings
from kerasllm.training.settings.span import SpanSettings
from kerasllm.utils.errors import check_choice

SETTINGS = SpanSettings(
    learning_rate=1.5e-4, epochs=2.0, length=224, batch_size=24, validation_rows=300
)
# From scratch, in characters where the text is Chinese.
SCRATCH = dataclasses.replace(SETTINGS, learning_rate=1e-3, epochs=6.0)
CHINESE = dataclasses.replace(SCRATCH, tokenizer="character")
STORY = ClassificationSettings(
    tokenizer="word", min_frequency=1, lowercase=True, length=512, pooling="attention",
    hidden_dim=64, units=64, batch_size=32, learning_rate=3e-3, epochs=40.0, metric="accuracy",
    backbone="recurrent", dropout=0.1, backbone_dropout=0.0,
)  # fmt: skip

# data: (settings from scratch, measure, target of an encoder)
DATA = {
    "squad": (SCRATCH, "f1", 60.0),
    "cmrc2018": (CHINESE, "f1", None),
    "facts_en": (SCRATCH, "f1", None),
    "babi_qa": (STORY, "accuracy", None),
}


def scratch_title(data):
    """Return what is trained from scratch on a set."""
    return "LSTM in two directions" if data == "babi_qa" else "Transformer"


def main(
    data: Annotated[str, typer.Argument(help=f"one of {', '.join(DATA)}")] = "squad",
    output: Output = Path("runs/answers"),
    task: Annotated[int, typer.Option(help="of bAbI, 1 to 20", min=1, max=20)] = 1,
    pretrained: Pretrained = None,
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Answer questions on a text."""
    check_choice("data", data, DATA)
    recipe, (scratch, measure, target) = Recipe(output, pretrained, fast, share), DATA[data]
    settings = scratch if pretrained is None or data == "babi_qa" else SETTINGS
    if fast and data != "babi_qa":  # a question and its answer need room
        settings = dataclasses.replace(settings, max_question=16, max_answer=16)
    name = f"babi_qa?task={task}" if data == "babi_qa" else data
    run = recipe.train(name, settings, begins=recipe.begins())
    title = f"{name}, {how(recipe, scratch_title(data))}"
    recipe.row(run, title, measure, target if pretrained else None, percent=measure == "accuracy")


if __name__ == "__main__":
    typer.run(main)
