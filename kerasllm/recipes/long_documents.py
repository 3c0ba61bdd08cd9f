"""Texts longer than a model reads: cut, read in windows, or read as a sequence of windows.

    python -m kerasllm.recipes.long_documents
    python -m kerasllm.recipes.long_documents --pretrained minilm

A movie review has some 700 words. The first way reads its beginning; the second all of it in
windows, whose predictions are averaged; the third lets an LSTM read the windows' features in their
order and so knows what came last (Pappagari et al. 2019), on top of the second way's network. The
three begin from the same pretrained network and are scored on the same reviews.
"""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import typer

import kerasllm
from kerasllm import datasets, layers
from kerasllm.metrics.bootstrap import bootstrap_interval, pooled_mean
from kerasllm.models.classification.scoring import AT_ONCE
from kerasllm.recipes.shared.classifiers import ENCODER, LSTM, TUNE
from kerasllm.recipes.shared.recipe import Fast, Output, Pretrained, Recipe, Share, how
from kerasllm.text.batching import pad_bucketed
from kerasllm.utils.tables import Table

SET = "movie_reviews"
LENGTH = 128  # tokens that are read at once


def window_features(task, texts):
    """Return the features of the windows of each text in their order, (R, W, D), 0 behind them."""
    reader = task.preprocessor
    below = keras.Model(task.input, task.get_layer("pooled_norm").output)
    ids, owners = reader.rows(texts)
    parts = [ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)]
    rows = [below.predict_on_batch(pad_bucketed(part, limit=reader.length)) for part in parts]
    rows, owners = np.concatenate(rows), np.array(owners)
    longest = np.bincount(owners).max()
    features = np.zeros((len(texts), longest, rows.shape[1]), "float32")
    for owner in range(len(texts)):
        own = rows[owners == owner]
        features[owner, : len(own)] = own
    return features


def hierarchical(task, parts, units=64, epochs=30, seed=0):
    """Return the test accuracy (R,) of an LSTM over the windows of each text, right or not.

    Args:
        task: a classifier that reads windows.
        parts: train, validation and test, data sets.
        units: of the LSTM.
        epochs: passes at most; the best validation is kept.
        seed: of the weights and of the order.
    """
    keras.utils.set_random_seed(seed)
    (x, y), held, (asked, true) = (
        (window_features(task, part.texts), task.preprocessor.targets(part)) for part in parts
    )
    model = keras.Sequential([
        keras.layers.Masking(),
        layers.Bidirectional(layers.LSTM(units)),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(task.task_config["num_classes"]),
    ])  # fmt: skip
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    best = keras.callbacks.EarlyStopping(patience=4, restore_best_weights=True)
    model.fit(x, y, validation_data=held, epochs=epochs, callbacks=[best], verbose=0)
    return (model.predict(asked, verbose=0).argmax(axis=1) == true).astype("int64")


def main(
    output: Output = Path("runs/long_documents"),
    pretrained: Pretrained = None,
    fast: Fast = False,
    share: Share = 1.0,
) -> None:
    """Compare three ways to read long texts."""
    recipe = Recipe(output, pretrained, fast, share)
    begins, tune = recipe.begins(), ENCODER
    if begins is None:
        reading = dataclasses.replace(LSTM, length=LENGTH)
        begins, tune = recipe.pretrain(SET, reading), dataclasses.replace(TUNE, pooling="mean")
    rows = []
    for way in ("truncate", "windows"):
        settings = dataclasses.replace(tune, length=LENGTH, long_texts=way)
        run = recipe.train(SET, settings, way, begins)
        found = kerasllm.evaluate(run, split="test", with_baselines=way == "truncate", quiet=True)
        rows += [(way, found["model"]["accuracy"], *found["interval"]["accuracy"])]
        rows += [(name, s["accuracy"], "", "") for name, s in found["baselines"].items()]
    splits = ("train", "validation", "test")
    parts = [datasets.load(recipe.data(SET), split=split) for split in splits]
    right = hierarchical(run.model, parts, epochs=1 if fast else 30)
    interval = bootstrap_interval(pooled_mean, right, np.ones(len(right)))
    rows.append(("hierarchical", float(right.mean()), *interval))
    title = f"{SET}, accuracy, {how(recipe, 'LSTM in two directions')}"
    Table(("way to read", "accuracy", "from", "to"), rows, title).print()
    if recipe.note:
        print(recipe.note)


if __name__ == "__main__":
    typer.run(main)
