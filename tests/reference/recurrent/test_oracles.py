"""Recurrent layers against numbers that a human can derive."""

import keras
import numpy as np
import pytest

from kerasllm import reference as ref

# Keras' own conversion of JAX and torch arrays, under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
ONE = np.ones((1, 1))
BIG = 100.0  # a gate that is open: σ(100) = 1 to 43 digits


def _gates(**biases):
    """Return an LSTM without memory of x or h whose gates are set by their biases."""
    bias = np.array([biases.get(gate, 0.0) for gate in "ifgo"])
    return np.zeros((1, 4)), np.zeros((1, 4)), bias


def test_rnn_is_a_running_sum():
    x = np.array([[[1.0], [10.0], [100.0]]])
    y, trace = ref.simple_rnn(x, ONE, ONE, activation="linear", return_sequences=True)
    assert y.ravel().tolist() == [1, 11, 111]
    # The last output depends on every input alike.
    grads = ref.simple_rnn_backward(np.array([[[0.0], [0.0], [1.0]]]), trace)
    assert grads.d_x.ravel().tolist() == [1, 1, 1]
    # d(h3)/dU with h = x + U h: h3 = x3 + U (x2 + U x1), so its slope at U = 1 is x2 + 2 x1.
    assert grads.d_recurrent_kernel.item() == 12


def test_rnn_gradient_shrinks_by_the_recurrent_weight_at_every_step():
    x = np.zeros((1, 6, 1))
    _, trace = ref.simple_rnn(x, ONE, 0.5 * ONE)
    d_x = ref.simple_rnn_backward(np.ones((1, 1)), trace).d_x.ravel()
    assert d_x.tolist() == [0.5**k for k in (5, 4, 3, 2, 1, 0)]


def test_lstm_with_open_forget_gate_and_closed_input_gate_keeps_its_cell_for_ever():
    c0 = np.array([[0.7]])
    state = (np.zeros((1, 1)), c0)
    weights = _gates(f=BIG, i=-BIG, g=3.0, o=BIG)
    y, trace = ref.lstm(np.ones((1, 50, 1)), *weights, initial_state=state)
    assert trace.state[1].item() == pytest.approx(0.7, abs=1e-12)
    assert y.item() == pytest.approx(np.tanh(0.7), abs=1e-12)
    grads = ref.lstm_backward(np.zeros((1, 1)), trace, d_state=(np.zeros((1, 1)), np.ones((1, 1))))
    assert grads.d_initial_state[1].item() == pytest.approx(1, abs=1e-12)  # the error carousel


def test_lstm_with_open_gates_counts_steps():
    # c grows by tanh(candidate) at every step; σ(0) = ½ shows half of tanh(c).
    y, trace = ref.lstm(np.ones((1, 3, 1)), *_gates(i=BIG, f=BIG, g=BIG), return_sequences=True)
    assert trace.c.ravel() == pytest.approx([1, 2, 3])
    assert y.ravel() == pytest.approx(np.tanh([1, 2, 3]) / 2)


def test_lstm_with_closed_forget_gate_sees_only_the_present():
    weights = _gates(i=BIG, f=-BIG, g=0.5, o=BIG)
    _, trace = ref.lstm(np.ones((1, 4, 1)), *weights, return_sequences=True)
    assert trace.c.ravel() == pytest.approx([np.tanh(0.5)] * 4)


def test_lstm_gates_lie_in_the_order_i_f_g_o():
    for position, gate in enumerate("ifgo"):
        bias = np.zeros(4)
        bias[position] = BIG
        _, trace = ref.lstm(np.ones((1, 1, 1)), np.zeros((1, 4)), np.zeros((1, 4)), bias)
        values = {name: getattr(trace, name).item() for name in "ifgo"}
        assert values.pop(gate) == pytest.approx(1)
        assert all(value in (0, 0.5) for value in values.values())


def test_lstm_step_by_hand():
    x, h, c = 0.5, -0.25, 0.75
    W, U, b = np.array([1.0, -2, 3, 0.5]), np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 1, 0, -1.0])
    a = x * W + h * U + b
    i, f, o = (1 / (1 + np.exp(-a[k])) for k in (0, 1, 3))
    c_new = f * c + i * np.tanh(a[2])
    projected = (x * W + b)[None]
    (h_out, c_out), _ = ref.lstm_step(projected, np.array([[h]]), np.array([[c]]), U[None])
    assert c_out.item() == pytest.approx(c_new, rel=1e-15)
    assert h_out.item() == pytest.approx(o * np.tanh(c_new), rel=1e-15)


@pytest.mark.parametrize("reset_after", [True, False])
def test_gru_with_open_update_gate_keeps_the_old_state(reset_after):
    bias = np.array([BIG, 0.0, 3.0])
    bias = np.stack([bias, np.zeros(3)]) if reset_after else bias
    h0 = (np.array([[0.3]]),)
    x = np.ones((1, 9, 1))
    y, _ = ref.gru(
        x, np.ones((1, 3)), np.ones((1, 3)), bias, initial_state=h0, reset_after=reset_after
    )
    assert y.item() == pytest.approx(0.3)


@pytest.mark.parametrize("reset_after", [True, False])
def test_gru_with_closed_reset_gate_forgets_in_its_candidate(reset_after):
    bias = np.array([-BIG, -BIG, 0.0])
    bias = np.stack([bias, np.zeros(3)]) if reset_after else bias
    h0 = (np.array([[0.9]]),)
    y, _ = ref.gru(
        np.full((1, 1, 1), 0.25), np.array([[0.0, 0.0, 1.0]]), np.full((1, 3), 5.0), bias,
        initial_state=h0, reset_after=reset_after,
    )  # fmt: skip
    # The gates get 5 · 0.9 from h, too little against ±100.
    assert y.item() == pytest.approx(np.tanh(0.25))


def test_the_two_grus_differ_where_the_reset_gate_is_half_open():
    # Two units that exchange their states: r · (h U) is not (r · h) U.
    rng = np.random.default_rng(0)
    x, kernel, recurrent = (rng.normal(size=s) for s in [(1, 3, 1), (1, 6), (2, 6)])
    a, _ = ref.gru(x, kernel, recurrent, reset_after=True)
    b, _ = ref.gru(x, kernel, recurrent, reset_after=False)
    assert abs(a - b).max() > 1e-3


def test_masked_steps_keep_the_state_and_repeat_the_output():
    x = np.array([[[5.0], [1.0], [7.0], [2.0], [9.0]]])
    mask = np.array([[0, 1, 0, 1, 0]], bool)
    y, trace = ref.simple_rnn(
        x, ONE, ONE, activation="linear", mask=mask, return_sequences=True,
        initial_state=(np.array([[100.0]]),),
    )  # fmt: skip
    assert trace.h.ravel().tolist() == [100, 101, 101, 103, 103]
    assert y.ravel().tolist() == [0, 101, 101, 103, 103]  # nothing to repeat yet: zero
    y, _ = ref.simple_rnn(
        x, ONE, ONE, activation="linear", mask=mask, return_sequences=True,
        zero_output_for_mask=True,
    )  # fmt: skip
    assert y.ravel().tolist() == [0, 1, 0, 3, 0]


def test_masked_steps_hand_their_gradient_to_the_step_that_they_repeat():
    x = np.array([[[5.0], [1.0], [7.0], [2.0], [9.0]]])
    mask = np.array([[0, 1, 0, 1, 0]], bool)
    _, trace = ref.simple_rnn(
        x, ONE, 0 * ONE, activation="linear", mask=mask, return_sequences=True
    )
    d_x = ref.simple_rnn_backward(np.array([[[1.0], [2], [4], [8], [16]]]), trace).d_x
    assert d_x.ravel().tolist() == [0, 6, 0, 24, 0]


def test_backwards_shows_the_last_token_first():
    x = np.array([[[1.0], [10.0], [100.0]]])
    y, trace = ref.simple_rnn(
        x, ONE, ONE, activation="linear", go_backwards=True, return_sequences=True
    )
    assert y.ravel().tolist() == [100, 110, 111]
    d_x = ref.simple_rnn_backward(np.array([[[1.0], [0], [0]]]), trace).d_x
    assert d_x.ravel().tolist() == [0, 0, 1]


def test_bidirectional_without_sequences_ends_at_both_ends():
    x = np.array([[[1.0], [10.0], [100.0]]])
    options = {"layer": ref.simple_rnn, "activation": "linear"}
    y, trace = ref.bidirectional(x, ONE, 0 * ONE, ONE, 0 * ONE, **options)
    assert y.ravel().tolist() == [100, 1]
    grads = ref.bidirectional_backward(np.array([[2.0, 3.0]]), trace)
    assert grads.d_x.ravel().tolist() == [3, 0, 2]
    assert len(grads.d_weights) == 4


def test_stack_of_two_sums_is_a_sum_of_sums():
    x = np.array([[[1.0], [2.0], [3.0]]])
    y, trace = ref.stack(
        x, [(ONE, ONE)] * 2, layer=ref.simple_rnn, activation="linear", return_sequences=True
    )
    assert y.ravel().tolist() == [1, 4, 10]
    assert [state[0].item() for state in trace.state] == [6, 10]


@pytest.mark.backends
@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_weights_of_a_keras_layer_can_be_splatted_in(name, rng):
    layer = getattr(keras.layers, name)(7, bias_initializer="random_normal")
    x = rng.standard_normal((2, 5, 3)).astype("float32")
    theirs = keras.ops.convert_to_numpy(layer(x))
    function = {"SimpleRNN": ref.simple_rnn, "LSTM": ref.lstm, "GRU": ref.gru}[name]
    ours, _ = function(x, *layer.get_weights())
    assert abs(ours - theirs).max() < 1e-6


X, KERNEL, RECURRENT = np.ones((2, 5, 3)), np.ones((3, 28)), np.ones((7, 28))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ref.lstm(X[0], KERNEL, RECURRENT), ValueError, ["(B, T, D)", "(5, 3)"]),
        (
            lambda: ref.lstm(X[..., None], KERNEL, RECURRENT),
            ValueError,
            ["(B, T, D) with 3 axes", "(2, 5, 3, 1)"],
        ),
        (
            lambda: ref.lstm(X, KERNEL, RECURRENT.T),
            ValueError,
            ["recurrent_kernel of shape (7, 28)", "(28, 7)"],
        ),
        (lambda: ref.lstm(X[:, :0], KERNEL, RECURRENT), ValueError, ["axis 1 (time) is empty"]),
        (
            lambda: ref.lstm(X, KERNEL[:2], RECURRENT),
            ValueError,
            ["(2, 5, 3)", "(2, 28)", "axis 2 of x", "axis 0 of kernel"],
        ),
        (
            lambda: ref.lstm(X, KERNEL, RECURRENT[:5]),
            ValueError,
            ["(7, 28)", "(5, 28)", "axis 0: 5 instead of 7"],
        ),
        (lambda: ref.lstm(X, KERNEL[:, :26], RECURRENT), ValueError, ["4 gates", "(3, 26)"]),
        (lambda: ref.lstm(X, KERNEL, RECURRENT, np.ones(7)), ValueError, ["bias", "(28,)", "(7,)"]),
        (
            lambda: ref.lstm(X, KERNEL.astype(int), RECURRENT),
            TypeError,
            ["kernel of a float dtype", "int64", 'kernel.astype("float64")'],
        ),
        (
            lambda: ref.lstm(np.where(X == 1, np.nan, X), KERNEL, RECURRENT),
            ValueError,
            ["finite", "x", "nan", "(0, 0, 0)"],
        ),
        (
            lambda: ref.lstm(X, KERNEL, RECURRENT, mask=np.ones((2, 4))),
            ValueError,
            ["mask", "(2, 5)", "(2, 4)", "axis 1: 4 instead of 5"],
        ),
        (
            lambda: ref.lstm(X, KERNEL, RECURRENT, mask=np.full((2, 5), 0.5)),
            ValueError,
            ["mask of booleans", "token_ids != 0"],
        ),
        (
            lambda: ref.lstm(X, KERNEL, RECURRENT, initial_state=np.ones((2, 7))),
            ValueError,
            ["(h, c,)", "ndarray"],
        ),
        (
            lambda: ref.lstm(X, KERNEL, RECURRENT, initial_state=(np.eye(2, 7), np.eye(2, 6))),
            ValueError,
            ["c of shape (2, 7)", "(2, 6)"],
        ),
        (
            lambda: ref.lstm_step(np.ones((2, 28)), np.ones((2, 7)), np.ones((2, 6)), RECURRENT),
            ValueError,
            ["c_previous of shape (2, 7)", "(7, 28)", "axis 1: 6 instead of 7"],
        ),
        (
            lambda: ref.gru_step(np.ones((2, 28)), np.ones((2, 7)), RECURRENT),
            ValueError,
            ["recurrent_kernel of shape (7, 21)", "axis 1: 28 instead of 21"],
        ),
        (
            lambda: ref.gru_step(np.ones((2, 21)), np.ones((2, 7)), np.ones((7, 21)), np.ones(7)),
            ValueError,
            ["recurrent_bias of shape (21,)", "(7,)"],
        ),
        (
            lambda: ref.simple_rnn_step(np.ones((2, 6)), np.ones((2, 7)), np.ones((7, 7))),
            ValueError,
            ["projected of shape (2, 7)", "(2, 6)"],
        ),
        (
            lambda: ref.gru(X, np.ones((3, 21)), np.ones((7, 21)), np.ones(21)),
            ValueError,
            ["bias", "(2, 21)", "(21,)"],
        ),
        (
            lambda: ref.simple_rnn(X, np.ones((3, 7)), np.ones((7, 7)), activation="tan"),
            ValueError,
            ["activation", "tanh", "'tan'"],
        ),
        (lambda: ref.bidirectional(X, KERNEL, RECURRENT, KERNEL), ValueError, ["both directions"]),
        (
            lambda: ref.bidirectional(X, KERNEL, RECURRENT, KERNEL, RECURRENT, merge_mode="add"),
            ValueError,
            ["merge_mode", "concat", "'add'"],
        ),
        (lambda: ref.stack(X, []), ValueError, ["at least one layer"]),
        (
            lambda: ref.lstm_backward(np.ones((2, 5, 7)), ref.lstm(X, KERNEL, RECURRENT)[1]),
            ValueError,
            ["d_output of shape (2, 7)", "(2, 5, 7)"],
        ),
    ],
)
def test_bad_input_is_refused_with_what_to_do(call, error, words):
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_a_stack_hands_each_layer_the_gradient_of_its_own_state(rng):
    weights = [
        [rng.standard_normal(shape) for shape in ((width, 7), (7, 7), (7,))] for width in (3, 7)
    ]
    x, zeros = rng.standard_normal((2, 5, 3)), np.zeros((2, 7))
    _, trace = ref.stack(x, weights, layer=ref.simple_rnn)
    below = (rng.standard_normal((2, 7)),)
    grads = ref.stack_backward(zeros, trace, [below, (zeros,)])
    alone = ref.simple_rnn_backward(np.zeros((2, 5, 7)), trace.layers[0], below)
    np.testing.assert_allclose(grads.d_x, alone.d_x, rtol=1e-13)
    assert not any(d.any() for d in grads.d_weights[1])


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("name", ["simple_rnn", "lstm", "gru"])
def test_a_stack_returns_the_gradient_of_each_first_state(name, both, rng):
    layer, gates = getattr(ref, name), {"simple_rnn": 1, "lstm": 4, "gru": 3}[name]
    H, directions = 2, 1 + both
    shapes = [(width, gates * H) for width in (3, directions * H, directions * H)]
    bias = (2, gates * H) if name == "gru" else (gates * H,)
    weights = [
        [rng.standard_normal(s) for _ in range(directions) for s in (shape, (H, gates * H), bias)]
        for shape in shapes
    ]
    first = [
        tuple(rng.standard_normal((2, H)) for _ in range(directions * (1 + (name == "lstm"))))
        for _ in shapes
    ]
    x, mask = rng.standard_normal((2, 3, 3)), np.array([[1, 1, 1], [1, 1, 0]], bool)
    options = {"layer": layer, "both_directions": both, "mask": mask, "return_sequences": True}
    output, trace = ref.stack(x, weights, initial_state=first, **options)
    d_output = rng.standard_normal(output.shape)
    grads = ref.stack_backward(d_output, trace).d_initial_state
    assert [len(states) for states in grads] == [len(states) for states in first]
    for states, slopes in zip(first, grads, strict=True):
        for state, slope in zip(states, slopes, strict=True):
            for place in np.ndindex(state.shape):
                ends = []
                for step in (1e-5, -2e-5, 1e-5):  # there, back across, and home again
                    state[place] += step
                    ends.append(ref.stack(x, weights, initial_state=first, **options)[0])
                difference = (d_output * (ends[0] - ends[1])).sum() / 2e-5
                assert abs(difference - slope[place]) < 1e-8


def test_each_direction_gets_the_gradient_of_its_own_first_state():
    one, states = np.ones((1, 1)), [np.array([[2.0]]), np.array([[3.0]])]
    _, trace = ref.bidirectional(
        np.ones((1, 2, 1)), one, 0.5 * one, one, 0.25 * one, layer=ref.simple_rnn,
        activation="linear", merge_mode="sum", initial_state=states,
    )  # fmt: skip
    grads = ref.bidirectional_backward(np.ones((1, 1)), trace)
    assert [d.item() for d in grads.d_initial_state] == [0.5**2, 0.25**2]


def test_a_layer_without_bias_has_a_gradient_for_each_weight_that_it_has():
    one = np.ones((1, 1))
    weights = [(one, one), (one, one, one[0])]
    output, trace = ref.stack(np.ones((1, 2, 1)), weights, layer=ref.simple_rnn)
    assert [len(d) for d in ref.stack_backward(np.ones_like(output), trace).d_weights] == [2, 3]
