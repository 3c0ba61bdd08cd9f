"""Scores of answers: cases worked out by hand from the published rules."""

import numpy as np
import pytest

from kerasllm.baselines.spans import first_sentence, sliding_window
from kerasllm.datasets.examples import Dataset, Span
from kerasllm.metrics.spans import (
    cmrc_score,
    cmrc_units,
    normal_answer,
    span_intervals,
    span_metrics,
    squad_score,
)


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
    ],
)
def test_squad(answer, references, exact, f1):
    assert squad_score(answer, references) == pytest.approx((exact, f1))


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
    ],
)
def test_cmrc(answer, references, exact, f1):
    assert cmrc_score(answer, references) == pytest.approx((exact, f1))


def dataset(*rows, language="en"):
    spans = [Span(context, "?", tuple((text, 0) for text in answers)) for context, answers in rows]
    return Dataset(spans, name="x", split="test", task="span", language=language)


def test_metrics_are_means_in_percent():
    data = dataset(("c", ["cat"]), ("c", ["a big dog"]), ("d", []), ("d", []))
    metrics = span_metrics(["cat", "dog", "", "hen"], data)
    assert metrics == pytest.approx({"exact": 50, "f1": 100 * (1 + 2 / 3 + 1) / 4, "no_answer": 75})
    assert "no_answer" not in span_metrics(["cat"], dataset(("c", ["cat"])))


def test_the_language_chooses_the_rules():
    rows = ("c", ["北大"])
    assert span_metrics(["北京大学"], dataset(rows, language="zh"))["f1"] == pytest.approx(100 / 3)
    assert span_metrics(["北京大学"], dataset(rows))["f1"] == 0


def test_intervals_draw_whole_contexts():
    data = dataset(*[("one", ["yes"])] * 9, ("two", ["no"]))
    low, high = span_intervals(["yes"] * 10, data)["exact"]
    assert (low, high) == (0, 100)  # a draw may hold the second context alone
    same = dataset(*[("one", ["yes"])] * 10)
    assert span_intervals(["yes"] * 9 + ["no"], same)["exact"] == pytest.approx((90, 90))


CONTEXT = (
    "The town lies in a valley. Anna Berg built the first bridge of the town in 1871, of wood. "
    "It burned in 1902."
)


def test_baselines_point_into_the_context():
    assert first_sentence("?", CONTEXT) == "The town lies in a valley."
    assert sliding_window("Who built the first bridge of the town?", CONTEXT) == "Anna Berg"
    chinese = "小明喜欢苹果。小红在上海工作。"
    answer = sliding_window("小红在哪工作？", chinese)
    assert answer == "上海"


@pytest.mark.parametrize("context", ["?", "…", "and the", "👩‍🚀", "   x"])
def test_baselines_survive_any_context(context):
    for baseline in (first_sentence, sliding_window):
        assert baseline("Who is it?", context) in context
    assert np.isfinite(squad_score(sliding_window("Who?", context), ["x"])).all()
