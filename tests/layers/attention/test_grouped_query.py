"""Grouped queries, both rotary pairings and the Llama block, against the reference."""

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm.layers import FeedForward, MultiHeadAttention, TransformerEncoder

pytestmark = pytest.mark.backends
B, T, D, N, G, K, H = 2, 5, 3, 6, 2, 4, 7
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], dtype=bool)


def attention(rng, randomize, dtype="float32", **options):
    layer = MultiHeadAttention(N, K, num_kv_heads=G, dtype=dtype, **options)
    x = rng.normal(size=(B, T, D)).astype(dtype)
    layer(x)
    return randomize(layer), x


def heads(kernel):
    """Cut the fused kernel (D, (N + 2 G) K) into those of queries, keys and values."""
    parts = np.split(kernel, [N * K, (N + G) * K], axis=1)
    return [part.reshape(D, -1, K) for part in parts]


@pytest.mark.parametrize("rotary", [None, "halves", "interleaved"])
def test_groups_against_the_reference(rotary, rng, randomize, numpy, precision):
    dtype, tolerance = precision
    turned = {"rotary": rotary is not None, "interleaved": rotary == "interleaved"}
    layer, x = attention(
        rng, randomize, dtype, causal=True, use_bias=False, rotary_base=77.0, **turned
    )
    w_q, w_k, w_v = heads(numpy(layer.qkv_kernel))
    w_o = numpy(layer.output_kernel).reshape(N, K, D)
    seen = np.tri(T, dtype=bool) & MASK[:, None]
    expected, trace = ref.grouped_query_attention(
        x, x, x, w_q, None, w_k, None, w_v, None, w_o, None, mask=seen, rotary=rotary, base=77.0
    )
    y, weights = numpy(layer(x, mask=MASK, return_weights=True))
    assert np.abs(y - expected).max() < tolerance
    assert np.abs(weights - trace.weights).max() < tolerance


@pytest.mark.parametrize("pieces", [(5,), (1, 1, 1, 1, 1), (2, 3)], ids=str)
def test_the_cache_has_the_size_of_the_groups(pieces, rng, randomize, numpy):
    layer, x = attention(rng, randomize, causal=True, rotary=True, interleaved=True)
    cache, start, parts = layer.initial_cache(B, T + 2), 0, []
    assert [tuple(part.shape) for part in cache] == 2 * [(B * G, T + 2, K)]
    for length in pieces:
        position = start if length > 1 else keras.ops.convert_to_tensor(start, dtype="int32")
        y, cache = layer(x[:, start : start + length], cache=cache, start=position)
        parts.append(numpy(y))
        start += length
    assert tuple(cache[0].shape) == (B * G, T + 2, K)
    assert np.abs(np.concatenate(parts, axis=1) - numpy(layer(x))).max() < 1e-5


def test_a_gated_network_against_the_reference(rng, randomize, numpy, precision):
    dtype, tolerance = precision
    layer, x = FeedForward(H, "swiglu", use_bias=False, dtype=dtype), rng.normal(size=(B, T, D))
    layer(x.astype(dtype))
    expand, contract = numpy(randomize(layer).weights)
    expected, _ = ref.swiglu(x.astype(dtype), *np.split(expand, 2, axis=1), contract)
    assert np.abs(numpy(layer(x.astype(dtype))) - expected).max() < tolerance


def test_a_block_of_llama_against_the_reference(rng, randomize, numpy, precision):
    dtype, tolerance = precision
    block = TransformerEncoder(
        N, H, causal=True, rotary=True, activation="swiglu", epsilon=1e-2, normalization="rms",
        use_bias=False, num_kv_heads=G, key_dim=K, rotary_base=77.0, dtype=dtype,
    )  # fmt: skip
    x = rng.normal(size=(B, T, D)).astype(dtype)
    block(x)
    named = {w.path.split("/", 1)[-1]: numpy(w) for w in randomize(block).weights}
    w = {path.removeprefix(block.name + "/"): value for path, value in named.items()}
    gate, up = np.split(w["feed_forward/expand/kernel"], 2, axis=1)
    expected, _ = ref.llama_block(
        x, w["attention_norm/scale"], *heads(w["attention/qkv_kernel"]),
        w["attention/output_kernel"].reshape(N, K, D), w["feed_forward_norm/scale"], gate, up,
        w["feed_forward/contract/kernel"], mask=MASK[:, None], base=77.0, epsilon=1e-2,
    )  # fmt: skip
    assert np.abs(numpy(block(x, mask=MASK)) - expected).max() < tolerance


def test_shapes_and_the_start_of_the_fused_weights(numpy):
    layer = MultiHeadAttention(4, num_kv_heads=2)
    layer.build((None, None, 64))
    assert [tuple(w.shape) for w in layer.weights] == [(64, 128), (64, 64), (128,), (64,)]
    limit = (6 / 128) ** 0.5
    assert 0.98 * limit < np.abs(numpy(layer.qkv_kernel)).max() <= limit
    network = FeedForward(96, "swiglu")
    network.build((None, None, 64))
    assert [tuple(w.shape) for w in network.weights] == [(64, 192), (192,), (96, 64), (64,)]
    limit = (6 / 160) ** 0.5
    assert 0.98 * limit < np.abs(numpy(network.expand.kernel)).max() <= limit


def test_bad_settings_are_explained():
    for groups in (3, 0):
        with pytest.raises(ValueError, match=f"num_heads=4 .* among num_kv_heads={groups}"):
            MultiHeadAttention(4, num_kv_heads=groups)
    with pytest.raises(ValueError, match='normalization must be "layer" or "rms"'):
        TransformerEncoder(4, normalization="batch")
    with pytest.raises(ValueError, match="'swiglu'"):
        FeedForward(4, "silu")
