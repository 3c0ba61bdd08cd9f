"""The choice of a token against the probabilities that it is to be drawn from."""

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm.models import Sampling

pytestmark = pytest.mark.backends
V = 23


def _choose(sampling, logits, uniform, text=None):
    logits, uniform = (
        keras.ops.convert_to_tensor(np.asarray(a, "float32")) for a in (logits, uniform)
    )
    text = None if text is None else keras.ops.convert_to_tensor(np.asarray(text, "int32"))
    return keras.ops.convert_to_numpy(sampling.choose(logits, uniform, text))


def _assert_drawn_from(tokens, p):
    """Chi-square test at a fixed seed; rare tokens are counted together."""
    observed, expected = np.bincount(tokens, minlength=len(p)), p * len(tokens)
    assert not observed[p == 0].any()
    common = expected >= 5
    observed = [*observed[common], observed[~common].sum()]
    expected = [*expected[common], max(expected[~common].sum(), 1)]
    chi_square = sum((o - e) ** 2 / e for o, e in zip(observed, expected, strict=True))
    freedom = len(observed) - 1
    assert chi_square < freedom + 4 * (2 * freedom) ** 0.5  # mean and 4 standard deviations


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(0.5),
        Sampling(2.0),
        Sampling(top_k=1),
        Sampling(top_k=5),
        Sampling(top_k=99),
        Sampling(top_p=0.6),
        Sampling(top_p=1e-6),
        Sampling(top_p=1.0),
        Sampling(1.5, top_k=7, top_p=0.7),
    ],
    ids=str,
)
def test_frequencies_are_the_filtered_probabilities(sampling, rng):
    logits = 2 * rng.normal(size=V)
    p = ref.filter_probabilities(
        logits[None], sampling.temperature, sampling.top_k, sampling.top_p
    )[0]
    tokens = _choose(sampling, np.tile(logits, (20000, 1)), rng.random(20000))
    _assert_drawn_from(tokens, p)


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(top_k=3), Sampling(top_p=0.5)], ids=str)
def test_the_ends_of_the_uniform_numbers_stay_inside_the_set(sampling):
    p = np.array([0.0, 0.5, 0.2, 0.3, 0.0])
    logits = np.tile(np.where(p > 0, np.log(np.maximum(p, 0.1)), -1e30), (2, 1))
    low, high = _choose(sampling, logits, np.array([0.0, 1.0]))  # 1 - 1e-9 is 1 in float32
    assert p[low] > 0
    assert p[high] > 0
    if sampling.top_p:
        assert (low, high) == (1, 1)


def test_temperature_zero_is_greedy(rng):
    logits = rng.normal(size=(50, V))
    assert np.array_equal(_choose(Sampling(0), logits, rng.random(50)), logits.argmax(axis=1))


def test_a_repetition_penalty_by_hand():
    logits = np.array([[2.0, 1.5, -1.0, -1.1], [2.0, 1.5, -1.0, -1.1], [-3.0, -1.0, -1.2, -4.0]])
    text = np.array([[2, 2, 3], [0, 0, 3], [1, 3, 1]])  # a token twice is penalised once
    choose = Sampling(0, repetition_penalty=1.25)
    # 2 / 1.25 = 1.6 > 1.5;  -1 · 1.25 = -1.25 < -1.2
    assert _choose(choose, logits, np.zeros(3), text).tolist() == [0, 0, 2]
    choose = Sampling(0, repetition_penalty=1.4)  # 2 / 1.4 = 1.43 < 1.5
    assert _choose(choose, logits, np.zeros(3), text).tolist() == [0, 1, 2]
    assert _choose(Sampling(0), logits, np.zeros(3), text).tolist() == [0, 0, 1]


def test_the_penalty_comes_before_temperature_and_cuts(rng):
    logits, text = 2 * rng.normal(size=V), [3, 5, 7, 7]
    by_hand = logits.copy()
    for token in set(text):
        by_hand[token] = logits[token] / 1.7 if logits[token] > 0 else logits[token] * 1.7
    p = ref.filter_probabilities(by_hand[None], 0.8, 9, 0.9)[0]
    sampling = Sampling(0.8, 9, 0.9, repetition_penalty=1.7)
    tokens = _choose(
        sampling, np.tile(logits, (20000, 1)), rng.random(20000), np.tile(text, (20000, 1))
    )
    _assert_drawn_from(tokens, p)


def test_bad_settings_are_explained():
    with pytest.raises(ValueError, match=r"temperature must be 0 or more, .* received -1"):
        Sampling(-1)
    for value in (float("nan"), float("inf"), 1e-40, 1e9):  # 32 bits would not hold x / 1e-40
        with pytest.raises(ValueError, match=r"temperature must be 0 or more, and from 0\.001 to"):
            Sampling(value)
        with pytest.raises(ValueError, match="repetition_penalty must be above 0, at most 1,000"):
            Sampling(repetition_penalty=value)
    with pytest.raises(ValueError, match="top_k must be at least 1, received 0"):
        Sampling(top_k=0)
    for value in (0, 1.1):
        with pytest.raises(ValueError, match=r"top_p must lie in \(0, 1\], received"):
            Sampling(top_p=value)
    with pytest.raises(ValueError, match=r"repetition_penalty must be above 0, .* received 0"):
        Sampling(repetition_penalty=0)
