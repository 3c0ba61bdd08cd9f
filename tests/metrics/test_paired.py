"""Two models on the same rows: by hand, beside SciPy, and where they do not differ."""

import numpy as np
import pytest
from scipy import stats

from kerasllm.metrics import paired_metrics

TRUE = ["ham", "spam", "ham", "ham", "spam"]


def test_what_each_has_alone_and_what_both_have():
    first = ["ham", "spam", "ham", "spam", "ham"]  # 1 1 1 0 0
    second = ["ham", "ham", "spam", "ham", "ham"]  # 1 0 0 1 0
    found = paired_metrics(TRUE, first, second)
    assert (found["first"], found["second"]) == (0.6, 0.4)
    assert found["difference"] == pytest.approx(0.2)
    assert (found["first_only"], found["second_only"]) == (2, 1)
    assert found["p"] == 1.0  # 2 · (1 + 3) / 2³


def test_the_interval_draws_both_answers_of_a_row_together(rng):
    true = rng.integers(3, size=97)
    first = np.where(rng.random(97) < 0.8, true, 3)
    second = np.where(rng.random(97) < 0.1, 3, first)  # nearly always of one mind
    found = paired_metrics(true, first, second, samples=2000)
    apart = (first == true).astype(float) - (second == true)
    error = apart.std() / np.sqrt(97)
    low, high = found["interval"]
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.15)
    alone = np.sqrt((first == true).var() / 97 + (second == true).var() / 97)
    assert high - low < 0.8 * 2 * 1.96 * alone  # as if the rows were others


def test_p_is_that_of_a_fair_coin_on_the_rows_where_they_part(rng):
    true = rng.integers(2, size=59)
    first, second = rng.integers(2, size=(2, 59))
    found = paired_metrics(true, first, second)
    parts = found["first_only"], found["second_only"]
    assert found["p"] == pytest.approx(stats.binomtest(parts[0], sum(parts)).pvalue, rel=1e-9)


def test_a_model_beside_itself():
    found = paired_metrics(TRUE, TRUE, TRUE)
    assert found["p"] == 1.0 and found["difference"] == 0 and found["interval"] == (0.0, 0.0)


@pytest.mark.parametrize("rows", [([], [], []), (["a"], ["a"], []), (["a"], [], ["a"])])
def test_rows_that_do_not_belong_together_are_refused(rows):
    with pytest.raises(ValueError, match=r"expected (as many predictions|at least one row)"):
        paired_metrics(*rows)
