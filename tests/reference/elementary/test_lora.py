"""Low-rank adaptation, by hand."""

import numpy as np
import pytest

from kerasllm import reference as ref


def test_the_correction_has_rank_r_and_a_size_that_does_not_hang_on_it(rng):
    w, a, b = rng.standard_normal((7, 5)), rng.standard_normal((7, 2)), rng.standard_normal((2, 5))
    correction = ref.lora(w, a, b, alpha=3)[0] - w
    assert np.linalg.matrix_rank(correction) == 2
    np.testing.assert_allclose(correction, 1.5 * a @ b, atol=1e-14)
    twice = ref.lora(w, np.hstack([a, a]), np.vstack([b, b]), alpha=3)[0] - w
    np.testing.assert_allclose(twice, correction, atol=1e-14)


def test_training_begins_at_the_pretrained_matrix(rng):
    w, a = rng.standard_normal((7, 5)), rng.standard_normal((7, 2))
    output, trace = ref.lora(w, a, np.zeros((2, 5)), alpha=4)
    np.testing.assert_array_equal(output, w)
    grads = ref.lora_backward(np.ones((7, 5)), trace)
    assert not grads.d_a.any() and grads.d_b.all()


def test_bad_input_is_explained(rng):
    w, a, b = rng.standard_normal((7, 5)), rng.standard_normal((7, 2)), rng.standard_normal((3, 5))
    with pytest.raises(ValueError, match=r"by b of shape \(3, 5\)"):
        ref.lora(w, a, b, alpha=1)
    with pytest.raises(ValueError, match=r"w of shape \(7, 5\), because a has"):
        ref.lora(w.T, a, b[:2], alpha=1)
