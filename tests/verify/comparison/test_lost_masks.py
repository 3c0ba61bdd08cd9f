"""Whoever loses the mask of padding is named, with who reads padding because of it."""

import keras
import numpy as np
import pytest

from kerasllm import verify
from kerasllm.layers import StackedRNN
from kerasllm.verify.comparison.lost_masks import lost_masks

pytestmark = [
    pytest.mark.backends,
    pytest.mark.filterwarnings("ignore:.*destroy the mask:UserWarning"),
]
L = keras.layers
IDS = np.array([[3, 4, 5, 6, 7], [3, 4, 0, 0, 0]], "int32")


@pytest.fixture(autouse=True)
def masks_are_lost():
    """Make Keras' recurrent layers as Keras 3.16 does."""
    with verify.recurrent_masks(kept=False):
        yield


def words(name="words"):
    ids = keras.Input((None,), dtype="int32")
    return ids, L.Embedding(11, 3, mask_zero=True, name=name)(ids)


def lost(ids, output, x=IDS):
    return lost_masks(keras.Model(ids, output), keras.tree.map_structure(as_tensor, x))


def as_tensor(array):
    return keras.ops.convert_to_tensor(array)


def names(found):
    return [(one.operation.name, one.giver, [r.name for r in one.readers]) for one in found]


def test_a_stack_names_who_loses_the_mask_who_gave_it_and_who_reads_padding():
    ids, x = words()
    x = L.LSTM(5, return_sequences=True, name="first")(L.Dropout(0.1)(x))
    x = L.GRU(5, return_sequences=True, name="second")(L.LayerNormalization()(x))
    found = lost(ids, L.Dense(2)(L.LSTM(3, name="third")(x)))
    assert names(found) == [("first", "words", ["second", "third"])]
    assert str(found[0]).startswith(
        "first (LSTM) loses the mask that words gives: second and third read padding as text. "
        "Put kerasllm.layers.StackedRNN or BiLSTM in its place"
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: L.Bidirectional(L.LSTM(4, return_sequences=True), name="layer"),
        lambda: L.TimeDistributed(L.Dense(4), name="layer"),
        lambda: L.RNN([L.LSTMCell(3), L.GRUCell(4)], return_sequences=True, name="layer"),
    ],
    ids=["both directions", "time distributed", "cells"],
)
def test_a_loss_counts_padded_steps(make):
    ids, x = words()
    (found,) = lost(ids, L.Dense(2)(make()(x)))
    assert "layer (" in str(found) and "a loss of Keras counts padded steps" in str(found)
    assert found.outputs == [0] and not found.readers


def test_the_last_state_has_used_the_mask_up():
    ids, x = words()
    assert not lost(ids, L.Bidirectional(L.LSTM(4))(x))


def test_a_mask_that_hides_nothing_is_not_missed():
    ids, x = words()
    y = L.GRU(4)(L.LSTM(4, return_sequences=True)(x))
    assert not lost(ids, y, IDS[:1]) and lost(ids, y)


def test_the_cures_cure():
    ids, x = words()
    mask = L.Lambda(lambda i: i != 0, output_shape=(None,))(ids)
    y = L.LSTM(4, return_sequences=True)(x)
    assert not lost(ids, L.GRU(4)(y, mask=mask))  # handed on by hand
    assert not lost(ids, L.GRU(4)(StackedRNN(4, 2)(x)))


def test_layers_that_ignore_the_mask():
    ids, x = words()
    (found,) = lost(ids, L.GlobalMaxPooling1D(name="largest")(x))
    assert found.ignores and "ignores the mask that words gives" in str(found)
    state = keras.Input((4,))
    y = L.GRU(4, name="reader")(x, initial_state=state)  # Keras hands no mask beside a state
    (found,) = lost([ids, state], y, [IDS, np.zeros((2, 4), "float32")])
    assert "reader (GRU) ignores the mask" in str(found) and "Call it with mask=" in str(found)


def test_models_inside_of_models_and_several_outputs():
    ids, x = words()
    inner = keras.Sequential(
        [keras.Input((None, 3)), L.LSTM(4, return_sequences=True, name="inside"),
         L.GRU(2, name="last")]
    )  # fmt: skip
    found = lost(ids, {"a": inner(x), "b": L.Dense(2)(x)})
    assert names(found) == [("inside", "words", ["last"])] and found[0].outputs == []


def test_watching_leaves_the_model_as_it_was():
    ids, x = words()
    model = keras.Model(ids, L.LSTM(4)(x))
    before = keras.ops.convert_to_numpy(model(IDS))
    lost_masks(model, as_tensor(IDS))
    assert not any("call" in vars(layer) for layer in model.layers)
    np.testing.assert_array_equal(before, keras.ops.convert_to_numpy(model(IDS)))


def test_a_comparison_agrees_and_warns():
    ids, x = words()
    x = L.Bidirectional(L.GRU(3, return_sequences=True), name="both")(x)
    model = keras.Model(ids, L.Dense(1)(L.LSTM(2, name="top")(x)))
    model.compile("sgd", "mean_squared_error")
    steps = 2 * (keras.backend.backend() == "tensorflow")  # the twin's optimizers are TensorFlow's
    report = verify.compare(model, IDS, np.array([0.5, -1.0]), steps=steps)
    assert report.ok, str(report)
    (warning,) = report.warnings
    assert "both (Bidirectional) loses the mask that words gives: top reads" in warning
    assert warning in str(report) and "both (Bidirectional)" in report._repr_html_()
    with verify.recurrent_masks(kept=True):
        model = keras.Model.from_config(model.get_config())
    assert not verify.compare(model, IDS).warnings
