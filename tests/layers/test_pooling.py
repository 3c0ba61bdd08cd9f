"""Pooling against NumPy, text by text."""

import keras
import numpy as np
import pytest

from kerasllm.layers import MaskedPooling

pytestmark = pytest.mark.backends
D = 3
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]], dtype=bool)


def _softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


EQUATIONS = {
    "mean": lambda x, w: x.mean(axis=0),
    "max": lambda x, w: x.max(axis=0),
    "mean_max": lambda x, w: np.concatenate([x.mean(axis=0), x.max(axis=0)]),
    "last": lambda x, w: x[-1],
    "attention": lambda x, w: _softmax(x @ w) @ x,
}


def _pool(mode, x, dtype="float32", mask=MASK, w=None):
    layer = MaskedPooling(mode, dtype=dtype)
    layer.build(x.shape)
    if w is not None and mode == "attention":
        layer.set_weights([w])
    return layer(keras.ops.convert_to_tensor(x.astype(dtype)), mask=mask)


@pytest.mark.parametrize("mode", EQUATIONS)
def test_equation(mode, rng, numpy, precision):
    dtype, tolerance = precision
    x, w = rng.normal(size=(4, 5, D)) - 3, rng.normal(size=D)  # all negative: 0 is no maximum
    y = numpy(_pool(mode, x, dtype, w=w))
    for row in range(3):
        assert np.abs(y[row] - EQUATIONS[mode](x[row, MASK[row]], w)).max() < tolerance


@pytest.mark.parametrize("mode", [*EQUATIONS, "first"])
def test_without_a_mask_every_position_counts(mode, rng, numpy):
    x, w = rng.normal(size=(4, 5, D)), rng.normal(size=D)
    every = np.ones((4, 5), dtype=bool)
    plain = numpy(_pool(mode, x, mask=None, w=w))
    assert np.array_equal(plain, numpy(_pool(mode, x, mask=every, w=w)))


def test_first_is_the_first_row(rng, numpy):
    x = rng.normal(size=(4, 5, D)).astype("float32")
    assert np.array_equal(numpy(_pool("first", x)), x[:, 0])


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("mode", [*EQUATIONS, "first"])
def test_a_text_without_a_real_token(mode, dtype, rng, numpy):
    x = rng.normal(size=(4, 5, D)).astype(dtype)
    y = numpy(_pool(mode, x, dtype))
    assert np.isfinite(y).all()
    expected = (
        x[3, 0] if mode in ("last", "first") else np.zeros(2 * D if mode == "mean_max" else D)
    )
    assert np.array_equal(y[3], expected)


def test_attention_begins_as_the_mean(rng, numpy):
    x = rng.normal(size=(4, 5, D))
    assert np.allclose(numpy(_pool("attention", x)), numpy(_pool("mean", x)), atol=1e-6)


def test_attention_with_a_large_weight_takes_the_best_row(numpy):
    x = np.array([[[1.0, 5, 0], [2, 7, 0], [9, 1, 0]]])
    y = numpy(_pool("attention", x, mask=None, w=np.array([50.0, 0, 0])))
    assert np.allclose(y, [[9, 1, 0]])


def test_half_precision_counts_above_256(rng, numpy):
    x = np.full((1, 1000, 1), 0.5)
    y = _pool("mean", x, "bfloat16", mask=np.arange(1000)[None] < 777)
    assert abs(float(numpy(keras.ops.cast(y, "float32"))[0, 0]) - 0.5) < 0.005


def test_mean_and_max_are_as_wide_as_both(rng):
    layer = MaskedPooling("mean_max")
    assert layer.compute_output_shape((2, 5, D)) == (2, 2 * D)
    assert layer(keras.Input((None, D))).shape == (None, 2 * D)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match=r"pooling must be one of .*'max'.* received 'avg'"):
        MaskedPooling("avg")
