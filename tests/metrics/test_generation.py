"""Scores of answers: by hand, against the libraries, and their intervals."""

import math

import numpy as np
import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from kerasllm.metrics import (
    bootstrap_interval,
    exact_matches,
    generation_intervals,
    generation_metrics,
    generation_signatures,
)
from kerasllm.metrics.writing import writing_of

ANSWERS = ["a man in a red hat .", "two dogs run", "the boy eats"]
REFERENCES = ["A man in a red hat .", "two dogs are running .", "a girl sleeps"]


def test_bleu_by_hand():
    # 1 to 4 words: 9, 7, 5, 4 of 13, 10, 7, 4 are in the references, which have 15 words
    found = generation_metrics(REFERENCES, ANSWERS, ["bleu"])["bleu"]
    precisions = 9 / 13 * 7 / 10 * 5 / 7 * 4 / 4
    assert found == pytest.approx(100 * precisions**0.25 * math.exp(1 - 15 / 13), rel=1e-6)
    loud = [answer.upper() for answer in ANSWERS]
    assert generation_metrics(REFERENCES, loud, ["bleu"])["bleu"] == pytest.approx(found)


def test_rouge_by_hand():
    found = generation_metrics(
        ["the cat was sitting there"], ["the cat sat"], ["rouge_1", "rouge_2", "rouge_l"]
    )
    assert found["rouge_1"] == pytest.approx(100 * 2 * (2 / 3) * (2 / 5) / (2 / 3 + 2 / 5))
    assert found["rouge_2"] == pytest.approx(100 * 2 * (1 / 2) * (1 / 4) / (1 / 2 + 1 / 4))
    assert found["rouge_l"] == pytest.approx(found["rouge_1"])


def test_exact_match_forgives_white_space_only():
    right = exact_matches(["a b", "a b", "a b", ""], ["a  b ", "A b", "a b c", ""])
    assert right.tolist() == [1, 0, 0, 1]
    assert generation_metrics(ANSWERS, ANSWERS)["exact_match"] == 100


def test_a_perfect_answer_has_100_everywhere_and_an_empty_one_0():
    texts = ["a man in a red hat walks home .", "two dogs are running there ."]
    assert all(score == pytest.approx(100) for score in generation_metrics(texts, texts).values())
    assert all(score == 0 for score in generation_metrics(texts, ["", ""]).values())


def test_chinese_is_scored_by_characters():
    assert writing_of(["我喜欢猫。"]) == "zh" and writing_of(["I like 猫"]) == "other"
    found = generation_metrics(["我喜欢小狗。"], ["我喜欢小猫。"])
    assert found["rouge_1"] == pytest.approx(100 * 5 / 6)
    assert 30 < found["bleu"] < 100  # with words between spaces it would be 0


def test_intervals_hold_the_score_and_know_one_sentence_from_many(rng):
    words = np.array(["a", "b", "c", "d", "e", "f", "g", "h"])
    references = [" ".join(words[rng.integers(0, 8, 9)]) for _ in range(60)]
    answers = [r if i % 2 else r[:9] + " x y z" for i, r in enumerate(references)]
    found = generation_intervals(references, answers)
    all_scores = generation_metrics(references, answers)
    for name, (low, high) in found.items():
        assert low < all_scores[name] < high
        assert high - low < 40
    narrow = generation_intervals(references * 9, answers * 9)
    wide = generation_intervals(references[:8], answers[:8])
    for name in found:
        assert np.ptp(narrow[name]) < np.ptp(found[name]) < np.ptp(wide[name])


def texts(rng, words, rows):
    return [" ".join(rng.choice(words, rng.integers(1, 9))) for _ in range(rows)]


def test_scores_are_those_of_the_libraries(rng):
    words = ["the", "a", "cat", "cats", "runs", "Running", ",", "sat", "on", "mats", ".", "3.5"]
    references, answers = texts(rng, words, 30), texts(rng, words, 30)
    found = generation_metrics(references, answers)
    assert found["bleu"] == sacrebleu.corpus_bleu(answers, [references], lowercase=True).score
    small = [[text.lower() for text in rows] for rows in (answers, references)]
    assert found["chrf"] == sacrebleu.corpus_chrf(small[0], [small[1]]).score
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    each = [scorer.score(*pair) for pair in zip(references, answers, strict=True)]
    for ours, theirs in (("rouge_1", "rouge1"), ("rouge_2", "rouge2"), ("rouge_l", "rougeL")):
        mean = np.mean([row[theirs].fmeasure for row in each])
        assert found[ours] == pytest.approx(100 * mean)


@pytest.mark.parametrize("words", [list("abcdefgh"), list("我喜欢小猫狗好")])
def test_the_interval_of_bleu_is_of_the_same_score(rng, words):
    references, answers = texts(rng, words, 12), texts(rng, words, 12)

    def bleu(rows):
        mine, theirs = ([rows_of[i] for i in rows] for rows_of in (answers, references))
        return generation_metrics(theirs, mine, ["bleu"])["bleu"]

    expected = bootstrap_interval(bleu, np.arange(12), samples=40, seed=3)
    found = generation_intervals(references, answers, samples=40, seed=3)["bleu"]
    assert found == pytest.approx(expected) and found[0] > 0


def test_the_interval_of_bleu_without_a_common_4_gram_holds_the_score():
    references, answers = ["a b c d e f", "d e f g h"], ["a b c x y z", "d e f q"]
    score = generation_metrics(references, answers, ["bleu"])["bleu"]  # smoothed
    low, high = generation_intervals(references, answers)["bleu"]
    assert 0 < low <= score <= high


def test_one_row_and_none():
    found = generation_intervals(["a b c d e"], ["a b c d e"])
    assert all(interval == pytest.approx((100, 100)) for interval in found.values())
    assert generation_intervals(["a b"], [""])["bleu"] == (0, 0)
    assert generation_metrics([""], [""])["exact_match"] == 100
    for score in (generation_metrics, generation_intervals):
        with pytest.raises(ValueError, match="2 predictions for 1 rows"):
            score(["a"], ["a", "b"])
        with pytest.raises(ValueError, match="at least one row"):
            score([], [])


LANGUAGES = {
    "en": (["The boys' hats, all of them."], "tok:13a", "tok:a-z0-9|stem:porter"),
    "de": (["Schöne Hüte für müde Köpfe."], "tok:13a", "tok:words|stem:no"),
    "ru": (["Это хороший день."], "tok:13a", "tok:words|stem:no"),
    "hi": (["यह अच्छा दिन है।"], "tok:13a", "tok:words|stem:no"),
    "zh": (["今天天气很好。"], "tok:zh", "tok:characters|stem:no"),
    "ja": (["今日はいい天気です。"], "tok:char", "tok:characters|stem:no"),
    "th": (["สวัสดีชาวโลก"], "tok:char", "tok:characters|stem:no"),
}


@pytest.mark.parametrize("name", LANGUAGES)
def test_each_writing_is_cut_by_its_own_rules_and_the_signature_says_so(name):
    true, bleu, rouge = LANGUAGES[name]
    found = generation_signatures(true)
    assert f"|{bleu}|" in found["bleu"] and f"|{rouge}|" in found["rouge"]
    assert "case:lc" in found["chrf"] and all("version:" in text for text in found.values())
    assert found["bleu"] == str(_bleu_signature(true, bleu.split(":")[1]))


def _bleu_signature(true, tokenize):
    metric = sacrebleu.metrics.BLEU(lowercase=True, tokenize=tokenize)
    metric.corpus_score(true, [true])
    return metric.get_signature()


def test_words_of_other_letters_are_not_lost():
    # rouge-score's own tokenizer leaves nothing of Cyrillic, and cuts German at its umlauts
    assert generation_metrics(["Это хороший день"], ["Это плохой день"])["rouge_1"] == (
        pytest.approx(100 * 2 / 3)
    )
    assert generation_metrics(["schöne Hüte"], ["schöner Hüte"])["rouge_1"] == 50
    assert generation_metrics(["fine hats"], ["fine hat"])["rouge_1"] == 100  # English stems
    assert generation_metrics(["หมาสีแดง"], ["แมวสีแดง"])["bleu"] > 30  # one word of 13a: 0


# Several references ----------------------------------------------------------

SEVERAL = [("the cat sat down", "a cat is sitting"), ("yes",), ("red and blue", "blue", "red")]
SAID = ["a cat is sitting", "no", "red and blue and red"]


def test_of_several_references_the_best_counts_by_hand():
    found = generation_metrics(SEVERAL, SAID)
    # ROUGE-1 of the third: 3 of 3 and 3 of 5 words, F 2 · 3 / (3 + 5)
    assert found["rouge_1"] == pytest.approx(100 * (1 + 0 + 2 * 3 / 8) / 3)
    assert found["exact_match"] == pytest.approx(100 / 3)
    # BLEU: of 4 + 1 + 5 words 4 + 0 + 3 are in a reference, which have 4 + 1 + 3 words at the
    # nearest; of 3 + 4 pairs 3 + 2, of 2 + 3 threes 2 + 1, of 1 + 2 fours 1
    expected = 100 * (7 / 10 * 5 / 7 * 3 / 5 * 1 / 3) ** 0.25
    assert generation_metrics(SEVERAL, SAID, ["bleu"])["bleu"] == pytest.approx(expected)


def test_a_reference_more_lowers_no_score_and_its_order_is_the_same(rng):
    words = list("abcdefg")
    first, second, answers = (texts(rng, words, 9) for _ in range(3))
    both, other_way = (list(zip(*x, strict=True)) for x in ((first, second), (second, first)))
    one, two, turned = (generation_metrics(true, answers) for true in (first, both, other_way))
    assert all(two[name] >= one[name] - 1e-9 for name in one if name != "bleu")  # its length may
    assert two == turned
    twice = generation_metrics([(text, text) for text in first], answers)
    assert twice == pytest.approx(one)


def test_intervals_of_several_references_draw_rows(rng):
    words = list("abcdefgh")
    true = [tuple(texts(rng, words, 1 + row % 3)) for row in range(12)]
    answers = texts(rng, words, 12)

    def of(name):
        return lambda rows: generation_metrics(
            [true[i] for i in rows], [answers[i] for i in rows], [name]
        )[name]

    found = generation_intervals(true, answers, samples=40, seed=3)
    for name in ("bleu", "rouge_l"):
        expected = bootstrap_interval(of(name), np.arange(12), samples=40, seed=3)
        assert found[name] == pytest.approx(expected)


def test_signatures_say_how_many_references():
    assert generation_signatures([("a", "b"), ("c", "d")])["bleu"].startswith("nrefs:2|")
    assert generation_signatures(SEVERAL)["bleu"].startswith("nrefs:var|")
    assert generation_signatures(SEVERAL)["chrf"].startswith("nrefs:var|")
    assert "tok:zh" in generation_signatures([("今天天气很好。", "天气好")])["bleu"]


@pytest.mark.parametrize("wrong", [[()], [None], [("a", 3)]])
def test_a_row_without_a_reference_is_refused(wrong):
    with pytest.raises(ValueError, match=r"row 1 has .*one reference at least"):
        generation_metrics(["a", *wrong], ["a", "b"])
