"""Decoding against a search through all texts, and sampling against its probabilities."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasllm import reference as r

V, T = 3, 4


def random_model(seed, V=V):
    """Return a step function whose logits depend on the whole text so far."""

    def step(tokens):
        rows = [np.random.default_rng([seed, *row]).standard_normal(V) for row in tokens]
        return 2 * np.array(rows)

    return step


def log_probability(step, prompt, tokens, eos):
    total, text = 0.0, list(prompt)
    for token in tokens:
        total += r.log_softmax(step(np.array([text])))[0][0, token]
        text.append(token)
        if token == eos:
            break
    return total


def all_texts(step, prompt, eos):
    """Return every text of T tokens, or fewer ending in eos, with its log-probability."""
    texts = {}
    for tokens in product(range(V), repeat=T):
        cut = tokens[: tokens.index(eos) + 1] if eos in tokens else tokens
        texts[cut] = None
    return {text: log_probability(step, prompt, text, eos) for text in texts}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.8]), st.sampled_from([None, 2]))
def test_a_beam_as_wide_as_all_texts_is_an_exhaustive_search(seed, penalty, eos):
    step, prompt = random_model(seed), np.array([[1], [0]])
    tokens, trace = r.beam_search(step, prompt, T, V**T, eos=eos, length_penalty=penalty)
    for b in range(2):
        texts = all_texts(step, prompt[b], eos)
        ranked = {text: s / ((5 + len(text)) / 6) ** penalty for text, s in texts.items()}
        expected = sorted(ranked, key=ranked.get, reverse=True)
        found = [tuple(row[1 : 1 + n]) for row, n in zip(tokens[b], trace.lengths[b], strict=True)]
        assert found[: len(expected)] == expected
        np.testing.assert_allclose(
            trace.normalized[b, : len(expected)], [ranked[text] for text in expected], rtol=1e-10
        )
        scores = [texts[text] for text in expected]
        np.testing.assert_allclose(trace.scores[b, : len(expected)], scores, rtol=1e-10)
        assert (trace.scores[b, len(expected) :] == -np.inf).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_one_beam_is_greedy_search_and_more_are_no_worse(seed):
    step, prompt = random_model(seed), np.array([[1, 2], [0, 1]])
    greedy, trace = r.greedy_search(step, prompt, T)
    narrow, beam = r.beam_search(step, prompt, T, beam=1)
    np.testing.assert_array_equal(narrow[:, 0], greedy)
    np.testing.assert_allclose(beam.scores[:, 0], trace.log_probabilities.sum(axis=1))
    exhaustive = r.beam_search(step, prompt, T, beam=V**T)[1]
    assert (exhaustive.scores[:, 0] >= beam.scores[:, 0] - 1e-12).all()


def test_greedy_takes_the_best_token_each_time():
    step, prompt = random_model(5), np.array([[1], [2]])
    tokens, trace = r.greedy_search(step, prompt, T)
    for t in range(1, T + 1):
        logits = step(tokens[:, :t])
        np.testing.assert_array_equal(tokens[:, t], logits.argmax(axis=-1))
        expected = r.log_softmax(logits)[0].max(axis=-1)
        np.testing.assert_allclose(trace.log_probabilities[:, t - 1], expected)


def counting(tokens):
    return 50.0 * np.eye(7)[(tokens[:, -1] + 1) % 7]


def test_a_text_that_has_ended_is_padded_and_costs_nothing():
    prompt, rng = [[2], [4]], np.random.default_rng(0)
    expected = [[2, 3, 4, 5, 6], [4, 5, 6, 0, 0]]
    for tokens, trace in (
        r.greedy_search(counting, prompt, 9, eos=6),
        r.sample(counting, prompt, 9, rng, eos=6),
    ):
        np.testing.assert_array_equal(tokens, expected)  # and stops when all have ended
        assert not trace.log_probabilities[1, 2:].any()
    tokens, trace = r.beam_search(counting, prompt, 9, 2, eos=6, length_penalty=1.0)
    np.testing.assert_array_equal(tokens[:, 0, :5], expected)
    np.testing.assert_array_equal(trace.lengths[:, 0], [4, 2])


def test_a_length_penalty_prefers_longer_texts():
    # From 0: end at once with probability 0.4, or go on and end two tokens later with 0.6 · 0.6.
    table = np.log([[1e-9, 0.6, 0.4], [0.6, 1e-9, 0.4], [1 / 3, 1 / 3, 1 / 3]])

    def step(tokens):
        return table[np.where(tokens.shape[1] == 1, 0, 1) * np.ones(len(tokens), int)]

    def best(penalty):
        return r.beam_search(step, [[0]], 2, 4, eos=2, length_penalty=penalty)[0][0, 0].tolist()

    assert best(0.0) == [0, 2, 0] and best(3.0) == [0, 1, 0]


def test_filters_by_hand():
    p = np.array([[0.1, 0.4, 0.2, 0.3]])
    logits = np.log(p)
    f = r.filter_probabilities
    np.testing.assert_allclose(f(logits), p)
    np.testing.assert_allclose(f(logits, temperature=0.5), p**2 / (p**2).sum())
    np.testing.assert_allclose(f(logits, top_k=2), [[0, 4 / 7, 0, 3 / 7]])
    np.testing.assert_allclose(f(logits, top_k=99), p)
    np.testing.assert_allclose(f(logits, top_p=0.71), [[0, 4 / 9, 2 / 9, 3 / 9]])
    np.testing.assert_allclose(f(logits, top_p=0.69), [[0, 4 / 7, 0, 3 / 7]])
    np.testing.assert_allclose(f(logits, top_p=1e-9), [[0, 1, 0, 0]])  # never nothing
    np.testing.assert_allclose(f(logits, top_p=1.0), p)
    np.testing.assert_allclose(f(np.zeros((1, 4)), top_k=1).sum(), 1)  # ties: exactly k
    np.testing.assert_array_equal(f(np.zeros((1, 4)), top_p=0.5), [[0.5, 0.5, 0, 0]])  # enough


def test_samples_come_as_often_as_their_probability():
    logits = np.log([[0.5, 0.3, 0.15, 0.05]])
    prompt = np.zeros((40_000, 1), int)
    tokens, trace = r.sample(
        lambda tokens: np.repeat(logits, len(tokens), axis=0),
        prompt, 1, np.random.default_rng(1), temperature=2.0, top_k=3,
    )  # fmt: skip
    shares = np.bincount(tokens[:, 1], minlength=4) / len(prompt)
    expected = r.filter_probabilities(logits, temperature=2.0, top_k=3)[0]
    np.testing.assert_allclose(shares, expected, atol=4 * 0.5 / 200)  # four standard errors
    assert shares[3] == 0
    np.testing.assert_allclose(trace.log_probabilities[:, 0], logits[0, tokens[:, 1]])


def test_same_seed_same_text():
    step, prompt = random_model(3), [[1], [1], [1]]
    first, second, other = (
        r.sample(step, prompt, 20, np.random.default_rng(seed))[0] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any() and (first[0] != first[1]).any()


def test_bad_input_is_explained():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"prompt of ids \(B, t\).*write \[ids\]"):
        r.greedy_search(counting, [2, 3], 4)
    with pytest.raises(ValueError, match="begin with the id of <bos>"):
        r.greedy_search(counting, np.zeros((1, 0), int), 4)
    with pytest.raises(ValueError, match="steps >= 1, received 0"):
        r.sample(counting, [[1]], 0, rng)
    with pytest.raises(ValueError, match="beam >= 1"):
        r.beam_search(counting, [[1]], 4, 0)
    with pytest.raises(ValueError, match=r"logits \(B, V\) with B = 1.*last position only"):
        r.greedy_search(lambda tokens: np.zeros((1, 5, 7)), [[1]], 4)
    for options, message in (
        ({"temperature": 0}, "use greedy_search"),
        ({"top_k": 0}, "top_k >= 1"),
        ({"top_p": 0}, "0 < top_p <= 1"),
        ({"top_p": 1.5}, "0 < top_p <= 1"),
    ):
        with pytest.raises(ValueError, match=message):
            r.sample(counting, [[1]], 4, rng, **options)


def test_a_beam_that_has_ended_goes_on_with_the_padding():
    counting = 9.0 * np.eye(7)

    def step(tokens):
        return counting[(tokens[:, -1] + 1) % 7]

    tokens, trace = r.beam_search(step, [[2], [4]], steps=4, beam=1, eos=6, pad=3)
    assert tokens[:, 0].tolist() == [[2, 3, 4, 5, 6], [4, 5, 6, 3, 3]]
    assert trace.lengths.ravel().tolist() == [4, 2]
