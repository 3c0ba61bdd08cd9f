"""Scores of classifiers: by hand, and beside scikit-learn with classes absent on either side."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from kerasllm.metrics import (
    bootstrap_interval,
    classification_intervals,
    classification_metrics,
    confusion_matrix,
)
from kerasllm.metrics.classification import SCORES, scores_of

LABELS = ["a", "b", "c", "d", "e"]


@pytest.fixture
def rows(rng):
    true = rng.integers(5, size=211)
    return true, np.where(rng.random(211) < 0.6, true, rng.integers(4, size=211))


def test_scores_agree_with_scikit_learn(rows):
    true, predicted = rows  # class 4 is never predicted but by chance: 0/0 is reached below
    scores = classification_metrics(true, predicted, LABELS)
    p, r, f, s = oracle.precision_recall_fscore_support(
        true, predicted, labels=range(5), zero_division=0
    )
    assert scores["accuracy"] == pytest.approx(oracle.accuracy_score(true, predicted))
    assert scores["matthews"] == pytest.approx(oracle.matthews_corrcoef(true, predicted))
    assert [scores[f"{n}_macro"] for n in ("precision", "recall", "f1")] == pytest.approx(
        [p.mean(), r.mean(), f.mean()]
    )
    assert [row["f1"] for row in scores["per_class"]] == pytest.approx(f)
    assert [row["precision"] for row in scores["per_class"]] == pytest.approx(p)
    assert [row["recall"] for row in scores["per_class"]] == pytest.approx(r)
    assert [row["support"] for row in scores["per_class"]] == s.tolist()
    np.testing.assert_array_equal(
        scores["confusion"], oracle.confusion_matrix(true, predicted, labels=range(5))
    )


def test_a_constant_prediction_scores_zero_where_nothing_can_be_divided():
    scores = classification_metrics([0, 1, 1], [1, 1, 1], ["ham", "spam"])
    assert scores["matthews"] == 0
    assert scores["per_class"][0] == {
        "label": "ham", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1,
    }  # fmt: skip


def test_names_and_ids_are_the_same_thing(rows):
    true, predicted = rows
    names = [LABELS[i] for i in true]
    assert classification_metrics(names, predicted, LABELS) == classification_metrics(
        true, predicted, LABELS
    )


def test_metrics_are_json(rows):
    json.dumps(classification_metrics(*rows, LABELS), allow_nan=False)


@pytest.mark.parametrize(
    ("true", "predicted", "error", "message"),
    [
        ([0, 1], [0], ValueError, "1 predictions for 2 rows"),
        ([], [], ValueError, "at least one row"),
        ([0, 2], [0, 1], ValueError, "between 0 and 1"),
        ([1, -1], [0, 1], ValueError, "ids from -1 to 1"),
        ([0, 1], [-1, 1], ValueError, "ids from -1 to 1"),
        (["ham", "egg"], [0, 1], ValueError, "egg"),
        ([0.0, float("nan")], [0, 1], TypeError, "remove NaN"),
        (["ham", 1], [0, 1], TypeError, "one type"),
    ],
)
def test_confusion_matrix_refuses(true, predicted, error, message):
    with pytest.raises(error, match=message):
        confusion_matrix(true, predicted, ["ham", "spam"])


# Rows and predictions of few classes out of five: most examples leave some out on either side.
ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=9)


@given(ROWS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_classes_may_be_absent(rows):
    true, predicted = map(np.array, zip(*rows, strict=True))
    scores = classification_metrics(true, predicted, LABELS)
    cells = np.zeros((5, 5), dtype=int)
    np.add.at(cells, (true, predicted), 1)
    assert scores["confusion"] == cells.tolist() and scores["rows"] == len(rows)
    f1 = oracle.f1_score(true, predicted, labels=range(5), average=None, zero_division=0)
    assert [row["f1"] for row in scores["per_class"]] == pytest.approx(f1)
    assert scores["f1_macro"] == pytest.approx(f1.mean())
    balanced = oracle.recall_score(true, predicted, labels=range(5), average=None, zero_division=0)
    assert scores["recall_macro"] == pytest.approx(balanced.mean())
    read = scores_of(cells)
    assert [float(read[name]) for name in SCORES] == pytest.approx([scores[n] for n in SCORES])
    for name, (low, high) in classification_intervals(true, predicted, LABELS, 20).items():
        assert -1 <= low <= high <= 1 and (name == "matthews" or low >= 0)


@pytest.mark.parametrize(
    ("true", "predicted", "labels", "accuracy", "f1_macro"),
    [
        ([0], [0], ["only"], 1, 1),
        ([1], [1], ["a", "b"], 1, 1 / 2),
        ([1], [0], ["a", "b"], 0, 0),
        ([1] * 7, [1] * 7, ["a", "b", "c"], 1, 1 / 3),
        (["c", "a"], ["a", "c"], ["a", "b", "c"], 0, 0),
    ],
)
def test_corner_cases_by_hand(true, predicted, labels, accuracy, f1_macro):
    scores = classification_metrics(true, predicted, labels)
    assert scores["accuracy"] == accuracy and scores["f1_macro"] == pytest.approx(f1_macro)
    assert scores["matthews"] == (-1 if set(true) == {"a", "c"} else 0)
    interval = classification_intervals(true, predicted, labels, samples=50)
    assert interval["accuracy"] == (accuracy, accuracy)


def test_a_stack_of_matrices_is_scored_as_one_by_one(rng):
    stack = rng.integers(0, 9, size=(7, 3, 5, 5))
    true, predicted = np.divmod(np.arange(25), 5)
    for place in np.ndindex(7, 3):
        weights = {"sample_weight": stack[place].ravel()}
        p, r, f, _ = oracle.precision_recall_fscore_support(
            true, predicted, average="macro", zero_division=0, **weights
        )
        accuracy = oracle.accuracy_score(true, predicted, **weights)
        matthews = oracle.matthews_corrcoef(true, predicted, **weights)
        expected = dict(zip(SCORES, (accuracy, p, r, f, matthews), strict=True))
        assert {n: float(x[place]) for n, x in scores_of(stack).items()} == pytest.approx(expected)


def test_intervals_from_the_matrix_agree_with_drawing_rows(rows):
    true, predicted = rows
    fast = classification_intervals(true, predicted, LABELS, samples=4000)
    assert set(fast) == set(SCORES)
    for name in SCORES:

        def score(t, p, name=name):
            return scores_of(confusion_matrix(t, p, LABELS))[name]

        slow = bootstrap_interval(score, true, predicted, samples=500)
        assert fast[name] == pytest.approx(slow, abs=0.015)


def test_intervals_refuse_what_the_scores_refuse():
    with pytest.raises(ValueError, match="at least one row"):
        classification_intervals([], [], LABELS)
    with pytest.raises(ValueError, match="between 0 and 1"):
        classification_intervals([0], [0], LABELS, confidence=95)
