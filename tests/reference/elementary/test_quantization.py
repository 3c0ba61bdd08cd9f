"""Weights as whole numbers: by hand, and within half a step."""

import numpy as np
import pytest

from kerasllm import reference as r


def test_by_hand():
    kernel = np.array([[7.0, 0.7], [-3.4, -0.35], [0.6, 0.0]])  # 4 bits: steps of 1 and of 0.1
    restored, q = r.quantize(kernel, 4)
    assert q.values.tolist() == [[7, 7], [-3, -4], [1, 0]]  # -3.5 goes to the even neighbour
    np.testing.assert_allclose(q.scale, [1, 0.1])
    np.testing.assert_allclose(restored, [[7, 0.7], [-3, -0.4], [1, 0]])


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_no_weight_is_wrong_by_more_than_half_a_step(rng, bits):
    kernel = (rng.standard_normal((13, 5)) * rng.gamma(2.0, size=5)).astype("float32")
    restored, q = r.quantize(kernel, bits)
    assert restored.dtype == np.float32 and q.values.dtype == np.int8
    assert np.abs(q.values).max(axis=0).tolist() == [2 ** (bits - 1) - 1] * 5
    assert (np.abs(restored - kernel) <= q.scale / 2 * (1 + 1e-5)).all()


def test_a_column_of_zeros_stays():
    assert not r.quantize(np.zeros((3, 2)))[0].any()


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="expected 2 to 8 bits, received 1"):
        r.quantize(np.ones((2, 2)), 1)
    with pytest.raises(ValueError, match="expected kernel of shape"):
        r.quantize(np.ones(2))
