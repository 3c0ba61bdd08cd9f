"""What `compare` reports, that it goes red where something is wrong, and the other backends."""

import json

import keras
import numpy as np
import pytest

from kerasllm import reference, verify
from kerasllm.models import (
    CausalLM,
    MaskedLM,
    RecurrentBackbone,
    RecurrentConfig,
    TextClassifier,
    TokenCrossEntropy,
    TransformerBackbone,
    TransformerConfig,
)
from kerasllm.verify.twins.rules import core as handlers_basic
from kerasllm.verify.twins.rules import kerasllm as handlers_project
from kerasllm.verify.twins.rules import recurrent as handlers_recurrent

V, T = 11, 5
IDS = np.array([[6, 9, 7, 0, 0], [7, 10, 8, 6, 9], [8, 8, 0, 0, 0]], "int32")
TARGETS = np.array([[9, 7, 3, 0, 0], [10, 8, 6, 9, 3], [8, 3, 0, 0, 0]])


def randomized(model, seed=0):
    rng = np.random.default_rng(seed)
    model.set_weights([w + 0.3 * rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


def recurrent(cell="lstm", **settings):
    config = RecurrentConfig(V, hidden_dim=3, units=7, cell=cell, **settings)
    return RecurrentBackbone(config)


def transformer(**settings):
    config = {"hidden_dim": 4, "num_heads": 2, "num_layers": 1, "max_length": T, **settings}
    return TransformerBackbone(TransformerConfig(V, **config))


def compiled(model, loss):
    randomized(model).compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
    return model


@pytest.mark.backends
@pytest.mark.parametrize("backbone", [recurrent, transformer])
def test_a_language_model(backbone):
    model = compiled(CausalLM(backbone()), TokenCrossEntropy())
    report = verify.compare(model, IDS, TARGETS)
    assert report.ok, str(report)
    assert {row.quantity for row in report.rows} >= {"output", "loss", "gradient"}
    gradients = [row.name for row in report.rows if row.quantity == "gradient"]
    assert gradients == [v.path for v in model.trainable_variables]


@pytest.mark.backends
def test_a_classifier():
    backbone = transformer(causal=False, positions="sinusoidal", norm="post")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = compiled(TextClassifier(backbone, num_classes=3), loss)
    report = verify.compare(model, IDS, np.array([0, 2, 1]))
    assert report.ok, str(report)


@pytest.mark.backends
@pytest.mark.filterwarnings("ignore:.*destroy the mask:UserWarning")  # Keras from 3.16 on
def test_keras_layers_with_masks():
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(V, 4, mask_zero=True)(ids)
    x = keras.layers.Add()([x, keras.layers.MultiHeadAttention(2, 3)(x, x)])
    x = keras.layers.LayerNormalization()(x)
    x = keras.layers.Bidirectional(keras.layers.GRU(3, return_sequences=True))(x)
    pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.LSTM(2, return_sequences=True)(x))
    tags = keras.layers.Dense(3, activation="softmax", name="tags")(x)
    model = keras.Model(ids, [tags, keras.layers.Dense(1, name="score")(pooled)])
    losses = {"tags": "sparse_categorical_crossentropy", "score": "mean_squared_error"}
    compiled(model, losses)
    report = verify.compare(model, IDS, [TARGETS % 3, np.array([0.5, 1.0, -2.0])])
    assert report.ok, str(report)
    assert any(row.quantity == "mask of output" for row in report.rows)


def test_a_masked_language_model():
    model = compiled(MaskedLM(transformer(causal=False, positions="rotary")), TokenCrossEntropy())
    positions = np.array([[0, 2], [4, 1], [1, 0]])
    targets = np.array([[6, 0], [9, 10], [8, 8]])
    report = verify.compare(model, {"ids": IDS, "positions": positions}, targets)
    assert report.ok, str(report)


def test_steps_leave_the_model_as_it_was():
    # In float32 the bias of the keys, whose gradient is rounding, goes where Adam takes it.
    keras.utils.set_random_seed(3)
    model = compiled(CausalLM(transformer(dropout=0.2), dropout=0.3), TokenCrossEntropy())
    model.train_on_batch(IDS, TARGETS)  # the twin goes on from this state of the optimizer
    weights = model.get_weights()
    state = [v.numpy().copy() for v in model.optimizer.variables]
    report = verify.compare(model, IDS, TARGETS, steps=3)
    assert report.ok, str(report)
    rows = [row for row in report.rows if row.quantity == "after 3 steps"]
    assert len(rows) == len(model.weights) and "dropout" in rows[0].note
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    for before, after in zip(state, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(before, after.numpy())
    assert model.get_layer("dropout").rate == 0.3


def test_a_layer_alone(rng):
    x = rng.standard_normal((2, T, 3)).astype("float32")
    report = verify.compare(keras.layers.GRU(4), x)
    assert report.ok and len(report.rows) == 5  # output, three weights, the input
    attention = keras.layers.MultiHeadAttention(2, 3)
    assert verify.compare(attention, [x, x[:, :2]]).ok
    assert verify.compare(keras.layers.Add(), [x, x]).ok
    dense = keras.layers.Dense(2)
    assert verify.compare(dense, x[:, 0], rng.standard_normal((2, 2)), steps=2).ok
    content = json.loads(report.to_json())
    assert content["ok"] and "GRU" not in report.title and "gru" in report.title
    assert "<table " in report._repr_html_()


def swap_gates(function):
    """Return a recurrent function that confuses the first two gates."""

    def swapped(x, kernel, recurrent_kernel, bias=None, **options):
        H = len(recurrent_kernel)
        order = np.r_[H : 2 * H, :H, 2 * H : kernel.shape[1]]
        weights = (kernel[:, order], recurrent_kernel[:, order], bias[..., order])
        return function(x, *weights, **options)

    return swapped


def forget_padding(x, *args, mask=None, **options):
    return reference.lstm(x, *args, **options)


def no_scale(query, key, value, mask=None, scale=None, fully_masked="zero"):
    return reference.scaled_dot_product_attention(query, key, value, mask, 1.0, fully_masked)


def unsummed(d_output, trace):
    grads = reference.dense_backward(d_output, trace)
    return grads._replace(d_kernel=grads.d_kernel / len(d_output))


class Patched:
    """kerasllm.reference with one function replaced."""

    def __init__(self, **mistakes):
        self.mistakes = mistakes

    def __getattr__(self, name):
        return self.mistakes.get(name) or getattr(reference, name)


MISTAKES = {
    "swapped gates": (handlers_recurrent, {"lstm": swap_gates(reference.lstm)}, "output"),
    "mask ignored": (handlers_recurrent, {"lstm": forget_padding}, "output"),
    "no 1/sqrt(K)": (handlers_project, {"scaled_dot_product_attention": no_scale}, "output"),
    "gradient averaged": (handlers_basic, {"dense_backward": unsummed}, "gradient"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_fault_turns_the_report_red(name, monkeypatch):
    module, mistakes, where = MISTAKES[name]
    backbone = transformer() if module is handlers_project else recurrent(project=True)
    model = compiled(CausalLM(backbone), TokenCrossEntropy())
    assert verify.compare(model, IDS, TARGETS).ok
    patched = Patched(**mistakes)
    monkeypatch.setattr(module, "ref", patched)
    backward = handlers_recurrent._BACKWARD
    for mistake in mistakes.values():
        monkeypatch.setitem(backward, mistake, reference.lstm_backward)
    report = verify.compare(model, IDS, TARGETS)
    assert not report.ok
    assert report.failures[0].quantity.startswith(where), str(report)


def test_a_fault_of_the_optimizer_turns_the_report_red(monkeypatch):
    from kerasllm.verify.twins import optimizer as twin_optimizer

    def uncorrected(weights, grads, state=None, **options):
        state = state or reference.OptimizerState(
            1000, *(tuple(np.zeros_like(w) for w in weights) for _ in "mv")
        )
        return reference.adam(weights, grads, state, **options)

    model = compiled(CausalLM(recurrent()), TokenCrossEntropy())
    settings = {name: name for name in ("beta_1", "beta_2", "epsilon")}
    kinds = {keras.optimizers.Adam: (uncorrected, settings)}
    monkeypatch.setattr(twin_optimizer, "_KINDS", kinds)
    report = verify.compare(model, IDS, TARGETS, steps=2)
    assert {row.quantity for row in report.failures} == {"after 2 steps"}


def test_lost_precision_is_said():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the two float32 spots named here are TensorFlow's")
    backbone = keras.Sequential(
        [
            keras.Input((3,), dtype="float64"),
            keras.layers.Dense(4, activation="gelu", dtype="float64"),
            keras.layers.Dense(2, dtype="float64"),
        ]
    )
    backbone.compile("sgd", "mean_squared_error")
    rng = np.random.default_rng(0)
    report = verify.compare(backbone, rng.standard_normal((5, 3)), rng.standard_normal((5, 2)))
    assert report.ok, str(report)
    outputs = [row for row in report.rows if row.quantity == "output"]
    assert all(row.bar == 1e-12 for row in outputs)
    loss = next(row for row in report.rows if row.quantity == "loss")
    assert loss.bar == 1e-5 and "set_floatx" in loss.note


def test_precision_is_lost_only_by_a_model_in_float64_and_a_loss_that_is_not(rng):
    """Of float32 everything is; a loss in float64, or one of this project's, loses nothing."""
    x, y = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))

    def loss_row(loss, dtype):
        layers = keras.Input((3,), dtype=dtype), keras.layers.Dense(2, dtype=dtype)
        model = compiled(keras.Sequential(layers), loss)
        rows = verify.compare(model, x.astype(dtype), y).rows
        return next((row.bar, row.note) for row in rows if row.quantity == "loss")

    assert loss_row("mean_squared_error", "float32") == (1e-5, "")
    in_float64 = keras.losses.MeanSquaredError(dtype="float64")
    assert loss_row(in_float64, "float64") == (1e-12, "")
    bar, note = loss_row("mean_squared_error", "float64")
    assert bar == 1e-5 and "set_floatx" in note


def test_bad_input(rng):
    x = rng.standard_normal((2, 3))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="expected targets y for training steps"):
        verify.compare(model, x, steps=1)
    with pytest.raises(ValueError, match=r"model\.compile"):
        verify.compare(model, x, x[:, :2], steps=1)
    with pytest.raises(ValueError, match="leave y out"):
        verify.compare(model, x, x[:, :2])
    with pytest.raises(TypeError, match="received type: for a layer class, pass an instance"):
        verify.compare(keras.layers.Dense, x)
