"""Copying: probabilities that a human can add up."""

import numpy as np
import pytest

from kerasllm import reference as ref

B, T, S, D, V = 2, 3, 5, 7, 11
SOURCE = np.array([[7, 3, 7, 9, 7], [4, 6, 1, 0, 0]])


def arguments(rng, scale=1.0):
    alpha = rng.random((B, T, S)) * (SOURCE > 0)[:, None]
    alpha /= alpha.sum(axis=-1, keepdims=True)
    x, logits = scale * rng.standard_normal((B, T, D)), scale * rng.standard_normal((B, T, V))
    return x, logits, alpha, SOURCE, rng.standard_normal((D, 1)), rng.standard_normal(1)


def test_equal_words_of_the_source_add_up():
    """Half of p is spread over 4 words, an eighth each; the other half is (0, ½, 0, ¼ + ¼)/2."""
    alpha, source = np.array([[[0.25, 0.5, 0.25]]]), np.array([[3, 1, 3]])
    output, _ = ref.pointer_generator(
        np.zeros((1, 1, 2)), np.zeros((1, 1, 4)), alpha, source, np.zeros((2, 1)), np.zeros(1)
    )
    np.testing.assert_allclose(np.exp(output[0, 0]), [1 / 8, 3 / 8, 1 / 8, 3 / 8], rtol=1e-14)


def test_probabilities_sum_to_one(rng):
    output, _ = ref.pointer_generator(*arguments(rng))
    np.testing.assert_allclose(np.exp(output).sum(axis=-1), 1, rtol=1e-13)


def test_a_shut_gate_copies_and_an_open_one_generates(rng):
    x, logits, alpha, source, w, b = arguments(rng)
    shut, trace = ref.pointer_generator(x, logits, alpha, source, 0 * w, b - 60)
    np.testing.assert_allclose(np.exp(shut[0, :, 7]), alpha[0][:, [0, 2, 4]].sum(axis=-1))
    assert np.exp(shut[0, :, 8]).max() < 1e-20
    opened, _ = ref.pointer_generator(x, logits, alpha, source, 0 * w, b + 60)
    np.testing.assert_allclose(opened, ref.log_softmax(logits)[0], atol=1e-14)
    # All of ln p[7] is copied: its gradient is 1 / copied at each of its three places.
    d_output = np.tile(np.eye(V)[7], (B, T, 1))
    d_alpha = ref.pointer_generator_backward(d_output, trace).d_alpha
    expected = 1 / alpha[0][:, [0, 2, 4]].sum(axis=-1)
    np.testing.assert_allclose(d_alpha[0], expected[:, None] * [1, 0, 1, 0, 1], rtol=1e-12)


def test_padding_gets_no_gradient(rng):
    _, trace = ref.pointer_generator(*arguments(rng))
    d_alpha = ref.pointer_generator_backward(rng.standard_normal((B, T, V)), trace).d_alpha
    assert not d_alpha[1, :, 3:].any() and d_alpha[1, :, :3].all()


def test_large_logits_neither_overflow_nor_underflow(rng):
    output, trace = ref.pointer_generator(*arguments(rng, scale=1e4))
    grads = ref.pointer_generator_backward(np.ones((B, T, V)), trace)
    assert np.isfinite(output).all() and all(np.isfinite(g).all() for g in grads)


def test_bad_input_is_explained(rng):
    x, logits, alpha, source, w, b = arguments(rng)
    with pytest.raises(ValueError, match="source from 0 to 10, received 11"):
        ref.pointer_generator(x, logits, alpha, source + 4 * (source == 7), w, b)
    with pytest.raises(ValueError, match=r"alpha of shape \(2, 3, 5\).*source has shape"):
        ref.pointer_generator(x, logits, alpha[..., :4], source, w, b)
    with pytest.raises(ValueError, match=r"x w of shape \(2, 3, 1\)"):
        ref.pointer_generator(x, logits, alpha, source, np.zeros((D, 2)), np.zeros(2))
