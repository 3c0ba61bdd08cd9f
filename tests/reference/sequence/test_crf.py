"""The linear-chain CRF against a sum over all paths, one by one."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasllm import reference as r

B, T, L = 3, 5, 3


def field(rng, T=T):
    shapes = [(B, T, L), (L, L), (L,), (L,)]
    return [rng.standard_normal(shape) for shape in shapes]


def masks(rng):
    """Return a mask with holes and padding; the first steps are real."""
    mask = rng.random((B, T)) < 0.6
    mask[:, 0] = True
    return mask


def score(path, emissions, transitions, start, end):
    total = start[path[0]] + end[path[-1]] + sum(emissions[t, tag] for t, tag in enumerate(path))
    return total + sum(transitions[i, j] for i, j in pairwise(path))


def all_paths(emissions, transitions, start, end):
    """Return every path through one sequence with its score."""
    paths = list(product(range(L), repeat=len(emissions)))
    return paths, np.array([score(p, emissions, transitions, start, end) for p in paths])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_likelihood_and_best_path_against_all_paths(seed):
    rng = np.random.default_rng(seed)
    emissions, *weights = field(rng)
    tags, mask = rng.integers(L, size=(B, T)), masks(rng)
    log_likelihood, trace = r.crf(emissions, tags, *weights, mask)
    best, best_score = r.crf_viterbi(emissions, *weights, mask)
    for b in range(B):
        paths, scores = all_paths(emissions[b, mask[b]], *weights)
        right = scores[paths.index(tuple(tags[b, mask[b]]))]
        assert trace.score[b] == pytest.approx(right, rel=1e-12)
        assert log_likelihood[b] == pytest.approx(right - np.log(np.exp(scores).sum()), rel=1e-10)
        assert best_score[b] == pytest.approx(scores.max(), rel=1e-12)
        assert tuple(best[b, mask[b]]) == paths[scores.argmax()]
        assert not best[b, ~mask[b]].any()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_gradient_is_observed_minus_expected(seed):
    rng = np.random.default_rng(seed)
    emissions, *weights = field(rng)
    tags, mask, d = rng.integers(L, size=(B, T)), masks(rng), rng.standard_normal(B)
    grads = r.crf_backward(d, r.crf(emissions, tags, *weights, mask)[1])
    d_transitions, d_start, d_end = np.zeros((L, L)), np.zeros(L), np.zeros(L)
    for b in range(B):
        paths, scores = all_paths(emissions[b, mask[b]], *weights)
        shares = -np.exp(scores) / np.exp(scores).sum()
        shares[paths.index(tuple(tags[b, mask[b]]))] += 1
        d_emissions = np.zeros((mask[b].sum(), L))
        for path, share in zip(paths, d[b] * shares, strict=True):
            d_start[path[0]] += share
            d_end[path[-1]] += share
            d_emissions[np.arange(len(path)), path] += share
            for i, j in pairwise(path):
                d_transitions[i, j] += share
        np.testing.assert_allclose(grads.d_emissions[b, mask[b]], d_emissions, atol=1e-11)
    np.testing.assert_allclose(grads.d_transitions, d_transitions, atol=1e-11)
    np.testing.assert_allclose(grads.d_start, d_start, atol=1e-11)
    np.testing.assert_allclose(grads.d_end, d_end, atol=1e-11)
    assert not grads.d_emissions[~mask].any()


def test_without_transitions_it_is_a_softmax_at_each_step(rng):
    emissions, tags = rng.standard_normal((B, T, L)), rng.integers(L, size=(B, T))
    zeros = np.zeros((L, L)), np.zeros(L), np.zeros(L)
    log_p = r.log_softmax(emissions)[0]
    log_likelihood, trace = r.crf(emissions, tags, *zeros)
    expected = np.take_along_axis(log_p, tags[..., None], axis=2).sum(axis=(1, 2))
    np.testing.assert_allclose(log_likelihood, expected, rtol=1e-12)
    grads = r.crf_backward(np.ones(B), trace)
    np.testing.assert_allclose(grads.d_emissions, np.eye(L)[tags] - np.exp(log_p), atol=1e-13)
    np.testing.assert_array_equal(r.crf_viterbi(emissions, *zeros)[0], emissions.argmax(axis=-1))


def test_probabilities_of_all_paths_sum_to_one(rng):
    emissions, *weights = field(rng, T=4)
    paths = np.array(list(product(range(L), repeat=4)))
    one = np.repeat(emissions[:1], len(paths), axis=0)
    log_likelihood, _ = r.crf(one, paths, *weights)
    assert np.exp(log_likelihood).sum() == pytest.approx(1.0, rel=1e-12)


def test_masked_steps_are_as_if_absent(rng):
    emissions, *weights = field(rng)
    tags = rng.integers(L, size=(B, T))
    mask = np.tile([True, True, False, True, False], (B, 1))
    masked, _ = r.crf(emissions, tags, *weights, mask)
    cut, _ = r.crf(emissions[:, [0, 1, 3]], tags[:, [0, 1, 3]], *weights)
    np.testing.assert_allclose(masked, cut, rtol=1e-12)
    np.testing.assert_array_equal(
        r.crf_viterbi(emissions, *weights, mask)[0][:, [0, 1, 3]],
        r.crf_viterbi(emissions[:, [0, 1, 3]], *weights)[0],
    )


def test_large_scores_do_not_overflow(rng):
    emissions, *weights = field(rng)
    tags, _ = r.crf_viterbi(1e4 * emissions, *weights)
    log_likelihood, trace = r.crf(1e4 * emissions, tags, *weights)
    np.testing.assert_allclose(log_likelihood, 0, atol=1e-8)
    assert all(np.isfinite(g).all() for g in r.crf_backward(np.ones(B), trace))


def test_float32_stays_float32(rng):
    arrays = [a.astype("float32") for a in field(rng)]
    log_likelihood, trace = r.crf(arrays[0], np.zeros((B, T), int), *arrays[1:], masks(rng))
    grads = r.crf_backward(np.ones(B, "float32"), trace)
    assert log_likelihood.dtype == np.float32 and {g.dtype for g in grads} == {np.dtype("float32")}


def test_bad_input_is_explained(rng):
    emissions, transitions, start, end = field(rng)
    tags, mask = np.zeros((B, T), int), np.ones((B, T), bool)
    with pytest.raises(ValueError, match=r"transitions of shape \(3, 3\).*there are 3 tags"):
        r.crf(emissions, tags, transitions[:2], start, end)
    with pytest.raises(ValueError, match="tags from 0 to 2, received 3"):
        r.crf(emissions, tags + 3, transitions, start, end)
    with pytest.raises(ValueError, match=r"expected tags of shape \(3, 5\)"):
        r.crf(emissions, tags[:, :4], transitions, start, end)
    with pytest.raises(ValueError, match=r"mask\[1, 0\] = False; pad on the right"):
        r.crf(emissions, tags, transitions, start, end, mask & (np.arange(B) != 1)[:, None])
    with pytest.raises(ValueError, match=r"expected mask of shape \(3, 5\)"):
        r.crf_viterbi(emissions, transitions, start, end, mask[:, :4])
    with pytest.raises(ValueError, match="at least one step"):
        r.crf_viterbi(emissions[:, :0], transitions, start, end)


# Seeded mistakes: each must move the likelihood, or the brute force above proves nothing.
MISTAKES = {
    "transitions transposed": lambda e, a, s, z: (e, a.T, s, z),
    "start forgotten": lambda e, a, s, z: (e, a, 0 * s, z),
    "end forgotten": lambda e, a, s, z: (e, a, s, 0 * z),
    "start and end swapped": lambda e, a, s, z: (e, a, z, s),
    "softmax before the field": lambda e, a, s, z: (r.softmax(e)[0], a, s, z),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_seeded_mistakes_show(rng, mistake):
    arrays, tags = field(rng), rng.integers(L, size=(B, T))
    right = r.crf(arrays[0], tags, *arrays[1:])[0]
    wrong_arrays = MISTAKES[mistake](*arrays)
    wrong = r.crf(wrong_arrays[0], tags, *wrong_arrays[1:])[0]
    assert np.abs(right - wrong).max() > 1e-2
