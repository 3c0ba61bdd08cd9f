"""Scores of answers: by hand from the published rules; their F1 is that of ROUGE-1 and n-grams."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.util import ngrams
from rouge_score.rouge_scorer import RougeScorer

from kerasllm.datasets.examples import Dataset, Span
from kerasllm.metrics import (
    cmrc_score,
    normal_answer,
    span_intervals,
    span_metrics,
    span_scores,
    squad_score,
)
from kerasllm.metrics.spans import cmrc_units, span_signature


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("The Beatles'  songs!", "beatles songs"),
        ("a theatre, an anthem", "theatre anthem"),  # articles inside words stay
        ("the-cat", "thecat"),  # marks go first, without a space in their place
        ("“quoted”", "“quoted”"),  # curly marks are no punctuation there
        ("A the an", ""),
        ("U.S.", "us"),
    ],
)
def test_normal_answer(raw, plain):
    assert normal_answer(raw) == plain


@pytest.mark.parametrize(
    ("answer", "references", "exact", "f1"),
    [
        ("the Denver Broncos", ["Denver Broncos", "Broncos"], 1, 1),
        ("Broncos of Denver", ["Denver Broncos"], 0, 2 * (2 / 3) * 1 / (2 / 3 + 1)),
        ("to to be", ["to be to be"], 0, 2 * 1 * (3 / 4) / (1 + 3 / 4)),  # counts, not sets
        ("in 1999", ["1999", "in the year 1999"], 0, 2 * 1 * (2 / 3) / (1 + 2 / 3)),  # the best
        ("Paris", ["London"], 0, 0),
        ("", ["London"], 0, 0),
        ("", [], 1, 1),
        ("the", [], 1, 1),
        ("London", [], 0, 0),
        ("the", ["The", "London"], 0, 0),  # of "The" nothing is left: it does not count
    ],
)
def test_squad(answer, references, exact, f1):
    assert squad_score(answer, references) == pytest.approx((exact, f1))


class Words:
    """The tokenizer of ROUGE for answers that are normal already."""

    def tokenize(self, text):
        return text.split()


@given(*[st.lists(st.sampled_from("abcd"), min_size=1, max_size=6).map(" ".join)] * 2)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_squads_f1_is_rouge_1_of_normal_answers(answer, reference):
    mine, theirs = normal_answer(answer), normal_answer(reference)
    rouge = RougeScorer(["rouge1"], tokenizer=Words()).score(theirs, mine)["rouge1"].fmeasure
    expected = rouge if mine and theirs else float(mine == theirs)
    assert squad_score(answer, [reference]) == (float(mine == theirs), pytest.approx(expected))


@given(*[st.text("北京大学上a1", min_size=1, max_size=7)] * 2)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_cmrcs_f1_counts_the_longest_common_n_gram(answer, reference):
    mine, theirs = cmrc_units(answer), cmrc_units(reference)
    shared = [n for n in range(1, 8) if {*ngrams(mine, n)} & {*ngrams(theirs, n)}]
    f1 = 2 * max(shared, default=0) / (len(mine) + len(theirs))
    assert cmrc_score(answer, [reference]) == (float(answer == reference), pytest.approx(f1))


def test_chinese_units_are_characters_and_foreign_words():
    assert cmrc_units("在 New York, 1999年《红楼梦》") == [
        "在", "new", "york", ",", "1999", "年", "红", "楼", "梦",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "references", "exact", "f1"),
    [
        ("《北京》。", ["北京"], 1, 1),
        ("GPT-4模型", ["gpt4模型"], 1, 1),
        ("北京大学", ["北大"], 0, 2 * 1 / (4 + 2)),  # one run: 北 or 大, not both
        ("位于北京市", ["北京市"], 0, 2 * 3 / (5 + 3)),
        ("上海", ["北京", "上海市"], 0, 2 * 2 / (2 + 3)),
        ("上海", ["北京"], 0, 0),
        ("", [], 1, 1),
        ("上海", [], 0, 0),
        ("北" * 300, ["上" + "北" * 250], 0, 2 * 250 / (300 + 251)),  # however often a unit repeats
    ],
)
def test_cmrc(answer, references, exact, f1):
    assert cmrc_score(answer, references) == pytest.approx((exact, f1))


def dataset(*rows, language="en"):
    spans = [Span(context, "?", tuple((text, 0) for text in answers)) for context, answers in rows]
    return Dataset(spans, name="x", split="test", task="span", language=language)


def test_metrics_are_means_in_percent():
    data = dataset(("c", ["cat"]), ("c", ["a big dog"]), ("d", []), ("d", []))
    metrics = span_metrics(data, ["cat", "dog", "", "hen"])
    assert metrics == pytest.approx({"exact": 50, "f1": 100 * (1 + 2 / 3 + 1) / 4, "no_answer": 75})
    assert "no_answer" not in span_metrics(dataset(("c", ["cat"])), ["cat"])


def test_the_language_chooses_the_rules():
    rows = ("c", ["北大"])
    assert span_metrics(dataset(rows, language="zh"), ["北京大学"])["f1"] == pytest.approx(100 / 3)
    assert span_metrics(dataset(rows), ["北京大学"])["f1"] == 0


def test_intervals_draw_whole_contexts():
    data = dataset(*[("one", ["yes"])] * 9, ("two", ["no"]))
    low, high = span_intervals(data, ["yes"] * 10)["exact"]
    assert (low, high) == (0, 100)  # a draw may hold the second context alone
    same = dataset(*[("one", ["yes"])] * 10)
    assert span_intervals(same, ["yes"] * 9 + ["no"])["exact"] == pytest.approx((90, 90))


def test_one_question_and_none():
    data = dataset(("c", ["cat"]))
    assert span_metrics(data, [""]) == {"exact": 0, "f1": 0}
    assert span_intervals(data, ["cat"]) == {"exact": (100, 100), "f1": (100, 100)}
    assert span_metrics(dataset(("c", [])), [""]) == {"exact": 100, "f1": 100, "no_answer": 100}
    for score in (span_scores, span_metrics, span_intervals):
        with pytest.raises(ValueError, match="2 predictions for 1 rows"):
            score(data, ["cat", "dog"])
        with pytest.raises(ValueError, match="at least one row"):
            score(dataset(), [])


def test_the_rules_of_another_language_are_not_the_english_ones():
    # "an" and "a" are words in German and Hungarian, and the marks of Spanish are not ASCII
    german = [
        Span("Köln liegt an der Oder? Nein, für immer am Rhein.", "?", (("an der Oder", 11),))
    ]
    data = Dataset(german, name="x", split="test", task="span", language="de")
    assert span_metrics(data, ["der Oder"])["exact"] == 0
    assert span_metrics(data, ["«an der Oder»"])["exact"] == 100
    unnamed = Dataset(german, name="x", split="test", task="span")  # a reader may not know it
    assert span_metrics(unnamed, ["der Oder"])["exact"] == 0
    assert "articles:kept|marks:unicode|units:words" in span_signature(data)
    japanese = [Span("彼は東京に住んでいます。", "どこ?", (("東京", 2),))]
    data = Dataset(japanese, name="x", split="test", task="span", language="ja")
    assert span_metrics(data, ["東京に"])["f1"] == pytest.approx(100 * 4 / 5)
    assert "units:characters" in span_signature(data)
    english = Dataset(
        [Span("In an Oder.", "?", (("an Oder", 3),))], name="x", split="test", task="span"
    )
    assert span_metrics(english, ["Oder"])["exact"] == 100
    assert "articles:english" in span_signature(english)
