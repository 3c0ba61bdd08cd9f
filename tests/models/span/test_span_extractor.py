"""Span extraction: the loss by hand, the mask, the best span by trying all."""

import itertools

import keras
import numpy as np
import pytest

from kerasllm.models import SpanExtractor, best_spans

CONTEXT = np.array([[2, 6], [1, 4], [1, 1]], dtype="int32")  # the last row has no context at all
TARGETS = np.array([[3, 5], [0, 0], [0, 0]], dtype="int32")


def make(backbone, rng):
    model = SpanExtractor(backbone)
    head = model.get_layer("span")
    head.set_weights([rng.normal(size=w.shape) for w in head.get_weights()])
    return model


def allowed(length):
    """Return which positions an answer may have (B, T), by the definition."""
    return np.array([[t == 0 or a <= t < b for t in range(length)] for a, b in CONTEXT.tolist()])


@pytest.mark.backends
@pytest.mark.parametrize("name", ["bert", "birnn"])
def test_logits_are_those_of_the_head_where_an_answer_may_stand(
    name, make_backbone, ids, rng, numpy
):
    model = make(make_backbone(name), rng)
    scores = numpy(model.backbone(ids)) @ numpy(model.get_layer("span").kernel)  # (B, T, 2)
    logits = numpy(model({"ids": ids, "context": CONTEXT}))
    may = allowed(7)
    assert logits.shape == (3, 2, 7)
    for k in range(2):
        np.testing.assert_allclose(logits[:, k][may], scores[..., k][may], atol=1e-5)
        assert (logits[:, k][~may] < -1e29).all()


@pytest.mark.backends
def test_loss_is_the_mean_of_both_cross_entropies(make_backbone, ids, rng, numpy):
    model = make(make_backbone("bert"), rng)
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True
    )
    inputs = {"ids": ids, "context": CONTEXT}
    logits = numpy(model(inputs)).astype("float64")
    nats = []
    for row, (targets, may) in enumerate(zip(TARGETS, allowed(7), strict=True)):
        for k, target in enumerate(targets):
            p = np.exp(logits[row, k][may])
            nats.append(np.log(p.sum()) - logits[row, k, target])
    assert nats[-1] == pytest.approx(0, abs=1e-6)  # nowhere else to stand
    loss = model.evaluate(inputs, TARGETS, verbose=0)
    assert loss == pytest.approx(np.mean(nats), abs=1e-5)


@pytest.mark.backends
@pytest.mark.parametrize("name", ["bert", "birnn"])
def test_one_step_of_training_moves_every_weight(name, make_backbone, ids, rng):
    model = make(make_backbone(name), rng)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    before = model.get_weights()
    model.fit({"ids": ids, "context": CONTEXT}, TARGETS, verbose=0)
    for weight, old, new in zip(model.weights, before, model.get_weights(), strict=True):
        assert np.isfinite(new).all()
        # What the last layer adds to all positions alike, a softmax over positions does not see.
        alike = weight.path.endswith(("norm/beta", "projection/bias"))
        assert alike or not np.array_equal(old, new), weight.path


@pytest.mark.backends
def test_padding_changes_nothing(make_backbone, ids, rng, numpy):
    model = make(make_backbone("bert"), rng)
    short = numpy(model({"ids": ids, "context": CONTEXT}))
    padded = numpy(model({"ids": np.pad(ids, ((0, 0), (0, 4))), "context": CONTEXT}))
    np.testing.assert_allclose(padded[..., :7], short, atol=1e-5)
    assert (padded[..., 7:] < -1e29).all()


def test_saved_and_loaded(make_backbone, ids, rng, numpy, tmp_path):
    model = make(make_backbone("bert"), rng)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    inputs = {"ids": ids, "context": CONTEXT}
    np.testing.assert_array_equal(numpy(loaded(inputs)), numpy(model(inputs)))


def test_in_16_bits_the_logits_have_32(make_backbone, ids):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = SpanExtractor(make_backbone("bert"))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    logits = model({"ids": ids, "context": CONTEXT})
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert np.isfinite(keras.ops.convert_to_numpy(logits)).all()


@pytest.mark.parametrize("name", ["gpt", "lstm"])
def test_a_causal_backbone_is_refused(name, make_backbone):
    with pytest.raises(ValueError, match="reads the whole text, received one that sees the past"):
        SpanExtractor(make_backbone(name, random=False))


def brute_force(logits, most):
    """Return all (score, start, end) of one row, the best first."""
    starts, ends = logits
    spans = itertools.combinations_with_replacement(range(1, len(starts)), 2)
    found = [
        (starts[i] + ends[j] - starts[0] - ends[0], i, j) for i, j in spans if j - i + 1 <= most
    ]
    return sorted(found, reverse=True)


@pytest.mark.parametrize("most", [1, 3, 30])
def test_best_spans_are_those_of_trying_all(most, rng):
    logits = rng.normal(size=(5, 2, 13))
    logits[:, :, 4:6] = -1e30
    scores, starts, ends = best_spans(logits, most, top=7)
    for row in range(5):
        expected = brute_force(logits[row], most)[:7]
        np.testing.assert_allclose(scores[row], [score for score, _, _ in expected])
        assert list(zip(starts[row], ends[row], strict=True)) == [(i, j) for _, i, j in expected]


def test_a_row_without_spans_scores_minus_infinity(rng):
    logits = rng.normal(size=(1, 2, 5))
    logits[..., 1:] = -1e30
    assert best_spans(logits, 3)[0].tolist() == [[-np.inf]]
    logits[..., 2] = 1.0
    scores, starts, ends = best_spans(logits, 3, top=20)
    assert scores.shape == (1, 20) and np.isfinite(scores).sum() == 1
    assert (starts[0, 0], ends[0, 0]) == (2, 2)
