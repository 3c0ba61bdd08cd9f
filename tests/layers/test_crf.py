"""The conditional random field against the reference, and against every path there is."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from kerasllm.layers.crf import CRF
from kerasllm.reference.sequence.crf import crf, crf_backward, crf_viterbi

B, T, C = 3, 5, 7
LENGTHS = np.array([5, 2, 1])
MASK = np.arange(T) < LENGTHS[:, None]
CASES = pytest.mark.parametrize(("steps", "masked"), [(1, False), (2, True), (T, False), (T, True)])


@pytest.fixture
def layer(randomize, precision):
    layer = CRF(C, dtype=precision[0])
    layer.build((None, None, C))
    return randomize(layer, scale=1.0)


@pytest.fixture
def emissions(rng, precision):
    return rng.normal(scale=2.0, size=(B, T, C)).astype(precision[0])


@pytest.fixture
def tags(rng):
    return rng.integers(0, C, (B, T)).astype("int32")


def gradients(function, tensors):
    """Return the gradients of a scalar function of arrays, on any backend."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tensors = [tf.constant(x) for x in tensors]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            y = function(*tensors)
        return [g.numpy() for g in tape.gradient(y, tensors)]
    if keras.backend.backend() == "jax":
        import jax

        return [np.asarray(g) for g in jax.grad(function, argnums=range(len(tensors)))(*tensors)]
    import torch

    tensors = [torch.tensor(x, requires_grad=True) for x in tensors]
    function(*tensors).backward()
    return [x.grad.numpy() for x in tensors]


def with_weights(layer, emissions, weights, **call):
    """Call the layer with given values in the place of its weights."""
    with keras.StatelessScope(list(zip(layer.weights, weights, strict=True))):
        return layer(emissions, **call)


@pytest.mark.backends
@CASES
def test_log_likelihood_is_that_of_the_reference(layer, emissions, tags, masked, steps, precision):
    e, y, mask = emissions[:, :steps], tags[:, :steps], MASK[:, :steps] if masked else None
    expected, _ = crf(e, y, *layer.get_weights(), mask=mask)
    actual = ops.convert_to_numpy(layer(ops.convert_to_tensor(e), tags=y, mask=mask))
    assert np.abs(actual - expected).max() < 10 * precision[1]


@pytest.mark.backends
@pytest.mark.parametrize("masked", [False, True])
def test_gradients_are_those_of_the_reference(layer, emissions, tags, masked, rng, precision):
    mask, weights = MASK if masked else None, layer.get_weights()
    cotangent = rng.normal(size=B).astype(precision[0])
    _, trace = crf(emissions, tags, *weights, mask=mask)
    expected = crf_backward(cotangent, trace)

    def total(e, *weights):
        nats = with_weights(layer, e, weights, tags=tags, mask=mask)
        return ops.sum(nats * ops.convert_to_tensor(cotangent))

    for actual, wanted in zip(gradients(total, [emissions, *weights]), expected, strict=True):
        assert np.abs(actual - wanted).max() < 10 * precision[1]
        assert np.abs(wanted).max() > 0.1


@pytest.mark.backends
@CASES
def test_best_tags_are_those_of_the_reference(layer, emissions, masked, steps):
    e, mask = emissions[:, :steps], MASK[:, :steps] if masked else None
    expected, _ = crf_viterbi(e, *layer.get_weights(), mask=mask)
    actual = layer(ops.convert_to_tensor(e), mask=mask, decode=True)
    assert np.array_equal(ops.convert_to_numpy(actual), expected)


@pytest.mark.backends
def test_every_path_counted_and_compared(rng, precision, randomize):
    few = CRF(3, dtype=precision[0])
    few.build((None, None, 3))
    A, start, end = randomize(few, scale=1.0).get_weights()
    e = rng.normal(size=(1, 4, 3)).astype(precision[0])
    paths = np.array(list(itertools.product(range(3), repeat=4)))
    scores = np.array(
        [
            start[p[0]] + end[p[3]] + sum(e[0, t, p[t]] for t in range(4))
            + A[p[0], p[1]] + A[p[1], p[2]] + A[p[2], p[3]]
            for p in paths
        ]
    )  # fmt: skip
    many = ops.convert_to_tensor(np.repeat(e, len(paths), axis=0))
    p = np.exp(ops.convert_to_numpy(few(many, tags=paths)))
    assert np.abs(p - np.exp(scores) / np.exp(scores).sum()).max() < precision[1]
    best = ops.convert_to_numpy(few(ops.convert_to_tensor(e), decode=True))[0]
    assert np.array_equal(best, paths[scores.argmax()])


@pytest.mark.backends
def test_padding_changes_nothing(layer, emissions, tags, rng, precision):
    other = np.where(MASK[..., None], emissions, 50 * rng.normal(size=emissions.shape))
    wrong = np.where(MASK, tags, -1)  # any integer does where no word is
    plain = [layer(ops.convert_to_tensor(emissions), mask=MASK, **k)
             for k in ({"tags": tags}, {"decode": True})]  # fmt: skip
    noisy = [layer(ops.convert_to_tensor(other.astype(precision[0])), mask=MASK, **k)
             for k in ({"tags": wrong}, {"decode": True})]  # fmt: skip
    for a, b in zip(plain, noisy, strict=True):
        assert np.allclose(ops.convert_to_numpy(a), ops.convert_to_numpy(b), atol=1e-5)


@pytest.mark.backends
def test_a_row_without_a_real_step(layer, emissions, tags, precision):
    mask = MASK.copy()
    mask[1] = False

    def total(e):
        return ops.sum(layer(e, tags=tags, mask=mask))

    nats = ops.convert_to_numpy(layer(ops.convert_to_tensor(emissions), tags=tags, mask=mask))
    assert nats[1] == 0 and (nats[[0, 2]] < 0).all()
    (d_emissions,) = gradients(total, [emissions])
    assert np.isfinite(d_emissions).all() and not d_emissions[1].any() and d_emissions[0].any()
    best = layer(ops.convert_to_tensor(emissions), mask=mask, decode=True)
    assert not ops.convert_to_numpy(best)[1].any()


def test_forbidden_transitions_are_never_taken(rng):
    # Without them: tag 0 all the way, by far. 0 may not begin, follow 0, nor end.
    e = np.zeros((1, 4, 3), "float32")
    e[..., 0] = 9.0
    e[..., 1] = rng.normal(size=(1, 4))
    layer = CRF(3, forbidden=[(3, 0), (0, 0), (0, 3)])
    best = ops.convert_to_numpy(layer(ops.convert_to_tensor(e), decode=True))[0]
    assert best[0] != 0 and best[-1] != 0 and sum(best == 0) == 1
    nats = ops.convert_to_numpy(layer(ops.convert_to_tensor(e), tags=best[None]))
    assert -5 < nats[0] < 0
    nats = ops.convert_to_numpy(layer(ops.convert_to_tensor(e), tags=np.zeros((1, 4), "int32")))
    assert nats[0] < -1e4


@pytest.mark.backends
def test_half_precision_scores_are_added_up_in_float32(layer, emissions, tags):
    half = CRF(C, dtype="mixed_bfloat16")
    half.build((None, None, C))
    half.set_weights(layer.get_weights())
    x = ops.cast(ops.convert_to_tensor(emissions), "bfloat16")
    nats = half(x, tags=tags, mask=MASK)
    assert keras.backend.standardize_dtype(nats.dtype) == "float32"
    expected, _ = crf(ops.convert_to_numpy(ops.cast(x, "float32")), tags, *half.get_weights(), MASK)
    assert np.abs(ops.convert_to_numpy(nats) - expected).max() < 1e-4
    assert keras.backend.standardize_dtype(half(x).dtype) == "bfloat16"


def test_without_tags_the_emissions_pass_and_keep_their_mask(layer, emissions):
    x = keras.Input((None, C))
    y = layer(keras.layers.Masking(99.0)(x))
    assert y._keras_mask is not None and y.shape == (None, None, C)
    same = ops.convert_to_numpy(layer(ops.convert_to_tensor(emissions)))
    assert np.array_equal(same, emissions)


@pytest.mark.backends
def test_a_model_of_ones_own_is_trained_by_plain_fit(tmp_path, rng):
    ids, tags = keras.Input((None,), dtype="int32"), keras.Input((None,), dtype="int32")
    e = keras.layers.Dense(2)(keras.layers.Embedding(4, 5, mask_zero=True)(ids))
    crf_layer = CRF(2)
    model = keras.Model([ids, tags], crf_layer(e, tags=tags))
    tagger = keras.Model(ids, crf_layer(e, decode=True))
    model.compile(keras.optimizers.Adam(0.1), lambda _, nats: -ops.mean(nats))
    # A 1 is tagged by what came before it, which its own emission cannot know.
    x = np.array([[2, 1, 1, 1], [3, 1, 1, 0]] * 4, "int32")
    y = np.array([[0, 0, 0, 0], [1, 1, 1, 0]] * 4, "int32")
    model.fit([x, y], np.zeros(8), epochs=25, verbose=0)
    assert np.array_equal(tagger.predict(x, verbose=0), y)
    tagger.save(tmp_path / "tagger.keras")
    again = keras.saving.load_model(tmp_path / "tagger.keras")
    assert np.array_equal(again.predict(x, verbose=0), y)


@pytest.mark.backends
def test_at_the_end_of_a_plain_model_it_refuses_to_stay_untrained(rng):
    x = rng.normal(size=(4, 3, 5)).astype("float32")
    y = rng.integers(0, 2, (4, 3))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def made(trainable):
        crf = CRF(2, trainable=trainable)
        model = keras.Sequential([keras.Input((None, 5)), keras.layers.Dense(2), crf])
        model.compile("sgd", loss)
        return model

    model = made(True)
    assert model.predict(x, verbose=0).shape == (4, 3, 2)  # in use it passes emissions on
    with pytest.raises(ValueError, match=r"never sees the scores of its transitions.*crf\(emis"):
        model.fit(x, y, verbose=0)
    model = made(False)
    before = [np.array(weight) for weight in model.get_weights()]
    model.fit(x, y, verbose=0)
    moved = [not np.array_equal(*pair) for pair in zip(before, model.get_weights(), strict=True)]
    assert moved == [True, True, False, False, False]


def test_configuration_round_trip():
    layer = CRF(3, forbidden=[(3, 0)], name="some_name")
    again = CRF.from_config(layer.get_config())
    assert again.get_config() == layer.get_config() and again.forbidden == [(3, 0)]


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"pairs \(from, to\) of tags from 0 to 2.*\(0, 4\)"):
        CRF(3, forbidden=[(0, 4)])
    with pytest.raises(ValueError, match="expected emissions with 3 scores a step"):
        CRF(3).build((None, None, 4))
