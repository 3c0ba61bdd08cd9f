"""Features from letters: filters that a human can read."""

import numpy as np
import pytest

from kerasllm import reference as ref

WORDS = np.array([[[3, 1, 4, 1], [2, 6, 0, 0]], [[5, 0, 0, 0], [0, 0, 0, 0]]])


def random(rng, K=3, letters=7, E=2, F=5):
    return [rng.standard_normal(shape) for shape in ((letters, E), (K, E, F), (F,))]


def test_a_filter_finds_an_ending_and_not_the_letters_alone():
    """ "ed" answers 2, "de" 1; a lone "d" only ever stands under the left half, which wants "e"."""
    a, d, e = 1, 2, 3
    kernel = np.zeros((2, 4, 1))
    kernel[0, e] = kernel[1, d] = 1
    words = np.array([[[a, e, d, 0], [d, e, a, 0], [d, 0, 0, 0], [a, a, a, 0]]])  # aed, dea, d, aaa
    output, _ = ref.character_cnn(words, np.eye(4), kernel, np.zeros(1))
    assert output[0, :, 0].tolist() == [2, 1, 0, 0]


def test_negative_answers_win_against_padding():
    output, _ = ref.character_cnn(
        np.array([[[1, 0, 0]]]), np.array([[9.0], [1.0]]), np.array([[[-4.0]]]), np.array([-1.0])
    )
    assert output.item() == -5


@pytest.mark.parametrize("K", [1, 2, 3, 5])
def test_more_padding_changes_nothing(rng, K):
    weights = random(rng, K)
    wider = np.pad(WORDS, ((0, 0), (0, 1), (0, 3)))
    output, _ = ref.character_cnn(WORDS, *weights)
    padded, _ = ref.character_cnn(wider, *weights)
    np.testing.assert_allclose(padded[:, :2], output, atol=1e-15)
    assert not padded[:, 2].any() and not output[1, 1].any()


def test_letters_of_one_maximum_share_its_gradient():
    """ "aaa" has three equal answers: a third each. The kernel sees the letter with its share."""
    _, trace = ref.character_cnn(
        np.array([[[1, 1, 1, 0]]]), np.array([[0.0], [2.0]]), np.ones((1, 1, 1)), np.zeros(1)
    )
    grads = ref.character_cnn_backward(np.ones((1, 1, 1)), trace)
    np.testing.assert_allclose(grads.d_x.ravel(), [1 / 3, 1 / 3, 1 / 3, 0])
    assert grads.d_table.ravel().round(12).tolist() == [0, 1]
    assert grads.d_kernel.round(12).item() == 2


def test_bad_input_is_explained(rng):
    table, kernel, bias = random(rng)
    with pytest.raises(ValueError, match=r"ids of shape \(B, T, W\) with 3 axes"):
        ref.character_cnn(WORDS[0], table, kernel, bias)
    with pytest.raises(ValueError, match="ids from 0 to 4, received 6"):
        ref.character_cnn(WORDS, table[:5], kernel, bias)
    with pytest.raises(ValueError, match=r"kernel of shape \(K, E, F\)"):
        ref.character_cnn(WORDS, table, kernel[0], bias)
