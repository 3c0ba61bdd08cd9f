"""Positions: rotations keep lengths, depend on distances only, and tables are what they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasllm import reference as r

B, T, K = 2, 7, 6


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(0, 1000))
def test_rotary_keeps_lengths_and_sees_distances_only(seed, interleaved, shift):
    rng = np.random.default_rng(seed)
    query, key = rng.standard_normal((2, B, T, K))

    def scores(offset):
        q = r.rotary(query, offset=offset, interleaved=interleaved)[0]
        k = r.rotary(key, offset=offset, interleaved=interleaved)[0]
        return q @ k.swapaxes(-1, -2)

    turned, _ = r.rotary(query, offset=shift, interleaved=interleaved)
    lengths = np.linalg.norm(query, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(turned, axis=-1), lengths, rtol=1e-12)
    np.testing.assert_allclose(scores(shift), scores(0), atol=1e-10)


def test_rotary_depends_on_the_distance():
    x = np.ones((1, T, K))
    turned, _ = r.rotary(x)
    scores = (turned @ turned.swapaxes(-1, -2))[0]
    for distance in range(T):
        diagonal = np.diagonal(scores, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], rtol=1e-12)
    angles = 10000 ** (-np.arange(0, K, 2) / K)
    np.testing.assert_allclose(scores[0, 2], 2 * np.cos(2 * angles).sum(), rtol=1e-12)


def test_rotary_by_hand():
    x = np.array([[1.0, 2.0, 3.0, 4.0]])  # one step, at position 2
    c, s = np.cos([2, 0.02]), np.sin([2, 0.02])
    halves = [1 * c[0] - 3 * s[0], 2 * c[1] - 4 * s[1], 1 * s[0] + 3 * c[0], 2 * s[1] + 4 * c[1]]
    np.testing.assert_allclose(r.rotary(x, offset=2)[0][0], halves, rtol=1e-13)
    pairs = [1 * c[0] - 2 * s[0], 1 * s[0] + 2 * c[0], 3 * c[1] - 4 * s[1], 3 * s[1] + 4 * c[1]]
    np.testing.assert_allclose(r.rotary(x, offset=2, interleaved=True)[0][0], pairs, rtol=1e-13)


def test_a_cache_may_go_on_where_it_stopped(rng):
    x = rng.standard_normal((B, T, K))
    whole, _ = r.rotary(x)
    rest, _ = r.rotary(x[:, 3:], offset=3)
    np.testing.assert_allclose(rest, whole[:, 3:], rtol=1e-13)


def test_sinusoidal_table_by_hand():
    table = r.sinusoidal_table(T, 6)
    for t in range(T):
        for i in range(3):
            angle = t / 10000 ** (2 * i / 6)
            np.testing.assert_allclose(table[t, 2 * i : 2 * i + 2], [np.sin(angle), np.cos(angle)])
    # The next position is a rotation of this one, by the same angles everywhere.
    gram = table @ table.T
    np.testing.assert_allclose(np.diagonal(gram, 2), gram[0, 2], rtol=1e-12)


def test_positions_are_added(rng):
    x, table = rng.standard_normal((B, T, K)), rng.standard_normal((11, K))
    np.testing.assert_array_equal(r.learned_positions(x, table)[0] - x, (x + table[:T]) - x)
    np.testing.assert_array_equal(r.sinusoidal_positions(x)[0], x + r.sinusoidal_table(T, K))
    _, trace = r.learned_positions(x, table)
    d_output = rng.standard_normal((B, T, K))
    grads = r.learned_positions_backward(d_output, trace)
    np.testing.assert_allclose(grads.d_table[:T], d_output.sum(axis=0), rtol=1e-13)
    assert not grads.d_table[T:].any()


def test_dtypes_are_honoured(rng):
    x = rng.standard_normal((B, T, K)).astype("float32")
    for output, _ in (r.rotary(x), r.sinusoidal_positions(x), r.learned_positions(x, x[0])):
        assert output.dtype == np.float32


def test_bad_input_is_explained(rng):
    x = rng.standard_normal((B, T, 5))
    with pytest.raises(ValueError, match=r"even number of features K.*received 5"):
        r.rotary(x)
    with pytest.raises(ValueError, match="even number of features D"):
        r.sinusoidal_positions(x)
    with pytest.raises(ValueError, match=r"at most 3 steps.*learn a longer table"):
        r.learned_positions(x, np.zeros((3, 5)))
    with pytest.raises(ValueError, match=r"expected table of shape \(9, 5\)"):
        r.learned_positions(x, np.zeros((9, 6)))
