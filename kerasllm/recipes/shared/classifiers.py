"""How the recipes of labelled texts train: an LSTM in two directions, or an imported encoder.

Hidden words of the training texts teach the LSTM before the labels do.
"""

import dataclasses

from kerasllm.recipes.shared.recipe import how
from kerasllm.training import ClassificationSettings, PretrainSettings

LSTM = PretrainSettings(
    objective="masked",
    hidden_dim=128,
    units=128,
    dropout=0.2,
    lowercase=True,
    vocabulary_size=12_000,
    length=64,
    batch_size=64,
    learning_rate=3e-3,
    steps=1500,
)
TUNE = ClassificationSettings(
    pooling="max", dropout=0.5, word_dropout=0.1, batch_size=64, learning_rate=1e-3, epochs=4.0
)  # fmt: skip
ENCODER = ClassificationSettings(
    pooling="mean", batch_size=32, learning_rate=7e-5, epochs=3.0, length=128, discriminative=1.2
)  # fmt: skip


def classify(recipe, data, target=None, *, split="test", reading=None, tuning=None):
    """Train a classifier on a set, score it, and return the run.

    The validation split chooses the epoch; where that is what is scored, `tuning` holds rows out.

    Args:
        recipe: the `Recipe`.
        data: name of the set.
        target: (that of the LSTM, that of an encoder), accuracies in per cent; None: none is named.
        split: that is scored.
        reading: changes to how the LSTM is pretrained, such as its tokenizer.
        tuning: changes to how either is fine-tuned.
    """
    run, tune = recipe.begins(), ENCODER
    if run is None:
        settings = dataclasses.replace(LSTM, **(reading or {}))
        run, tune = recipe.pretrain(data, settings), TUNE
    tune = dataclasses.replace(tune, **(tuning or {}))
    tuned = recipe.train(data, tune, "finetuned", run)
    wanted = (target or (None, None))[recipe.pretrained is not None]
    title = f"{data}, {how(recipe, 'LSTM in two directions')}"
    recipe.row(tuned, title, "accuracy", wanted, split=split, percent=True)
    return tuned
