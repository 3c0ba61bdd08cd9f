"""Sinusoids and rotations."""

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm.layers.positions import rotate, sinusoids

pytestmark = pytest.mark.backends


def test_sinusoids_are_those_of_the_reference_and_of_the_paper():
    table = sinusoids(7, 10)
    assert np.abs(table - ref.sinusoidal_table(7, 10)).max() < 1e-14
    t, i = 5, 3
    angle = t / 10000 ** (2 * i / 10)
    assert np.allclose(table[t, 2 * i : 2 * i + 2], [np.sin(angle), np.cos(angle)], atol=1e-14)


@pytest.mark.parametrize("start", [0, 7])
def test_rotation_is_that_of_the_reference(start, rng, numpy, precision):
    dtype, tolerance = precision
    x = rng.normal(size=(2, 5, 3, 14)).astype(dtype)  # (B, T, N, K)
    theirs = ref.rotary(x.swapaxes(1, 2), offset=start)[0].swapaxes(1, 2)
    assert np.abs(numpy(rotate(keras.ops.convert_to_tensor(x), start)) - theirs).max() < tolerance


def test_the_product_of_query_and_key_depends_on_their_distance_alone(rng, numpy):
    q, k = (np.repeat(rng.normal(size=(1, 1, 1, 6)), 17, axis=1) for _ in range(2))
    q, k = (numpy(rotate(keras.ops.convert_to_tensor(x.astype("float32")))) for x in (q, k))
    scores = q[0, :, 0] @ k[0, :, 0].T
    for distance in range(-16, 17):
        assert np.ptp(np.diagonal(scores, distance)) < 1e-4
    # … and does depend on it, on its sign too
    assert abs(scores[0, 3] - scores[3, 0]) > 1e-2
    assert abs(scores[0, 1] - scores[0, 2]) > 1e-2


def test_rotation_keeps_lengths_and_leaves_position_0(rng, numpy):
    x = rng.normal(size=(2, 5, 3, 4)).astype("float32")
    y = numpy(rotate(keras.ops.convert_to_tensor(x)))
    assert np.allclose(np.linalg.norm(y, axis=-1), np.linalg.norm(x, axis=-1), atol=1e-5)
    assert np.array_equal(y[:, 0], x[:, 0])


def test_half_precision_knows_positions_above_256(numpy):
    x = keras.ops.ones((1, 600, 1, 4))
    exact = numpy(rotate(x))
    half = rotate(keras.ops.cast(x, "bfloat16"))
    assert keras.backend.standardize_dtype(half.dtype) == "bfloat16"
    assert np.abs(numpy(keras.ops.cast(half, "float32")) - exact).max() < 0.02
