"""Every sentence is there in both languages, and says what a score is."""

import string
import tomllib
from pathlib import Path

import pytest

import kerasllm.reports.words as words_module
from kerasllm.reports.scores import scores_table, verdict
from kerasllm.reports.words import LANGUAGES, Words

SENTENCES = tomllib.loads(
    Path(words_module.__file__).with_name("sentences.toml").read_text("utf-8")
)
KEYS = [(topic, key) for topic, keys in SENTENCES.items() if topic != "figures" for key in keys]


def fields(sentence):
    return sorted(name for _, name, _, _ in string.Formatter().parse(sentence) if name)


@pytest.mark.parametrize(("topic", "key"), KEYS)
def test_both_languages_say_the_same(topic, key):
    english, chinese = SENTENCES[topic][key]
    if isinstance(english, list):
        assert len(english) == len(chinese)
        return
    assert fields(english) == fields(chinese)
    assert not any("\u4e00" <= sign <= "\u9fff" for sign in english)


def test_every_score_of_an_evaluation_is_explained():
    from kerasllm.metrics.classification import SCORES
    from kerasllm.metrics.generation import SCORES as GENERATION

    shown = {
        "classification": (*SCORES, "f1_micro", "precision_micro", "recall_micro"),
        "tagging": ("f1", "precision", "recall", "accuracy"),
        "span": ("f1", "exact", "no_answer"),
        "seq2seq": (*GENERATION, "exact_match", "loss", "unknown"),
        "language_model": ("loss", "perplexity", "bits_per_character", "bits_per_byte", "unknown"),
    }
    for language in LANGUAGES:
        words = Words(language)
        assert all(words.of_score(name, task) for task, names in shown.items() for name in names)
    assert Words("en").of_score("f1", "span") != Words("en").of_score("f1", "tagging")


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match=r"expected language to be one of \['en', 'zh'\]"):
        Words("de")


def scores(own, theirs, measure="accuracy", interval=None):
    return {
        "model": {measure: own},
        "interval": {measure: interval} if interval else {},
        "baselines": {"linear": {measure: theirs}, "majority": {measure: theirs * 0.9}},
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (scores(0.9, 0.8, interval=(0.85, 0.95)), "beats every baseline"),
        (scores(0.9, 0.88, interval=(0.85, 0.95)), "not by more than chance may do"),
        (scores(0.7, 0.8, interval=(0.6, 0.9)), "Use the baseline"),
        (scores(0.8, 0.8), "Use the baseline"),
        (scores(1.5, 1.7, "loss", (1.45, 1.55)), "not by more than chance"),  # 1.53 is better
        (scores(1.8, 1.7, "loss"), "Use the baseline"),
        ({**scores(0.8, 0.1), "baselines": {}}, "No baseline"),
    ],
)
def test_the_verdict_follows_the_figures(given, said):
    assert said in verdict(given, None, Words("en"))
    assert verdict(given, None, Words("zh")) != verdict(given, None, Words("en"))


def test_a_score_stands_beside_those_of_the_baselines():
    table = scores_table(scores(0.9, 0.8, interval=(0.85, 0.95)), None, "classification", Words())
    assert table.columns == ("score", "network", "linear", "majority", "what it says")
    assert table.rows[0][:3] == ("accuracy", "0.9 [0.85, 0.95]", "0.8")
