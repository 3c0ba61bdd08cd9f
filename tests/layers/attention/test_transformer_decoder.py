"""The Transformer's decoder block against the reference, with masks and caches."""

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm.layers import TransformerDecoder

pytestmark = pytest.mark.backends
B, T, S, D, F, N = 2, 5, 7, 12, 11, 3
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], dtype=bool)
SOURCE_MASK = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0, 0]], dtype=bool)


def _block(rng, randomize, dtype="float32", **options):
    """Return a block with random weights, a target and a source."""
    block = TransformerDecoder(N, F, dtype=dtype, **options)
    x = rng.normal(size=(B, T, D)).astype(dtype)
    source = rng.normal(size=(B, S, D)).astype(dtype)
    block(x, source=source)
    return randomize(block), x, source


def _heads(attention):
    """Return an attention's weights as the reference's eight arrays."""
    kernel, bias = (keras.ops.convert_to_numpy(w) for w in attention.weights[0:3:2])
    output_kernel, output_bias = (keras.ops.convert_to_numpy(w) for w in attention.weights[1::2])
    heads = []
    for w, b in zip(np.split(kernel, 3, axis=1), np.split(bias, 3), strict=True):
        heads += [w.reshape(D, N, D // N), b.reshape(N, D // N)]
    return [*heads, output_kernel.reshape(N, D // N, D), output_bias]


def _reference_weights(block):
    """Return the block's weights in the order of `reference.transformer_decoder`."""
    norm_1, norm_2, norm_3 = (norm.get_weights() for norm in block.norms)
    return (
        *_heads(block.attention), *norm_1,
        *_heads(block.cross_attention), *norm_2,
        *block.feed_forward.get_weights(), *norm_3,
    )  # fmt: skip


@pytest.mark.parametrize("masked", [False, True], ids=["unmasked", "masked"])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_block(norm, masked, rng, randomize, numpy, precision):
    dtype, tolerance = precision
    block, x, source = _block(rng, randomize, dtype, norm=norm, activation="relu", epsilon=1e-2)
    mask, source_mask = (MASK, SOURCE_MASK) if masked else (None, None)
    expected, trace = ref.transformer_decoder(
        x, source, *_reference_weights(block), norm=norm, activation="relu", epsilon=1e-2,
        mask=None if mask is None else mask[:, None, :],
        memory_mask=None if mask is None else source_mask[:, None, :],
    )  # fmt: skip
    y, weights = numpy(
        block(x, source=source, mask=mask, source_mask=source_mask, return_weights=True)
    )
    assert np.abs(y - expected).max() < 10 * tolerance
    assert np.abs(weights - trace.steps[1].sublayer.weights).max() < 10 * tolerance
    plain = numpy(block(x, source=source, mask=mask, source_mask=source_mask))
    assert np.array_equal(plain, y)


@pytest.mark.parametrize("rotary", [False, True], ids=["plain", "rotary"])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_caches_give_the_numbers_of_the_whole(norm, rotary, rng, randomize, numpy):
    block, x, source = _block(rng, randomize, norm=norm, rotary=rotary)
    projected = block.project_source(keras.ops.convert_to_tensor(source))
    cache, parts, looks = block.attention.initial_cache(B, 6), [], []
    for t in range(T):
        y, cache, weights = block(
            x[:, t : t + 1], source=projected, source_mask=SOURCE_MASK, cache=cache, start=t,
            return_weights=True,
        )  # fmt: skip
        parts.append(numpy(y))
        looks.append(numpy(weights))
    whole, weights = numpy(block(x, source=source, source_mask=SOURCE_MASK, return_weights=True))
    assert np.abs(np.concatenate(parts, axis=1) - whole).max() < 1e-5
    assert np.abs(np.concatenate(looks, axis=2) - weights).max() < 1e-5


def test_the_future_and_what_is_masked_in_the_source_change_nothing(rng, randomize, numpy):
    block, x, source = _block(rng, randomize)
    before = numpy(block(x, source=source, source_mask=SOURCE_MASK))
    other, beyond = x.copy(), source.copy()
    other[:, 3:] += 1
    beyond[1, 2:] += 100
    after = numpy(block(other, source=beyond, source_mask=SOURCE_MASK))
    assert np.array_equal(before[:, :3], after[:, :3])
    assert np.abs(before - after)[:, 3:].max() > 1e-2
    assert np.abs(before - numpy(block(x, source=beyond)))[1].max() > 1e-2


def test_one_projection_of_the_source_is_that_of_the_whole_call(rng, randomize, numpy):
    block, x, source = _block(rng, randomize)
    attention = block.cross_attention
    pair = attention.project_source(keras.ops.convert_to_tensor(source))
    assert [tuple(part.shape) for part in pair] == [(B * N, S, D // N)] * 2
    a = numpy(attention(x, source=source, source_mask=SOURCE_MASK))
    b = numpy(attention(x, source=pair, source_mask=SOURCE_MASK))
    assert np.abs(a - b).max() < 1e-6


def test_dropout_is_for_training_only(rng, randomize, numpy):
    block, x, source = _block(rng, randomize, dropout=0.5)
    plain = numpy(block(x, source=source))
    assert np.array_equal(plain, numpy(block(x, source=source, training=False)))
    assert not np.allclose(plain, numpy(block(x, source=source, training=True)), atol=1e-3)
