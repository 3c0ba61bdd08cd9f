"""Elementary functions, losses, optimizers and schedules against numbers a human can derive."""

import math

import keras
import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm.reference.elementary.activations import logistic, normal_cdf

# Keras' own conversion of JAX and torch arrays, under NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_distribution_agrees_with_the_standard_library(dtype):
    x = np.concatenate([np.linspace(-9, 9, 20_001), [1e-30, -1e30, 0.0]]).astype(dtype)
    expected = np.array([math.erfc(-value * math.sqrt(0.5)) / 2 for value in x])
    assert normal_cdf(x).dtype == dtype
    assert np.abs(normal_cdf(x) - expected).max() < 2 * np.finfo(dtype).eps
    assert np.abs(normal_cdf(-x) + normal_cdf(x) - 1).max() < 2 * np.finfo(dtype).eps


def test_activations_do_not_overflow_and_keep_small_numbers():
    x = np.array([-1e4, -700.0, 700.0, 1e4])
    with np.errstate(over="raise", invalid="raise"):
        assert ref.sigmoid(x)[0].tolist() == [0, pytest.approx(math.exp(-700)), 1, 1]
        assert ref.softmax(x)[0].tolist() == [0, 0, 0, 1]
        assert ref.log_softmax(x)[0].tolist() == [-2e4, -10700, -9300, 0]
        assert ref.gelu(x)[0].tolist() == [0, 0, 700, 1e4]


def test_activations_at_points_that_everybody_knows():
    assert ref.sigmoid(np.log([1 / 3, 1.0, 3.0]))[0] == pytest.approx([0.25, 0.5, 0.75])
    assert ref.tanh(np.array([math.log(3) / 2]))[0] == pytest.approx([0.5])
    assert ref.relu(np.array([-1.0, 0.0, 2.0]))[0].tolist() == [0, 0, 2]
    # A normal variable lies below 1.959964 with probability 0.975.
    assert ref.gelu(np.array([1.959963984540054]))[0] == pytest.approx([0.975 * 1.959963984540054])
    assert ref.softmax(np.log([[1.0, 3.0]]))[0].tolist() == [[0.25, 0.75]]
    assert logistic(np.array([0.0])) == 0.5


def test_relu_sends_nothing_back_at_zero():
    _, trace = ref.relu(np.array([-1.0, 0.0, 2.0]))
    assert ref.relu_backward(np.ones(3), trace).d_x.tolist() == [0, 0, 1]


def test_softmax_gradient_sums_to_zero_along_its_axis(rng):
    x = rng.standard_normal((2, 5, 3))
    for axis in (0, 1, -1):
        _, trace = ref.softmax(x, axis)
        d_x = ref.softmax_backward(rng.standard_normal(x.shape), trace).d_x
        assert np.abs(d_x.sum(axis)).max() < 1e-14


def test_embedding_gradient_adds_up_repeated_ids():
    _, trace = ref.embedding(np.array([[2, 0, 2]]), np.zeros((4, 1)))
    d_table = ref.embedding_backward(np.array([[[1.0], [10.0], [100.0]]]), trace).d_table
    assert d_table.ravel().tolist() == [10, 0, 101, 0]


def test_dropout_shares_a_draw_along_axes_of_length_one():
    keep = np.array([[[True, False]]])
    output, trace = ref.dropout(np.ones((1, 3, 2)), keep, rate=0.75)
    assert output.tolist() == [[[4, 0]] * 3]
    assert ref.dropout_backward(np.ones((1, 3, 2)), trace).d_x.tolist() == [[[4, 0]] * 3]


@pytest.mark.backends
def test_dropout_agrees_with_keras_on_what_it_keeps():
    layer = keras.layers.Dropout(0.3, seed=1)
    x = np.ones((7, 11), "float32")
    theirs = keras.ops.convert_to_numpy(layer(x, training=True))
    ours, _ = ref.dropout(x, theirs > 0, rate=0.3)
    assert ours == pytest.approx(theirs)


@pytest.mark.backends
def test_an_embedding_layer_agrees(rng):
    layer = keras.layers.Embedding(7, 3)
    ids = rng.integers(7, size=(2, 5))
    theirs = keras.ops.convert_to_numpy(layer(ids))
    assert np.array_equal(ref.embedding(ids, *layer.get_weights())[0], theirs)


def test_layer_norm_does_not_see_offset_or_scale_of_its_input(rng):
    x = rng.standard_normal((5, 11))
    y, trace = ref.layer_norm(x, epsilon=0.0)
    assert y.mean(-1) == pytest.approx(np.zeros(5), abs=1e-14)
    assert (y**2).mean(-1) == pytest.approx(np.ones(5))
    assert ref.layer_norm(7 * x + 100, epsilon=0.0)[0] == pytest.approx(y)
    d_x = ref.layer_norm_backward(rng.standard_normal(x.shape), trace).d_x
    assert np.abs(d_x.sum(-1)).max() < 1e-13  # moving the offset changes nothing
    assert np.abs((d_x * x).sum(-1)).max() < 1e-13  # nor does the scale


def test_rms_norm_is_layer_norm_where_the_mean_is_zero(rng):
    x = rng.standard_normal((5, 11))
    x -= x.mean(-1, keepdims=True)
    assert ref.rms_norm(x, epsilon=0.1)[0] == pytest.approx(ref.layer_norm(x, epsilon=0.1)[0])


def test_cross_entropy_counts_only_real_tokens():
    logits = np.log(np.array([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.25, 0.25, 0.5]]]))
    targets, mask = np.array([[0, 2, 1]]), np.array([[True, False, True]])
    loss, trace = ref.cross_entropy(logits, targets, mask)
    assert loss == pytest.approx((math.log(2) + math.log(4)) / 2)
    d_logits = ref.cross_entropy_backward(1.0, trace).d_logits[0]
    assert d_logits[0] == pytest.approx(np.array([-0.5, 0.25, 0.25]) / 2)
    assert d_logits[1].tolist() == [0, 0, 0]
    assert d_logits[2] == pytest.approx(np.array([0.25, -0.75, 0.5]) / 2)


def test_cross_entropy_of_ids_and_of_their_probabilities_agree(rng):
    logits, ids = rng.standard_normal((2, 5, 7)), rng.integers(7, size=(2, 5))
    a, a_trace = ref.cross_entropy(logits, ids, label_smoothing=0.1)
    b, b_trace = ref.cross_entropy(logits, np.eye(7)[ids], label_smoothing=0.1)
    assert a == pytest.approx(b)
    d_a, d_b = (ref.cross_entropy_backward(2.0, t).d_logits for t in (a_trace, b_trace))
    assert d_a == pytest.approx(d_b)


def test_losses_of_nothing_are_zero():
    nothing = np.zeros((1, 2), bool)
    loss, trace = ref.cross_entropy(np.ones((1, 2, 3)), np.zeros((1, 2), int), nothing)
    assert loss == 0
    assert not ref.cross_entropy_backward(1.0, trace).d_logits.any()


def test_binary_cross_entropy_is_cross_entropy_of_two_classes(rng):
    logits, answers = rng.standard_normal(11), rng.integers(2, size=11)
    two = np.stack([np.zeros(11), logits], axis=-1)
    a, _ = ref.binary_cross_entropy(logits, answers, label_smoothing=0.2)
    assert a == pytest.approx(ref.cross_entropy(two, answers, label_smoothing=0.2)[0])
    assert ref.binary_cross_entropy(np.array([-1e4, 1e4]), np.array([0, 1]))[0] == 0


def test_mean_squared_error_averages_over_features_of_real_steps():
    predictions, targets = np.array([[[1.0, 2.0], [9.0, 9.0]]]), np.zeros((1, 2, 2))
    loss, trace = ref.mean_squared_error(predictions, targets, np.array([[True, False]]))
    assert loss == (1 + 4) / 2
    grads = ref.mean_squared_error_backward(1.0, trace)
    assert grads.d_predictions.tolist() == [[[1, 2], [0, 0]]]
    assert np.array_equal(grads.d_targets, -grads.d_predictions)


W = [np.array([1.0, -2.0])]
G = [np.array([0.5, -0.25])]


def test_momentum_adds_up_to_a_longer_step():
    weights, state = ref.sgd(W, G, momentum=0.5, learning_rate=1.0)
    weights, state = ref.sgd(weights, G, state, momentum=0.5, learning_rate=1.0)
    # Steps 1 · G and 1.5 · G.
    assert weights[0].tolist() == [1 - 2.5 * 0.5, -2 + 2.5 * 0.25]
    assert state.step == 2


def test_nesterov_looks_one_step_ahead():
    weights, _ = ref.sgd(W, G, momentum=0.5, nesterov=True, learning_rate=1.0)
    assert weights[0].tolist() == [1 - 1.5 * 0.5, -2 + 1.5 * 0.25]


def test_adam_takes_equal_steps_under_a_constant_gradient():
    weights, state = W, None
    for _ in range(5):
        weights, state = ref.adam(weights, G, state, learning_rate=0.01, epsilon=0.0)
    assert weights[0] == pytest.approx([1 - 0.05, -2 + 0.05], abs=1e-12)


def test_adam_without_cast_drifts_from_adam_with_cast():
    ours, a = W, None
    theirs, b = W, None
    for k in range(300):
        grad = [np.sin([k, 2.0 * k])]
        ours, a = ref.adam(ours, grad, a)
        theirs, b = ref.adam(theirs, grad, b, scalar_dtype=np.float32)
    assert 1e-9 < np.abs(ours[0] - theirs[0]).max() < 1e-3


def test_adamw_shrinks_only_the_weights_it_is_told_to():
    weights, zeros = [np.ones(2), np.ones(2)], [np.zeros(2)] * 2
    weights, _ = ref.adamw(
        weights, zeros, learning_rate=0.5, weight_decay=0.1, decayed=[True, False]
    )
    assert weights[0] == pytest.approx([0.95, 0.95])
    assert weights[1].tolist() == [1, 1]


def test_optimizers_leave_their_arguments_alone_and_keep_the_dtype():
    for function in (ref.sgd, ref.rmsprop, ref.adam, ref.adamw):
        weights, grads = [np.ones(3, "float32")], [np.full(3, 0.5, "float32")]
        new, state = function(weights, grads)
        again, _ = function(new, grads, state)
        assert new[0].dtype == again[0].dtype == np.float32
        assert weights[0].tolist() == [1, 1, 1]
        assert grads[0].tolist() == [0.5] * 3
        same, _ = function(new, grads, state)
        assert np.array_equal(same[0], again[0])


def test_clipping_shortens_only_what_is_too_long():
    grads = [np.array([3.0, 4.0]), np.zeros(2), np.array([12.0])]
    assert ref.clip_by_global_norm(grads, 13.0)[2].tolist() == [12]
    assert ref.clip_by_global_norm(grads, 20.0)[0].tolist() == [3, 4]
    halved = ref.clip_by_global_norm(grads, 6.5)
    assert halved[0] == pytest.approx([1.5, 2.0])
    assert halved[2] == pytest.approx([6.0])
    by_norm = ref.clip_by_norm(grads, 6.0)
    assert by_norm[0].tolist() == [3, 4]
    assert by_norm[2].tolist() == [6]
    assert ref.clip_by_value(grads, 3.5)[0].tolist() == [3, 3.5]
    for function in (ref.clip_by_global_norm, ref.clip_by_norm, ref.clip_by_value):
        assert not function([np.zeros(2)], 1.0)[0].any()


def test_contrast_knows_who_belongs_together():
    angles = np.array([0.1, 0.2, 2.0, 2.1, 4.0, 4.1])
    pairs = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.arange(1, 7)[:, None]
    together, _ = ref.span_contrast(pairs, 0.1)
    apart, _ = ref.span_contrast(np.roll(pairs, 1, axis=0), 0.1)
    assert together < 0.01 and apart > 3
    again, trace = ref.span_contrast(7 * pairs, 0.1)  # lengths do not matter
    assert again == pytest.approx(together)
    grads = ref.span_contrast_backward(1.0, trace)
    assert (grads.d_pooled * pairs).sum(-1) == pytest.approx(np.zeros(6), abs=1e-12)
    assert ref.span_contrast(pairs[:2])[0] == 0  # one text: there is nobody to confuse it with


def test_warm_up_is_the_rising_part_of_the_cosine_schedule():
    steps = np.arange(11)
    rising = ref.cosine_decay(steps, 0.0, 7, warmup_target=0.3, warmup_steps=10)
    assert ref.linear_warmup(steps, 0.3, 10) == pytest.approx(rising)
    assert ref.linear_warmup(99, 0.3, 10) == 0.3


def test_inverse_square_root_rises_in_a_line_and_halves_when_steps_quadruple():
    steps = np.array([9, 19, 99, 399])  # the 10th, 20th, 100th and 400th
    rates = ref.inverse_square_root(steps, hidden_dim=64, warmup_steps=100, factor=2.0)
    assert rates == pytest.approx(2 / 8 * np.array([0.01, 0.02, 0.1, 0.05]))


X = np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ref.sigmoid(np.arange(3)), TypeError, ["float dtype", "int64"]),
        (lambda: ref.softmax(np.array([1.0, np.nan])), ValueError, ["finite", "nan", "(1,)"]),
        (
            lambda: ref.dense(X, np.ones((4, 5))),
            ValueError,
            ["(2, 3)", "(4, 5)", "axis 1 of x", "axis 0 of kernel"],
        ),
        (lambda: ref.dense(X, np.ones((3, 5)), np.ones(3)), ValueError, ["(5,)", "(3,)", "axis 0"]),
        (lambda: ref.embedding(np.array([0.5]), X), TypeError, ["integer dtype", "float64"]),
        (lambda: ref.embedding(np.array([2]), X), ValueError, ["from 0 to 1", "received 2"]),
        (lambda: ref.embedding(np.array([-1]), X), ValueError, ["from 0 to 1", "received -1"]),
        (lambda: ref.dropout(X, X > 0, rate=1.0), ValueError, ["rate", "1.0"]),
        (lambda: ref.dropout(X, X[:1, :2] > 0, rate=0.5), ValueError, ["(2, 3)", "(1, 2)"]),
        (lambda: ref.dropout(X, X[0] > 0, rate=0.5), ValueError, ["(2, 3)", "(3,)"]),
        (lambda: ref.layer_norm(X, np.ones(2)), ValueError, ["gamma", "(3,)", "(2,)"]),
        (lambda: ref.rms_norm(X, np.ones(2)), ValueError, ["scale", "(3,)", "(2,)"]),
        (lambda: ref.cross_entropy(X, np.array([0, 3])), ValueError, ["from 0 to 2", "received 3"]),
        (lambda: ref.cross_entropy(X, np.array([0])), ValueError, ["(2,)", "(1,)", "axis 0"]),
        (lambda: ref.cross_entropy(X, X[:, :2]), ValueError, ["(2, 3)", "(2, 2)", "axis 1"]),
        (
            lambda: ref.cross_entropy(X, np.array([0, 1]), mask=np.ones(3)),
            ValueError,
            ["mask", "(2,)", "(3,)"],
        ),
        (
            lambda: ref.cross_entropy(X, np.array([0, 1]), mask=np.array([0.5, 1.0])),
            ValueError,
            ["mask of booleans", "token_ids != 0"],
        ),
        (lambda: ref.dropout(X, X / 2, rate=0.5), ValueError, ["keep of booleans"]),
        (lambda: ref.binary_cross_entropy(X, X[0]), ValueError, ["targets", "(2, 3)", "(3,)"]),
        (lambda: ref.mean_squared_error(X, X[0]), ValueError, ["targets", "(2, 3)", "(3,)"]),
        (lambda: ref.span_contrast(X[:1]), ValueError, ["two spans of each text", "1 rows"]),
        (lambda: ref.span_contrast(X, 0.0), ValueError, ["above 0", "0.0"]),
        (lambda: ref.sgd([X], []), ValueError, ["1 weights", "received 0"]),
        (lambda: ref.adam([X], [X[0]]), ValueError, ["gradient 0", "(2, 3)", "(3,)"]),
        (lambda: ref.adam([X], [X * np.nan]), ValueError, ["finite", "gradient 0"]),
        (lambda: ref.clip_by_norm([X], 0.0), ValueError, ["above 0", "0.0"]),
        (lambda: ref.piecewise_constant(0, [1], [1.0]), ValueError, ["one value more"]),
        (lambda: ref.cosine_decay_restarts(0, 1.0, 0), ValueError, ["positive", "received 0"]),
    ],
)
def test_bad_input_is_refused_with_what_to_do(call, error, words):
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_a_span_of_zeros_is_no_division_by_zero():
    pooled = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    loss, trace = ref.span_contrast(pooled)
    assert np.isfinite(loss) and np.isfinite(ref.span_contrast_backward(1.0, trace).d_pooled).all()
