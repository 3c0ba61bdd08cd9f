"""Bootstrap intervals: by theory, by hand, and beside SciPy."""

import math

import numpy as np
import pytest
from scipy import stats

from kerasllm.metrics import bootstrap, bootstrap_interval, percentile_interval, pooled_mean


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


def test_it_is_the_interval_of_scipy(rng):
    nats, tokens = rng.gamma(2.0, size=(2, 61))
    ours = bootstrap_interval(pooled_mean, nats, tokens, samples=97, confidence=0.9, seed=5)
    oracle = stats.bootstrap(
        (nats, tokens), lambda n, t, axis: n.sum(axis=axis) / t.sum(axis=axis), paired=True,
        n_resamples=97, confidence_level=0.9, method="percentile", rng=5,
    )  # fmt: skip
    assert ours == pytest.approx(tuple(oracle.confidence_interval), rel=1e-12)


def test_rows_with_further_axes_are_drawn_whole(rng):
    counts = rng.integers(1, 9, size=(31, 2, 3))

    def share(counts, axis=None):
        sums = counts.sum(axis=axis if axis else 0)  # (..., 2, 3)
        return sums[..., 0, 1] / sums.sum(axis=(-2, -1))

    flat = bootstrap_interval(pooled_mean, counts[:, 0, 1], counts.sum(axis=(1, 2)))
    assert bootstrap_interval(share, counts) == pytest.approx(flat)


def test_a_single_row_and_equal_rows_have_no_width():
    assert bootstrap_interval(np.mean, [0.25]) == (0.25, 0.25)
    assert bootstrap_interval(lambda x: x.max(), [3]) == (3.0, 3.0)
    assert bootstrap_interval(np.mean, [2.0] * 7) == (2.0, 2.0)


def test_many_rows_are_drawn_in_parts(monkeypatch, rng):
    sample = rng.normal(size=61)
    whole = bootstrap_interval(np.mean, sample, samples=97)
    monkeypatch.setattr(bootstrap, "AT_ONCE", 200)  # three draws at once
    assert bootstrap_interval(np.mean, sample, samples=97) == whole


def test_by_hand():
    # two rows 0 and 1: a draw is 0, 1/2 or 1 with 1/4, 1/2 and 1/4; a tenth lies beyond neither end
    assert bootstrap_interval(np.mean, [0, 1], confidence=0.8) == (0.0, 1.0)
    assert bootstrap_interval(np.mean, [0, 1], confidence=0.3) == (0.5, 0.5)
    assert percentile_interval(np.arange(101), confidence=0.9) == pytest.approx((5, 95))


def test_empty_clusters_are_no_division_by_zero():
    assert pooled_mean(np.zeros(2), np.zeros(2)) == 0
    assert bootstrap_interval(pooled_mean, [0, 3], [0, 4]) == (0.0, 0.75)


def test_rows_of_several_arrays_are_drawn_together():
    tokens = np.array([1, 10, 100])
    assert bootstrap_interval(pooled_mean, 2.0 * tokens, tokens) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ((), {}, "lengths \\[\\]"),
        (([],), {}, "at least one row"),
        (([1, 2], [1]), {}, "lengths \\[1, 2\\]"),
        (([1, 2],), {"confidence": 95}, "between 0 and 1"),
        (([1, 2],), {"samples": 1}, "at least 2 samples"),
    ],
)
def test_bootstrap_refuses(arrays, options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(np.mean, *arrays, **options)
