"""Answers found without training: they stand in the context, whatever it is."""

import numpy as np
import pytest

from kerasllm.baselines import first_sentence, sliding_window
from kerasllm.baselines.spans import nearest_words, opening
from kerasllm.datasets.examples import Dataset, Span
from kerasllm.metrics import squad_score

CONTEXT = (
    "The town lies in a valley. Anna Berg built the first bridge of the town in 1871, of wood. "
    "It burned in 1902."
)


def test_baselines_point_into_the_context():
    assert opening(CONTEXT) == "The town lies in a valley."
    assert nearest_words("Who built the first bridge of the town?", CONTEXT) == "Anna Berg"
    chinese = "小明喜欢苹果。小红在上海工作。"
    answer = nearest_words("小红在哪工作？", chinese)
    assert answer == "上海"


@pytest.mark.parametrize("context", ["?", "…", "and the", "👩‍🚀", "   x"])
def test_baselines_survive_any_context(context):
    assert opening(context) in context
    assert nearest_words("Who is it?", context) in context
    assert np.isfinite(squad_score(nearest_words("Who?", context), ["x"])).all()


def test_answers_are_scored_by_the_rules_of_the_set():
    question = "Who built the first bridge of the town?"
    rows = [Span(CONTEXT, question, (("Anna Berg", 27),)), Span(CONTEXT, "When did it burn?", ())]
    data = Dataset(rows, name="x", split="test", task="span")
    found = sliding_window(None, data)
    assert found.predicted == [nearest_words(e.question, e.context) for e in data]
    assert found.metrics == {"exact": 50, "f1": 50, "no_answer": 50}
    assert first_sentence(None, data).predicted == ["The town lies in a valley."] * 2
