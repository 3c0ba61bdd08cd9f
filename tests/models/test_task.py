"""A task is an ordinary Keras model that takes raw examples: each habit of Keras, each shape."""

import math

import keras
import numpy as np
import pytest

import kerasllm
from kerasllm.datasets import Dataset, Labelled
from kerasllm.models import (
    ClassificationPreprocessor,
    ContrastiveLM,
    ContrastivePreprocessor,
    TextClassifier,
)
from kerasllm.models.optimizers import LayerwiseAdamW
from kerasllm.training.engine.compilation import optimizer_of, prepare
from kerasllm.training.engine.progress import silent
from kerasllm.training.settings.classification import ClassificationSettings
from kerasllm.training.settings.pretraining import PretrainSettings
from kerasllm.training.settings.seq2seq import Seq2SeqSettings
from kerasllm.training.settings.span import SpanSettings
from kerasllm.training.settings.tagging import TaggingSettings

pytestmark = [pytest.mark.backends, pytest.mark.usefixtures("uncompiled")]


# === fit, evaluate, predict ===


def test_raw_examples_score_as_their_arrays_do(small):
    task, (inputs, targets) = small.eagerly(), small.arrays
    raw = task.evaluate(small.x, small.y, verbose=0, return_dict=True)
    arrays = task.evaluate(inputs, targets, verbose=0, return_dict=True)
    assert raw == pytest.approx(arrays, abs=1e-6)
    logits = task.predict(inputs, verbose=0)
    if small.kind != "crf":
        nats, real = small.nats()
        assert raw["loss"] == pytest.approx(nats[real].mean(), abs=1e-5)
    if small.kind == "classifier":
        assert raw["accuracy"] == pytest.approx((logits.argmax(axis=1) == targets).mean())


def test_raw_examples_train_as_their_arrays_do(small, make_small, same_weights):
    raw, arrays = small.eagerly(), make_small(small.kind).eagerly()
    history = raw.fit(small.x, small.y, epochs=2, shuffle=False, verbose=0)
    assert len(history.history["loss"]) == 2
    if small.kind != "masked":  # which hides other tokens in each step
        again = arrays.fit(*small.arrays, epochs=2, shuffle=False, verbose=0)
        assert history.history["loss"] == pytest.approx(again.history["loss"], abs=1e-6)
        same_weights(raw, arrays, 1e-6)


def test_steps_follow_from_the_batch_size(make_small):
    small, seen = make_small("classifier"), []
    counts = keras.callbacks.LambdaCallback(on_train_batch_end=lambda n, logs: seen.append(n))
    small.eagerly().fit(small.x, small.y, 3, 2, verbose=0, callbacks=[counts])
    assert seen == [0, 1, 2, 0, 1, 2]  # 7 texts in threes, twice
    assert int(small.task.optimizer.iterations) == 6


def test_each_epoch_has_another_order_and_a_seed_the_same(make_small):
    def rows(seed):
        """Return the losses of single texts in their order; a rate of 0 leaves them alone."""
        small, means = make_small("classifier"), []
        keras.utils.set_random_seed(seed)
        small.eagerly(keras.optimizers.SGD(0.0), metrics=[])
        losses = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda n, logs: means.append(logs["loss"])
        )
        small.task.fit(small.x, small.y, 1, 2, verbose=0, callbacks=[losses])
        sums = np.reshape(means, (2, 7)) * np.arange(1, 8)  # means so far, in each epoch
        return np.diff(sums, prepend=0, axis=1).round(4).tolist()

    first, again, other = rows(3), rows(3), rows(4)
    assert first == again != other
    assert sorted(first[0]) == pytest.approx(sorted(first[1]), abs=1e-3) and first[0] != first[1]


def test_answers_to_raw_examples_and_outputs_of_arrays(small):
    asked, labels = small.x[:2], getattr(small.task.preprocessor, "labels", None)
    answers = small.eagerly().predict(asked)
    assert len(answers) == 2
    assert all(isinstance(answer, dict) and "warning" in answer for answer in answers)
    output = small.task.predict(small.arrays[0], verbose=0)
    assert isinstance(output, np.ndarray) and output.shape[0] == len(small.x)
    assert small.task.predict([]) == []
    if small.kind == "classifier":
        best = output[:2].argmax(axis=1)
        assert [answer["label"] for answer in answers] == [labels[number] for number in best]
    if small.kind == "tagger":
        best, real = output.argmax(axis=-1), small.arrays[0]["positions"] >= 0
        tags = [[labels[n] for n in row[words]] for row, words in zip(best, real, strict=True)]
        assert [len(answer["tags"]) for answer in answers] == [len(row) for row in tags[:2]]


# === Saving ===


def test_saved_with_its_preprocessor_and_trained_further(small, tmp_path, same_weights):
    task, options = small.task, {"shuffle": False, "verbose": 0}
    task.compile(run_eagerly=True)
    task.fit(small.x, small.y, epochs=1, **options)
    task.save(tmp_path / "mine.keras")
    loaded = keras.saving.load_model(tmp_path / "mine.keras")
    assert type(loaded) is type(task)
    assert loaded.preprocessor.get_config() == task.preprocessor.get_config()
    assert loaded.predict(small.x[2:3]) == task.predict(small.x[2:3])
    same_weights(loaded, task)
    for model in (loaded, task):
        model.run_eagerly = True
        model.fit(small.x, small.y, epochs=2, initial_epoch=1, **options)
    same_weights(loaded, task, 1e-7)  # the optimizer went on where it was


def test_loaded_uncompiled_and_compiled_by_the_first_fit(make_small, tmp_path):
    small = make_small("classifier")
    small.task.save(tmp_path / "mine.keras")
    loaded = keras.saving.load_model(tmp_path / "mine.keras", compile=False)
    assert not loaded.compiled
    history = loaded.fit(small.x, small.y, verbose=0)  # in a graph, as a user does
    assert set(history.history) == {"loss", "accuracy"}


# === Without a preprocessor ===


def test_without_a_preprocessor_it_takes_ids(small, make_small):
    bare = make_small(small.kind, raw=False).eagerly()
    inputs, targets = small.arrays
    expected = small.eagerly().evaluate(inputs, targets, verbose=0)
    assert bare.evaluate(inputs, targets, verbose=0) == pytest.approx(expected, abs=1e-6)
    bare.fit(inputs, targets, verbose=0)
    assert bare.predict(inputs, verbose=0).shape[0] == len(small.x)
    for call in (bare.fit, bare.evaluate):
        with pytest.raises(ValueError, match="this model has no preprocessor and takes arrays"):
            call(small.x, small.y)
        with pytest.raises(ValueError, match="this model has no preprocessor and takes arrays"):
            call(batch for batch in [(small.x, small.y)])
    with pytest.raises(
        ValueError, match=r"no preprocessor.* received raw examples: give token ids"
    ):
        bare.predict(small.x)


# === Callbacks, optimizers, losses, metrics ===


def test_callbacks_of_keras(small, tmp_path, same_weights):
    epochs, best = [], tmp_path / "best.keras"
    worse = {"monitor": "val_loss", "mode": "max"}  # which an epoch of training makes better
    callbacks = [
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(logs)),
        keras.callbacks.ModelCheckpoint(best, save_best_only=True, **worse),
        keras.callbacks.EarlyStopping(patience=1, restore_best_weights=True, **worse),
    ]
    options = {"epochs": 5, "verbose": 0, "validation_data": (small.x, small.y)}
    small.eagerly().fit(small.x, small.y, callbacks=callbacks, **options)
    assert 1 < len(epochs) < 5 and epochs[-1]["val_loss"] < epochs[-2]["val_loss"]
    same_weights(keras.saving.load_model(best), small.task)


def largest(_y, y_pred):
    return keras.ops.max(y_pred, axis=-1)


class Squares(keras.losses.Loss):
    """The mean of tanh² of the outputs, whatever the targets."""

    def call(self, _y, y_pred):
        return keras.ops.mean(keras.ops.square(keras.ops.tanh(y_pred)), axis=-1)


def test_own_optimizer_loss_and_metrics(small):
    (inputs, targets), optimizer = small.arrays, keras.optimizers.SGD(0.5, momentum=0.9)
    if small.kind == "crf":
        small.task.get_layer("crf").trainable = False  # no loss of Keras sees its weights
    small.eagerly(optimizer, Squares(), metrics=[largest])
    assert small.task.optimizer is optimizer
    output = small.task.predict(inputs, verbose=0).astype("float64")
    found = small.task.evaluate(small.x, small.y, verbose=0, return_dict=True)
    # The others mask their padding, which then counts neither in the loss nor in the metric.
    whole = small.kind in ("classifier", "span", "masked")
    real = np.ones(output.shape[:-1], bool) if whole else targets > 0
    squares = (np.tanh(output) ** 2).mean(axis=-1)
    assert found["loss"] == pytest.approx(squares[real].mean(), rel=1e-5)
    assert found["largest"] == pytest.approx(output.max(axis=-1)[real].mean(), rel=1e-5)
    small.task.fit(small.x, small.y, verbose=0)
    assert int(optimizer.iterations) == 1


def test_a_loss_named_by_a_string_takes_logits(small):
    small.eagerly("sgd", "sparse_categorical_crossentropy")
    found = small.task.evaluate(small.x, small.y, verbose=0, return_dict=True)
    nats, real = small.nats()
    if small.kind == "masked":  # whose outputs have no mask
        real = np.ones_like(real)
    assert found["loss"] == pytest.approx(nats[real].mean(), rel=1e-5)


@pytest.mark.parametrize("kind", ["tagger", "crf"])
def test_metrics_of_tags_count_words_alone(kind, make_small):
    small = make_small(kind)
    inputs, targets = small.arrays
    small.eagerly("sgd", metrics=["accuracy"])
    best = small.task.predict(inputs, verbose=0).argmax(axis=-1)
    right = (best == targets - 1)[targets > 0]
    assert len(right) == 15
    found = small.task.evaluate(small.x, small.y, verbose=0, return_dict=True)
    assert found["accuracy"] == pytest.approx(right.mean())


@pytest.mark.parametrize("text", ["😀 🎉", " \u3000\u200b", "?!"])
def test_a_text_without_a_word_gets_a_warning(small, text):
    if small.kind == "masked":
        return  # answers as the causal one does
    given = [(text, "the cat")] if small.kind == "span" else [text]
    (row,) = small.task.answers(given)
    assert row["warning"]
    if text == "?!" and "unknown" not in row["warning"]:
        assert "holds neither a letter nor a digit" in row["warning"]


# === The default optimizer ===

SETTINGS = {
    "classifier": ClassificationSettings,
    "tagger": TaggingSettings,
    "span": SpanSettings,
    "recurrent": Seq2SeqSettings,
    "transformer": Seq2SeqSettings,
    "causal": PretrainSettings,
    "masked": PretrainSettings,
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_the_default_optimizer_is_the_engines(kind, make_small):
    small = make_small(kind)
    small.task.compile(run_eagerly=True)
    small.task.fit(small.x, small.y, batch_size=4, epochs=2, verbose=0)
    settings = SETTINGS[kind]()
    if kind == "tagger":  # whose rate depends on what it begins from
        data = small.task.preprocessor.dataset(small.x, small.y)
        settings = settings.suited(settings.examples(data, data), None, silent())
    expected = optimizer_of(settings, steps=4)
    assert type(small.task.optimizer) is type(expected) is LayerwiseAdamW
    config = {**expected.get_config(), "name": small.task.optimizer.name}
    assert small.task.optimizer.get_config() == config


@pytest.mark.parametrize(
    ("how", "epochs"), [("examples", 5), ("arrays", 2), ("split", 2), ("stream", 2)]
)
def test_the_rate_rises_and_falls_over_all_steps(how, epochs, make_small):
    small, rates = make_small("classifier"), []

    def note(batch, logs):
        if hasattr(task, "jax_state_sync"):  # between steps JAX holds the variables elsewhere
            task.jax_state_sync()
        rates.append(float(task.optimizer.learning_rate))

    rate = keras.callbacks.LambdaCallback(on_train_batch_begin=note)
    task, options = small.task, {"epochs": epochs, "verbose": 0, "callbacks": [rate]}
    task.compile(run_eagerly=True)
    if how == "examples":
        task.fit(small.x, small.y, batch_size=2, **options)
    elif how == "split":
        task.fit(small.x, small.y, batch_size=1, validation_split=3 / 7, **options)
    elif how == "arrays":
        task.fit(*small.arrays, batch_size=2, **options)
    else:
        starts = [0, 2, 4, 6] * epochs
        stream = ((small.x[n : n + 2], small.y[n : n + 2]) for n in starts)
        task.fit(stream, steps_per_epoch=4, **options)
    total = 4 * epochs
    warm = int(0.05 * total)
    assert len(rates) == total
    fall = [(1 + math.cos(math.pi * (s - warm) / (total - warm))) / 2 for s in range(1, total + 1)]
    assert rates == pytest.approx([1e-3 * (0.1 + 0.9 * share) for share in fall], rel=1e-4)


def test_fit_gives_what_the_training_command_gives(tmp_path, rng, monkeypatch, same_weights):
    words = {"ham": "see you soon my friend", "spam": "win a free prize now"}
    rows = [
        Labelled(" ".join(rng.choice(words[label].split(), 5)), label)
        for label in ("ham", "spam") * 23
    ]
    train, held = (
        Dataset(part, name="own", split="train", task="classification")
        for part in (rows[:37], rows[37:])
    )
    options = {"size": "tiny", "units": 7, "hidden_dim": 5, "tokenizer": "word", "dropout": 0.0}
    options |= {"length": 7, "learning_rate": 1e-3, "batch_size": 8, "keep_best": False}
    options |= {"backbone_dropout": 0.0, "word_dropout": 0.0}  # `fit` hides no words
    run = kerasllm.train((train, held), tmp_path / "run", epochs=3, quiet=True, **options)
    settings = run.shape(**run.settings)
    prepare(settings)
    task = settings.make_task(run.model.preprocessor, None)
    monkeypatch.setattr(np.random, "randint", lambda _high: settings.seed)  # the order of the rows
    task.fit(train.texts, train.labels_of, 8, 3, verbose=0)
    same_weights(task, run.model, 1e-5)
    texts, labels = held.texts, held.labels_of
    loss = task.evaluate(texts, labels, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(run.metrics["val_loss"], rel=1e-4)
    assert task.predict(texts[:3])[0]["label"] == run.predict(texts[:3])[0]["label"]


# === Freezing, and a task inside another model ===


def test_a_frozen_backbone_stays_and_the_head_moves(small):
    task, backbone = small.task, small.task.backbone
    head = task.head_weights()
    assert head  # of their own in all of these
    backbone.trainable = False
    task.compile(run_eagerly=True)
    before, heads = backbone.get_weights(), [np.array(weight) for weight in head]
    task.fit(small.x, small.y, verbose=0)
    for a, b in zip(before, backbone.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, np.array(b)) for a, b in zip(heads, head, strict=True))
    backbone.trainable = True
    task.compile(run_eagerly=True)
    task.fit(small.x, small.y, verbose=0)
    moved = [not np.array_equal(a, b) for a, b in zip(before, backbone.get_weights(), strict=True)]
    assert sum(moved) > len(moved) / 2


def test_its_layers_and_itself_inside_another_model(small):
    features = small.task.backbone.output
    features = features["features"] if isinstance(features, dict) else features
    pooled = keras.layers.GlobalAveragePooling1D()(features)
    of_layers = keras.Model(small.task.input, keras.layers.Dense(1)(pooled))
    inputs = keras.tree.map_structure(
        lambda given: keras.Input(given.shape[1:], dtype=given.dtype, name=given.name),
        small.task.input,
    )
    output = small.task(inputs)  # (B, C), (B, T, V), or (B, 2, T) of any length
    axis = {"classifier": 1, "span": (1, 2)}.get(small.kind, 1)
    pooled = keras.ops.mean(keras.ops.tanh(output), axis, keepdims=len(output.shape) == 2)
    pooled = pooled[:, None] if small.kind == "span" else pooled
    nested = keras.Model(inputs, keras.layers.Dense(1)(pooled))
    if small.kind == "crf":
        small.task.get_layer("crf").trainable = False  # emissions do not depend on it
    arrays, y = small.arrays[0], np.arange(len(small.x), dtype="float32")[:, None]
    for model in (of_layers, nested):
        before = small.task.backbone.embedding.get_weights()[0]
        model.compile(keras.optimizers.SGD(0.01), "mse", run_eagerly=True)
        model.fit(arrays, y, verbose=0)
        after = small.task.backbone.embedding.get_weights()[0]
        assert np.isfinite(after).all() and not np.array_equal(before, after)


# === Bad input ===


def test_bad_input_is_explained(small):
    task, x, y = small.eagerly(), small.x, small.y
    one = "ape bee"
    with pytest.raises(TypeError, match=r"expected .*received"):
        task.fit(one, None if y is None else "yes")
    with pytest.raises(ValueError, match=r"expected at least one|no window of the questions"):
        task.fit([], None if y is None else [])
    if y is None:
        with pytest.raises(ValueError, match="learns from texts alone: leave y out"):
            task.fit(x, x)
        return
    for wrong in (y[:-1], None):
        message = f"for each of 7 examples, received {len(wrong or ()) or 'none'}: give y"
        with pytest.raises(ValueError, match=message):
            task.fit(x, wrong)
        with pytest.raises(ValueError, match=message):
            task.evaluate(x, wrong)


def test_labels_that_are_not_known_are_explained(make_small):
    classifier, tagger, span = (make_small(kind) for kind in ("classifier", "tagger", "span"))
    with pytest.raises(ValueError, match=r"labels among \['maybe', 'no', 'yes'\].*\['perhaps'\]"):
        classifier.task.fit(classifier.x, ["perhaps", *classifier.y[1:]])
    with pytest.raises(ValueError, match=r"their numbers 0 to 2, received 3\."):
        classifier.task.fit(classifier.x, [3, 0, 1, 2, 0, 1, 2])
    with pytest.raises(ValueError, match=r"tags among \['B-X', 'I-X', 'O'\].*\['B-Y'\]"):
        tagger.task.fit(tagger.x, [["B-Y", "O"], *tagger.y[1:]])
    with pytest.raises(ValueError, match=r"one tag a word, sentence 0 .* 2 words and 1 tags"):
        tagger.task.fit(tagger.x, [["O"], *tagger.y[1:]])
    with pytest.raises(ValueError, match=r"'bee' at 0\. It stands at 4: correct the place"):
        span.task.fit(span.x, [("bee", 0), *span.y[1:]])


def test_a_contrastive_model_takes_raw_texts_too(make_small, tmp_path):
    small = make_small("causal")
    task = ContrastiveLM(
        small.task.backbone, preprocessor=ContrastivePreprocessor(small.task.preprocessor.tokenizer)
    )
    task.compile(run_eagerly=True)
    task.fit(small.x, validation_data=(small.x,), epochs=1, verbose=0)
    found = task.evaluate(small.x, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(found["logits_loss"] + found["pooled_loss"], rel=1e-5)
    task.save(tmp_path / "mine.keras")
    assert keras.saving.load_model(tmp_path / "mine.keras").predict(small.x) == task.predict(
        small.x
    )
    with pytest.raises(ValueError, match="cannot be weighed one by one"):
        task.fit(small.x, sample_weight=np.ones(5))


# === Labels that the first data bring ===


def test_the_first_data_say_which_labels_there_are(make_small, same_weights):
    known, new = make_small("classifier"), make_small("classifier", labels=None)
    with pytest.raises(ValueError, match="the classes are not known yet: give labels"):
        new.eagerly().evaluate(new.x, new.y)
    new.task.fit(new.x, new.y, validation_data=(new.x, new.y), shuffle=False, verbose=0)
    assert new.task.preprocessor.labels == known.task.preprocessor.labels
    known.eagerly().fit(known.x, known.y, shuffle=False, verbose=0)
    same_weights(known.task, new.task)


def test_labels_given_as_numbers_stay_the_numbers_of_the_outputs(make_small):
    small = make_small("classifier")
    tokenizer = small.task.preprocessor.tokenizer
    task = TextClassifier(
        small.task.backbone, 13, preprocessor=ClassificationPreprocessor(tokenizer, length=11)
    )
    numbers = [12, 0, 3, 2, 7, 10, 1]  # not all occur; as texts, 10 would come before 2
    small._replace(task=task).eagerly().fit(small.x, numbers, verbose=0)
    assert task.preprocessor(small.x, numbers)[1].tolist() == numbers
    assert task.predict(small.x[:1])[0]["probabilities"].keys() == set(map(str, range(13)))
    few = TextClassifier(
        small.task.backbone, 3, preprocessor=ClassificationPreprocessor(tokenizer, length=11)
    )
    with pytest.raises(ValueError, match=r"expected 3 classes, the data has 2: \['no', 'yes'\]"):
        few.fit(["ape", "bee"], ["yes", "no"])
