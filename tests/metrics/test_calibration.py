"""Reliability of probabilities, against a table that a person fills in."""

import numpy as np
import pytest

from kerasllm.metrics import reliability


def test_bins_and_error_by_hand():
    # 0.95 twice, both right; 0.75 three times, one right; 1.0 falls into the last bin
    found = reliability([0.95, 0.95, 0.75, 0.75, 0.75, 1.0], [1, 1, 1, 0, 0, 0])
    assert found.count.tolist() == [3, 3]
    assert found.confidence == pytest.approx([0.75, 2.9 / 3])
    assert found.accuracy == pytest.approx([1 / 3, 2 / 3])
    assert found.error == pytest.approx(0.5 * (0.75 - 1 / 3) + 0.5 * (2.9 / 3 - 2 / 3))


def test_answers_drawn_with_their_own_probability_are_calibrated():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.3, 1, 20_011)
    assert reliability(p, rng.random(len(p)) < p).error < 0.015
    assert reliability(p, rng.random(len(p)) < p**2).error > 0.1  # a model too sure of itself


@pytest.mark.parametrize(("p", "right"), [([], []), ([0.5], [1, 0]), ([1.2], [1]), ([-0.1], [1])])
def test_refused(p, right):
    with pytest.raises(ValueError, match="expected a probability from 0 to 1 for each answer"):
        reliability(p, right)
