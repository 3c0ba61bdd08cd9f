"""One engine: the task follows from the data, and what cannot be is refused before any work."""

import numpy as np
import pytest

from kerasllm import datasets
from kerasllm.models import CausalLM, SpanExtractor, TextClassifier, TokenTagger, TransformerSeq2Seq
from kerasllm.training import (
    ClassificationSettings,
    Seq2SeqSettings,
    SpanSettings,
    TaggingSettings,
    finetune,
    load_run,
    pretrain,
    train,
)
from kerasllm.training.settings import settings_for
from kerasllm.training.trainer import task_of

pytestmark = pytest.mark.usefixtures("eager")
SMALL = {"batch_size": 7, "learning_rate": 0.02, "xla": False, "quiet": True}
BACKBONE = {"size": "tiny", "tokenizer": "word", "min_frequency": 1, "hidden_dim": 8}
SCRATCH = {
    "classification": {**BACKBONE, "units": 7, "length": 13, "epochs": 1},
    "tagging": {"units": 5, "word_dim": 7, "filters": 3, "epochs": 1},
    "span": {**BACKBONE, "num_heads": 2, "length": 29, "max_answer": 5, "epochs": 1},
    "seq2seq": {**BACKBONE, "num_heads": 2, "num_layers": 1, "architecture": "transformer",
                "length": 13, "epochs": 1, "metric": "loss", "beam": 1},
    "language_model": {**BACKBONE, "units": 7, "length": 11, "steps": 3},
}  # fmt: skip
KINDS = {
    "classification": TextClassifier,
    "tagging": TokenTagger,
    "span": SpanExtractor,
    "seq2seq": TransformerSeq2Seq,
    "language_model": CausalLM,
}
ASKED = {
    "span": ("is the cat here ?", "here is the red cat that I saw"),
    "tagging": "the red cat is here",
}


@pytest.fixture(scope="module")
def classifier(animals, tmp_path_factory):
    """Return the run of a tiny classifier from scratch."""
    folder, options = tmp_path_factory.mktemp("animals") / "run", SCRATCH["classification"]
    return train(animals["classification"], folder, **SMALL, **options)


# The task follows from the data --------------------------------------------------


@pytest.mark.parametrize("task", SCRATCH)
def test_every_shape_trains_without_a_run_and_answers(animals, tmp_path, task):
    data = animals[task][0] if task == "language_model" else animals[task]
    run = train(data, tmp_path / "run", **SMALL, **SCRATCH[task])
    again = load_run(run.path)
    assert type(again.model) is KINDS[task] and again.config["task"] == task
    assert again.settings["method"] == "scratch" and again.config["pretrained"] is None
    assert np.isfinite(again.metrics["val_loss"])
    (found,) = again.predict([ASKED.get(task, "the red cat")])
    assert found["warning"] is None
    moved = run.read_json("moved.json")
    assert all(far > 0 for group, far in moved.items() if group != "head")


def test_the_task_of_names_files_data_sets_pairs_and_texts(animals, tmp_path):
    for task, pair in animals.items():
        assert task_of(pair) == task_of(pair[0]) == task
        assert settings_for(task).task == task
    assert task_of("topic_en") == "classification" and task_of("facts_en") == "span"
    assert task_of(["a text", "another"]) == "language_model"
    (tmp_path / "own.txt").write_text("one line\nanother")
    assert task_of(tmp_path / "own.txt") == "language_model"
    (tmp_path / "own.csv").write_text(
        "text,label\n" + "".join(f"good {i},yes\nbad {i},no\n" for i in range(20))
    )
    assert task_of(tmp_path / "own.csv") == "classification"


def test_one_data_set_alone_is_split(animals):
    whole = datasets.load("topic_en", split="all")
    found = ClassificationSettings.read(whole)
    train_texts, validation = set(found.train.texts), set(found.validation.texts)
    assert len(validation) == pytest.approx(len(train_texts) / 9, rel=0.1)
    assert not train_texts & validation and train_texts | validation == set(whole.texts)
    assert found.fingerprint == found.train.fingerprint
    source = settings_for("language_model").read(animals["language_model"][0]).train
    assert source.train and source.validation and not set(source.train) & set(source.validation)


def test_finetune_is_train_from_a_run(animals, classifier, tmp_path):
    options = {**SMALL, "epochs": 1, "method": "full"}
    data = animals["classification"]
    a = finetune(classifier, data, tmp_path / "a", **options)
    b = train(data, tmp_path / "b", pretrained=str(classifier.path), **options)
    for x, y in zip(a.model.get_weights(), b.model.get_weights(), strict=True):
        assert np.array_equal(x, y)
    assert a.config["pretrained"] == b.config["pretrained"] == str(classifier.path)


def test_pretraining_reads_the_texts_of_any_task(animals, tmp_path):
    options = {**SMALL, **SCRATCH["language_model"]}
    run = pretrain(animals["classification"][0], tmp_path / "run", **options)
    assert run.config["task"] == "language_model"


# The weights that are kept, and their scores -------------------------------------


@pytest.mark.parametrize(
    ("losses", "keep_best", "kept"),
    [
        ([3.0, 1.0, 2.0], True, 1),
        ([3.0, 1.0, 2.0], False, 2),
        ([float("nan"), 2.0, 2.0], True, 1),
    ],
)
def test_metrics_are_those_of_the_weights_kept(
    animals, tmp_path, monkeypatch, losses, keep_best, kept
):
    weights = []

    def scripted(task, _):
        weights.append(task.get_weights())
        return {"loss": losses[len(weights) - 1], "accuracy": 0.1 * len(weights)}

    monkeypatch.setattr(TextClassifier, "scores", scripted)
    options = {**SMALL, **SCRATCH["classification"], "epochs": 3, "keep_best": keep_best}
    run = train(animals["classification"], tmp_path / "run", **options)
    scores = {"val_loss": losses[kept], "val_accuracy": pytest.approx(0.1 * (kept + 1))}
    when = run.metrics["kept"]
    assert run.metrics == {**scores, "kept": when} and when["epoch"] == kept + 1
    assert when["chosen_by"] == ("val_loss" if keep_best else "end of the training")
    for a, b in zip(run.model.get_weights(), weights[kept], strict=True):
        assert np.array_equal(a, b)


# What is refused, before anything is written --------------------------------------


@pytest.mark.parametrize(
    ("data", "settings", "kind"),
    [
        ("classification", TaggingSettings(), "ClassificationSettings"),
        ("tagging", SpanSettings(), "TaggingSettings"),
        ("language_model", ClassificationSettings(), "PretrainSettings"),
        ("span", Seq2SeqSettings(), "SpanSettings"),
    ],
)
def test_settings_for_other_data(animals, tmp_path, data, settings, kind):
    message = f"expected settings of the kind {kind}, which this data is for, received"
    with pytest.raises(TypeError, match=message):
        train(animals[data], tmp_path / "run", settings=settings, quiet=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "options", [{"size": "base"}, {"tokenizer": "word"}, {"backbone_dropout": 0.2}, {"units": 7}]
)
def test_settings_of_a_backbone_beside_a_run(animals, classifier, tmp_path, options):
    message = f"{next(iter(options))}: tokenizer and backbone come with the pretrained run"
    with pytest.raises(ValueError, match=message):
        finetune(classifier, animals["classification"], tmp_path / "run", quiet=True, **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("task", ["classification", "tagging", "span", "language_model"])
def test_the_output_must_not_be_the_run_itself(animals, bases, task):
    run, data = bases("encoder"), animals[task]
    data = data[0] if task == "language_model" else data
    with pytest.raises(ValueError, match=r"is the pretrained run itself, .* another --output"):
        train(data, run.path, pretrained=run, quiet=True)
    assert (run.path / "model.keras").is_file()


def test_a_place_that_cannot_be_written_is_said_before_any_work(animals, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(ClassificationSettings, "make_preprocessor", None)
    with pytest.raises(OSError, match=r"the run folder .* cannot be written .*another --output"):
        train(animals["classification"], tmp_path / "file" / "run", quiet=True)


def test_data_of_no_task_names_the_tasks():
    with pytest.raises(ValueError, match=r"expected data for one of \['chat', .*'poems'"):
        settings_for("poems")
