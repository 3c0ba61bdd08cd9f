"""Multi-head attention against the reference, with masks, positions and a cache."""

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm.layers import MultiHeadAttention

pytestmark = pytest.mark.backends
B, T, S, D, N, K = 2, 5, 7, 3, 3, 4
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], dtype=bool)
SOURCE_MASK = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0, 0]], dtype=bool)


def _layer(rng, randomize, dtype="float32", num_heads=N, key_dim=K, **options):
    """Return a layer with random weights, and an input."""
    layer = MultiHeadAttention(num_heads, key_dim, dtype=dtype, **options)
    x = rng.normal(size=(B, T, D)).astype(dtype)
    layer(x)
    return randomize(layer), x


def _reference_weights(layer):
    """Split the fused projection into the reference's eight arrays."""
    kernel, bias = (keras.ops.convert_to_numpy(w) for w in (layer.qkv_kernel, layer.qkv_bias))
    pairs = []
    for w, b in zip(np.split(kernel, 3, axis=1), np.split(bias, 3), strict=True):
        pairs += [w.reshape(D, N, K), b.reshape(N, K)]
    output = keras.ops.convert_to_numpy(layer.output_kernel).reshape(N, K, D)
    return *pairs, output, keras.ops.convert_to_numpy(layer.output_bias)


def _visible(causal, mask):
    seen = ref.causal_mask(T) if causal else np.ones((T, T), dtype=bool)
    return seen[None] if mask is None else seen[None] & mask[:, None, :]


@pytest.mark.parametrize("mask", [None, MASK], ids=["unmasked", "masked"])
@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
def test_self_attention(causal, mask, rng, randomize, numpy, precision):
    dtype, tolerance = precision
    layer, x = _layer(rng, randomize, dtype, causal=causal)
    expected, trace = ref.multi_head_attention(
        x, x, x, *_reference_weights(layer), mask=_visible(causal, mask)
    )
    y, weights = numpy(layer(x, mask=mask, return_weights=True))
    assert np.abs(y - expected).max() < tolerance
    assert np.abs(weights - trace.weights).max() < tolerance
    assert np.array_equal(y, numpy(layer(x, mask=mask)))


@pytest.mark.parametrize("mask", [None, SOURCE_MASK], ids=["unmasked", "masked"])
def test_cross_attention(mask, rng, randomize, numpy, precision):
    dtype, tolerance = precision
    layer, x = _layer(rng, randomize, dtype)
    source = rng.normal(size=(B, S, D)).astype(dtype)
    expected, trace = ref.multi_head_attention(
        x, source, source, *_reference_weights(layer),
        mask=None if mask is None else mask[:, None, :],
    )  # fmt: skip
    # The mask of x is for self-attention: it hides no key of the source.
    y, weights = numpy(layer(x, source=source, mask=MASK, source_mask=mask, return_weights=True))
    assert weights.shape == (B, N, T, S)
    assert np.abs(y - expected).max() < tolerance
    assert np.abs(weights - trace.weights).max() < tolerance


@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
def test_rotary_positions_turn_queries_and_keys(causal, rng, randomize, numpy, precision):
    dtype, tolerance = precision
    layer, x = _layer(rng, randomize, dtype, causal=causal, rotary=True)
    w_q, b_q, w_k, b_k, w_v, b_v, w_o, b_o = _reference_weights(layer)
    q, k, v = (
        np.einsum("btd,dnk->bntk", x, w) + b[:, None]
        for w, b in ((w_q, b_q), (w_k, b_k), (w_v, b_v))
    )
    z = ref.scaled_dot_product_attention(
        ref.rotary(q)[0], ref.rotary(k)[0], v, _visible(causal, MASK)[:, None]
    )[0]
    expected = np.einsum("bntk,nkd->btd", z, w_o) + b_o
    assert np.abs(numpy(layer(x, mask=MASK)) - expected).max() < tolerance


@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
def test_with_rotary_positions_only_distances_count(causal, rng, randomize, numpy):
    layer, x = _layer(rng, randomize, causal=causal, rotary=True)
    assert np.abs(numpy(layer(x)) - numpy(layer(x, start=13))).max() < 1e-4
    # … and they do count: without them the order of the keys is nothing
    first = x[:, [1, 0, 2, 3, 4]]
    assert np.abs(numpy(layer(x)) - numpy(layer(first)))[:, 4].max() > 1e-3


def test_without_positions_the_order_of_the_keys_is_nothing(rng, randomize, numpy):
    layer, x = _layer(rng, randomize)
    order = np.array([3, 0, 4, 2, 1])
    assert np.abs(numpy(layer(x))[:, order] - numpy(layer(x[:, order]))).max() < 1e-5


def test_causal_changing_the_future_changes_nothing(rng, randomize, numpy):
    layer, x = _layer(rng, randomize, causal=True)
    for t in range(T):
        other = x.copy()
        other[:, t + 1 :] += 100 * rng.normal(size=(B, T - t - 1, D))
        assert np.array_equal(numpy(layer(x))[:, : t + 1], numpy(layer(other))[:, : t + 1])
        if t + 1 < T:
            assert not np.allclose(numpy(layer(x))[:, t + 1 :], numpy(layer(other))[:, t + 1 :])


def test_equal_keys_are_read_evenly_and_half_as_much_where_twice_as_many(numpy):
    layer = MultiHeadAttention(1, 2, causal=True)
    x = np.arange(10.0).reshape(1, 5, 2).astype("float32")
    layer(x)
    # Queries and keys 0; values and the output projection leave x as it is.
    kernel = np.concatenate([np.zeros((2, 4)), np.eye(2)], axis=1)
    layer.set_weights([kernel, np.eye(2), np.zeros(6), np.zeros(2)])
    y, weights = numpy(layer(x, return_weights=True))
    assert np.allclose(y[0], np.cumsum(x[0], axis=0) / np.arange(1, 6)[:, None])
    assert np.allclose(weights[0, 0], np.tril(np.ones((5, 5))) / np.arange(1, 6)[:, None])


def test_fully_masked_keys_give_finite_numbers(rng, randomize, numpy):
    for dtype in ("float32", "float16"):
        layer, x = _layer(rng, randomize, dtype)
        y, weights = numpy(layer(x, mask=np.zeros((B, T), dtype=bool), return_weights=True))
        assert np.isfinite(y).all()
        assert np.allclose(weights, 1 / T, atol=1e-3)


@pytest.mark.parametrize("pieces", [(5,), (1, 1, 1, 1, 1), (2, 3), (3, 1, 1)], ids=str)
@pytest.mark.parametrize("rotary", [False, True], ids=["plain", "rotary"])
def test_a_cache_gives_the_numbers_of_the_whole(rotary, pieces, rng, randomize, numpy):
    layer, x = _layer(rng, randomize, causal=True, rotary=rotary)
    empty = keras.ops.convert_to_tensor(rng.normal(size=(B * N, S, K)).astype("float32"))
    cache, start, parts = (empty, empty), 0, []  # what stands behind `start` is never read
    for length in pieces:
        position = start if length > 1 else keras.ops.convert_to_tensor(start, dtype="int32")
        y, cache = layer(x[:, start : start + length], cache=cache, start=position)
        parts.append(numpy(y))
        start += length
    assert tuple(cache[0].shape) == (B * N, S, K)
    assert np.abs(np.concatenate(parts, axis=1) - numpy(layer(x))).max() < 1e-5


def test_weights_are_dropped_in_training_only(rng, randomize, numpy):
    layer, x = _layer(rng, randomize, dropout=0.5)
    plain = numpy(layer(x))
    assert np.array_equal(plain, numpy(layer(x, training=False)))
    many = np.mean([numpy(layer(x, training=True)) for _ in range(100)], axis=0)
    assert not np.allclose(numpy(layer(x, training=True)), plain, atol=1e-3)
    assert np.abs(many - plain).mean() < 0.2 * np.abs(plain).mean()


def test_shapes_of_the_weights_and_the_start_of_the_fused_one(numpy):
    layer = MultiHeadAttention(4)
    layer.build((None, None, 64))
    assert [tuple(w.shape) for w in layer.weights] == [(64, 192), (64, 64), (192,), (64,)]
    bare = MultiHeadAttention(3, 5, use_bias=False)
    bare.build((None, None, 7))
    assert [tuple(w.shape) for w in bare.weights] == [(7, 45), (15, 7)]
    # Glorot's limit is that of each of the three matrices (64, 64)
    kernel, limit = numpy(layer.qkv_kernel), (6 / 128) ** 0.5
    assert 0.98 * limit < np.abs(kernel).max() <= limit
    assert abs(kernel.std() - limit / 3**0.5) < 0.02 * limit


def test_bad_arguments_are_explained():
    x = keras.ops.zeros((1, 2, 10))
    with pytest.raises(ValueError, match="10 features cannot be shared evenly among num_heads=3"):
        MultiHeadAttention(3)(x)
    with pytest.raises(ValueError, match="even head size, it is 5"):
        MultiHeadAttention(2, rotary=True)(x)


def test_weights_in_a_functional_model(rng):
    x = keras.Input((None, 6))
    y, weights = MultiHeadAttention(3, name="heads")(x, return_weights=True)
    assert y.shape == (None, None, 6) and weights.shape == (None, 3, None, None)
    model = keras.Model(x, [y, weights])
    value = rng.standard_normal((2, 5, 6)).astype("float32")
    again = model.get_layer("heads")(value)
    assert np.array_equal(*map(keras.ops.convert_to_numpy, (model(value)[0], again)))
    assert model(value)[1].shape == (2, 3, 5, 5)
