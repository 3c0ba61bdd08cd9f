"""Answers copied from the training pairs and from the source."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from kerasllm.baselines import generation, lead, nearest_neighbour
from kerasllm.baselines.features import tf_idf
from kerasllm.datasets.examples import Dataset, Pair
from kerasllm.metrics import generation_metrics


def pairs(rows):
    return Dataset([Pair(*row) for row in rows], name="own", split="train", task="seq2seq")


def asked(*sources):
    return pairs([(source, "?") for source in sources])


def test_the_nearest_neighbour_answers_with_its_own_target():
    train = pairs([("rot und blau", "red and blue"), ("ein Hund", "a dog"), ("zwei Katzen", "two")])
    assert nearest_neighbour(train, asked("der Hund", "blau und rot")).predicted == [
        "a dog",
        "red and blue",
    ]


def test_lead_takes_as_many_words_as_targets_have():
    train = pairs([("a b c d", "x y"), ("e f g", "x"), ("h i j", "x y")])
    assert lead(train, asked("one two three", "four")).predicted == ["one two", "four"]
    train = pairs([("a", "x"), ("b", "x y"), ("c", "x y z x y")])  # neither the mean nor the most
    assert lead(train, asked("one two three")).predicted == ["one two"]
    chinese = pairs([("今天天气很好", "天气好"), ("我们去看电影", "看电影")])
    assert lead(chinese, asked("他喜欢吃苹果")).predicted == ["他喜欢"]


def test_the_nearest_is_that_of_the_largest_cosine(rng, monkeypatch):
    words = np.array([f"w{i}" for i in range(30)])
    train, test = (
        pairs([(" ".join(rng.choice(words, 6)), f"answer {i}") for i in range(rows)])
        for rows in (40, 23)
    )
    vectorizer = tf_idf(train.texts).fit(train.texts)
    likeness = cosine_similarity(*map(vectorizer.transform, (test.texts, train.texts)))
    expected = [train[int(row)].target for row in likeness.argmax(axis=1)]
    assert nearest_neighbour(train, test).predicted == expected
    monkeypatch.setattr(generation, "AT_ONCE", 5)
    assert nearest_neighbour(train, test).predicted == expected


@pytest.mark.parametrize("baseline", [nearest_neighbour, lead])
def test_answers_are_scored_on_the_test_pairs(baseline):
    train = pairs([("rot und blau", "red and blue"), ("ein Hund", "a dog")])
    found = baseline(train, train)
    assert found.metrics == generation_metrics(["red and blue", "a dog"], found.predicted)


def test_answers_are_scored_against_all_references():
    train = pairs([("rot und blau", "red and blue"), ("ein Hund", "a dog", ("one dog",))])
    test = pairs([("ein Hund", "the dog", ("a dog", "dog"))])
    found = nearest_neighbour(train, test)
    assert found.predicted == ["a dog"] and found.metrics["exact_match"] == 100
    assert lead(train, test).settings == {"length": 2}  # of 3, 2 and 2 words
