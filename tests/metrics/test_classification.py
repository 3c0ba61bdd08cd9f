import math

import numpy as np
import pytest

from kerasllm.metrics.classification import (
    SCORES,
    bootstrap_interval,
    classification_intervals,
    classification_metrics,
    confusion_matrix,
    mean_loss,
)
from kerasllm.metrics.language import language_metrics

LABELS = ["a", "b", "c", "d", "e"]


@pytest.fixture
def rows(rng):
    true = rng.integers(5, size=211)
    return true, np.where(rng.random(211) < 0.6, true, rng.integers(4, size=211))


def test_language_scores_agree_with_each_other():
    scores = language_metrics(total_nats=137.0, tokens=50, characters=211, bytes=307)
    assert scores["loss"] == pytest.approx(137 / 50)
    assert math.log(scores["perplexity"]) == pytest.approx(scores["loss"])
    assert scores["bits_per_character"] * 211 * math.log(2) == pytest.approx(137)
    assert scores["bits_per_byte"] * 307 == pytest.approx(scores["bits_per_character"] * 211)


def test_uniform_guess_has_the_vocabulary_as_perplexity():
    assert language_metrics(13 * math.log(97), 13)["perplexity"] == pytest.approx(97)


def test_bits_are_left_out_when_the_length_of_the_text_is_not_given():
    assert set(language_metrics(1.0, 1)) == {"loss", "perplexity", "tokens"}


def test_huge_loss_gives_infinite_perplexity_without_a_warning():
    assert language_metrics(2000.0, 2)["perplexity"] == math.inf


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"total_nats": float("nan"), "tokens": 1}, "NaN in the logits"),
        ({"total_nats": -1.0, "tokens": 1}, "sign"),
        ({"total_nats": 1.0, "tokens": 0}, "tokens of 1 or more"),
        ({"total_nats": 1.0, "tokens": 1, "bytes": 0}, "bytes of 1 or more"),
    ],
)
def test_language_metrics_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        language_metrics(**arguments)


def test_scores_agree_with_scikit_learn(rows):
    from sklearn import metrics as oracle

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
    import json

    json.dumps(classification_metrics(*rows, LABELS), allow_nan=False)


@pytest.mark.parametrize(
    ("true", "predicted", "error", "message"),
    [
        ([0, 1], [0], ValueError, "1 predictions for 2 labels"),
        ([], [], ValueError, "at least one row"),
        ([0, 2], [0, 1], ValueError, "between 0 and 1"),
        (["ham", "egg"], [0, 1], ValueError, "egg"),
        ([0.0, float("nan")], [0, 1], TypeError, "remove NaN"),
        (["ham", 1], [0, 1], TypeError, "one type"),
    ],
)
def test_confusion_matrix_refuses(true, predicted, error, message):
    with pytest.raises(error, match=message):
        confusion_matrix(true, predicted, ["ham", "spam"])


def test_interval_covers_the_true_mean_of_a_known_distribution():
    generator = np.random.default_rng(11)
    true_mean, trials = 2.0, 400
    covered = 0
    for trial in range(trials):
        low, high = bootstrap_interval(
            np.mean, generator.exponential(true_mean, size=120), samples=400, seed=trial
        )
        covered += low <= true_mean <= high
    # 95 % asked for; the percentile method covers a little less on a skewed sample of 120
    assert 0.90 <= covered / trials <= 0.98


def test_interval_of_a_mean_is_as_wide_as_theory_says(rng):
    sample = rng.normal(5.0, 3.0, size=2003)
    low, high = bootstrap_interval(np.mean, sample, samples=2000)
    assert high - low == pytest.approx(2 * 1.96 * sample.std() / math.sqrt(2003), rel=0.08)


def test_interval_is_the_same_for_the_same_seed_and_whether_drawn_at_once(rng):
    sample = rng.normal(size=61)
    at_once = bootstrap_interval(np.mean, sample, samples=97, seed=5)
    assert at_once == bootstrap_interval(np.mean, sample, samples=97, seed=5)
    assert at_once != bootstrap_interval(np.mean, sample, samples=97, seed=6)
    one_by_one = bootstrap_interval(lambda x: x.mean(), sample, samples=97, seed=5)
    assert one_by_one == pytest.approx(at_once)


def test_rows_of_several_arrays_are_drawn_together():
    tokens = np.array([1, 10, 100])
    assert bootstrap_interval(mean_loss, 2.0 * tokens, tokens) == (2.0, 2.0)


def test_intervals_from_the_matrix_agree_with_drawing_rows(rows):
    true, predicted = rows
    fast = classification_intervals(confusion_matrix(true, predicted, LABELS), samples=4000)
    assert set(fast) == set(SCORES)
    slow = bootstrap_interval(
        lambda t, p: classification_metrics(t, p, LABELS)["f1_macro"], true, predicted, samples=500
    )
    assert fast["f1_macro"] == pytest.approx(slow, abs=0.015)


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ((), {}, "lengths \\[\\]"),
        (([],), {}, "at least one row"),
        (([1, 2], [1]), {}, "lengths \\[1, 2\\]"),
        (([1, 2],), {"confidence": 95}, "between 0 and 1"),
    ],
)
def test_bootstrap_refuses(arrays, options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(np.mean, *arrays, **options)
