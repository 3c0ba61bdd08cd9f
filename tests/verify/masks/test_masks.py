"""The mask laboratory finds what padding, order and the future do to a model.

- Keras' recurrent layers pass masks on here, whichever Keras is installed: those that lose them are
  in test_next_keras.py.
"""

import keras
import numpy as np
import pytest

from kerasllm import verify
from kerasllm.models import (
    CausalLM,
    ContrastiveLM,
    MaskedLM,
    RecurrentBackbone,
    TextClassifier,
    TransformerBackbone,
)

L = keras.layers


@pytest.fixture(autouse=True)
def masks_are_kept():
    """Make Keras' recurrent layers as they were up to 3.15."""
    with verify.recurrent_masks(kept=True):
        yield


def failed(report):
    return {row.quantity for row in report.failures}


def tokens(*stack, mask_zero=True, length=None):
    embedding = L.Embedding(11, 3, mask_zero=mask_zero)
    return keras.Sequential([keras.Input((length,), dtype="int32"), embedding, *stack])


@pytest.mark.backends
@pytest.mark.parametrize("backbone", [RecurrentBackbone, TransformerBackbone])
def test_our_models_pass(backbone):
    preset = backbone.from_size("tiny", vocabulary_size=13)
    model = CausalLM(preset)
    report = verify.check_masks(model)
    assert report.ok and len(report.rows) == 6, str(report)
    classifier = TextClassifier(preset, num_classes=3)
    classifier.get_layer("classes").kernel.assign(np.random.default_rng(0).normal(size=(64, 3)))
    assert verify.check_masks(classifier).ok


def test_left_padding_is_told():
    left = {}
    for name, backbone in (("rnn", RecurrentBackbone), ("gpt", TransformerBackbone)):
        report = verify.check_masks(CausalLM(backbone.from_size("tiny", vocabulary_size=13)))
        left[name] = next(row.note for row in report.rows if row.quantity == "left padding")
    assert left["rnn"] == "as right padding" and "pad on the right" in left["gpt"]


def test_a_model_without_masks_fails():
    assert failed(verify.check_masks(tokens(L.LSTM(5), mask_zero=False))) == {"padding"}


def test_a_model_that_sees_the_future_fails_only_if_it_must_not():
    model = tokens(L.Bidirectional(L.LSTM(5, return_sequences=True)))
    report = verify.check_masks(model)
    assert report.ok and any("sees the future" in row.note for row in report.rows)
    assert failed(verify.check_masks(model, causal=True)) == {"causality"}
    assert verify.check_masks(tokens(L.LSTM(5, return_sequences=True)), causal=True).ok


def test_an_average_over_nothing_is_found():
    assert failed(verify.check_masks(tokens(L.GlobalAveragePooling1D()))) == {"empty text: finite"}


def test_a_layer_that_mixes_the_batch_fails():
    class Mix(L.Layer):
        supports_masking = True

        def call(self, x):
            return x + keras.ops.mean(x[:1])

    found = failed(verify.check_masks(tokens(L.LSTM(5), Mix())))
    assert "batch order" in found and "padding" in found


def test_features_and_fixed_lengths(rng):
    masking = [L.Masking(), L.GRU(5)]
    model = keras.Sequential([keras.Input((None, 3)), *masking])
    assert verify.check_masks(model).ok
    assert verify.check_masks(model, rng.standard_normal((3, 6, 3)).astype("float32")).ok
    fixed = verify.check_masks(tokens(L.LSTM(5), length=6))
    assert "padding" not in {row.quantity for row in fixed.rows} and fixed.ok


def translator(masked=True, causal=True):
    """Return a model of two texts: the second reads the first by attention."""
    a, b = (keras.Input((None,), dtype="int32", name=name) for name in "ab")
    source = L.GRU(3, return_sequences=True)(L.Embedding(11, 3, mask_zero=masked)(a))
    target = L.Embedding(13, 3, mask_zero=True)(b)
    target = L.GRU(3, return_sequences=True, go_backwards=not causal)(target)
    read = L.Attention()([target, source])
    return keras.Model({"a": a, "b": b}, {"y": read, "c": L.LSTM(2)(source)})


def test_several_inputs_are_tried_one_at_a_time():
    report = verify.check_masks(translator(), causal=True)
    assert report.ok, str(report)
    names = {row.name for row in report.rows}
    assert names == {"a → y", "b → y", "a → c"}  # c does not depend on b
    assert {row.name for row in report.rows if row.quantity == "causality"} == {"b → y"}
    found = verify.check_masks(translator(masked=False), causal=True)
    assert {(row.name, row.quantity) for row in found.failures} == {
        ("a → y", "padding"), ("a → c", "padding")
    }  # fmt: skip
    found = verify.check_masks(translator(causal=False), causal=True)
    assert ("b → y", "causality") in {(row.name, row.quantity) for row in found.failures}


def test_several_inputs_may_be_given(rng):
    x = {"a": rng.integers(1, 11, (3, 6)), "b": rng.integers(1, 13, (3, 6))}
    report = verify.check_masks(translator(), x, causal=True)
    assert report.ok, str(report)
    assert {row.name for row in report.rows if row.quantity == "causality"} == {"b → y"}


def test_positions_and_vectors_are_held():
    preset = TransformerBackbone.from_size("tiny", vocabulary_size=13, causal=False)
    report = verify.check_masks(MaskedLM(preset))
    assert report.ok and {row.name for row in report.rows} == {"ids → embedding"}, str(report)
    ids, vector = keras.Input((None,), dtype="int32", name="ids"), keras.Input((4,), name="vector")
    x = L.GRU(4)(L.Embedding(11, 3, mask_zero=True)(ids), initial_state=vector)
    with_state = verify.check_masks(keras.Model([ids, vector], x))
    # Keras hands a recurrent layer that is given a state no mask.
    assert failed(with_state) == {"padding"}


def test_two_texts_of_different_numbers():
    backbone = RecurrentBackbone.from_size("tiny", vocabulary_size=13)
    report = verify.check_masks(ContrastiveLM(backbone))
    assert report.ok, str(report)
    assert {row.name for row in report.rows} == {"ids → logits", "spans → pooled"}


def test_bad_input():
    two = [keras.Input((3,)), keras.Input((3,))]
    with pytest.raises(ValueError, match="a model that reads texts"):
        verify.check_masks(keras.Model(two, L.Add()(two)))
    vectors = keras.Sequential([keras.Input((3,)), L.Dense(2)])
    with pytest.raises(ValueError, match=r"one of vectors: \[\(None, 3\)\]"):
        verify.check_masks(vectors)
    with pytest.raises(ValueError, match=r"inputs \['a', 'b'\], received \['a'\]"):
        verify.check_masks(translator(), {"a": np.ones((2, 5), int)})
    with pytest.raises(ValueError, match="at least 2 texts of 4 steps"):
        verify.check_masks(tokens(L.LSTM(5)), np.ones((1, 3), int))


def test_a_mask_that_is_lost_has_a_row_where_a_later_layer_asks_for_it():
    ids = keras.Input((None,), dtype="int32")
    x = L.Embedding(11, 3, mask_zero=True, name="words")(ids) + 1.0  # no layer: the mask is gone
    report = verify.check_masks(keras.Model(ids, {"a": L.GRU(2, name="reader")(x), "b": x}))
    notes = {row.name: row.note for row in report.failures if row.quantity.startswith("mask: add")}
    assert notes == {
        "a": "loses it; reader reads padding as text",
        "b": "loses it; a loss of Keras counts padded steps",
    }
    (warning,) = report.warnings
    assert "(operation Add) loses the mask that words gives: reader reads padding" in warning
    assert f"Warning: {warning}" in str(report)


@pytest.mark.filterwarnings("ignore:.*destroy the mask:UserWarning")
def test_a_mask_that_is_ignored_is_told_where_padding_does_harm():
    model = tokens(L.GlobalMaxPooling1D(name="largest"))
    model.set_weights([np.repeat(np.arange(11.0, 0, -1)[:, None], 3, axis=1)])  # padding: 11
    report = verify.check_masks(model)
    assert failed(report) == {"padding"}
    assert "largest (GlobalMaxPooling1D) ignores the mask" in report.warnings[0]
    first = tokens(L.Lambda(lambda x: x[:, 0], output_shape=(3,)))  # a step that is always real
    assert verify.check_masks(first).ok and not verify.check_masks(first).warnings


def test_the_table_of_layers():
    table = verify.mask_table()
    rows = {row.layer: (row.uses, row.keeps) for row in table}
    assert rows["Dense"] == (False, True)
    assert rows["LSTM"] == (True, False)
    assert rows["LSTM, return_sequences"] == (True, True)
    assert rows["GlobalAveragePooling1D"] == (True, False)
    assert rows["GlobalMaxPooling1D"] == (False, False)
    assert rows["Flatten"] == (False, False)
    assert rows["Conv1D"] == (False, False)
    assert rows["kerasllm TransformerEncoder"] == (True, True)
    assert rows["kerasllm MaskedPooling"] == (True, False)
    with verify.recurrent_masks(kept=False):
        later = {row.layer: (row.uses, row.keeps) for row in verify.mask_table()}
    assert later["LSTM, return_sequences"] == later["Bidirectional"] == (True, False)
    assert later["TimeDistributed"] == (False, False)
    assert later["kerasllm StackedRNN"] == later["kerasllm BiLSTM"] == (True, True)
    lost = next(row for row in table if row.layer == "Flatten")
    assert "lost" in lost.note and "Flatten" in str(table) and "<table " in table._repr_html_()
