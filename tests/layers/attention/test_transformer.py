"""The Transformer block and its feed-forward network against the reference."""

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm.layers import FeedForward, TransformerEncoder

pytestmark = pytest.mark.backends
B, T, D, F, N = 2, 5, 12, 7, 3
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], dtype=bool)
ACTIVATIONS = ("gelu", "gelu_tanh", "relu")
GELU_CONSTANTS = 5e-8  # TensorFlow rounds √2 and 0.044715 to float32, in float64 too


def _block(rng, randomize, dtype="float32", **options):
    """Return a block with random weights, and an input."""
    block = TransformerEncoder(N, F, dtype=dtype, **options)
    x = rng.normal(size=(B, T, D)).astype(dtype)
    block(x)
    return randomize(block), x


def _reference_weights(block):
    """Return the block's weights in the order of `reference.transformer_encoder`."""
    attention = block.attention
    kernel, bias = (keras.ops.convert_to_numpy(w) for w in attention.weights[0:3:2])
    heads = []
    for w, b in zip(np.split(kernel, 3, axis=1), np.split(bias, 3), strict=True):
        heads += [w.reshape(D, N, D // N), b.reshape(N, D // N)]
    output_kernel, output_bias = (keras.ops.convert_to_numpy(w) for w in attention.weights[1::2])
    heads += [output_kernel.reshape(N, D // N, D), output_bias]
    return (
        *heads,
        *block.attention_norm.get_weights(),
        *block.feed_forward.get_weights(),
        *block.feed_forward_norm.get_weights(),
    )


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_feed_forward(activation, rng, randomize, numpy, precision):
    dtype, tolerance = precision
    layer = FeedForward(F, activation, dtype=dtype)
    x = rng.normal(size=(B, T, D)).astype(dtype)
    layer(x)
    expected = ref.feed_forward(x, *randomize(layer).get_weights(), activation=activation)[0]
    tolerance = tolerance if activation == "relu" else max(tolerance, GELU_CONSTANTS)
    assert np.abs(numpy(layer(x)) - expected).max() < tolerance


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
def test_block(causal, norm, activation, rng, randomize, numpy, precision):
    dtype, tolerance = precision
    block, x = _block(
        rng, randomize, dtype, causal=causal, norm=norm, activation=activation, epsilon=1e-2
    )
    seen = MASK[:, None, :] & (ref.causal_mask(T) if causal else True)
    expected, _ = ref.transformer_encoder(
        x, *_reference_weights(block), mask=seen, norm=norm, activation=activation, epsilon=1e-2
    )
    tolerance = 10 * tolerance if activation == "relu" else max(10 * tolerance, GELU_CONSTANTS)
    assert np.abs(numpy(block(x, mask=MASK)) - expected).max() < tolerance


@pytest.mark.parametrize("rotary", [False, True], ids=["plain", "rotary"])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_causal_changing_the_future_changes_nothing(norm, rotary, rng, randomize, numpy):
    block, x = _block(rng, randomize, causal=True, norm=norm, rotary=rotary)
    other = x.copy()
    other[:, 3:] += rng.normal(size=(B, 2, D))
    before, after = numpy(block(x)), numpy(block(other))
    assert np.array_equal(before[:, :3], after[:, :3])
    assert np.abs(before - after)[:, 3:].max() > 1e-2
    two_sided, _ = _block(rng, randomize, norm=norm, rotary=rotary)
    assert np.abs(numpy(two_sided(x)) - numpy(two_sided(other)))[:, :3].max() > 1e-2


def test_without_its_two_outputs_a_pre_norm_block_is_the_identity(rng, randomize, numpy):
    block, x = _block(rng, randomize, norm="pre")
    for weight in (*block.attention.weights[1::2], *block.feed_forward.contract.weights):
        weight.assign(np.zeros(weight.shape))
    assert np.array_equal(numpy(block(x)), x)


def test_a_post_norm_block_gives_normalised_rows(rng, numpy):
    block = TransformerEncoder(N, F, norm="post")
    y = numpy(block(rng.normal(size=(B, T, D)).astype("float32")))
    assert np.allclose(y.mean(axis=-1), 0, atol=1e-5)
    assert np.allclose(y.std(axis=-1), 1, atol=1e-3)


@pytest.mark.parametrize("rotary", [False, True], ids=["plain", "rotary"])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_cache_gives_the_numbers_of_the_whole(norm, rotary, rng, randomize, numpy):
    block, x = _block(rng, randomize, causal=True, norm=norm, rotary=rotary)
    y, cache = block(x[:, :3], cache=block.attention.initial_cache(B, 7))
    parts = [numpy(y)]
    for t in (3, 4):
        y, cache = block(x[:, t : t + 1], cache=cache, start=t)
        parts.append(numpy(y))
    assert np.abs(np.concatenate(parts, axis=1) - numpy(block(x))).max() < 1e-5


def test_the_inner_width_is_four_times_the_features_if_left_out():
    block = TransformerEncoder(N)
    block.build((None, None, D))
    assert block.feed_forward.expand.units == 4 * D


def test_dropout_is_for_training_only(rng, randomize, numpy):
    block, x = _block(rng, randomize, dropout=0.5)
    assert np.array_equal(numpy(block(x)), numpy(block(x, training=False)))
    assert not np.allclose(numpy(block(x)), numpy(block(x, training=True)), atol=1e-3)


def test_bad_arguments_are_explained():
    with pytest.raises(ValueError, match='norm must be "pre" or "post", received \'both\''):
        TransformerEncoder(N, norm="both")
    for make in (FeedForward, TransformerEncoder):
        with pytest.raises(ValueError, match=r"activation must be one of .*'relu'.*received 'elu'"):
            make(F, activation="elu")
    with pytest.raises(ValueError, match="cannot be shared evenly"):
        TransformerEncoder(5)(keras.ops.zeros((1, 2, D)))
