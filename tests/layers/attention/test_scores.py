"""Bahdanau's and Luong's attention against the reference."""

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm.layers import BahdanauAttention, LuongAttention

B, T, D, M, S, H = 2, 5, 3, 11, 7, 13
SOURCE_MASK = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0, 0]], dtype=bool)

MAKE = {
    "bahdanau": lambda **k: BahdanauAttention(H, **k),
    "dot": lambda **k: LuongAttention("dot", **k),
    "general": lambda **k: LuongAttention(**k),
    "concat": lambda **k: LuongAttention("concat", H, **k),
}
REFERENCE = {
    "bahdanau": ref.additive_attention,
    "dot": ref.dot_attention,
    "general": ref.general_attention,
    "concat": ref.concat_attention,
}
BACKWARD = {
    "bahdanau": ref.additive_attention_backward,
    "dot": ref.dot_attention_backward,
    "general": ref.general_attention_backward,
    "concat": ref.concat_attention_backward,
}
every_score = pytest.mark.parametrize("name", MAKE)


def _layer(name, rng, randomize, dtype="float32"):
    """Return a layer with random weights, queries and a source."""
    query = rng.normal(size=(B, T, M if name == "dot" else D)).astype(dtype)
    source = rng.normal(size=(B, S, M)).astype(dtype)
    layer = MAKE[name](dtype=dtype)
    layer(query, source=source)
    return randomize(layer), query, source


@pytest.mark.backends
@pytest.mark.parametrize("mask", [None, SOURCE_MASK], ids=["unmasked", "masked"])
@every_score
def test_equation(name, mask, rng, randomize, numpy, precision):
    dtype, tolerance = precision
    layer, query, source = _layer(name, rng, randomize, dtype)
    seen = None if mask is None else mask[:, None, :]
    expected, trace = REFERENCE[name](query, source, source, *layer.get_weights(), mask=seen)
    context, weights = numpy(layer(query, source=source, source_mask=mask, return_weights=True))
    assert np.abs(context - expected).max() < tolerance
    assert np.abs(weights - trace.weights).max() < tolerance
    keys = layer.keys(keras.ops.convert_to_tensor(source))
    again = numpy(layer(query, source=source, source_mask=mask, keys=keys))
    assert np.abs(again - context).max() < tolerance


@every_score
def test_gradients(name, rng, randomize, numpy):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("float64 gradients: TensorFlow only")
    layer, query, source = _layer(name, rng, randomize, "float64")
    query, source = tf.constant(query), tf.constant(source)
    d_output = rng.normal(size=(B, T, M))
    with tf.GradientTape() as tape:
        tape.watch([query, source])
        context = layer(query, source=source, source_mask=SOURCE_MASK)
        total = tf.reduce_sum(context * d_output)
    found = tape.gradient(total, [query, source, *[w.value for w in layer.weights]])
    _, trace = REFERENCE[name](
        query.numpy(), source.numpy(), source.numpy(), *layer.get_weights(),
        mask=SOURCE_MASK[:, None, :],
    )  # fmt: skip
    d_query, d_key, d_value, *d_weights = BACKWARD[name](d_output, trace)
    for gradient, expected in zip(found, [d_query, d_key + d_value, *d_weights], strict=True):
        assert np.abs(numpy(gradient) - expected).max() < 1e-10 * np.abs(expected).max()


@every_score
def test_without_a_source_the_queries_are_read(name, rng, randomize, numpy):
    layer = MAKE[name]()
    x = rng.normal(size=(B, T, D)).astype("float32")
    mask = SOURCE_MASK[:, :T]
    layer(x)
    randomize(layer)
    assert np.array_equal(numpy(layer(x, mask=mask)), numpy(layer(x, source=x, source_mask=mask)))


@pytest.mark.backends
def test_keys_are_computed_once_for_a_decoder_but_scores_see_the_query(rng, randomize, numpy):
    layer, query, source = _layer("concat", rng, randomize)
    other = query + 1
    a, b = (numpy(layer(q, source=source, return_weights=True)[1]) for q in (query, other))
    assert np.abs(a - b).max() > 1e-3


def test_bad_arguments_are_explained():
    with pytest.raises(ValueError, match=r"score must be one of .*'general'.*received 'cosine'"):
        LuongAttention("cosine")
    layer = LuongAttention("dot")
    with pytest.raises(ValueError, match=r'one width, received 3 and 11: use score="general"'):
        layer(keras.ops.zeros((1, 2, 3)), source=keras.ops.zeros((1, 2, 11)))


@pytest.mark.backends
@pytest.mark.parametrize("make", [lambda: BahdanauAttention(3), lambda: LuongAttention("general")])
def test_weights_in_a_functional_model(make, rng):
    queries, source = keras.Input((None, 5)), keras.Input((None, 7))
    context, weights = make()(queries, source=source, return_weights=True)
    assert context.shape == (None, None, 7) and weights.shape == (None, None, None)
    model = keras.Model([queries, source], [context, weights])
    m = rng.standard_normal((2, 11, 7)).astype("float32")
    context, weights = model([rng.standard_normal((2, 3, 5)).astype("float32"), m])
    context, weights = map(keras.ops.convert_to_numpy, (context, weights))
    np.testing.assert_allclose(context, weights @ m, atol=1e-5)
