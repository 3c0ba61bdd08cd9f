"""Language models from bare text: the run folder, the objectives, the tokenizer, the settings."""

import dataclasses
import importlib.util
import json

import numpy as np
import pytest

from kerasllm.datasets.sources import Source
from kerasllm.training import (
    Seq2SeqSettings,
    TaggingSettings,
    TrainingDivergedError,
    load_run,
    pretrain,
)
from kerasllm.training.engine.progress import Progress
from kerasllm.training.settings.base import resolve
from kerasllm.training.settings.classification import ClassificationSettings
from kerasllm.training.settings.pretraining import PretrainSettings

TINY = {
    "size": "tiny", "units": 11, "hidden_dim": 11, "length": 20, "batch_size": 8,
    "tokenizer": "word", "xla": False, "steps": 3, "quiet": True,
}  # fmt: skip
TRANSFORMER = {"backbone": "transformer", "units": None, "hidden_dim": 8, "num_heads": 2}
TEXTS = [f"the {word} is here" for word in ("cat", "dog", "cow", "hen", "fox", "owl")] * 4


def prepared(data, **options):
    """Return the settings that `pretrain` would train with on data, and the preprocessor."""
    settings, examples = resolve(PretrainSettings, **options), PretrainSettings.read(data)
    settings = settings.suited(examples, None, Progress(quiet=True))
    return settings, settings.make_preprocessor(examples, None)


def tokenizer_of(data, **options):
    return prepared(data, **options)[1].tokenizer


def test_the_run_folder_holds_all_that_later_commands_need(pretrained):
    there = {p.relative_to(pretrained.path).as_posix() for p in pretrained.path.rglob("*.*")}
    assert there >= {
        "config.json", "tokenizer.json", "model.keras", "history.csv", "metrics.json",
        "figures/learning_curves.png", "checkpoint/last.npz",
    }  # fmt: skip
    config = json.loads((pretrained.path / "config.json").read_text())
    assert config["task"] == "language_model" and config["seed"] == 0
    assert config["data"]["name"] == config["data"]["source"] == "topic_en"
    assert len(config["data"]["hash"]) == 64 and config["training_tokens"] > 1000
    assert config["tokenizer"] == pretrained.tokenizer.fingerprint
    assert config["settings"].keys() == {f.name for f in dataclasses.fields(PretrainSettings)}
    assert {"keras", "numpy", "backend", "python"} <= config["versions"].keys()
    assert not list(pretrained.path.rglob("*.part"))


def test_the_same_seed_gives_the_same_weights(tmp_path):
    options = {**TINY, "dropout": 0.3}
    a, b = (pretrain("topic_en", tmp_path / name, seed=5, **options) for name in "ab")
    same = [np.array_equal(x, y) for x, y in zip(a.model.get_weights(), b.model.get_weights())]  # noqa: B905
    assert all(same)


def test_tensorboard_gets_the_loss_of_every_step(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    pretrain("topic_en", tmp_path / "run", tensorboard=True, **TINY)
    written = EventAccumulator(str(tmp_path / "run" / "tensorboard" / "train")).Reload()
    losses = written.Tensors("batch_loss")
    assert [event.step for event in losses] == [1, 2, 3]


def test_tensorboard_that_is_not_installed_is_missed_before_any_work(tmp_path, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: find_spec(name) if name != "tensorboard" else None
    )
    with pytest.raises(ImportError, match=r"pip install 'kerasllm\[tensorboard\]'"):
        pretrain("topic_en", tmp_path / "run", tensorboard=True, **TINY)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "options",
    [
        {**TRANSFORMER},
        {**TRANSFORMER, "objective": "masked", "whole_word": True},
        {"objective": "masked", "cell": "gru"},
    ],
)
def test_objectives_and_backbones(tmp_path, options):
    # length 20 is no multiple of the bucket: padding must not pass the context
    run = pretrain("topic_zh", tmp_path / "run", **{**TINY, "tokenizer": "character", **options})
    assert np.isfinite(run.metrics["val_loss"])
    again = load_run(run.path).model
    assert type(again) is type(run.model)
    for a, b in zip(run.model.get_weights(), again.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_masked_pretraining_reads_the_lines_of_a_file(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("\n".join(f"the number {i} is here" for i in range(40)))
    run = pretrain(path, tmp_path / "run", objective="masked", **TINY)
    assert run.config["data"]["source"] == str(path)


def test_a_loss_that_explodes_stops_the_run_and_keeps_the_last_good_weights(tmp_path):
    options = {**TINY, "steps": 40, "eval_every": 1, "clip": 0.0, "warmup": 0.0}
    with pytest.raises(
        TrainingDivergedError, match=r"NaN or infinite at step \d+ of 'stage 0: all w"
    ):
        pretrain("topic_en", tmp_path / "run", learning_rate=100.0, weight_decay=100.0, **options)
    with np.load(tmp_path / "run" / "checkpoint" / "last.npz") as kept:
        assert all(np.isfinite(kept[n]).all() for n in kept.files if kept[n].dtype.kind == "f")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"learning_rat": 1}, TypeError, "Did you mean 'learning_rate'"),
        ({"size": "tinny"}, ValueError, "Did you mean 'tiny'"),
        ({"objective": "casual"}, ValueError, "Did you mean 'causal'"),
        ({"backbone": "transfomer"}, ValueError, "Did you mean 'transformer'"),
        ({"cell": "ltsm"}, ValueError, "Did you mean 'lstm'"),
        ({"length": 100_000}, ValueError, "fewer than one window of length=100000"),
        ({"dropout": 1.0}, ValueError, "dropout must be 0 or more and below 1"),
    ],
)
def test_a_wrong_setting_leaves_an_earlier_run_as_it_is(
    pretrained, copy_of, options, error, message
):
    run = copy_of(pretrained)
    before = {p: p.read_bytes() for p in run.path.rglob("*.*")}
    with pytest.raises(error, match=message):
        pretrain("topic_en", run.path, overwrite=True, **{**TINY, **options})
    assert {p: p.read_bytes() for p in run.path.rglob("*.*")} == before


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"steps": 0}, ValueError, "steps must be above 0 and at most 1,000,000,000, received 0"),
        ({"steps": "100"}, TypeError, "steps must be int, received '100'"),
        ({"steps": 1.5}, TypeError, "steps must be int"),
        ({"batch_size": True}, TypeError, "batch_size must be int, received True"),
        ({"learning_rate": float("nan")}, ValueError, "learning_rate must be 1e-12 or more"),
        ({"clip": -1.0}, ValueError, "clip must be 0 or more"),
        ({"warmup": 5.0}, ValueError, "warmup must be 0 or more and at most 1, received 5.0"),
        ({"mask_share": 15}, ValueError, "mask_share must be above 0 and below 1"),
        ({"quiett": True}, TypeError, "expected a setting among"),
    ],
)
def test_settings_out_of_range_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        resolve(PretrainSettings, **options)


def test_epochs_have_to_be_given_where_nothing_stands_for_them():
    with pytest.raises(TypeError, match="epochs must be float, received None"):
        resolve(Seq2SeqSettings, epochs=None)
    for kind in (TaggingSettings, ClassificationSettings):
        assert resolve(kind, epochs=None).epochs is None  # what suits the model and the data


def test_settings_take_whole_numbers_for_floats_and_none_where_allowed():
    assert resolve(PretrainSettings, learning_rate=1, units=None, xla=True).xla
    base = ClassificationSettings(epochs=7.0)
    assert resolve(ClassificationSettings, base, length=9).epochs == 7.0


def test_a_bare_text_is_no_list_of_texts(tmp_path):
    with pytest.raises(ValueError, match="There is no data set 'to be or not to be'"):
        pretrain("to be or not to be", tmp_path / "run", **TINY)


def test_a_small_model_finds_the_entropy_of_a_markov_chain(tmp_path):
    from kerasllm import datasets

    options = {
        **TINY, "units": 64, "hidden_dim": 64, "steps": 300, "length": 32, "batch_size": 32,
        "learning_rate": 0.02, "eval_every": 300,
    }  # fmt: skip
    run = pretrain("markov", tmp_path / "run", **options)
    optimum = datasets.load("markov", "validation").info["entropy_rate"]
    ids = np.concatenate(
        [run.tokenizer.encode(t, eos=True) for t in datasets.load("markov", "validation").texts]
    )
    shares = np.bincount(ids) / len(ids)
    unigram = -(shares[shares > 0] * np.log(shares[shares > 0])).sum()
    assert optimum + 0.5 < unigram
    assert optimum - 0.05 < run.metrics["val_loss"] < optimum + 0.1


@pytest.mark.parametrize("objective", ["causal", "masked", "contrastive"])
def test_output_dropout_lies_between_backbone_and_scores(objective):
    texts = [f"the number {i} of the long row of numbers" for i in range(40)]
    options = {name: value for name, value in TINY.items() if name != "quiet"}
    options |= {"objective": objective, "dropout": 0.2, "output_dropout": 0.4}
    settings, preprocessor = prepared(texts, **options)
    model = settings.make_task(preprocessor, None)
    assert model.get_layer("dropout").rate == 0.4
    assert model.backbone.embedding.dropout.rate == 0.2


def test_rare_tokens_are_left_out_as_the_setting_says():
    texts = ["the cat", "the dog", "the dog", "the end"]
    sizes = [
        len(tokenizer_of(texts, tokenizer="word", min_frequency=n).vocabulary)
        for n in (None, 1, 2, 3)
    ]
    assert [size - sizes[3] for size in sizes] == [1, 2, 1, 0]  # the (3), dog (2), cat (1)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00bad \x80\x81 bytes"])
def test_an_empty_file_and_a_wrong_encoding_are_refused(tmp_path, content):
    path = tmp_path / "own.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"own.txt.*(empty|UTF-8|encoding|utf-8)"):
        tokenizer_of(path, tokenizer="word")


def test_the_tokenizer_is_trained_on_training_texts_alone():
    tokenizer = tokenizer_of(Source("x", ["aab", "aba"], ["xyz"]), tokenizer="character")
    assert tokenizer.unk_id in tokenizer.encode("x")
    assert tokenizer.unk_id not in tokenizer.encode("b")


def test_a_vocabulary_smaller_than_the_character_set_is_refused():
    with pytest.raises(ValueError, match="9"):
        tokenizer_of(TEXTS, tokenizer="character", vocabulary_size=9)


def test_an_unknown_tokenizer_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'wordpiece'"):
        tokenizer_of(TEXTS, tokenizer="wordpeice")
