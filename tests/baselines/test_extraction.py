"""Sentences taken from a text, first or central."""

import numpy as np
import pytest

from kerasllm.baselines import copy, lead, lead_sentences, nearest_neighbour, textrank
from kerasllm.baselines.extraction import DAMPING, sentence_ranks
from kerasllm.datasets.examples import Dataset, Pair

TEXT = "It rained. The red cat saw a dog. The dog saw the red cat. A red dog ran. Nobody came."


def pairs(rows):
    return Dataset([Pair(*row) for row in rows], name="own", split="train", task="seq2seq")


def test_ranks_are_those_of_the_random_walk(rng):
    words = np.array("ant bee cat dog elk fox gnu hen".split())  # noqa: SIM905
    parts = [" ".join(rng.choice(words, 5)) for _ in range(7)]
    ranks = sentence_ranks(parts)
    sets = [set(part.split()) for part in parts]
    walk = np.zeros((7, 7))
    for i in range(7):
        for j in range(7):
            if i != j:
                scale = np.log(len(sets[i])) + np.log(len(sets[j]))
                walk[i, j] = len(sets[i] & sets[j]) / scale
    walk /= walk.sum(axis=1, keepdims=True)
    stepped = np.full(7, 1 / 7)
    for _ in range(300):
        stepped = (1 - DAMPING) / 7 + DAMPING * stepped @ walk
    np.testing.assert_allclose(ranks, stepped, atol=1e-12)
    assert ranks.sum() == pytest.approx(1)


def test_the_central_sentence_shares_most_with_the_others():
    data = pairs([(TEXT, "One sentence.")])
    assert (
        textrank(data, data).predicted[0] in TEXT.split(". ")[1] + ". " + TEXT.split(". ")[2] + "."
    )
    assert lead_sentences(data, data).predicted == ["It rained."]
    two = pairs([(TEXT, "Two. Sentences.")])
    assert lead_sentences(two, data).predicted == ["It rained. The red cat saw a dog."]
    assert textrank(two, data).settings == {"sentences": 2}


def test_sentences_keep_their_order_and_chinese_is_joined_without_blanks():
    chinese = "下雨了。猫看见了狗。狗看见了猫。没有人来。"
    data = pairs([(chinese, "一句。两句。")])
    assert textrank(data, data).predicted == ["猫看见了狗。狗看见了猫。"]


def test_sentences_without_a_common_word_are_equal():
    assert sentence_ranks(["a b", "c d", "e f"]).tolist() == pytest.approx([1 / 3] * 3)
    assert sentence_ranks(["word"]).tolist() == pytest.approx([1.0])


def test_a_copy_is_the_source():
    data = pairs([("Ada!", "Ada!"), ("rot", "red")])
    found = copy(data, data)
    assert found.predicted == ["Ada!", "rot"] and found.metrics["exact_match"] == 50


@pytest.mark.parametrize("baseline", [copy, lead, lead_sentences, nearest_neighbour, textrank])
def test_an_answer_is_scored_against_all_references(baseline):
    train = pairs([("It rained. Nobody came.", "Nothing alike.")])
    (answer,) = baseline(train, train).predicted
    test = pairs([("It rained. Nobody came.", "Something else.", (answer,))])
    assert baseline(train, test).metrics["exact_match"] == 100
    other = pairs([("It rained. Nobody came.", "Something else.", ("Not this.",))])
    assert baseline(train, other).metrics["exact_match"] == 0
