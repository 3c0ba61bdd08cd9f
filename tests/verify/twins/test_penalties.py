"""Regularizers and constraints: what a model holds against its weights, in the twin too."""

import keras
import numpy as np
import pytest

from kerasllm import verify
from kerasllm.verify.comparison.report import compare_arrays

pytestmark = [
    pytest.mark.usefixtures("float64"),
    # From 3.16 on Keras warns that its recurrent layers lose the mask: the twin has to agree.
    pytest.mark.filterwarnings("ignore:.*destroy the mask:UserWarning"),
]
L, reg, con = keras.layers, keras.regularizers, keras.constraints
IDS = np.array([[3, 1, 4, 0, 0], [5, 9, 2, 6, 5], [2, 7, 0, 0, 0]])
V, D, B = 11, 3, 3


def model_of(*stack, loss="mse", optimizer=None):
    """Return a compiled model of token ids, and targets for it."""
    embedding = L.Embedding(V, D, mask_zero=True)
    if isinstance(stack[0], L.Embedding):
        embedding, stack = stack[0], stack[1:]
    model = keras.Sequential([keras.Input((None,), dtype="int32"), embedding, *stack])
    rng = np.random.default_rng(0)
    model.set_weights([0.5 * rng.standard_normal(w.shape) for w in model.get_weights()])
    model.compile(optimizer or keras.optimizers.SGD(0.1), loss, jit_compile=False)
    return model, rng.standard_normal(np.shape(model(IDS)))


def check(model, y, steps=3):
    report = verify.compare(model, IDS, y, steps=steps)
    assert report.ok, str(report)
    return report


WEIGHTS = {
    "embedding": lambda: (L.Embedding(V, D, embeddings_regularizer="l2"), L.GRU(2)),
    "dense": lambda: (
        L.Dense(2, kernel_regularizer=reg.L1L2(0.02, 0.03), bias_regularizer=reg.L1(0.04)),
    ),
    "lstm": lambda: (
        L.LSTM(2, kernel_regularizer="l1", recurrent_regularizer="l2", bias_regularizer="l2"),
    ),
    "norm": lambda: (L.LayerNormalization(gamma_regularizer="l2", beta_regularizer="l1"),),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weight_regularizers(name):
    model, y = model_of(*WEIGHTS[name]())
    check(model, y)
    plain = verify.twin(model).loss(IDS, y)
    for variable in model.weights:
        variable.regularizer = None
    assert plain - verify.twin(model).loss(IDS, y) > 1e-3


def test_a_shared_weight_pays_once():
    dense = L.Dense(D, kernel_regularizer=reg.L2(0.3))
    model, y = model_of(dense, dense)
    check(model, y)


ACTIVITIES = {
    "dense": lambda: (L.Dense(2, activation="tanh", activity_regularizer=reg.L1L2(0.2, 0.3)),),
    "embedding": lambda: (L.Embedding(V, D, activity_regularizer="l2"), L.GRU(2)),
    "lstm": lambda: (L.LSTM(2, return_sequences=True, activity_regularizer="l1"), L.GRU(2)),
    "layer": lambda: (L.ActivityRegularization(l1=0.2, l2=0.1), L.GRU(2)),
    "nested": lambda: (keras.Sequential([L.Dense(2, activity_regularizer="l2"), L.GRU(2)]),),
}


@pytest.mark.filterwarnings("ignore:Layer '.*does not support masking")
@pytest.mark.parametrize("name", ACTIVITIES)
def test_activity_regularizers(name):
    model, y = model_of(*ACTIVITIES[name]())
    report = check(model, y)
    assert any(row.quantity == "loss" for row in report.rows)
    np.testing.assert_allclose(
        verify.twin(model).loss(IDS, y), model.evaluate(IDS, y, verbose=0), rtol=1e-6
    )
    without = [layer for layer in model._flatten_layers() if layer.activity_regularizer]
    before = verify.twin(model).loss(IDS, y)
    for layer in without:
        layer.activity_regularizer = None
    assert before - verify.twin(model).loss(IDS, y) > 1e-3


def test_an_activity_regularizer_counts_every_call_and_state():
    ids = keras.Input((None,), dtype="int32")
    dense = L.Dense(D, activity_regularizer="l2")
    x = dense(dense(L.Embedding(V, D)(ids)))
    y, h, c = L.LSTM(2, return_state=True, activity_regularizer="l1")(x)
    model = keras.Model(ids, L.Concatenate()([y, h, c]))
    model.compile("sgd", "mse", jit_compile=False)
    check(model, np.ones((B, 6)))


def test_one_sentence_by_hand():
    """loss = ½ Σ |y| / B + l2 Σ w² for y = 2 x, w = 2, two rows."""
    layer = L.Dense(1, use_bias=False, kernel_regularizer=reg.L2(0.25))
    layer.activity_regularizer = reg.L1(0.5)
    model = keras.Sequential([keras.Input((1,)), layer])
    model.set_weights([np.array([[2.0]])])
    model.compile("sgd", "mse")
    x = np.array([[1.0], [3.0]])
    loss = verify.twin(model).loss(x, 2 * x)
    assert loss == pytest.approx(0.5 * (2 + 6) / 2 + 0.25 * 4)
    gradient = verify.twin(model).gradients(x, 2 * x)[model.weights[0].path]
    assert gradient == pytest.approx(0.5 * (1 + 3) / 2 + 2 * 0.25 * 2)


CONSTRAINTS = {
    "non-negative": lambda: L.Dense(2, kernel_constraint="non_neg", bias_constraint="non_neg"),
    "max norm": lambda: L.LSTM(
        2, kernel_constraint=con.MaxNorm(0.3, axis=1), recurrent_constraint=con.MaxNorm(0.2)
    ),
    "unit norm": lambda: L.Dense(2, kernel_constraint=con.UnitNorm(axis=0)),
    "min and max norm": lambda: L.Dense(
        2, kernel_constraint=con.MinMaxNorm(0.3, 0.4, rate=0.6, axis=[0, 1])
    ),
}


@pytest.mark.parametrize("name", CONSTRAINTS)
@pytest.mark.parametrize("optimizer", [keras.optimizers.SGD, keras.optimizers.AdamW])
def test_constraints_move_the_weights_after_each_step(name, optimizer):
    model, y = model_of(CONSTRAINTS[name](), optimizer=optimizer(0.05))
    check(model, y, steps=5)
    twin = verify.twin(model)
    twin.train_on_batch(IDS, y)
    free, _ = model_of(CONSTRAINTS[name](), optimizer=optimizer(0.05))
    for variable in free.weights:
        variable.constraint = None
    other = verify.twin(free)
    other.train_on_batch(IDS, y)
    rows = [
        compare_arrays("", "", a, b, 1e-3)
        for a, b in zip(twin.get_weights(), other.get_weights(), strict=True)
    ]
    assert not all(row.ok for row in rows)


def test_a_constrained_embedding():
    model, y = model_of(L.Embedding(V, D, embeddings_constraint=con.UnitNorm(axis=1)), L.GRU(2))
    check(model, y)


class Half(con.Constraint):
    def __call__(self, w):
        return w / 2


class Cubic(reg.Regularizer):
    def __call__(self, x):
        return keras.ops.sum(keras.ops.abs(x) ** 3)


def test_what_the_twin_cannot_hold_against_a_weight_is_named():
    model, y = model_of(L.Dense(2, name="head", kernel_constraint=Half()))
    with pytest.raises(TypeError, match=r"received Half on .*head/kernel': build that layer"):
        verify.twin(model).train_on_batch(IDS, y)
    model, y = model_of(L.Dense(2, name="head", kernel_regularizer=Cubic()))
    with pytest.raises(TypeError, match=r"L1 and L2, received Cubic on .*head/kernel': build"):
        verify.twin(model).loss(IDS, y)
    model, y = model_of(L.Dense(2, name="head", activity_regularizer=Cubic()))
    with pytest.raises(TypeError, match=r"received Cubic on 'head'"):
        verify.twin(model).gradients(IDS, y)
    hidden = L.Bidirectional(L.GRU(2, activity_regularizer="l2", name="gru"), name="both")
    model, y = model_of(hidden)
    with pytest.raises(TypeError, match=r"activity regularizer inside of it, on .*'both'"):
        verify.twin(model).predict(IDS)
    model, y = model_of(L.TimeDistributed(L.Dense(2, activity_regularizer="l2"), name="steps"))
    with pytest.raises(TypeError, match=r"an activity regularizer \(layer 'steps'\)"):
        verify.twin(model).predict(IDS)
