"""The recurrent decoder with attention, against its equations in the reference's pieces."""

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm.layers import AttentionDecoder

pytestmark = pytest.mark.backends
B, T, D, S, M, H = 2, 5, 3, 7, 14, 13
SOURCE_MASK = np.array([[1, 1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0, 0]], dtype=bool)
SCORES = {
    "bahdanau": ref.additive_attention,
    "dot": ref.dot_attention,
    "general": ref.general_attention,
    "concat": ref.concat_attention,
}


def _decoder(rng, randomize, cell="lstm", attention="general", num_layers=1, dtype="float32"):
    """Return a decoder with random weights, a target and a source."""
    layer = AttentionDecoder(H, num_layers, cell, attention, dtype=dtype)
    x = rng.normal(size=(B, T, D)).astype(dtype)
    source = rng.normal(size=(B, S, H + 1 if attention != "dot" else H)).astype(dtype)
    layer(x, source=source)
    return randomize(layer), x, source


def _move(kind, x, state, weights):
    """Take one step of a cell of the reference."""
    if kind == "gru":
        kernel, recurrent_kernel, bias = weights
        h = ref.gru_step(x @ kernel + bias[0], state[0], recurrent_kernel, bias[1])[0]
        return h, [h]
    kernel, recurrent_kernel, bias = weights
    (h, c), _ = ref.lstm_step(x @ kernel + bias, *state, recurrent_kernel)
    return h, [h, c]


def _by_hand(layer, x, source, mask):
    """Return features and weights, step by step in NumPy."""
    kind, attention = layer.options["cell"], SCORES[layer.options["attention"]]
    half, count = source.shape[-1] // 2, layer.cell.states_per_layer
    last = mask.sum(axis=1) - 1
    ends = np.concatenate([source[np.arange(B), last, :half], source[:, 0, half:]], axis=1)
    kernel, bias = layer.begin.get_weights()
    states = np.split(np.tanh(ends @ kernel + bias), layer.begin.units // H, axis=1)
    fed, features, looks = np.zeros((B, H)), [], []
    kernel, bias = layer.cell.combine.get_weights()
    for t in range(T):
        h, new = np.concatenate([x[:, t], fed], axis=1), []
        for n, cell in enumerate(layer.cell.cells):
            h, moved = _move(kind, h, states[n * count : (n + 1) * count], cell.get_weights())
            new += moved
        context, trace = attention(
            h[:, None], source, source, *layer.cell.attend.get_weights(), mask=mask[:, None]
        )
        fed, states = np.tanh(np.concatenate([h, context[:, 0]], axis=1) @ kernel + bias), new
        features.append(fed)
        looks.append(trace.weights[:, 0])
    return np.stack(features, axis=1), np.stack(looks, axis=1)


@pytest.mark.parametrize(
    ("cell", "attention", "num_layers"),
    [
        ("lstm", "bahdanau", 1), ("lstm", "general", 2), ("lstm", "dot", 1), ("gru", "concat", 1),
        ("gru", "bahdanau", 2), ("gru", "general", 1),
    ],
)  # fmt: skip
def test_equations(cell, attention, num_layers, rng, randomize, numpy, precision):
    dtype, tolerance = precision
    layer, x, source = _decoder(rng, randomize, cell, attention, num_layers, dtype)
    expected, weights = _by_hand(layer, x, source, SOURCE_MASK)
    found = numpy(layer(x, source=source, source_mask=SOURCE_MASK))
    assert np.abs(found[0] - expected).max() < 10 * tolerance
    assert np.abs(found[1] - weights).max() < 10 * tolerance


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_steps_give_the_numbers_of_the_whole(cell, rng, randomize, numpy):
    layer, x, source = _decoder(rng, randomize, cell, num_layers=2)
    features, weights = numpy(layer(x, source=source, source_mask=SOURCE_MASK))
    states = layer.initial_state(keras.ops.convert_to_tensor(source), SOURCE_MASK)
    for t in range(T):
        y, look, states = layer.step(keras.ops.convert_to_tensor(x[:, t]), states)
        assert np.abs(numpy(y) - features[:, t]).max() < 1e-5
        assert np.abs(numpy(look) - weights[:, t]).max() < 1e-5


def test_what_is_fed_back_counts(rng, randomize, numpy):
    layer, x, source = _decoder(rng, randomize)
    before = numpy(layer(x, source=source)[0])
    kernel, *rest = layer.cell.cells[0].get_weights()
    kernel[D:] = 0  # the rows that read h̃
    layer.cell.cells[0].set_weights([kernel, *rest])
    after = numpy(layer(x, source=source)[0])
    assert np.allclose(before[:, 0], after[:, 0], atol=1e-6)  # h̃_0 = 0
    assert np.abs(before - after)[:, 1:].max() > 1e-3


def test_padding_of_the_source_changes_nothing(rng, randomize, numpy):
    layer, x, source = _decoder(rng, randomize)
    other = np.where(SOURCE_MASK[..., None], source, 50).astype("float32")
    a, b = (numpy(layer(x, source=s, source_mask=SOURCE_MASK)[0]) for s in (source, other))
    assert np.array_equal(a, b)
    alone = numpy(layer(x[1:], source=source[1:, :2])[0])
    assert np.abs(a[1:] - alone).max() < 1e-5


def test_one_token_of_source_is_all_that_is_looked_at(rng, randomize, numpy):
    layer, x, source = _decoder(rng, randomize)
    assert np.allclose(numpy(layer(x, source=source[:, :1])[1]), 1)


def test_bad_arguments_are_explained():
    with pytest.raises(ValueError, match=r"cell must be one of .*'lstm'.*received 'simple'"):
        AttentionDecoder(H, cell="simple")
    with pytest.raises(ValueError, match=r"attention must be one of .*received 'luong'"):
        AttentionDecoder(H, attention="luong")
