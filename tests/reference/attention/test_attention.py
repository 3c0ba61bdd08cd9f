"""Attention: what a human can derive, what must hold for any shape, and errors for a learner."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasllm import reference as r

B, T, S, D, H, N, K, V = 2, 5, 7, 3, 11, 2, 5, 3


def triple(rng, query_features=D):
    return (
        rng.standard_normal((B, T, query_features)),
        rng.standard_normal((B, S, D)),
        rng.standard_normal((B, S, V)),
    )


def heads(rng, D=D, N=N, K=K, V=V):
    shapes = [(D, N, K), (N, K), (D, N, K), (N, K), (D, N, V), (N, V), (N, V, D), (D,)]
    return [rng.standard_normal(shape) for shape in shapes]


def flavours(rng):
    """Return each attention as a function of (query, key, value, mask), with random weights."""
    w, v = rng.standard_normal, rng.standard_normal(H)
    w_q, w_k, w_g, w_c = w((D, H)), w((D, H)), w((D, D)), w((2 * D, H))
    m = heads(rng)
    return {
        "scaled": lambda q, k, x, mask=None: r.scaled_dot_product_attention(q, k, x, mask),
        "dot": lambda q, k, x, mask=None: r.dot_attention(q, k, x, mask),
        "general": lambda q, k, x, mask=None: r.general_attention(q, k, x, w_g, mask),
        "concat": lambda q, k, x, mask=None: r.concat_attention(q, k, x, w_c, v, mask),
        "additive": lambda q, k, x, mask=None: r.additive_attention(q, k, x, w_q, w_k, v, mask),
        "heads": lambda q, k, x, mask=None: r.multi_head_attention(q, k, x, *m, mask=mask),
    }


FLAVOURS = ("scaled", "dot", "general", "concat", "additive", "heads")
BACKWARD = {
    "scaled": r.scaled_dot_product_attention_backward,
    "dot": r.dot_attention_backward,
    "general": r.general_attention_backward,
    "concat": r.concat_attention_backward,
    "additive": r.additive_attention_backward,
    "heads": r.multi_head_attention_backward,
}


def test_equal_scores_average_the_values(rng):
    _, key, value = triple(rng)
    query = np.zeros((B, T, D))
    output, trace = r.scaled_dot_product_attention(query, key, value)
    np.testing.assert_allclose(trace.weights, 1 / S)
    expected = np.broadcast_to(value.mean(axis=1, keepdims=True), (B, T, V))
    np.testing.assert_allclose(output, expected, atol=1e-15)


def test_a_query_with_one_key_reads_its_value(rng):
    query, key, value = triple(rng)
    mask = np.eye(T, S, k=2, dtype=bool)  # query t sees key t + 2 alone
    for name, attend in flavours(rng).items():
        if name != "heads":
            np.testing.assert_allclose(attend(query, key, value, mask)[0], value[:, 2:], rtol=1e-12)


def test_scores_are_divided_by_the_root_of_the_key_size(rng):
    query, key, value = triple(rng)
    _, trace = r.scaled_dot_product_attention(query, key, value)
    assert trace.scores[1, 4, 6] == pytest.approx(query[1, 4] @ key[1, 6] / D**0.5, rel=1e-13)
    _, trace = r.multi_head_attention(query, key, value, *heads(rng))
    q, k = trace.q[1, 1, 4], trace.k[1, 1, 6]
    assert trace.parts[3].scores[1, 1, 4, 6] == pytest.approx(q @ k / K**0.5, rel=1e-13)
    _, trace = r.multi_head_attention(query, key, value, *heads(rng), scale=2.0)
    q, k = trace.q[1, 1, 4], trace.k[1, 1, 6]
    assert trace.parts[3].scores[1, 1, 4, 6] == pytest.approx(2 * q @ k, rel=1e-13)


def test_head_by_head_loop_gives_the_same(rng):
    query, key, value = triple(rng)
    w_q, b_q, w_k, b_k, w_v, b_v, w_o, b_o = heads(rng)
    expected = b_o
    for n in range(N):
        q, k, v = query @ w_q[:, n] + b_q[n], key @ w_k[:, n] + b_k[n], value @ w_v[:, n] + b_v[n]
        e = np.exp(q @ k.swapaxes(1, 2) / K**0.5)
        expected = expected + e / e.sum(axis=-1, keepdims=True) @ v @ w_o[n]
    output, _ = r.multi_head_attention(query, key, value, *heads(np.random.default_rng(8)))
    assert np.abs(output - expected).max() > 0.1  # other weights: another result
    output, _ = r.multi_head_attention(
        query, key, value, w_q, b_q, w_k, b_k, w_v, b_v, w_o, b_o
    )  # fmt: skip
    np.testing.assert_allclose(output, expected, rtol=1e-12)


def test_no_bias_is_a_bias_of_zeros(rng):
    query, key, value = triple(rng)
    w_q, b_q, w_k, b_k, w_v, b_v, w_o, b_o = heads(rng)
    zero = [w_q, 0 * b_q, w_k, 0 * b_k, w_v, 0 * b_v, w_o, 0 * b_o]
    expected, _ = r.multi_head_attention(query, key, value, *zero)
    none = [w_q, None, w_k, None, w_v, None, w_o, None]
    output, trace = r.multi_head_attention(query, key, value, *none)
    np.testing.assert_array_equal(output, expected)
    grads = r.multi_head_attention_backward(np.ones_like(output), trace)
    assert grads.d_b_q is None and grads.d_b_o is None and grads.d_w_q.shape == w_q.shape


def test_the_bias_of_the_keys_changes_nothing(rng):
    query, key, value = triple(rng)
    weights = heads(rng)
    output, trace = r.multi_head_attention(query, key, value, *weights)
    grads = r.multi_head_attention_backward(rng.standard_normal(output.shape), trace)
    np.testing.assert_allclose(grads.d_b_k, 0, atol=1e-13)
    weights[3] = weights[3] + 3.0
    np.testing.assert_allclose(r.multi_head_attention(query, key, value, *weights)[0], output)


def test_concat_is_additive_attention_with_the_matrix_cut_in_two(rng):
    query, key, value = triple(rng, query_features=2)
    w, v = rng.standard_normal((2 + D, H)), rng.standard_normal(H)
    output, trace = r.concat_attention(query, key, value, w, v)
    pair = np.concatenate([query[1, 3], key[1, 6]])
    assert trace.scores[1, 3, 6] == pytest.approx(np.tanh(pair @ w) @ v, rel=1e-13)
    np.testing.assert_array_equal(
        output, r.additive_attention(query, key, value, w[:2], w[2:], v)[0]
    )


@pytest.mark.parametrize("name", FLAVOURS)
def test_a_query_without_keys_reads_zeros_and_sends_no_gradient(rng, name):
    query, key, value = triple(rng)
    mask = rng.random((B, T, S)) < 0.5
    mask[:, 0], mask[1, 3] = True, False
    output, trace = flavours(rng)[name](query, key, value, mask)
    inside = output - output[1, 3] if name == "heads" else output  # the mix adds its bias
    np.testing.assert_array_equal(inside[1, 3], 0)
    np.testing.assert_array_equal(trace.weights[1, ..., 3, :], 0)
    d_output = np.zeros_like(output)
    d_output[1, 3] = 1.0
    grads = BACKWARD[name](d_output, trace)
    for d in (grads.d_query, grads.d_key, grads.d_value):
        np.testing.assert_array_equal(d, 0)


def test_a_query_without_keys_may_average_all_values(rng):
    query, key, value = triple(rng)
    mask = np.ones((T, S), dtype=bool)
    mask[3] = False
    output, _ = r.scaled_dot_product_attention(query, key, value, mask, fully_masked="uniform")
    np.testing.assert_allclose(output[:, 3], value.mean(axis=1), rtol=1e-12)
    others = np.delete(output, 3, axis=1)
    expected, _ = r.scaled_dot_product_attention(np.delete(query, 3, axis=1), key, value)
    np.testing.assert_allclose(others, expected, rtol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(1, S), name=st.sampled_from(FLAVOURS))
def test_padding_changes_nothing_and_gets_no_gradient(seed, length, name):
    rng = np.random.default_rng(seed)
    query, key, value = triple(rng)
    attend = flavours(rng)[name]
    mask = r.padding_mask(np.tile(np.arange(S) < length, (B, 1)))
    output, trace = attend(query, key, value, mask)
    short, _ = attend(query, key[:, :length], value[:, :length])
    np.testing.assert_allclose(output, short, rtol=1e-10, atol=1e-12)
    grads = BACKWARD[name](rng.standard_normal(output.shape), trace)
    assert not grads.d_key[:, length:].any() and not grads.d_value[:, length:].any()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), t=st.integers(0, T - 2), name=st.sampled_from(FLAVOURS))
def test_the_future_does_not_reach_back(seed, t, name):
    rng = np.random.default_rng(seed)
    attend = flavours(rng)[name]
    x = rng.standard_normal((B, T, D))
    changed = x.copy()
    changed[:, t + 1 :] += rng.standard_normal(changed[:, t + 1 :].shape)
    mask = r.causal_mask(T)
    before, after = attend(x, x, x, mask)[0], attend(changed, changed, changed, mask)[0]
    np.testing.assert_allclose(after[:, : t + 1], before[:, : t + 1], rtol=1e-12, atol=1e-12)
    assert np.abs(after[:, t + 1 :] - before[:, t + 1 :]).max() > 1e-6


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(FLAVOURS))
def test_attention_alone_does_not_know_the_order(seed, name):
    rng = np.random.default_rng(seed)
    query, key, value = triple(rng)
    attend, mask = flavours(rng)[name], rng.random((B, T, S)) < 0.7
    rows, columns = rng.permutation(T), rng.permutation(S)
    output = attend(query, key, value, mask)[0]
    shuffled_mask = mask[:, rows][:, :, columns]
    shuffled = attend(query[:, rows], key[:, columns], value[:, columns], shuffled_mask)[0]
    np.testing.assert_allclose(shuffled, output[:, rows], rtol=1e-9, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(FLAVOURS))
def test_weights_are_shares_and_texts_do_not_mix(seed, name):
    rng = np.random.default_rng(seed)
    query, key, value = triple(rng)
    attend, mask = flavours(rng)[name], rng.random((B, T, S)) < 0.7
    output, trace = attend(query, key, value, mask)
    sums = trace.weights.sum(axis=-1)
    seeing = mask.any(axis=-1)[:, None] if name == "heads" else mask.any(axis=-1)
    np.testing.assert_allclose(sums, np.broadcast_to(seeing, sums.shape), atol=1e-12)
    alone, _ = attend(query[1:], key[1:], value[1:], mask[1:])
    np.testing.assert_allclose(alone, output[1:], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FLAVOURS)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_any_float_dtype_is_honoured(dtype, name):
    rng = np.random.default_rng(3)
    query, key, value = (a.astype(dtype) for a in triple(rng))

    class Half:  # draws weights of the same dtype
        @staticmethod
        def standard_normal(shape):
            return (rng.standard_normal(shape) / 2).astype(dtype)

    mask = r.causal_mask(T, S)
    output, trace = flavours(Half)[name](query, key, value, mask)
    grads = BACKWARD[name](np.ones_like(output), trace)
    assert {output.dtype, trace.weights.dtype} == {np.dtype(dtype)}
    assert {g.dtype for g in grads} == {np.dtype(dtype)}


def test_scores_of_any_size_do_not_overflow():
    x = np.array([[[1e4], [-1e4], [0.0]]])
    output, trace = r.scaled_dot_product_attention(x, x, x, r.causal_mask(3))
    assert np.isfinite(output).all()
    np.testing.assert_allclose(trace.weights[0, 2], [1 / 3] * 3)


def test_inputs_are_left_alone(rng):
    arrays = triple(rng)
    copies = [a.copy() for a in arrays]
    for name, attend in flavours(rng).items():
        output, trace = attend(*arrays, r.causal_mask(T, S))
        BACKWARD[name](np.ones_like(output), trace)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_bad_input_is_explained(rng):
    query, key, value = triple(rng)
    attend, m = r.scaled_dot_product_attention, heads(rng)
    w, v = rng.standard_normal((D, H)), rng.standard_normal(H)
    with pytest.raises(ValueError, match=r"expected key of shape \(2, 7, 3\).*axis 2: 2 instead"):
        attend(query, key[..., :2], value)
    with pytest.raises(ValueError, match=r"one value to each key.*axis 1: 6 instead of 7"):
        attend(query, key, value[:, :6])
    with pytest.raises(ValueError, match=r"expected key .*axis 0: 1 instead of 2"):
        attend(query, key[:1], value)
    with pytest.raises(ValueError, match=r"mask\[:, None, :\]"):
        attend(query, key, value, np.ones((B, S), dtype=bool))
    with pytest.raises(ValueError, match="additive mask"):
        attend(query, key, value, np.full((T, S), -1e9))
    with pytest.raises(ValueError, match="additive mask"):
        r.multi_head_attention(query, key, value, *m, mask=np.where(r.causal_mask(T, S), 0.0, -1e9))
    with pytest.raises(ValueError, match="empty sequences"):
        attend(query, key[:, :0], value[:, :0])
    with pytest.raises(ValueError, match="fully_masked"):
        attend(query, key, value, fully_masked="nan")
    with pytest.raises(TypeError, match="query of a float dtype"):
        attend(query.astype(int), key, value)
    with pytest.raises(ValueError, match="finite numbers in value"):
        attend(query, key, value * np.nan)
    with pytest.raises(ValueError, match=r"w_k of shape \(3, 2, 5\)"):
        r.multi_head_attention(query, key, value, *m[:2], m[2][:2], *m[3:])
    with pytest.raises(TypeError, match="w_v of a float dtype"):
        r.multi_head_attention(query, key, value, *m[:4], np.ones_like(m[4], int), *m[5:])
    with pytest.raises(ValueError, match=r"w_o of shape \(2, 3, 3\)"):
        r.multi_head_attention(query, key, value, *m[:6], m[6].swapaxes(0, 1), m[7])
    with pytest.raises(ValueError, match=r"query of shape \(B, T, D\)"):
        r.multi_head_attention(query[0], key, value, *m)
    with pytest.raises(ValueError, match=r"w_k of shape \(3, 11\)"):
        r.additive_attention(query, key, value, w, w.T, v)
    with pytest.raises(ValueError, match=r"w of shape \(3, 3\)"):
        r.general_attention(query, key, value, w)
    with pytest.raises(ValueError, match=r"w of shape \(6, 11\)"):
        r.concat_attention(query, key, value, w, v)


# Seeded mistakes: each must be far from the truth, or the tests above prove nothing.
def no_root(query, key, value, mask):
    return r.scaled_dot_product_attention(query, key, value, mask, scale=1.0)[0]


def wrong_axis(query, key, value, mask):
    scores = np.where(mask, query @ key.swapaxes(1, 2) / D**0.5, -1e9)
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True) @ value


def mask_inverted(query, key, value, mask):
    return r.scaled_dot_product_attention(query, key, value, ~mask)[0]


def mask_added_after(query, key, value, mask):
    _, trace = r.scaled_dot_product_attention(query, key, value)
    return trace.weights * mask @ value  # not renormalised


@pytest.mark.parametrize("mistake", [no_root, wrong_axis, mask_inverted, mask_added_after])
def test_seeded_mistakes_show(rng, mistake):
    arrays, mask = triple(rng), np.tri(T, S, k=1, dtype=bool)
    right = r.scaled_dot_product_attention(*arrays, mask)[0]
    assert np.abs(mistake(*arrays, mask) - right).max() > 1e-2


def test_a_padding_mask_hides_whatever_id_is_the_padding():
    mask = r.padding_mask([[5, 0, 7], [7, 7, 0]], pad=7)
    assert mask.tolist() == [[[True, True, False]], [[False, False, True]]]
