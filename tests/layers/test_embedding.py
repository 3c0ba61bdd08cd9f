"""Token embedding: positions, the tied head, and what it refuses."""

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm.layers import TokenEmbedding

pytestmark = pytest.mark.backends
V, D, LONGEST = 13, 6, 11
IDS = np.array([[3, 1, 4, 1, 5], [9, 2, 6, 0, 0]], dtype="int32")


def _layer(positions, dtype, randomize):
    layer = TokenEmbedding(V, D, LONGEST, positions, dtype=dtype)
    layer(IDS)
    return randomize(layer)


@pytest.mark.parametrize("positions", [None, "rotary", "learned", "sinusoidal"])
def test_equation(positions, randomize, numpy, precision):
    dtype, tolerance = precision
    layer = _layer(positions, dtype, randomize)
    table, *rest = layer.get_weights()
    expected = ref.embedding(IDS, table)[0]
    if positions == "learned":
        expected = ref.learned_positions(expected, rest[0])[0]
    if positions == "sinusoidal":
        expected = ref.sinusoidal_positions(np.sqrt(D).astype(dtype) * expected)[0]
    assert len(rest) == (positions == "learned")
    assert np.abs(numpy(layer(IDS)) - expected).max() < tolerance


@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
@pytest.mark.parametrize("tensor", [False, True])
def test_a_text_cut_in_two_has_the_positions_of_the_whole(positions, tensor, randomize, numpy):
    layer = _layer(positions, "float32", randomize)
    start = keras.ops.convert_to_tensor(2) if tensor else 2
    parts = [numpy(layer(IDS[:, :2])), numpy(layer(IDS[:, 2:], start=start))]
    assert np.array_equal(np.concatenate(parts, axis=1), numpy(layer(IDS)))


@pytest.mark.parametrize("positions", [None, "rotary"])
def test_without_added_positions_the_same_token_has_the_same_vector(positions, randomize, numpy):
    y = numpy(_layer(positions, "float32", randomize)(IDS))
    assert np.array_equal(y[0, 1], y[0, 3])


def test_reversed_it_multiplies_by_its_own_table_transposed(rng, randomize, numpy, precision):
    dtype, tolerance = precision
    layer = _layer("learned", dtype, randomize)
    h = rng.normal(size=(2, 5, D)).astype(dtype)
    logits = numpy(layer(h, reverse=True))
    assert logits.shape == (2, 5, V)
    assert np.abs(logits - h @ layer.get_weights()[0].T).max() < tolerance


@pytest.mark.parametrize("segments", [1, 2, 3])
def test_a_segment_begins_behind_each_separator(segments, randomize, numpy, precision):
    dtype, tolerance = precision
    layer = TokenEmbedding(V, D, LONGEST, "learned", segments=segments, separator=4, dtype=dtype)
    ids = np.array([[3, 4, 1, 4, 5, 0], [4, 4, 4, 6, 4, 4], [1, 2, 3, 5, 6, 0]], dtype="int32")
    layer(ids)
    table, positions, rows = randomize(layer).get_weights()
    assert rows.shape == (segments, D)
    segment = np.array([[0, 0, 1, 1, 2, 2], [0, 1, 2, 3, 3, 4], [0, 0, 0, 0, 0, 0]])
    segment = np.minimum(segment, segments - 1)
    expected = table[ids] + positions[:6] + rows[segment]
    assert np.abs(numpy(layer(ids)) - expected).max() < tolerance


def test_a_pair_takes_the_row_of_its_remainder(randomize, numpy, precision):
    dtype, tolerance = precision
    layer = TokenEmbedding(V, D, pairs=7, dtype=dtype)
    layer(IDS)
    table, rows = randomize(layer).get_weights()
    assert rows.shape == (7, D)
    # 20261 = 7 * 2894 + 3: the row of (a, b) is (3 a + b) mod 7, and 0 stands before the first
    expected = ref.embedding(IDS, table)[0] + rows[[[3, 3, 0, 6, 1], [2, 1, 5, 4, 0]]]
    assert np.abs(numpy(layer(IDS)) - expected).max() < tolerance


def test_the_rows_of_pairs_stay_within_32_bits(numpy):
    layer = TokenEmbedding(2**16, 1, pairs=2**16, embeddings_initializer="zeros")
    ids = np.array([[2**16 - 1, 2**16 - 2]], dtype="int32")
    layer(ids)
    layer.pair_embeddings.assign(np.arange(2**16)[:, None])
    numbers = [2**16 - 1, (20261 * (2**16 - 1) + 2**16 - 2) % 2**16]
    assert numpy(layer(ids)).ravel().tolist() == numbers
    with pytest.raises(ValueError, match=r"pairs must be 0 to 65,536 rows, received 65537"):
        TokenEmbedding(11, 1, pairs=2**16 + 1)


def test_a_text_that_goes_on_has_no_pairs():
    with pytest.raises(ValueError, match="a pair has two tokens"):
        TokenEmbedding(V, D, pairs=7)(IDS, start=1)


def test_without_segments_the_separator_is_a_token_like_others(randomize, numpy):
    layer = _layer("learned", "float32", randomize)
    assert len(layer.get_weights()) == 2
    assert layer.get_config()["segments"] == 0


@pytest.mark.parametrize("dtype", ["float32", "float16", "mixed_bfloat16"])
def test_a_pad_without_score_has_no_probability(dtype, rng, randomize, numpy):
    layer = TokenEmbedding(V, D, score_pad=False, dtype=dtype)
    layer(IDS)
    randomize(layer)
    h = rng.normal(size=(2, 5, D)).astype("float32")
    logits = numpy(keras.ops.cast(layer(h, reverse=True), "float32"))
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    assert np.isfinite(logits).all()
    assert p[..., 0].max() == 0
    assert (p[..., 1:] > 0).all()


def test_the_tied_table_learns_from_both_ends():
    ids = keras.Input((None,), dtype="int32")
    layer = TokenEmbedding(V, D)
    model = keras.Model(ids, layer(layer(ids), reverse=True))
    assert len(model.weights) == 1
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True)
    before = model.get_weights()[0]
    model.fit(IDS[:1], IDS[:1], verbose=0)
    # As an input only rows 1, 3, 4 and 5 would move; as an output every row does.
    assert (np.abs(model.get_weights()[0] - before).max(axis=1) > 0).all()


def test_a_lookup_has_a_sparse_gradient(randomize):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow has sparse gradients")
    import tensorflow as tf

    layer = _layer(None, "mixed_bfloat16", randomize)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.cast(layer(IDS), "float32"))
    gradient = tape.gradient(loss, layer.embeddings.value)
    assert isinstance(gradient, tf.IndexedSlices)


def test_dropout_is_for_training_only(randomize, numpy):
    layer = TokenEmbedding(V, D, dropout=0.5)
    layer(IDS)
    randomize(layer)
    kept = numpy(layer(IDS, training=True))
    plain = numpy(layer(IDS, training=False))
    assert 0 < (kept == 0).mean() < 1
    assert np.allclose(kept[kept != 0], 2 * plain[kept != 0])


def test_bad_arguments_are_explained():
    with pytest.raises(ValueError, match=r"positions must be one of .*'learned'.* received 'rope'"):
        TokenEmbedding(V, D, positions="rope")
    for positions in ("learned", "sinusoidal"):
        with pytest.raises(ValueError, match="need max_length"):
            TokenEmbedding(V, D, positions=positions)
    with pytest.raises(ValueError, match="even number of features, received 5"):
        TokenEmbedding(V, 5, 7, positions="sinusoidal")(IDS)


@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
def test_a_text_longer_than_the_table_is_refused(positions):
    layer = TokenEmbedding(V, D, 4, positions)
    assert layer(IDS[:, :4]).shape == (2, 4, D)
    with pytest.raises(ValueError, match="5 tokens is longer than max_length=4: cut it"):
        layer(IDS)
    with pytest.raises(ValueError, match="5 tokens is longer"):
        layer(IDS[:, :3], start=2)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a graph of TensorFlow")
def test_a_length_that_is_known_only_when_it_runs(numpy):
    import tensorflow as tf

    layer = TokenEmbedding(V, D, 5, "learned")
    layer(IDS)
    later = tf.function(layer, input_signature=[tf.TensorSpec((None, None), "int32")])
    for length in (3, 5):
        ids = IDS[:, :length].astype("int32")
        assert np.array_equal(numpy(later(ids)), numpy(layer(ids)))
