"""Grouped queries and the Llama block: what sharing, turning and residual paths promise."""

import numpy as np
import pytest

from kerasllm import reference as r

B, T, S, D, N, G, K, H = 2, 5, 7, 3, 6, 2, 4, 11
SHAPES = {"w_q": (D, N, K), "w_k": (D, G, K), "w_v": (D, G, K), "w_o": (N, K, D)}
BLOCK = {
    "scale_1": (D,), **SHAPES, "scale_2": (D,), "w_gate": (D, H), "w_up": (D, H), "w_down": (H, D)
}  # fmt: skip


def heads(rng, groups=G):
    """Return the weights of an attention, without biases in their places."""
    w_q, w_o = rng.normal(size=(D, N, K)), rng.normal(size=(N, K, D))
    w_k, w_v = rng.normal(size=(2, D, groups, K))
    return [w_q, None, w_k, None, w_v, None, w_o, None]


def block(rng):
    return [rng.normal(size=BLOCK[name]) for name in r.LLAMA_WEIGHTS]


def test_with_as_many_groups_as_heads_it_is_multi_head_attention(rng):
    query, key = rng.normal(size=(B, T, D)), rng.normal(size=(B, S, D))
    w, mask = heads(rng, N), rng.random((B, T, S)) < 0.7
    ours, trace = r.grouped_query_attention(query, key, key, *w, mask=mask)
    theirs, other = r.multi_head_attention(query, key, key, *w, mask=mask)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    np.testing.assert_allclose(trace.weights, other.weights, rtol=1e-12)


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_heads_of_a_group_read_the_same_keys(groups, rng):
    x, w = rng.normal(size=(B, T, D)), heads(rng, groups)
    _, trace = r.grouped_query_attention(x, x, x, *w)
    for n in range(N):
        g = n // (N // groups)
        q, k = x[0] @ w[0][:, n], x[0] @ w[2][:, g]
        scores = np.exp(q @ k.T / K**0.5)
        expected = scores / scores.sum(-1, keepdims=True)
        np.testing.assert_allclose(trace.weights[0, n], expected, rtol=1e-12)
        np.testing.assert_allclose(trace.z[0, n], expected @ (x[0] @ w[4][:, g]), rtol=1e-12)
    assert trace.k.shape == trace.v.shape == (B, groups, T, K)


def test_shared_keys_get_the_sum_of_what_equal_heads_would_get_alone(rng):
    x, shared = rng.normal(size=(B, T, D)), heads(rng)
    alone = [w if w is None or i not in (2, 4) else np.repeat(w, N // G, axis=1)
             for i, w in enumerate(shared)]  # fmt: skip
    d = rng.normal(size=(B, T, D))
    ours = r.grouped_query_attention_backward(d, r.grouped_query_attention(x, x, x, *shared)[1])
    theirs = r.multi_head_attention_backward(d, r.multi_head_attention(x, x, x, *alone)[1])
    summed = theirs.d_w_k.reshape(D, G, N // G, K).sum(axis=2)
    np.testing.assert_allclose(ours.d_w_k, summed, rtol=1e-10)
    np.testing.assert_allclose(ours.d_key, theirs.d_key, rtol=1e-10)


def test_only_distances_count(rng):
    w, row = heads(rng), rng.normal(size=(1, 1, D))
    x = np.repeat(row, T, axis=1)  # equal tokens: only their places tell them apart
    _, trace = r.grouped_query_attention(x, x, x, *w, rotary="halves")
    scores = np.log(trace.weights[0, 0])
    for shift in range(1, T):
        # up to what the softmax of each row subtracts
        row, before = scores[shift, shift:], scores[0, : T - shift]
        np.testing.assert_allclose(row - row[0], before - before[0], atol=1e-12)
    assert np.ptp(trace.weights[0, 0, 0]) > 1e-3


def interleaved(w):
    """Return the projection (D, N, K) whose neighbours are the two halves of `w`."""
    return np.stack(np.split(w, 2, axis=-1), axis=-1).reshape(w.shape)


def test_a_checkpoint_is_ported_from_one_pairing_to_the_other_by_its_columns(rng):
    x, w = rng.normal(size=(B, T, D)), block(rng)
    ported = list(w)
    for place in (1, 2):  # w_q and w_k; values are not turned
        ported[place] = interleaved(w[place])
    expected, _ = r.llama_block(x, *w, rotary="halves")
    same, _ = r.llama_block(x, *ported, rotary="interleaved")
    np.testing.assert_allclose(same, expected, rtol=1e-12)
    mistaken, _ = r.llama_block(x, *w, rotary="interleaved")
    assert np.abs(mistaken - expected)[:, 0].max() < 1e-12  # at position 0 nothing is turned:
    assert np.abs(mistaken - expected)[:, 1:].max() > 0.1  # the mistake shows on longer texts


def test_the_block_is_what_the_paper_says(rng):
    x, w = rng.normal(size=(B, T, D)), block(rng)

    def norm(y, scale):
        return y / np.sqrt((y**2).mean(-1, keepdims=True) + 1e-3) * scale

    y = norm(x, w[0])
    attended, _ = r.grouped_query_attention(
        y, y, y, w[1], None, w[2], None, w[3], None, w[4], None, mask=np.tri(T, dtype=bool),
        rotary="halves", base=77.0,
    )  # fmt: skip
    h = x + attended
    n = norm(h, w[5])
    a = n @ w[6]
    expected = h + (a / (1 + np.exp(-a)) * (n @ w[7])) @ w[8]
    output, trace = r.llama_block(x, *w, base=77.0, epsilon=1e-3)
    np.testing.assert_allclose(output, expected, rtol=1e-11)
    np.testing.assert_allclose(trace.h, h, rtol=1e-11)


def test_the_future_and_the_padding_change_nothing(rng):
    x, w = rng.normal(size=(B, T, D)), block(rng)
    real = np.arange(T) < np.array([T, 3])[:, None]
    output, _ = r.llama_block(x, *w, mask=real[:, None])
    other = x.copy()
    other[0, 3:] += 5
    other[1, 3:] = 99
    changed, _ = r.llama_block(other, *w, mask=real[:, None])
    np.testing.assert_array_equal(changed[:, :3], output[:, :3])


def test_bad_weights_are_named(rng):
    x, w = rng.normal(size=(B, T, D)), heads(rng)
    with pytest.raises(ValueError, match=r"expected 9 weights .*'w_gate'.* received 2; a Llama"):
        r.llama_block(x, *w[:2])
    with pytest.raises(ValueError, match="multiple of the 4 heads of keys, received 6"):
        r.grouped_query_attention(x, x, x, *heads(rng, 4))
    with pytest.raises(ValueError, match="rotary to be one of None, 'halves', 'interleaved'"):
        r.grouped_query_attention(x, x, x, *w, rotary="pairs")
    w[4] = w[4][:, :1]
    with pytest.raises(ValueError, match=r"expected w_v of shape \(3, 2, 4\)"):
        r.grouped_query_attention(x, x, x, *w)
