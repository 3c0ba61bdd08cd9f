"""Weights of classes and of examples, in `fit` and `evaluate`."""

import keras
import numpy as np
import pytest

from kerasllm.models import ClassificationPreprocessor, ContrastivePreprocessor, TextClassifier

pytestmark = pytest.mark.backends
CLASSES = {  # a class by name and by number, and the target that stands for it
    "classifier": ("yes", 2, 2),
    "tagger": ("O", 2, 3),
    "recurrent": ("cat", 8, 8),
    "transformer": ("cat", 8, 8),
    "causal": ("cat", 8, 8),
    "masked": ("dog", 9, 9),
}


def loss_of_fit(small, **options):
    """Return the loss that a training reports at a rate of 0."""
    small.eagerly(keras.optimizers.SGD(0.0))
    history = small.task.fit(small.x, small.y, shuffle=False, verbose=0, **options)
    return history.history["loss"][0]


@pytest.mark.parametrize("kind", CLASSES)
def test_class_weights_weigh_the_targets(kind, make_small):
    small = make_small(kind)
    (nats, real), targets = small.nats(), small.arrays[1]
    name, number, target = CLASSES[kind]
    weights = np.where(targets == target, 3.0, 1.0) * real
    assert 0 < (targets == target).sum() < real.sum()
    expected = (nats * weights).sum() / weights.sum()
    assert abs(expected - nats[real].mean()) > 1e-4
    assert loss_of_fit(small, class_weight={name: 3.0}) == pytest.approx(expected, rel=1e-5)
    assert loss_of_fit(small, class_weight={number: 3.0}) == pytest.approx(expected, rel=1e-5)


def test_class_weights_train_as_weights_of_the_examples(make_small, same_weights):
    by_class, by_example, by_neither = (make_small("classifier") for _ in range(3))
    options = {"epochs": 2, "batch_size": 3, "verbose": 0}
    table = {"yes": 2.0, "no": 0.5}
    given = [table.get(label, 1.0) for label in by_class.y]
    for small, weights in (
        (by_class, {"class_weight": table}),
        (by_example, {"sample_weight": given}),
        (by_neither, {}),
    ):
        keras.utils.set_random_seed(3)
        small.eagerly().fit(small.x, small.y, **options, **weights)
    same_weights(by_class.task, by_example.task, 1e-7)
    with pytest.raises(AssertionError):
        same_weights(by_class.task, by_neither.task, 1e-3)


def test_weights_of_classes_and_examples_are_multiplied(make_small):
    small, given = make_small("classifier"), np.array([1, 2, 3, 1, 0, 2, 1.0])
    weights = given * np.where(small.arrays[1] == 2, 3.0, 1.0)
    expected = (small.nats()[0] * weights).sum() / weights.sum()
    found = loss_of_fit(small, class_weight={"yes": 3.0}, sample_weight=given)
    assert found == pytest.approx(expected, rel=1e-5)


def test_an_example_of_weight_0_is_as_if_left_out(small):
    inputs, targets = small.arrays
    row = 2
    kept = np.arange(len(targets)) != row
    alone = keras.tree.map_structure(lambda array: array[kept], inputs)
    small.eagerly(keras.optimizers.SGD(0.0))
    expected = small.task.evaluate(alone, targets[kept], verbose=0, return_dict=True)["loss"]
    whole = small.task.evaluate(inputs, targets, verbose=0, return_dict=True)["loss"]
    assert abs(whole - expected) > 1e-4
    weights = np.where(kept, 1.0, 0.0)
    options = {"sample_weight": weights, "verbose": 0, "return_dict": True}
    raw = small.task.evaluate(small.x, small.y, **options)["loss"]
    of_arrays = small.task.evaluate(inputs, targets, **options)["loss"]
    for found in (raw, of_arrays, loss_of_fit(small, sample_weight=weights)):
        assert found == pytest.approx(expected, rel=1e-5)


def test_all_windows_of_a_text_have_its_weight(make_small):
    small = make_small("classifier", length=3, long_texts="windows")
    read = small.task.preprocessor
    (_, owners), weights = read.rows(small.x), np.arange(7.0)
    assert len(owners) > 7
    found = read(small.x, small.y, weights)[2]
    np.testing.assert_array_equal(found, weights[owners])


def test_weights_that_do_not_fit_are_explained(small):
    count = len(small.x)
    for wrong in (np.ones(count - 1), np.ones(count + 1), np.ones((count, 2))):
        with pytest.raises(ValueError, match=f"a number for each of {count} examples, received"):
            small.eagerly().fit(small.x, small.y, sample_weight=wrong)


@pytest.mark.parametrize("kind", ["classifier", "span", "tagger", "causal"])
def test_a_loss_of_keras_is_weighed_likewise(kind, make_small):
    small, given = make_small(kind), None
    nats, real = small.nats()
    given = np.linspace(0.5, 2, len(nats))
    weights = given.reshape(-1, *[1] * (nats.ndim - 1)) * real
    reduction = "mean_with_sample_weight"
    small.eagerly("sgd", keras.losses.SparseCategoricalCrossentropy(True, reduction=reduction))
    found = small.task.evaluate(small.x, small.y, sample_weight=given, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx((nats * weights).sum() / weights.sum(), rel=1e-5)


@pytest.mark.parametrize("kind", CLASSES)
def test_classes_that_are_not_known_are_explained(kind, make_small):
    small = make_small(kind)
    for wrong in ("hedgehog", 13, -1):
        with pytest.raises(ValueError, match=f"class_weight for .* received {wrong!r}"):
            small.eagerly().fit(small.x, small.y, class_weight={wrong: 2.0})


def test_targets_without_classes_are_explained(make_small):
    span, crf, several = (make_small(kind) for kind in ("span", "crf", "classifier"))
    with pytest.raises(ValueError, match=r"those of a SpanPreprocessor are not .*sample_weight"):
        span.eagerly().fit(span.x, span.y, class_weight={"gnu": 2.0})
    with pytest.raises(ValueError, match=r"a CRF scores whole sentences.*head=\"softmax\""):
        crf.eagerly().fit(crf.x, crf.y, class_weight={"O": 2.0})
    tokenizer = several.task.preprocessor.tokenizer
    read = ClassificationPreprocessor(tokenizer, ["a", "b"], 11, multilabel=True)
    task = TextClassifier(several.task.backbone, preprocessor=read)
    with pytest.raises(ValueError, match="class_weight is for one label a text"):
        task.fit(several.x, [["a"]] * 7, class_weight={"a": 2.0})
    with pytest.raises(ValueError, match="those of a ContrastivePreprocessor are not"):
        ContrastivePreprocessor(tokenizer).class_table({"cat": 2.0})


def test_several_labels_a_text_are_weighed_by_the_text(make_small):
    small, targets = make_small("classifier"), [["a"], [], ["a", "b"], ["b"], ["a"], [], ["b"]]
    read = ClassificationPreprocessor(small.task.preprocessor.tokenizer, ["a", "b"], 11,
                                      multilabel=True)  # fmt: skip
    task = TextClassifier(small.task.backbone, preprocessor=read)
    task.get_layer("classes").kernel.assign(np.linspace(-1, 1, 12).reshape(6, 2))
    task.compile(run_eagerly=True)
    weights = np.array([1, 2, 3, 1, 0, 2, 1.0])
    found = task.evaluate(small.x, targets, sample_weight=weights, verbose=0)
    ids, y = read(small.x, targets)
    logits = task.predict(ids, verbose=0)
    nats = np.log1p(np.exp(np.where(y, -logits, logits))).mean(axis=1)
    assert found == pytest.approx((nats * weights).sum() / weights.sum(), rel=1e-5)
