"""Scores of answers: by hand, against the libraries, and their intervals."""

import math

import numpy as np
import pytest

from kerasllm.baselines.generation import lead, nearest_neighbour
from kerasllm.datasets.examples import Dataset, Pair
from kerasllm.metrics.generation import exact, intervals, is_chinese, scores

ANSWERS = ["a man in a red hat .", "two dogs run", "the boy eats"]
REFERENCES = ["A man in a red hat .", "two dogs are running .", "a girl sleeps"]


def pairs(rows):
    return Dataset([Pair(*row) for row in rows], name="own", split="train", task="seq2seq")


def test_bleu_by_hand():
    # 1 to 4 words: 9, 7, 5, 4 of 13, 10, 7, 4 are in the references, which have 15 words
    found = scores(ANSWERS, REFERENCES, ["bleu"])["bleu"]
    precisions = 9 / 13 * 7 / 10 * 5 / 7 * 4 / 4
    assert found == pytest.approx(100 * precisions**0.25 * math.exp(1 - 15 / 13), rel=1e-6)
    assert scores([a.upper() for a in ANSWERS], REFERENCES, ["bleu"])["bleu"] == pytest.approx(
        found
    )


def test_rouge_by_hand():
    found = scores(
        ["the cat sat"], ["the cat was sitting there"], ["rouge_1", "rouge_2", "rouge_l"]
    )
    assert found["rouge_1"] == pytest.approx(100 * 2 * (2 / 3) * (2 / 5) / (2 / 3 + 2 / 5))
    assert found["rouge_2"] == pytest.approx(100 * 2 * (1 / 2) * (1 / 4) / (1 / 2 + 1 / 4))
    assert found["rouge_l"] == pytest.approx(found["rouge_1"])


def test_exact_match_forgives_white_space_only():
    right = exact(["a  b ", "A b", "a b c", ""], ["a b", "a b", "a b", ""])
    assert right.tolist() == [1, 0, 0, 1]
    assert scores(ANSWERS, ANSWERS)["exact_match"] == 100


def test_a_perfect_answer_has_100_everywhere_and_an_empty_one_0():
    texts = ["a man in a red hat walks home .", "two dogs are running there ."]
    assert all(score == pytest.approx(100) for score in scores(texts, texts).values())
    assert all(score == 0 for score in scores(["", ""], texts).values())


def test_chinese_is_scored_by_characters():
    assert is_chinese(["我喜欢猫。"]) and not is_chinese(["I like 猫"])
    found = scores(["我喜欢小猫。"], ["我喜欢小狗。"])
    assert found["rouge_1"] == pytest.approx(100 * 5 / 6)
    assert 30 < found["bleu"] < 100  # with words between spaces it would be 0


def test_intervals_hold_the_score_and_know_one_sentence_from_many(rng):
    words = np.array(["a", "b", "c", "d", "e", "f", "g", "h"])
    references = [" ".join(words[rng.integers(0, 8, 9)]) for _ in range(60)]
    answers = [r if i % 2 else r[:9] + " x y z" for i, r in enumerate(references)]
    found, all_scores = intervals(answers, references), scores(answers, references)
    for name, (low, high) in found.items():
        assert low < all_scores[name] < high
        assert high - low < 40
    narrow, wide = intervals(answers * 9, references * 9), intervals(answers[:8], references[:8])
    for name in found:
        assert np.ptp(narrow[name]) < np.ptp(found[name]) < np.ptp(wide[name])


def test_the_nearest_neighbour_answers_with_its_own_target():
    train = pairs([("rot und blau", "red and blue"), ("ein Hund", "a dog"), ("zwei Katzen", "two")])
    assert nearest_neighbour(train, ["der Hund", "blau und rot"]) == ["a dog", "red and blue"]


def test_lead_takes_as_many_words_as_targets_have():
    train = pairs([("a b c d", "x y"), ("e f g", "x"), ("h i j", "x y")])
    assert lead(train, ["one two three", "four"]) == ["one two", "four"]
    chinese = pairs([("今天天气很好", "天气好"), ("我们去看电影", "看电影")])
    assert lead(chinese, ["他喜欢吃苹果"]) == ["他喜欢"]
