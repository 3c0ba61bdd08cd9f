"""Stacks of recurrent layers against the reference, and their states."""

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm.layers import BiLSTM, StackedRNN

pytestmark = pytest.mark.backends
B, T, D, H = 2, 5, 3, 7
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], dtype=bool)
CELLS = {"simple": ref.simple_rnn, "lstm": ref.lstm, "gru": ref.gru}


def _layer(rng, randomize, *args, dtype="float32", layer=StackedRNN, **options):
    """Return a layer with random weights, and an input."""
    layer = layer(*args, dtype=dtype, **options)
    x = rng.normal(size=(B, T, D)).astype(dtype)
    layer(x)
    return randomize(layer), x


def _weights(layer):
    return [tuple(part.get_weights()) for part in layer.layers]


@pytest.mark.parametrize("mask", [None, MASK], ids=["unmasked", "masked"])
@pytest.mark.parametrize("cell", CELLS)
def test_stack_and_its_states(cell, mask, rng, randomize, numpy, precision):
    dtype, tolerance = precision
    layer, x = _layer(rng, randomize, H, 3, cell, dtype=dtype)
    y, states = numpy(layer(x, mask=mask, return_state=True))
    expected, trace = ref.stack(
        x, _weights(layer), layer=CELLS[cell], mask=mask, return_sequences=True
    )
    assert np.abs(y - expected).max() < tolerance
    assert len(states) == 3
    for ours, theirs in zip(states, trace.state, strict=True):
        assert len(ours) == (2 if cell == "lstm" else 1)
        for a, b in zip(ours, theirs, strict=True):
            assert np.abs(a - b).max() < tolerance


@pytest.mark.parametrize("mask", [None, MASK], ids=["unmasked", "masked"])
@pytest.mark.parametrize("cell", CELLS)
def test_two_directions(cell, mask, rng, randomize, numpy, precision):
    dtype, tolerance = precision
    layer, x = _layer(rng, randomize, H, 2, cell, dtype=dtype, bidirectional=True)
    expected = ref.stack(
        x, _weights(layer), layer=CELLS[cell], both_directions=True, mask=mask,
        return_sequences=True,
    )[0]  # fmt: skip
    y = numpy(layer(x, mask=mask))
    assert y.shape == (B, T, 2 * H)
    assert np.abs(y - expected).max() < tolerance


def test_bilstm_is_the_stack_of_lstms_in_both_directions(rng, randomize, numpy):
    one, x = _layer(rng, randomize, H, 2, residual=True, layer=BiLSTM)
    other, _ = _layer(rng, randomize, H, 2, "lstm", bidirectional=True, residual=True)
    other.set_weights(one.get_weights())
    assert np.array_equal(numpy(one(x, mask=MASK)), numpy(other(x, mask=MASK)))


def test_residual_adds_where_widths_are_equal(rng, randomize, numpy, precision):
    dtype, tolerance = precision
    layer, x = _layer(rng, randomize, H, 3, "gru", dtype=dtype, residual=True)
    first, second, third = _weights(layer)

    def run(x, weights):
        return ref.gru(x, *weights, return_sequences=True)[0]

    h = run(x, first)  # D to H: nothing to add
    h = h + run(h, second)
    h = h + run(h, third)
    assert np.abs(numpy(layer(x)) - h).max() < tolerance


@pytest.mark.parametrize("cell", CELLS)
def test_a_text_read_in_two_parts_ends_like_one_read_at_once(cell, rng, randomize, numpy):
    layer, x = _layer(rng, randomize, H, 2, cell)
    whole, last = numpy(layer(x, return_state=True))
    first, states = layer(x[:, :2], return_state=True)
    second, end = layer(x[:, 2:], initial_state=states, return_state=True)
    parts = np.concatenate([numpy(first), numpy(second)], axis=1)
    assert np.abs(parts - whole).max() < 1e-6
    for a, b in zip(keras.tree.flatten(numpy(end)), keras.tree.flatten(last), strict=True):
        assert np.abs(a - b).max() < 1e-6


@pytest.mark.parametrize("cell", CELLS)
def test_the_initial_state_is_zero(cell, rng, randomize, numpy):
    layer, x = _layer(rng, randomize, H, 2, cell)
    start = layer.initial_state(B)
    assert not any(numpy(state).any() for state in keras.tree.flatten(start))
    assert np.array_equal(numpy(layer(x, initial_state=start)), numpy(layer(x)))


def test_it_reads_from_left_to_right(rng, randomize, numpy):
    other = rng.normal(size=(B, T, D)).astype("float32")
    for both, reads_ahead in ((False, False), (True, True)):
        layer, x = _layer(rng, randomize, H, cell="gru", bidirectional=both)
        future = np.concatenate([x[:, :3], other[:, 3:]], axis=1)
        same = np.array_equal(numpy(layer(x))[:, :3], numpy(layer(future))[:, :3])
        assert same is not reads_ahead


def test_dropout_lies_between_layers_and_in_training_only(rng, randomize, numpy):
    single, x = _layer(rng, randomize, H, 1, dropout=0.5)
    assert np.array_equal(numpy(single(x, training=True)), numpy(single(x)))
    stack, x = _layer(rng, randomize, H, 2, dropout=0.5)
    assert np.array_equal(numpy(stack(x, training=False)), numpy(stack(x)))
    assert not np.array_equal(numpy(stack(x, training=True)), numpy(stack(x)))


def test_bad_arguments_are_explained(rng, randomize):
    with pytest.raises(ValueError, match=r"cell must be one of .*'lstm'.* received 'rnn'"):
        StackedRNN(H, cell="rnn")
    with pytest.raises(ValueError, match="num_layers must be at least 1, received 0"):
        StackedRNN(H, num_layers=0)
    both, x = _layer(rng, randomize, H, bidirectional=True)
    with pytest.raises(ValueError, match="no state to carry on"):
        both(x, return_state=True)
    stack, x = _layer(rng, randomize, H, 2)
    with pytest.raises(ValueError, match="a list of 2 states, one a layer, received 1"):
        stack(x, initial_state=stack.initial_state(B)[:1])
