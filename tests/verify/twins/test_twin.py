"""The twin of every layer that it knows: forward, masks and gradients against Keras, in float64."""

import keras
import numpy as np
import pytest

from kerasllm import layers as ours
from kerasllm import reference as ref
from kerasllm import verify
from kerasllm.verify.twins.registry import LAYERS
from kerasllm.verify.twins.rules.core import keras_gelu

pytestmark = [
    pytest.mark.usefixtures("float64"),
    # From 3.16 on Keras warns that its recurrent layers lose the mask: the twin has to agree.
    pytest.mark.filterwarnings("ignore:.*destroy the mask:UserWarning"),
]
L = keras.layers
B, T, D, V = 2, 5, 3, 11
IDS = np.array([[3, 1, 4, 0, 0], [5, 9, 2, 6, 5]])


def randomized(model, seed=0):
    rng = np.random.default_rng(seed)
    model.set_weights([0.5 * rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


def on_tokens(*stack):
    """Return a function that builds a model of token ids; masks go wherever Keras lets them."""
    return lambda: keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            L.Embedding(V, D, mask_zero=True),
            *(f() for f in stack),
        ]
    )


def on_features(*stack):
    return lambda: keras.Sequential([keras.Input((T, D)), *(f() for f in stack)])


def joined(join):
    """Return a function that builds a model in which two masked branches meet."""

    def build():
        ids = keras.Input((None,), dtype="int32")
        a, b = (L.Embedding(V, D, mask_zero=zero)(ids) for zero in (True, False))
        return keras.Model(ids, join(a, L.GRU(D, return_sequences=True)(b)))

    return build


TOKENS = {
    "simple rnn": on_tokens(lambda: L.SimpleRNN(7, return_sequences=True), lambda: L.SimpleRNN(2)),
    "simple rnn, relu": on_tokens(lambda: L.SimpleRNN(7, activation="relu", use_bias=False)),
    "lstm, backwards": on_tokens(lambda: L.LSTM(7, go_backwards=True)),
    "lstm, no bias": on_tokens(lambda: L.LSTM(7, use_bias=False, return_sequences=True)),
    "lstm, zeros for masks": on_tokens(
        lambda: L.LSTM(7, return_sequences=True, zero_output_for_mask=True)
    ),
    "gru, reset before": on_tokens(lambda: L.GRU(7, reset_after=False)),
    "gru, reset after": on_tokens(lambda: L.GRU(7, return_sequences=True)),
    "cells": on_tokens(
        lambda: L.RNN([L.LSTMCell(7), L.GRUCell(2), L.SimpleRNNCell(5)], return_sequences=True)
    ),
    "cells, backwards": on_tokens(lambda: L.RNN([L.GRUCell(7), L.LSTMCell(2)], go_backwards=True)),
    "bidirectional": on_tokens(lambda: L.Bidirectional(L.LSTM(7, return_sequences=True))),
    "bidirectional, sum": on_tokens(lambda: L.Bidirectional(L.GRU(7), merge_mode="sum")),
    "bidirectional, mul": on_tokens(
        lambda: L.Bidirectional(L.SimpleRNN(7, return_sequences=True), merge_mode="mul")
    ),
    "pooling": on_tokens(L.GlobalAveragePooling1D),
    "norm": on_tokens(L.LayerNormalization, lambda: L.LayerNormalization(center=False)),
    "dense": on_tokens(lambda: L.Dense(7, activation="tanh"), lambda: L.Dense(2, use_bias=False)),
    "gelu": on_tokens(lambda: L.Dense(7, activation="gelu"), lambda: L.Activation("log_softmax")),
    "time distributed": on_tokens(lambda: L.TimeDistributed(L.Dense(7, activation="sigmoid"))),
    "stack": on_tokens(lambda: ours.StackedRNN(D, num_layers=3, cell="gru", residual=True)),
    "bilstm": on_tokens(lambda: ours.BiLSTM(7, num_layers=2)),
    "our attention": on_tokens(lambda: ours.MultiHeadAttention(3, causal=True)),
    "our attention, no bias": on_tokens(
        lambda: ours.MultiHeadAttention(1, key_dim=4, use_bias=False, rotary=True)
    ),
    "swish": on_tokens(lambda: L.Dense(7, activation="swish"), lambda: L.Activation("silu")),
    "encoder": on_tokens(lambda: ours.TransformerEncoder(3, 7, norm="post", activation="relu")),
    "feed forward": on_tokens(lambda: ours.FeedForward(7)),
    **{f"pooling, {mode}": on_tokens(lambda m=mode: ours.MaskedPooling(m))
       for mode in ("mean", "max", "mean_max", "last", "first", "attention")},
    "add": joined(lambda a, b: L.Add()([a, b])),
    "concatenate": joined(lambda a, b: L.Concatenate()([a, b])),
    "concatenate in time": joined(lambda a, b: L.Concatenate(axis=1)([a, b])),
    "subtract, average": joined(lambda a, b: L.Average()([L.Subtract()([a, b]), b, a])),
    "multiply": joined(lambda a, b: L.Multiply()([a, b])),
    "maximum, minimum": joined(lambda a, b: L.Minimum()([L.Maximum()([a, b]), b, a])),
    "attention": joined(lambda a, b: L.Attention(use_scale=True)([a, b])),
    "attention, three inputs": joined(lambda a, b: L.Attention()([b, a, b])),
    "attention, causal": joined(
        lambda a, b: L.Attention(score_mode="concat", use_scale=True)([b, a], use_causal_mask=True)
    ),
    "additive attention": joined(lambda a, b: L.AdditiveAttention()([a, b])),
    "multi-head": joined(lambda a, b: L.MultiHeadAttention(2, 7)(a, b)),
    "multi-head, self": joined(lambda a, b: L.Add()([b, L.MultiHeadAttention(2, 7)(a, a)])),
    "multi-head, causal, values": joined(
        lambda a, b: L.MultiHeadAttention(2, 7, value_dim=5, use_bias=False)(
            b, a, b, use_causal_mask=True
        )
    ),
    "arithmetic": joined(lambda a, b: keras.ops.tanh(2.0 * a - b) * b[:, :1] + keras.ops.mean(a)),
}  # fmt: skip
FEATURES = {
    "masking": on_features(L.Masking, lambda: L.LSTM(7, return_sequences=True)),
    "reshape": on_features(lambda: L.Reshape((D, T)), L.Flatten, lambda: L.Dense(2), L.ReLU),
    "softmax": on_features(L.GlobalMaxPooling1D, L.Softmax, lambda: L.Dense(2)),
    "dropout": on_features(lambda: L.Dropout(0.5), lambda: L.Activation("relu")),
}


@pytest.mark.parametrize("name", TOKENS)
def test_token_models_agree(name):
    report = verify.compare(randomized(TOKENS[name]()), IDS)
    assert report.ok, str(report)


@pytest.mark.parametrize("name", FEATURES)
def test_feature_models_agree(name, rng):
    x = rng.standard_normal((B, T, D))
    x[0, 3:] = 0.0
    report = verify.compare(randomized(FEATURES[name]()), x)
    assert report.ok, str(report)
    assert any(row.name.startswith("inputs/") for row in report.rows)


def test_states_go_from_encoder_to_decoder(rng):
    source, target = keras.Input((None, D)), keras.Input((None, 2))
    _, h, c = L.LSTM(7, return_state=True)(source)
    y, *states = L.LSTM(7, return_sequences=True, return_state=True)(target, initial_state=[h, c])
    both = L.Bidirectional(L.GRU(7, return_state=True))(source)
    model = randomized(keras.Model([source, target], [y, *states, *both]))
    report = verify.compare(model, [rng.standard_normal((B, T, D)), rng.standard_normal((B, 3, 2))])
    assert report.ok, str(report)


def test_nested_and_shared_layers_and_named_inputs(rng):
    shared = L.Dense(D, activation="tanh", name="shared")
    inner = keras.Sequential([keras.Input((None, D)), L.GRU(D, return_sequences=True), shared])
    a, b = keras.Input((None, D), name="a"), keras.Input((None, D), name="b")
    outputs = {"sum": L.Add()([inner(a), inner(b)]), "last": shared(L.LSTM(D)(shared(b)))}
    model = randomized(keras.Model({"a": a, "b": b}, outputs))
    x = {"a": rng.standard_normal((B, T, D)), "b": rng.standard_normal((B, T, D))}
    report = verify.compare(model, x)
    assert report.ok, str(report)
    names = list(verify.twin(model).trace(x))
    assert "shared" in names and "shared#2" in names
    assert f"{inner.name}/shared" in names and f"{inner.name}#2/shared" in names


@pytest.mark.filterwarnings("ignore:Layer '.*does not support masking")
def test_masks_through_a_nested_model():
    inner = keras.Sequential([keras.Input((None, D)), L.LSTM(7)])
    ids = keras.Input((None,), dtype="int32")
    model = randomized(keras.Model(ids, inner(L.Embedding(V, D, mask_zero=True)(ids))))
    assert verify.compare(model, IDS).ok


def test_trace_holds_every_symbol():
    model = randomized(TOKENS["stack"]())
    trace = verify.twin(model).trace(IDS)
    gates = trace["stacked_rnn/gru_1"] if "stacked_rnn" in trace else None
    gates = gates or next(t for name, t in trace.items() if name.endswith("gru_1"))
    assert gates.z.shape == (B, T, D) and ((gates.z > 0) & (gates.z < 1)).all()
    np.testing.assert_allclose(
        gates.h[1, 2], gates.z[1, 2] * gates.h[1, 1] + (1 - gates.z[1, 2]) * gates.candidate[1, 2]
    )


def test_a_layer_can_be_registered(rng):
    class Cube(keras.layers.Layer):
        def call(self, x):
            return x**3

    model = keras.Sequential([keras.Input((D,)), L.Dense(2), Cube(name="cube")])
    x = rng.standard_normal((B, D))
    with pytest.raises(TypeError, match=r"does not know the layer Cube \(named 'cube'\).*register"):
        verify.twin(model).predict(x)
    verify.register(
        Cube,
        forward=lambda layer, weights, x: (x**3, x),
        backward=lambda layer, d_output, x: (3 * d_output * x**2, []),
    )
    try:
        assert verify.compare(model, x).ok
    finally:
        del LAYERS[Cube]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: L.LSTM(2, recurrent_activation="hard_sigmoid"), "activations of LSTMCell"),
        (lambda: L.Dense(2, activation="mish"), "activation 'mish'"),
        (lambda: L.LayerNormalization(axis=1), "another axis than the last"),
        (lambda: L.ReLU(threshold=1.0), "a threshold"),
        (lambda: L.DepthwiseConv1D(2), "does not know the layer DepthwiseConv1D"),
    ],
)
def test_what_the_twin_cannot_do_is_named(build, message, rng):
    model = keras.Sequential([keras.Input((T, D)), build()])
    with pytest.raises(TypeError, match=message):
        verify.twin(model).predict(rng.standard_normal((B, T, D)))


def test_bad_input():
    model = keras.Sequential([keras.Input((T, D)), L.LSTM(2)])
    twin = verify.twin(model)
    with pytest.raises(ValueError, match=r"of shape \(None, 5, 3\), received \(2, 5, 7\)"):
        twin.predict(np.zeros((2, 5, 7)))
    with pytest.raises(ValueError, match="NaN or infinity"):
        twin.predict(np.full((2, 5, 3), np.nan))
    with pytest.raises(ValueError, match="empty"):
        twin.predict(np.zeros((0, 5, 3)))
    with pytest.raises(ValueError, match="no loss"):
        twin.loss(np.zeros((2, 5, 3)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="compile"):
        twin.train_on_batch(np.zeros((2, 5, 3)), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="expected 3 arrays, received 1"):
        twin.set_weights([np.zeros(2)])
    with pytest.raises(ValueError, match=r"received \(2,\)"):
        twin.set_weights([np.zeros(2)] * 3)
    with pytest.raises(TypeError, match="expected a Keras model, received LSTM"):
        verify.twin(L.LSTM(2))
    with pytest.raises(ValueError, match="is not built"):
        verify.twin(keras.Sequential([L.Dense(2)]))
    with pytest.raises(TypeError, match="both forward and backward"):
        verify.register(L.Conv1D, forward=lambda: None)
    with pytest.raises(TypeError, match="subclass of"):
        verify.register(str, forward=len, backward=len)


def test_a_model_with_its_own_call_is_refused():
    class Own(keras.Model):
        def call(self, x):
            return 2 * x

    with pytest.raises(TypeError, match="`call` method of its own"):
        verify.twin(Own())


def test_the_rounded_constant_of_a_gelu_is_taken_over_where_there_is_one():
    x = np.array([-1.5, 0.3, 2.0])
    rounded = np.float32(np.sqrt(0.5)) / np.sqrt(0.5)
    for slope in (1.0, rounded):
        found, trace = keras_gelu(
            x, lambda one, slope=slope: ref.gelu(slope * np.asarray(one))[0] / slope
        )
        expected = 1.0 if keras.backend.backend() != "tensorflow" else slope
        assert trace.slope == expected
        assert np.array_equal(found, ref.gelu(expected * x)[0] / expected)
