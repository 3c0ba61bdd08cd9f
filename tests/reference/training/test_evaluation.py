"""Scores, intervals and the test of two models: against scikit-learn and SciPy, and by hand."""

from itertools import product

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from kerasllm import reference as r
from kerasllm.reference import class_scores, mcnemar, percentile_bootstrap


def test_scores_are_those_of_scikit_learn(rng):
    true, predicted = rng.integers(5, size=(2, 131))
    ours = class_scores(metrics.confusion_matrix(true, predicted))
    theirs = metrics.precision_recall_fscore_support(true, predicted)
    for mine, other in zip(ours, theirs, strict=False):
        np.testing.assert_allclose(mine, other, rtol=1e-13)


def test_a_class_never_predicted_and_one_that_is_not_there_score_0():
    scores = class_scores([[7, 0, 0], [3, 0, 0], [0, 0, 0]])
    assert scores.precision.tolist() == [0.7, 0, 0]
    assert scores.recall.tolist() == [1, 0, 0]
    np.testing.assert_allclose(scores.f1, [2 * 0.7 / 1.7, 0, 0])


def test_the_interval_is_that_of_scipy(rng):
    values = rng.gamma(2.0, size=23)
    draws = np.random.default_rng(3).integers(23, size=(400, 23))
    found = stats.bootstrap(
        (values,), np.mean, n_resamples=400, confidence_level=0.9, method="percentile",
        rng=np.random.default_rng(3),
    )  # fmt: skip
    ours = percentile_bootstrap(values, draws, 0.9)
    np.testing.assert_allclose(ours, found.confidence_interval, rtol=1e-12)


@pytest.mark.parametrize(("a", "b"), [(0, 0), (1, 0), (3, 3), (2, 9), (13, 4), (700, 801)])
def test_the_probability_is_that_of_a_fair_coin(a, b):
    first = np.array([True] * a + [False] * b + [True, False] * 5)
    second = np.array([False] * a + [True] * b + [True, False] * 5)
    expected = stats.binomtest(a, a + b).pvalue if a + b else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(second, first) == mcnemar(first, second)


def test_it_counts_the_outcomes_that_are_as_far_from_even():
    first, second = [True] * 5 + [False], [False] * 5 + [True]
    tosses = [sum(coins) for coins in product((0, 1), repeat=6)]
    assert mcnemar(first, second) == sum(abs(k - 3) >= 2 for k in tosses) / len(tosses)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: class_scores([[1, 2, 3]]), "shape"),
        (lambda: class_scores([1, 2]), "expected confusion of shape"),
        (lambda: class_scores([[1, -2], [0, 1]]), "counts of 0 or more.*received -2"),
        (lambda: percentile_bootstrap([1.0, 2.0], [[0, 2]]), "rows from 0 to 1"),
        (lambda: percentile_bootstrap([1.0, 2.0], [[0]]), "there are 2 rows"),
        (lambda: percentile_bootstrap([1.0, np.nan], [[0, 1]]), "finite numbers in values"),
        (lambda: percentile_bootstrap([1.0, 2.0], [[0, 1]], 95), "between 0 and 1, received 95"),
        (lambda: mcnemar([True], [True, False]), "first_right has 1 rows"),
        (lambda: mcnemar([[True]], [[True]]), "expected first_right of shape"),
    ],
)
def test_bad_arrays_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_names_are_public():
    assert {"class_scores", "mcnemar", "percentile_bootstrap"} <= set(r.__all__)
