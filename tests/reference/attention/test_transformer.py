"""Transformer blocks: what the composition promises, and what the masks promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasllm import reference as r

B, T, S, D, N, K, H = 2, 5, 7, 3, 2, 5, 11
SIZES = {
    "w_q": (D, N, K), "b_q": (N, K), "w_k": (D, N, K), "b_k": (N, K), "w_v": (D, N, K),
    "b_v": (N, K), "w_o": (N, K, D), "b_o": (D,), "w_1": (D, H), "b_1": (H,), "w_2": (H, D),
    "b_2": (D,),
}  # fmt: skip


def weights(names, rng, dtype="float64"):
    shapes = [SIZES.get(name.removeprefix("cross_"), (D,)) for name in names]
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def encoder(rng, **options):
    w = weights(r.ENCODER_WEIGHTS, rng)
    return lambda x, mask=None: r.transformer_encoder(x, *w, mask=mask, **options)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_silent_block_passes_its_input_on(rng, norm):
    x, w = rng.standard_normal((B, T, D)), weights(r.ENCODER_WEIGHTS, rng)
    silent = ("w_o", "b_o", "w_2", "b_2")
    w = [0 * a if n in silent else a for n, a in zip(r.ENCODER_WEIGHTS, w, strict=True)]
    output, _ = r.transformer_encoder(x, *w, norm=norm)
    if norm == "pre":
        np.testing.assert_array_equal(output, x)  # the residual path is never interrupted
    else:
        h, _ = r.layer_norm(x, *w[8:10])
        np.testing.assert_allclose(output, r.layer_norm(h, *w[14:])[0], rtol=1e-13)


def test_pre_and_post_norm_are_what_the_paper_says(rng):
    x, w = rng.standard_normal((B, T, D)), weights(r.ENCODER_WEIGHTS, rng)

    def attend(y):
        return r.multi_head_attention(y, y, y, *w[:8])[0]

    def think(y):
        return np.maximum(y @ w[10] + w[11], 0) @ w[12] + w[13]

    def ln_1(y):
        return r.layer_norm(y, *w[8:10], epsilon=1e-5)[0]

    def ln_2(y):
        return r.layer_norm(y, *w[14:], epsilon=1e-5)[0]

    h = ln_1(x + attend(x))
    post, trace = r.transformer_encoder(x, *w, norm="post", epsilon=1e-5)
    np.testing.assert_allclose(post, ln_2(h + think(h)), rtol=1e-12)
    np.testing.assert_allclose(trace.h[0], h, rtol=1e-12)
    h = x + attend(ln_1(x))
    pre, _ = r.transformer_encoder(x, *w, norm="pre", epsilon=1e-5)
    np.testing.assert_allclose(pre, h + think(ln_2(h)), rtol=1e-12)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, T), st.sampled_from(["pre", "post"]))
def test_padding_changes_nothing_real(seed, length, norm):
    rng = np.random.default_rng(seed)
    block, x = encoder(rng, norm=norm), rng.standard_normal((B, T, D))
    mask = r.padding_mask(np.tile(np.arange(T) < length, (B, 1)))
    output, trace = block(x, mask)
    np.testing.assert_allclose(output[:, :length], block(x[:, :length])[0], rtol=1e-9, atol=1e-10)
    d_output = rng.standard_normal(output.shape)
    d_output[:, length:] = 0  # a loss that leaves padding out
    assert not r.transformer_encoder_backward(d_output, trace).d_x[:, length:].any()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, T - 2), st.sampled_from(["pre", "post"]))
def test_causal_blocks_do_not_look_ahead(seed, t, norm):
    rng = np.random.default_rng(seed)
    x, memory = rng.standard_normal((B, T, D)), rng.standard_normal((B, S, D))
    changed = x.copy()
    changed[:, t + 1 :] += 1.0 + rng.random(changed[:, t + 1 :].shape)
    block, w = encoder(rng, norm=norm), weights(r.DECODER_WEIGHTS, rng)
    for f in (
        lambda x: block(x, r.causal_mask(T))[0],
        lambda x: r.transformer_decoder(x, memory, *w, norm=norm)[0],
    ):
        np.testing.assert_allclose(
            f(changed)[:, : t + 1], f(x)[:, : t + 1], rtol=1e-9, atol=1e-10
        )  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["pre", "post"]))
def test_without_positions_an_encoder_does_not_know_the_order(seed, norm):
    rng = np.random.default_rng(seed)
    block, x, order = encoder(rng, norm=norm), rng.standard_normal((B, T, D)), rng.permutation(T)
    np.testing.assert_allclose(block(x[:, order])[0], block(x)[0][:, order], rtol=1e-8, atol=1e-9)


def test_the_decoder_reads_only_real_memory(rng):
    x, memory = rng.standard_normal((B, T, D)), rng.standard_normal((B, S, D))
    w = weights(r.DECODER_WEIGHTS, rng)
    mask = r.padding_mask(np.tile(np.arange(S) < 4, (B, 1)))
    output, trace = r.transformer_decoder(x, memory, *w, memory_mask=mask)
    expected, _ = r.transformer_decoder(x, memory[:, :4], *w)
    np.testing.assert_allclose(output, expected, rtol=1e-11)
    grads = r.transformer_decoder_backward(rng.standard_normal(output.shape), trace)
    assert not grads.d_memory[:, 4:].any() and grads.d_memory[:, :4].any()
    # A mask of the target joins the causal mask, and does not replace it.
    every = np.ones((B, 1, T), dtype=bool)
    same, _ = r.transformer_decoder(x, memory[:, :4], *w, mask=every)
    np.testing.assert_array_equal(same, expected)


def test_float32_stays_float32(rng):
    x, w = rng.standard_normal((B, T, D)), weights(r.DECODER_WEIGHTS, rng, "float32")
    x = x.astype("float32")
    output, trace = r.transformer_decoder(x, x, *w, norm="pre", activation="gelu")
    grads = r.transformer_decoder_backward(output, trace)
    assert output.dtype == np.float32 and {g.dtype for g in grads} == {np.dtype("float32")}


def test_bad_input_is_explained(rng):
    x, w = rng.standard_normal((B, T, D)), weights(r.ENCODER_WEIGHTS, rng)
    with pytest.raises(ValueError, match=r"expected 16 weights .*received 15"):
        r.transformer_encoder(x, *w[:-1])
    with pytest.raises(ValueError, match=r"expected 26 weights"):
        r.transformer_decoder(x, x, *w)
    with pytest.raises(ValueError, match=r"norm to be one of .*received 'middle'"):
        r.transformer_encoder(x, *w, norm="middle")
    with pytest.raises(ValueError, match="activation to be one of"):
        r.transformer_encoder(x, *w, activation="swish")
    with pytest.raises(ValueError, match=r"w_2 of shape .* because w_1 has shape"):
        r.transformer_encoder(x, *w[:12], w[12][:-1], *w[13:])
    with pytest.raises(ValueError, match="empty"):
        r.transformer_encoder(x[:, :0], *w)
