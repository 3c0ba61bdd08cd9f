"""The decoder with attention: what a human can derive, and what must hold for any source."""

import numpy as np
import pytest

from kerasllm import reference as ref

B, T, S, D, M, H = 2, 3, 7, 5, 6, 11
REAL = np.arange(S) < np.array([4, S])[:, None]


def shapes(H=H, cell="lstm"):
    """Return the shapes of one cell, of no attention, and of the rest."""
    gates, bias, states = (4, (4 * H,), 2) if cell == "lstm" else (3, (2, 3 * H), 1)
    kernels = [(D + H, gates * H), (H, gates * H), bias]
    return kernels, [(H + M, H), (H,)], [(M, states * H), (states * H,)]


def decoder(rng, score=((H, M),), **options):
    """Return a decoder with random weights, as a function of x, the source and its mask."""
    cell, combine, begin = shapes(**options)
    weights = [0.7 * rng.standard_normal(shape) for shape in (*cell, *score, *combine, *begin)]
    return lambda x, source, mask=None: ref.attention_decoder(x, source, *weights, source_mask=mask)


def inputs(rng):
    return rng.standard_normal((B, T, D)), rng.standard_normal((B, S, M))


def test_without_scores_every_real_token_counts_the_same(rng):
    x, source = inputs(rng)
    cell, combine, begin = shapes(M)
    weights = [np.zeros(shape) for shape in (*cell, *combine, *begin)]
    weights[-4] = np.concatenate([np.zeros((M, M)), np.eye(M)])  # w_c reads the context alone
    (fed, alpha), trace = ref.attention_decoder(
        x, source, *weights, attention="dot", source_mask=REAL
    )
    means = np.stack([source[0, :4].mean(axis=0), source[1].mean(axis=0)])
    np.testing.assert_allclose(trace.context, np.repeat(means[:, None], T, axis=1), atol=1e-15)
    np.testing.assert_allclose(fed[:, 0], np.tanh(means), atol=1e-15)
    assert alpha[0, 0].tolist() == [0.25] * 4 + [0] * 3


def test_a_state_that_is_kept_is_where_the_encoder_ended(rng):
    """With the update gate shut, a GRU keeps its first state: tanh of the encoder's two ends."""
    x, source = inputs(rng)
    cell, combine, begin = shapes(M, "gru")
    weights = [np.zeros(shape) for shape in (*cell, *combine, *begin)]
    weights[2][0, :M] = 50  # z = 1
    weights[-2] = np.eye(M)
    options = {"cell": "gru", "attention": "dot", "source_mask": REAL}
    _, trace = ref.attention_decoder(x, source, *weights, **options)
    ends = np.concatenate([source[[0, 1], [3, S - 1], : M // 2], source[:, 0, M // 2 :]], axis=1)
    np.testing.assert_allclose(trace.h, np.repeat(np.tanh(ends)[:, None], T, axis=1), atol=1e-15)
    # So it asks the same question at every step, and the nearest answer wins.
    scores = np.einsum("bm,bsm->bs", np.tanh(ends), source)
    np.testing.assert_allclose(trace.scores[:, 1], scores, atol=1e-12)


def test_a_source_of_one_token_is_what_is_read(rng):
    x, source = inputs(rng)
    (_, alpha), trace = decoder(rng)(x, source[:, :1])
    assert (alpha == 1).all()
    np.testing.assert_allclose(trace.context, np.repeat(source[:, :1], T, axis=1), rtol=1e-14)


def test_padding_of_the_source_changes_nothing_and_gets_no_gradient(rng):
    x, source = inputs(rng)
    run = decoder(rng)
    output, trace = run(x, source, REAL)
    changed, _ = run(x, np.where(REAL[..., None], source, 9.0), REAL)
    alone, _ = run(x[:1], source[:1, :4])
    np.testing.assert_array_equal(output[0], changed[0])
    np.testing.assert_allclose(output[0][:1], alone[0], atol=1e-13)
    grads = ref.attention_decoder_backward(tuple(map(np.ones_like, output)), trace)
    assert not grads.d_source[~REAL].any() and grads.d_source[REAL].all()


def test_what_was_said_is_heard_and_the_future_is_not(rng):
    x, source = inputs(rng)
    run = decoder(rng)
    (fed, _), _ = run(x, source)
    other = x.copy()
    other[:, 1] += 1
    (moved, _), _ = run(other, source)
    np.testing.assert_array_equal(fed[:, 0], moved[:, 0])
    assert (fed[:, 1:] != moved[:, 1:]).all()


def test_steps_are_the_whole(rng):
    x, source = inputs(rng)
    _, trace = decoder(rng)(x, source, REAL)
    weights = (
        *trace.steps[0].cells.layers[0][1:4],
        trace.steps[0].asked.w,
        *trace.steps[0].combine[1:],
    )
    fed, states = np.zeros((B, H)), trace.states_0
    for t in range(T):
        (fed, alpha, states), _ = ref.attention_decoder_step(
            x[:, t], fed, states, source, *weights, source_mask=REAL
        )
        np.testing.assert_array_equal(fed, trace.fed[:, t])
        np.testing.assert_array_equal(alpha, trace.alpha[:, t])


def test_bad_input_is_explained(rng):
    x, source = inputs(rng)
    cell, combine, begin = shapes()
    weights = [np.zeros(shape) for shape in (*cell, (H, M), *combine, *begin)]
    with pytest.raises(ValueError, match=r"3 weights a cell, 3 of the attention 'bahdanau'"):
        ref.attention_decoder(x, source, *weights, attention="bahdanau")
    with pytest.raises(ValueError, match="attention to be one of 'bahdanau'"):
        ref.attention_decoder(x, source, *weights, attention="luong")
    with pytest.raises(ValueError, match="cell to be one of 'lstm', 'gru'"):
        ref.attention_decoder(x, source, *weights, cell="rnn")
    with pytest.raises(ValueError, match="features of two directions, received an odd number, 5"):
        ref.attention_decoder(x, source[..., :5], *weights)
    with pytest.raises(ValueError, match=r"expected mask of shape \(2, 7\)"):
        ref.attention_decoder(x, source, *weights, source_mask=REAL[:, :3])
    with pytest.raises(ValueError, match="at least one step"):
        ref.attention_decoder(x[:, :0], source, *weights)
