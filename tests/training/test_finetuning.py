"""Fine-tuning a classifier: what each method moves, what is inherited, and what is refused."""

import csv

import numpy as np
import pytest

from kerasllm import datasets
from kerasllm.datasets.examples import Dataset, Labelled
from kerasllm.models import TextClassifier
from kerasllm.models.classification import scoring
from kerasllm.models.classification.scoring import text_logits
from kerasllm.models.optimizers import LayerwiseAdamW
from kerasllm.training import ClassificationSettings, finetune, load_run, pretrain, trainer
from kerasllm.training.engine import stages as engine
from kerasllm.training.engine.adapters import load_adapter
from kerasllm.training.engine.compilation import prepare
from kerasllm.training.engine.freezing import stages
from kerasllm.training.engine.progress import Progress
from kerasllm.training.engine.weight_changes import weights_by_layer
from kerasllm.training.settings.base import resolve

OPTIONS = {"epochs": 1, "learning_rate": 0.02, "quiet": True}


def labelled(pairs, split="train", labels=()):
    rows = [Labelled(text, label) for text, label in pairs]
    return Dataset(rows, name="own", split=split, task="classification", labels=labels)


def own(split="train", words=("bread", "train", "money")):
    pairs = [(f"the {word} of {i}", f"about {word}") for i in range(16) for word in words]
    return labelled(pairs, split)


def moved(run):
    return run.read_json("moved.json")


def fitted_to(run, train, validation, **options):
    """Return (task, history rows) of a classifier of which nothing is written."""
    examples = ClassificationSettings.examples(train, validation)
    settings = resolve(ClassificationSettings, **{"epochs": 3, "learning_rate": 0.02, **options})
    settings = settings.suited(examples, run, Progress(quiet=True))
    prepare(settings)
    task = settings.make_task(settings.make_preprocessor(examples, run), run)
    batches = settings.make_batches(task, examples)
    return task, engine.train_in_stages(task, examples, batches, settings, run)[0]


@pytest.fixture(scope="module")
def fitted(pretrained, tmp_path_factory):
    """Return the run of each method, and how the pretrained weights were before and after."""
    folder = tmp_path_factory.mktemp("methods")
    before = [w.copy() for w in pretrained.backbone.get_weights()]
    runs = {
        method: finetune(pretrained, (own(), own("validation")), folder / method, **options)
        for method, options in {
            "frozen": {**OPTIONS, "method": "frozen"},
            "scratch": {**OPTIONS, "method": "scratch", "seed": 1},
            "full": {**OPTIONS, "method": "full", "head_epochs": 1, "discriminative": 3.0},
            "gradual": {**OPTIONS, "method": "gradual", "epochs": 6},
            "lora": {**OPTIONS, "method": "lora", "lora_rank": 2},
        }.items()
    }
    return runs, before


def test_the_pretrained_run_never_changes(fitted, pretrained):
    _, before = fitted
    for a, b in zip(before, pretrained.backbone.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_lora_moves_the_matrices_and_its_adapter_alone_rebuilds_the_model(fitted, pretrained):
    run = fitted[0]["lora"]
    distances = moved(run)
    assert distances.pop("group 0") == 0.0 and min(distances.values()) > 1e-4  # no embeddings
    texts = ["the bread of 3", "money and a train"]
    again = load_adapter(run.path / "adapter.npz", pretrained.backbone)
    merged, rebuilt = text_logits(load_run(run.path).model, texts), text_logits(again, texts)
    np.testing.assert_allclose(rebuilt, merged, atol=1e-6)
    assert run.path.joinpath("adapter.npz").stat().st_size < 50_000


def test_frozen_leaves_the_backbone_bit_for_bit_and_moves_the_head(fitted):
    runs, before = fitted
    after = load_run(runs["frozen"].path).backbone.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    distances = moved(runs["frozen"])
    assert distances.pop("head") > 1e-3 and set(distances.values()) == {0.0}


def test_gradual_notes_after_each_stage_which_groups_have_moved(fitted):
    run = fitted[0]["gradual"]
    with open(run.path / "history.csv", newline="") as file:
        noted = [row for row in csv.DictReader(file) if row["moved_head"]]
    groups = ["moved_head", "moved_group_1", "moved_group_0"]
    far = [[float(row[name]) for name in groups] for row in noted]
    assert [row["stage"].split(":")[0] for row in noted] == ["stage 0", "stage 1", "stage 2"]
    assert [[f > 0 for f in row] for row in far] == [
        [True] * n + [False] * (3 - n) for n in (1, 2, 3)
    ]
    assert far[-1] == [moved(run)[name] for name in ("head", "group 1", "group 0")]


def test_scratch_does_not_begin_from_the_pretrained_weights(fitted):
    runs, before = fitted
    after = runs["scratch"].backbone.get_weights()
    assert np.abs(before[0] - after[0]).mean() > 0.01  # two draws of N(0, 0.02²) are farther apart


@pytest.mark.parametrize("method", ["full", "gradual", "scratch"])
def test_in_the_end_every_group_has_moved(fitted, method):
    runs, _ = fitted
    assert all(distance > 1e-4 for distance in moved(runs[method]).values())


def test_gradual_unfreezes_from_the_top(fitted):
    runs, _ = fitted
    lines = (runs["gradual"].path / "history.csv").read_text().splitlines()[1:]
    names = list(dict.fromkeys(line.split(",")[0] for line in lines))
    assert names == [
        "stage 0: head", "stage 1: head and 1 of 2 groups", "stage 2: head and 2 of 2 groups",
    ]  # fmt: skip


def test_each_stage_trains_what_it_says_and_nothing_else(pretrained, monkeypatch):
    changes, run_stage = [], engine.run_stage

    def watch(stage, *args, **options):
        before = weights_by_layer(tasks[-1])
        rows = run_stage(stage, *args, **options)
        after = weights_by_layer(tasks[-1])
        changes.append(
            [
                any(not np.array_equal(a, b) for a, b in zip(before[n], after[n], strict=True))
                for n in ("head", "group 1", "group 0")
            ]
        )
        return rows

    tasks, make = [], ClassificationSettings.make_task
    note = lambda *args: tasks.append(make(*args)) or tasks[-1]  # noqa: E731
    monkeypatch.setattr(ClassificationSettings, "make_task", note)
    monkeypatch.setattr(engine, "run_stage", watch)
    fitted_to(pretrained, own(), own(), method="gradual", keep_best=False)
    assert changes == [[True, False, False], [True, True, False], [True, True, True]]


def test_discriminative_rates_fall_from_group_to_group(fitted):
    runs, _ = fitted
    optimizer = runs["full"].model.optimizer
    assert isinstance(optimizer, LayerwiseAdamW)
    factors = {path.split("/")[0]: factor for path, factor in optimizer.factors.items()}
    assert factors["embedding"] == pytest.approx(1 / 9)
    assert factors["stack"] == factors["projection"] == pytest.approx(1 / 3)
    assert len(stages(len(runs["full"].model.used_groups()), "full", 7, 21)) == 2


def test_settings_left_out_are_inherited(fitted, pretrained, tmp_path, capfd):
    runs, _ = fitted
    assert runs["full"].settings["length"] == pretrained.settings["length"] == 32
    pair = (own(), own("validation"))
    run = finetune(pretrained, pair, tmp_path / "run", length=5, epochs=0.1, method="frozen")
    assert run.settings["length"] == 5
    shown = capfd.readouterr().err
    assert "inherited from" in shown and "overridden here" in shown and "'length': 5" in shown


def test_reading_follows_the_settings(fitted, pretrained, tmp_path):
    reader = fitted[0]["full"].model.preprocessor
    assert (reader.length, reader.long_texts, reader.clean) == (32, "truncate", False)
    pair, options = (own(), own("validation")), {"epochs": 0.1, "method": "frozen", "quiet": True}
    options |= {"length": 7, "long_texts": "windows", "clean": True}
    reader = finetune(pretrained, pair, tmp_path / "run", **options).model.preprocessor
    assert (reader.length, reader.long_texts, reader.clean) == (7, "windows", True)


def test_brackets_in_texts_are_no_markup(pretrained, tmp_path, capfd):
    pairs = [(f"[/b] the recipe [red] {'and ' * 40}", "ab"[i % 2]) for i in range(12)]
    data = labelled(pairs), labelled(pairs, "validation")
    finetune(pretrained, data, tmp_path / "[x]", epochs=0.1, method="frozen")
    assert "[x]" in capfd.readouterr().err


def test_validation_with_fewer_classes_is_scored_by_name(pretrained):
    # "about train" is class 2 of 3 in training, and would be class 0 of 1 by itself
    train, one = own(), own("validation", words=("train",))
    assert one.label_ids.tolist() == [0] * 16
    task, rows = fitted_to(pretrained, train, one, method="frozen", epochs=20)
    assert task.preprocessor.targets(one).tolist() == [2] * 16
    logits = text_logits(task, one.texts)
    assert max(r["val_accuracy"] for r in rows) >= (logits.argmax(axis=1) == 2).mean()


def test_logits_come_in_the_order_of_the_texts(classifier, monkeypatch):
    texts = ["a", "the recipe of the day is long and has many words", "my team", ""] * 3
    monkeypatch.setattr(scoring, "AT_ONCE", 5)
    together = text_logits(classifier.model, texts)
    alone = [text_logits(classifier.model, [t])[0] for t in texts[:4]]
    np.testing.assert_allclose(together, alone * 3, atol=1e-5)


def test_a_text_longer_than_the_context_is_cut(classifier):
    text = "the recipe of the day " * 20
    cut = classifier.tokenizer.decode(classifier.tokenizer.encode(text)[:32])
    logits = text_logits(classifier.model, [text, cut])
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-5)


def test_a_transformer_is_tuned_at_a_length_that_is_no_multiple_of_the_bucket(tmp_path):
    options = {
        "backbone": "transformer", "size": "tiny", "hidden_dim": 8, "num_layers": 1, "length": 21,
        "batch_size": 8, "tokenizer": "character", "steps": 1, "xla": False, "quiet": True,
    }  # fmt: skip
    run = pretrain("sentiment_zh", tmp_path / "gpt", **options)
    tuned = finetune(run, "sentiment_zh", tmp_path / "tuned", method="gradual", **OPTIONS)
    assert tuned.config["language"] == "zh" and tuned.config["labels"] == ["negative", "positive"]
    with pytest.raises(ValueError, match="length=22 is longer than the 21 tokens"):
        finetune(run, "sentiment_zh", tmp_path / "other", length=22, **OPTIONS)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("topic_ne", {}, "Did you mean 'topic_en'"),
        ("topic_zh", {}, "every token of topic_zh is unknown"),
        ("topic_en", {"method": "ful"}, "Did you mean 'full'"),
        ("topic_en", {"pooling": "men"}, "Did you mean 'mean'"),
        ("topic_en", {"epochs": 0.0}, "epochs must be above 0"),
    ],
)
def test_refuses_before_anything_is_written(pretrained, tmp_path, data, options, message):
    with pytest.raises(ValueError, match=message):
        finetune(pretrained, data, tmp_path / "run", quiet=True, **options)
    assert not (tmp_path / "run").exists()


def test_data_of_another_task_are_refused():
    with pytest.raises(ValueError, match="expected labelled texts, received"):
        ClassificationSettings.read("markov")


def test_one_class_only_is_refused():
    one = labelled([("a", "x"), ("b", "x")])
    with pytest.raises(ValueError, match="at least 2 classes, own has one only"):
        ClassificationSettings.read((one, one))


def test_validation_of_another_task_is_refused():
    with pytest.raises(ValueError, match=r"expected labels among .* also has \['about sea'\]"):
        ClassificationSettings.read((own(), own("validation", words=("train", "sea"))))


def test_the_output_must_not_be_the_pretrained_run(pretrained):
    with pytest.raises(ValueError, match="is the pretrained run itself"):
        finetune(pretrained, "topic_en", pretrained.path, **OPTIONS)


def test_a_csv_without_the_column_is_refused(pretrained, tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("review,stars\ngood,5\nbad,1\n")
    with pytest.raises(ValueError, match=r"review.*stars"):
        finetune(pretrained, path, tmp_path / "run", **OPTIONS)


def test_hidden_words_are_never_computed_once(pretrained, monkeypatch):
    apart, head_alone = [], TextClassifier.head_alone

    def note(task, batches):
        model, fed = head_alone(task, batches)
        apart.append(model is not task)
        return model, fed

    monkeypatch.setattr(TextClassifier, "head_alone", note)
    for share in (0.0, 0.5):
        options = {"method": "frozen", "epochs": 1.0, "word_dropout": share}
        fitted_to(pretrained, own(), own(), **options)
    assert apart == [True, False]  # features are computed once without hidden words only


def test_a_share_of_the_training_texts_validates(pretrained, tmp_path, monkeypatch):
    given, trained = [], trainer.train_in_stages

    def watch(task, examples, *rest):
        train, validation = examples.train, examples.validation
        assert (train.split, validation.split) == ("train", "validation")
        given.append((train.texts, validation.texts))
        return trained(task, examples, *rest)

    monkeypatch.setattr(trainer, "train_in_stages", watch)
    options = {"method": "frozen", "epochs": 1.0, "held_out": 0.25, "quiet": True}
    finetune(pretrained, "topic_en", tmp_path / "run", **options)
    ((train, validation),) = given
    everything = datasets.load("topic_en").texts
    assert len(validation) == pytest.approx(len(everything) / 4, abs=6)
    assert sorted(train + validation) == sorted(set(everything))
