"""Scores of several labels a text: by hand, and beside scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn import metrics as oracle

from kerasllm.metrics import binary_nats, multilabel_intervals, multilabel_metrics

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 4))
PAIRS = SHAPES.flatmap(lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape)))


@given(PAIRS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_decisions(pair):
    true, predicted = pair
    scores = multilabel_metrics(true, predicted)
    right, given, there = (true & predicted).sum(), predicted.sum(), true.sum()
    assert scores["precision_micro"] == pytest.approx(right / given if given else 0)
    assert scores["recall_micro"] == pytest.approx(right / there if there else 0)
    assert scores["f1_micro"] == pytest.approx(2 * right / (given + there) if given + there else 0)
    assert scores["accuracy"] == np.mean([(a == b).all() for a, b in zip(*pair, strict=True)])
    seen = [column for column in range(true.shape[1]) if (true | predicted)[:, column].any()]
    each = [oracle.f1_score(true[:, c], predicted[:, c], zero_division=0) for c in seen]
    assert scores["f1_macro"] == pytest.approx(np.mean(each) if seen else 0)
    low, high = multilabel_intervals(true, predicted, samples=20)["f1_micro"]
    assert 0 <= low <= high <= 1


def test_beside_scikit_learn(rng):
    true, predicted = rng.random((37, 5)) < 0.3, rng.random((37, 5)) < 0.4
    scores = multilabel_metrics(true, predicted)
    for average in ("micro", "macro"):
        expected = oracle.f1_score(true, predicted, average=average)
        assert scores[f"f1_{average}"] == pytest.approx(expected)
    assert scores["accuracy"] == oracle.accuracy_score(true, predicted)
    one = multilabel_metrics(true[:, :1], predicted[:, :1])  # a single label
    assert one["f1_micro"] == one["f1_macro"] == oracle.f1_score(true[:, 0], predicted[:, 0])


def test_interval_beside_scipy(rng):
    true, predicted = rng.random((37, 5)) < 0.3, rng.random((37, 5)) < 0.4

    def f1_micro(rows):
        return oracle.f1_score(true[rows], predicted[rows], average="micro")

    drawn = stats.bootstrap(
        (np.arange(37),), f1_micro, vectorized=False, n_resamples=50, method="percentile", rng=2
    )
    found = multilabel_intervals(true, predicted, samples=50, seed=2)["f1_micro"]
    assert found == pytest.approx(tuple(drawn.confidence_interval), rel=1e-12)


def test_nats_are_scikit_learns_log_loss(rng):
    logits, true = 3 * rng.normal(size=(13, 3)), rng.integers(0, 2, (13, 3))
    p = 1 / (1 + np.exp(-logits))
    expected = [oracle.log_loss(true[:, c], p[:, c], labels=[0, 1]) for c in range(3)]
    assert binary_nats(logits, true).mean(axis=0) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((2, 3), (1, 3)), "1 predictions for 2 rows"),
        (((0, 3), (0, 3)), "at least one row"),
        (((2, 3), (2, 4)), r"\(2, 3\) and \(2, 4\)"),
        (((2,), (2,)), r"shape \(rows, labels\)"),
    ],
)
@pytest.mark.parametrize("score", [multilabel_metrics, multilabel_intervals])
def test_what_is_refused(score, shapes, message):
    with pytest.raises(ValueError, match=message):
        score(*map(np.zeros, shapes))
