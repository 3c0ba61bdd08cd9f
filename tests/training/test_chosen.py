"""What a classifier from scratch begins with on one's own data, and what is said of it."""

import itertools

import numpy as np
import pytest

from kerasllm import datasets
from kerasllm.datasets import Dataset, Labelled
from kerasllm.models import EmbeddingBackbone, RecurrentBackbone, TransformerBackbone
from kerasllm.training import ClassificationSettings, TaggingSettings, pretrain, train
from kerasllm.training.engine.progress import silent
from kerasllm.training.settings.chosen import RATE, chosen, epochs

pytestmark = pytest.mark.usefixtures("eager")
SMALL = {"hidden_dim": 5, "epochs": 0.5, "batch_size": 7, "length": 13, "quiet": True}


def rows(texts):
    labelled = [Labelled(text, "ab"[n % 2]) for n, text in enumerate(texts)]
    return Dataset(labelled, name="own", split="train", task="classification")


def test_what_is_left_out_follows_from_the_rows():
    texts = ["three words here", "and five in this one"] * 150
    found, lines = chosen(ClassificationSettings(), rows(texts))
    assert found.backbone == "embedding" and found.tokenizer == "word" and found.lowercase
    assert found.epochs == epochs(300) == 13.0 and found.pooling == "mean_max"
    assert found.dropout == found.backbone_dropout == 0.5 and found.pairs == 0
    assert found.learning_rate == RATE
    assert "learning_rate 0.003: 300 rows of about 4 words" in lines
    assert "epochs 13.0: 300 rows of about 4 words" in lines


def test_chinese_is_read_by_character_and_by_pair():
    found, lines = chosen(ClassificationSettings(), rows(["今天天气很好", "明天下雨"] * 3))
    assert found.tokenizer == "character" and found.pairs == 1024
    assert "learning_rate 0.003: 6 rows of about 5 characters" in lines
    assert "tokenizer character: no spaces between words" in lines


def test_words_are_read_in_pairs_where_there_are_many_rows():
    few, many = (
        chosen(ClassificationSettings(), rows([f"w{n % 7} x{n % 11} end" for n in range(count)]))[0]
        for count in (1999, 2000)
    )
    assert few.pairs == 0 and many.pairs == 1024


@pytest.mark.parametrize(
    ("text", "pooling"),
    [("今天" * 19, "mean"), ("今天" * 20, "mean_max"), ("a word or two", "mean_max")],
)
def test_short_chinese_is_pooled_by_its_mean_alone(text, pooling):
    found, lines = chosen(ClassificationSettings(), rows([text] * 4))
    assert found.pooling == pooling
    assert ("pooling mean: texts of about 38 characters" in lines) == (pooling == "mean")


@pytest.mark.parametrize(("units", "rate"), [(50, 0.01), (250, 0.002)])
def test_recurrent_layers_have_a_rate_of_their_width_and_less_dropout(units, rate):
    found, lines = chosen(ClassificationSettings(units=units), rows(["a b c", "d e f"] * 3))
    assert found.learning_rate == rate and found.dropout == found.backbone_dropout == 0.2
    assert f"learning_rate {rate}: 6 rows of about 3 words" in lines


def test_the_table_of_pairs_grows_with_the_texts(rng):
    letters = [chr(0x4E00 + n) for n in range(300)]
    texts = ["".join(rng.choice(letters, 100)) for _ in range(80)]
    pairs = {(a, b) for text in texts for a, b in itertools.pairwise(text)}
    assert 4096 < len(pairs) <= 8192
    assert chosen(ClassificationSettings(), rows(texts))[0].pairs == 8192


def test_what_is_given_stays():
    given = {
        "backbone": "recurrent", "tokenizer": "word", "lowercase": False, "learning_rate": 0.5,
        "epochs": 2.5, "dropout": 0.0, "backbone_dropout": 0.1, "pooling": "last", "pairs": 0,
        "vocabulary_size": 99, "min_frequency": 3, "word_dropout": 0.0, "keep_best": True,
    }  # fmt: skip
    settings = ClassificationSettings(**given)
    assert chosen(settings, rows(["a b", "c d"])) == (settings, [])


def test_weights_are_chosen_where_it_is_said_by_what():
    data = rows(["a b c", "d e f"] * 3)
    kept = [
        chosen(ClassificationSettings(**given), data)[0].keep_best
        for given in ({}, {"metric": "accuracy"}, {"patience": 3}, {"minutes": 9.0})
    ]
    assert kept == [False, True, True, True]
    given = {"minutes": 9.0, "keep_best": False}
    found, lines = chosen(ClassificationSettings(**given), data)
    assert not found.keep_best and not any(line.startswith("epochs") for line in lines)


@pytest.mark.parametrize(
    ("given", "backbone"),
    [({"units": 5}, "recurrent"), ({"cell": "gru"}, "recurrent"), ({"num_heads": 2}, "transformer"),
     ({"hidden_dim": 5}, "embedding")],
)  # fmt: skip
def test_a_setting_of_one_backbone_implies_it(given, backbone):
    found, lines = chosen(ClassificationSettings(**given), rows(["a b c", "d e f"] * 3))
    (name,) = given
    assert found.backbone == backbone
    assert (f"backbone {backbone}: {name} is given" in lines) == (backbone != "embedding")


def test_more_rows_need_fewer_passes():
    found = [epochs(count) for count in (1, 10, 100, 1000, 10_000, 10**7)]
    assert found == sorted(found, reverse=True) and found[0] == 20 and found[-1] == 2
    longer = [epochs(600, length) for length in (1, 40, 100, 200, 10**6)]
    assert longer == [11.0, 11.0, 7.0, 5.0, 4.0]  # 11.13 times 1, 1, 0.632, 0.447 and 0.4


def test_a_training_says_and_keeps_what_was_chosen(animals, tmp_path, capsys):
    options = {**SMALL, "quiet": False}
    run = train(animals["classification"], tmp_path / "run", **options)
    assert type(run.backbone) is EmbeddingBackbone and run.settings["pooling"] == "mean_max"
    assert run.settings["learning_rate"] == RATE and run.tokenizer.kind == "word"
    assert "learning_rate 0.003: 23 rows of about 5 words" in capsys.readouterr().err
    spread = np.std(run.backbone.get_weights()[0])
    assert 0.003 < spread < 0.05  # small vectors, moved by a few steps


@pytest.mark.parametrize("backbone", [RecurrentBackbone, TransformerBackbone])
def test_the_other_backbones_train_with_the_defaults(animals, tmp_path, backbone):
    name = backbone.__name__.removesuffix("Backbone").lower()
    options = {**SMALL, "hidden_dim": 8, "size": "tiny", "backbone": name}
    run = train(animals["classification"], tmp_path / "run", **options)
    assert type(run.backbone) is backbone and run.model.task_config["pooling"] == "mean_max"


def test_chinese_of_ones_own_is_trained_on_by_character(tmp_path):
    lines = [f"{text}{n}次,{label}" for n in range(9) for text, label in
             (("这家店很好", "好"), ("太差了不去", "差"))]  # fmt: skip
    (tmp_path / "own.csv").write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    run = train(tmp_path / "own.csv", tmp_path / "run", **SMALL)
    assert run.tokenizer.kind == "character" and run.backbone.settings.pairs == 1024
    (found,) = run.predict(["这家店很好"])
    assert found["label"] in ("好", "差")


def test_a_language_model_of_chinese_reads_characters(tmp_path):
    options = {"size": "tiny", "steps": 1, "length": 5, "batch_size": 3, "quiet": True}
    texts = datasets.load("topic_zh", split="train").select(range(30))
    run = pretrain(texts, tmp_path / "run", xla=False, **options)
    assert run.tokenizer.kind == "character"


def test_a_pretrained_run_brings_all_that_is_its_own(animals, bases, tmp_path):
    options = {"epochs": 0.5, "batch_size": 7, "quiet": True}
    run = train(animals["classification"], tmp_path / "r", pretrained=bases("lstm"), **options)
    assert run.settings["pairs"] is None and run.settings["pooling"] == "mean"
    assert run.settings["dropout"] == 0.1 and run.settings["tokenizer"] == "word"
    with pytest.raises(ValueError, match="pairs: tokenizer and backbone come with"):
        train(animals["classification"], tmp_path / "s", pretrained=bases("lstm"), pairs=7)


def test_epochs_are_not_inherited(animals, tmp_path):
    first = train(animals["classification"], tmp_path / "a", **SMALL)
    examples = ClassificationSettings.read(animals["classification"])
    second = ClassificationSettings().suited(examples, first, silent())
    assert second.epochs == 3.0 and second.dropout == 0.1 and second.pooling == "mean_max"


def test_a_tagger_makes_more_passes_over_few_sentences(animals):
    examples = TaggingSettings.read(animals["tagging"])
    found = TaggingSettings(batch_size=2).suited(examples, None, silent())
    assert found.epochs == 52.0  # 23 sentences: 1,200 rows are 600 steps of 2
    assert TaggingSettings(epochs=7.0).suited(examples, None, silent()).epochs == 7.0


def test_a_tagger_from_a_run_makes_three_passes(animals, bases):
    examples = TaggingSettings.read(animals["tagging"])
    found = TaggingSettings(batch_size=2).suited(examples, bases("lstm"), silent())
    assert found.epochs == 3.0
