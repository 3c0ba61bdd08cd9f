"""Associations, exposures, private steps and what they cost: by hand, and against others."""

import math
from itertools import combinations

import numpy as np
import pytest

from kerasllm import reference as r


def test_the_effect_is_what_a_hand_computes():
    # s of x: 1 and 0; s of y: -1 and 0. Means 1/2 and -1/2, standard deviation √(1/2).
    x, y = np.array([[1.0, 0], [1, 1]]), np.array([[0, 2.0], [3, 3]])
    found = r.association(x, y, np.array([[5.0, 0]]), np.array([[0, 0.1]]))
    np.testing.assert_allclose(found.of_x, [1, 0], atol=1e-15)
    np.testing.assert_allclose(found.of_y, [-1, 0], atol=1e-15)
    assert found.effect == pytest.approx(math.sqrt(2))


def test_the_effect_of_all_divisions_is_0_on_average(rng):
    words, a, b = rng.standard_normal((6, 5)), *rng.standard_normal((2, 3, 5))
    effects = []
    for chosen in combinations(range(6), 3):
        other = [k for k in range(6) if k not in chosen]
        effects.append(r.association(words[list(chosen)], words[other], a, b).effect)
    assert np.mean(effects) == pytest.approx(0, abs=1e-12) and max(np.abs(effects)) <= 2
    same = np.ones((2, 5))
    assert r.association(same, same, a, b).effect == 0


def test_exposures_are_counted():
    losses = [3.0, 1.0, 2.0, 2.0, 5.0, 6.0, 7.0, 8.0]
    assert r.exposure(losses, 1) == 3  # the first of 8
    assert r.exposure(losses, 2) == r.exposure(losses, 3) == pytest.approx(3 - math.log2(3))
    assert r.exposure(losses, 7) == 0


def test_a_model_that_knows_nothing_gives_away_log2_e_bits(rng):
    found = [r.exposure(rng.random(1000), 0) for _ in range(4000)]
    assert np.mean(found) == pytest.approx(math.log2(math.e), abs=0.1)


def test_each_example_is_clipped_as_a_whole(rng):
    kernels, biases = rng.standard_normal((5, 3, 2)), rng.standard_normal((5, 2))
    noise = [rng.standard_normal((3, 2)), rng.standard_normal(2)]
    for clip in (0.7, 100.0):
        rows = [r.clip_by_global_norm([k, b], clip) for k, b in zip(kernels, biases, strict=True)]
        found = r.private_gradient([kernels, biases], clip, noise)
        for place, z in enumerate(noise):
            expected = (sum(row[place] for row in rows) + clip * z) / 5
            np.testing.assert_allclose(found[place], expected, rtol=1e-13)


def test_no_example_moves_the_sum_by_more_than_the_clip(rng):
    gradients, nothing = [1000 * rng.standard_normal((4, 3))], [np.zeros(3)]
    other = [gradients[0].copy()]
    other[0][2] = 0  # without the third one
    moved = 4 * (r.private_gradient(gradients, 0.5, nothing)[0]
                 - r.private_gradient(other, 0.5, nothing)[0])  # fmt: skip
    assert np.linalg.norm(moved) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("noise", "rate", "steps", "delta", "theirs"),  # printed by dp-accounting 0.6.0, orders 2 … 256
    [
        (1.1, 256 / 60_000, 14_040, 1e-5, 2.5948176752357233),
        (4.0, 0.04, 250, 1e-4, 0.5440047462945348),
        (0.7, 0.01, 1000, 1e-5, 5.684078683694455),
        (2.0, 1.0, 10, 1e-5, 8.087861628831664),
    ],
)
def test_the_accountant_of_samples_agrees_with_dp_accounting(noise, rate, steps, delta, theirs):
    assert r.sampled_gaussian_epsilon(noise, rate, steps, delta) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize(
    ("noise", "rounds", "delta", "theirs"),  # by its accountant of privacy losses, discretised
    [(4.0, 4, 1e-5, 1.993091407), (1.0, 1, 1e-5, 4.377178100), (0.5, 9, 1e-6, 45.785905948)],
)
def test_the_accountant_of_rounds_agrees_with_dp_accounting(noise, rounds, delta, theirs):
    assert r.gaussian_epsilon(noise, rounds, delta) == pytest.approx(theirs, rel=1e-7)


def test_dp_accounting_says_so_today():
    theirs = pytest.importorskip("dp_accounting", reason="pip install dp-accounting compares")
    event = theirs.PoissonSampledDpEvent(0.02, theirs.GaussianDpEvent(1.3))
    accountant = theirs.rdp.RdpAccountant(orders=range(2, 257)).compose(event, 700)
    found = r.sampled_gaussian_epsilon(1.3, 0.02, 700, 1e-5)
    assert found == pytest.approx(accountant.get_epsilon(1e-5), rel=1e-9)


def test_epsilon_of_one_round_is_the_smallest_that_holds():
    # δ(ε) is the mass by which a normal density at 1/σ exceeds e^ε times one at 0.
    sigma, delta = 1.5, 1e-3
    epsilon = r.gaussian_epsilon(sigma, 1, delta)
    t = np.linspace(-12, 14, 400_001)

    def normal(mean):
        return np.exp(-((t - mean) ** 2) / 2) / math.sqrt(2 * math.pi)

    excess = np.maximum(normal(1 / sigma) - math.exp(epsilon) * normal(0), 0)
    assert excess.sum() * (t[1] - t[0]) == pytest.approx(delta, rel=1e-5)


def test_what_costs_more_and_what_nothing():
    assert r.gaussian_epsilon(0, 1, 1e-5) == r.sampled_gaussian_epsilon(0, 0.1, 1, 1e-5) == math.inf
    assert r.gaussian_epsilon(1, 0, 1e-5) == r.sampled_gaussian_epsilon(1, 0.1, 0, 1e-5) == 0
    assert r.gaussian_epsilon(0.01, 1, 1e-5) > r.gaussian_epsilon(0.1, 1, 1e-5) > 10
    # 40 epochs of whole batches, or 1,000 draws of 4 %: chance hides more.
    assert r.sampled_gaussian_epsilon(2, 0.04, 1000, 1e-5) < r.gaussian_epsilon(2, 40, 1e-5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: r.association(*[np.ones((1, 2))] * 3, np.zeros((1, 2))), "none of zeros"),
        (lambda: r.association(*[np.ones((1, 2))] * 3, np.ones((1, 3))), "x has shape"),
        (lambda: r.exposure([1.0], 1), "number of a candidate, 0 to 0, received 1"),
        (lambda: r.private_gradient([np.ones((2, 3))], 0, [np.ones(3)]), "clip above 0"),
        (lambda: r.private_gradient([np.ones((2, 3))], 1, [np.ones(2)]), "noise has shape"),
        (lambda: r.private_gradient([np.ones((2, 3))], 1, []), "a noise for each of 1"),
        (lambda: r.gaussian_epsilon(-1, 1, 0.1), "noise multiplier of 0 or more"),
        (lambda: r.gaussian_epsilon(1, -1, 0.1), "0 rounds or more"),
        (lambda: r.sampled_gaussian_epsilon(1, 2, 1, 0.1), "a rate from 0 to 1, received 2"),
        (lambda: r.gaussian_epsilon(1, 1, 1), "a delta between 0 and 1"),
    ],
)
def test_bad_arguments_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
