"""Hiding tokens: shares, fates, and what is never chosen."""

import numpy as np
import pytest

from kerasllm.models import mask_tokens
from kerasllm.text import MASK

V = 211


@pytest.fixture
def texts(rng):
    """Return 400 texts of 1 to 97 tokens, with special tokens at both ends of every other."""
    ids = rng.integers(6, V, (400, 97))
    ids = np.where(np.arange(97) < rng.integers(1, 98, (400, 1)), ids, 0)
    ids[::2, 0] = 2
    ids[np.arange(400), (ids != 0).sum(axis=1) - 1] = np.where(
        np.arange(400) % 2, ids[np.arange(400), (ids != 0).sum(axis=1) - 1], 3
    )
    return ids


def _chosen(inputs, targets, shape):
    """Return where targets were chosen (B, T), and their true ids."""
    chosen, true = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=int)
    rows, columns = np.nonzero(targets)
    chosen[rows, inputs["positions"][rows, columns]] = True
    true[rows, inputs["positions"][rows, columns]] = targets[rows, columns]
    return chosen, true


def test_shares_of_choice_and_fate(texts, rng):
    inputs, targets = mask_tokens(texts, V, rng)
    chosen, true = _chosen(inputs, targets, texts.shape)
    hidden, ordinary = inputs["ids"], texts >= 6
    assert (true[chosen] == texts[chosen]).all()
    assert (hidden[~chosen] == texts[~chosen]).all()
    long = ordinary.sum(axis=1) > 40  # short texts have more: at least one token each
    assert abs(chosen[long].sum() / ordinary[long].sum() - 0.15) < 0.01
    fates = hidden[chosen]
    assert abs((fates == MASK).mean() - 0.8) < 0.03
    kept = (fates == texts[chosen]).mean()
    assert abs(kept - 0.1 - 0.1 / V) < 0.02
    replaced = fates[(fates != MASK) & (fates != texts[chosen])]
    assert abs(len(replaced) / chosen.sum() - 0.1) < 0.02
    assert replaced.min() >= 6
    assert replaced.max() < V
    assert len(set(replaced)) > 50


def test_another_share(texts, rng):
    _, targets = mask_tokens(texts, V, rng, share=0.4)
    long = (texts >= 6).sum(axis=1) > 40
    assert abs((targets[long] != 0).sum() / (texts[long] >= 6).sum() - 0.4) < 0.02


def test_padding_and_special_tokens_are_never_chosen(texts, rng):
    for share in (0.15, 1.0):
        inputs, targets = mask_tokens(texts, V, rng, share=share)
        chosen, _ = _chosen(inputs, targets, texts.shape)
        assert not chosen[texts < 6].any()
        assert chosen[texts >= 6].all() == (share == 1.0)


def test_every_text_has_a_hidden_token_where_it_can(texts, rng):
    _, targets = mask_tokens(texts, V, rng, share=0.01)
    possible = (texts >= 6).any(axis=1)
    assert not possible.all()
    assert np.array_equal((targets != 0).any(axis=1), possible)
    only_special = mask_tokens(np.array([[2, 3, 0]]), V, rng)
    assert only_special[1].tolist() == [[0]]
    assert only_special[0]["ids"].tolist() == [[2, 3, 0]]


def test_positions_rise_and_the_rest_has_no_target(texts, rng):
    inputs, targets = mask_tokens(texts, V, rng)
    assert inputs["positions"].shape == targets.shape
    assert inputs["ids"].dtype == inputs["positions"].dtype == targets.dtype == np.int32
    for positions, row in zip(inputs["positions"], targets, strict=True):
        count = (row != 0).sum()
        assert row[:count].all()
        assert (np.diff(positions[:count]) > 0).all()
    assert (targets != 0).sum(axis=1).max() == targets.shape[1]


def test_whole_words_are_chosen_or_left_whole(texts, rng):
    starts = rng.random(texts.shape) < 0.4
    starts[:, 0] = True
    inputs, targets = mask_tokens(texts, V, rng, word_starts=starts)
    chosen, _ = _chosen(inputs, targets, texts.shape)
    words = np.cumsum(starts, axis=1)
    for row in range(len(texts)):
        for word in np.unique(words[row]):
            pieces = chosen[row][(words[row] == word) & (texts[row] >= 6)]
            assert pieces.all() or not pieces.any()
    long = (texts >= 6).sum(axis=1) > 40
    assert abs(chosen[long].sum() / (texts[long] >= 6).sum() - 0.15) < 0.02
    # Pieces are chosen together, but their fates are drawn one by one.
    fates = inputs["ids"][chosen]
    assert abs((fates == MASK).mean() - 0.8) < 0.03


def test_seeds_and_the_original(texts):
    copy = texts.copy()
    one, two, three = (mask_tokens(texts, V, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(one[0]["ids"], two[0]["ids"])
    assert not np.array_equal(one[0]["ids"], three[0]["ids"])
    assert np.array_equal(texts, copy)
