"""Head and cross-entropy as one."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasllm import reference as ref
from kerasllm.layers import head, linear_cross_entropy
from kerasllm.verify.comparison.backend import automatic_gradients, to_tensors

pytestmark = pytest.mark.backends
B, T, D, V = 2, 5, 3, 13
TARGETS = np.array([[3, 1, 4, 1, 5], [9, 2, 0, 0, 0]], "int32")


@pytest.fixture
def arrays(rng):
    return tuple(rng.normal(size=shape).astype("float32") for shape in ((B, T, D), (D, V), (V,)))


def loss_of(features, kernel, bias, targets=TARGETS, weight=None, **options):
    return float(linear_cross_entropy(features, kernel, targets, weight, bias, **options))


def test_by_hand():
    # One feature of ln 3 scores the second of two tokens: p = (1/4, 3/4).
    features = np.full((1, 1, 1), np.log(3), "float32")
    kernel = np.array([[0.0, 1.0]], "float32")
    found = loss_of(features, kernel, None, np.array([[1]], "int32"))
    assert found == pytest.approx(np.log(4 / 3))
    # z-loss: lse = ln(1 + 3)
    found = loss_of(features, kernel, None, np.array([[1]], "int32"), z_loss=0.5)
    assert found == pytest.approx(np.log(4 / 3) + 0.5 * np.log(4) ** 2)


@pytest.mark.parametrize("rows", [1, 3, 4, 10, 16, None])
def test_blocks_of_any_size_give_the_same_loss(rows, arrays):
    expected, _ = ref.linear_cross_entropy(*arrays[:2], TARGETS, TARGETS != 0, arrays[2])
    assert loss_of(*arrays, rows=rows) == pytest.approx(expected, rel=1e-5)


SETTINGS = {
    "plain": {},
    "smoothed": {"label_smoothing": 0.3},
    "z-loss": {"z_loss": 0.2},
    "both, tied": {"label_smoothing": 0.3, "z_loss": 0.2, "tied": True},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_the_gradient_by_hand_is_that_of_all_the_logits(settings, arrays, rng):
    features, kernel, bias = arrays
    weight = ops.convert_to_tensor(rng.random((B, T)).astype("float32"))
    tied = settings.get("tied", False)
    given = {"features": features, "kernel": kernel.T if tied else kernel, "bias": bias}

    def in_blocks(features, kernel, bias):
        return linear_cross_entropy(features, kernel, TARGETS, weight, bias, rows=3, **settings)

    def with_logits(features, kernel, bias):
        logits = ops.matmul(features, ops.transpose(kernel) if tied else kernel) + bias
        epsilon, lse = settings.get("label_smoothing", 0), ops.logsumexp(logits, axis=-1)
        q = (1 - epsilon) * ops.one_hot(TARGETS, V) + epsilon / V
        nats = lse - ops.sum(q * logits, axis=-1) + settings.get("z_loss", 0) * lse**2
        return ops.sum(nats * weight) / ops.sum(weight)

    found, expected = (
        automatic_gradients(loss, to_tensors(given), [np.float32(1.7)])
        for loss in (in_blocks, with_logits)
    )
    for name in given:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("tied", [False, True])
def test_tokens_that_do_not_count_are_not_computed(tied, arrays):
    features, kernel, bias = arrays
    kernel = kernel.T if tied else kernel
    targets = np.array([[0, 0, 0, 1, 0], [9, 2, 0, 0, 0]], "int32")
    counts = targets != 0

    def loss(features, kernel, bias, **options):
        options = {"rows": 1, "tied": tied} | options
        return linear_cross_entropy(features, kernel, targets, None, bias, **options)

    def gradients(**options):
        given = to_tensors({"features": features, "kernel": kernel, "bias": bias})
        return automatic_gradients(lambda **x: loss(**x, **options), given, [np.float32(1.7)])

    whole, some = gradients(), gradients(counted_only=True, rows=2)
    for name in whole:
        np.testing.assert_allclose(some[name], whole[name], rtol=1e-5, atol=1e-7)
    # What is no number would show: the others are not touched.
    features = np.where(counts[..., None], features, np.nan)
    assert not np.isfinite(float(loss(features, kernel, bias)))
    found, some = (
        float(loss(features, kernel, bias, counted_only=True)),
        gradients(counted_only=True),
    )
    assert found == pytest.approx(float(loss(np.nan_to_num(features), kernel, bias)), rel=1e-6)
    np.testing.assert_allclose(some["features"], whole["features"], rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(some["features"][~counts], 0)


def test_a_kernel_that_does_not_learn_has_no_gradient(arrays):
    given = to_tensors(dict(zip(("features", "kernel", "bias"), arrays, strict=True)))

    def gradients(**options):
        def loss(features, kernel, bias):
            return linear_cross_entropy(features, kernel, TARGETS, None, bias, rows=3, **options)

        return automatic_gradients(loss, given, [np.float32(1.7)])

    whole, some = gradients(), gradients(learn_kernel=False)
    assert np.abs(whole["kernel"]).max() > 0.01
    np.testing.assert_array_equal(some["kernel"], 0)
    for name in ("features", "bias"):
        np.testing.assert_allclose(some[name], whole[name], rtol=1e-6)


def test_weights_of_tokens(arrays, rng):
    weight = rng.random((B, T)).astype("float32")
    _, trace = ref.linear_cross_entropy(*arrays[:2], TARGETS, None, arrays[2])
    expected = (trace.nats * weight).sum() / weight.sum()
    assert loss_of(*arrays, weight=weight, rows=3) == pytest.approx(expected, rel=1e-5)
    assert loss_of(*arrays, weight=0 * weight) == 0


def test_half_precision_sums_in_single(arrays):
    features, kernel = (keras.ops.cast(x, "bfloat16") for x in arrays[:2])
    loss = linear_cross_entropy(features, kernel, TARGETS, bias=arrays[2], rows=3)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    whole = [keras.ops.convert_to_numpy(keras.ops.cast(x, "float32")) for x in (features, kernel)]
    expected, _ = ref.linear_cross_entropy(*whole, TARGETS, TARGETS != 0, arrays[2])
    assert float(loss) == pytest.approx(expected, rel=1e-2)


def test_no_more_logits_at_a_time_than_a_block_has(arrays, monkeypatch):
    shapes, exp = [], keras.ops.exp
    monkeypatch.setattr(head.ops, "exp", lambda x: shapes.append(tuple(x.shape)) or exp(x))
    loss_of(*arrays, rows=4)
    assert shapes and all(shape[0] is None or shape[0] <= 4 for shape in shapes)
