"""Losses and metrics of Keras take the logits that tasks give, in every form that they come in."""

import keras
import numpy as np
import pytest

from kerasllm.models.logits import losses_of_logits, metrics_of_logits

pytestmark = pytest.mark.usefixtures("uncompiled")

SPARSE = keras.losses.SparseCategoricalCrossentropy
FORMS = {
    "name": "sparse_categorical_crossentropy",
    "name of the class": "SparseCategoricalCrossentropy",
    "function": keras.losses.sparse_categorical_crossentropy,
    "class": SPARSE,
    "object": SPARSE(),
    "object of probabilities": SPARSE(from_logits=False),
    "object of logits": SPARSE(from_logits=True),
}
ONE_HOT = {
    "name": "categorical_crossentropy",
    "object": keras.losses.CategoricalCrossentropy(),
    "focal": "categorical_focal_crossentropy",
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_a_loss_is_given_logits(form, make_small):
    small = make_small("classifier")
    small.eagerly("sgd", FORMS[form], metrics=[FORMS["name"]])
    found = small.task.evaluate(small.x, small.y, verbose=0, return_dict=True)
    nats, real = small.nats()
    assert found["loss"] == pytest.approx(nats[real].mean(), rel=1e-5)
    assert found["sparse_categorical_crossentropy"] == pytest.approx(found["loss"], rel=1e-5)


@pytest.mark.parametrize("form", ["name", "object"])
def test_it_learns(form, make_small):
    """Taken for probabilities, the loss stays where it was, or becomes no number."""
    small = make_small("classifier")
    task = small.eagerly(keras.optimizers.Adam(0.03), FORMS[form])
    losses = task.fit(small.x, small.y, epochs=12, verbose=0).history["loss"]
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("form", ONE_HOT)
def test_one_hot_targets(form, make_small):
    small = make_small("classifier")
    inputs, targets = small.arrays
    small.eagerly("sgd", ONE_HOT[form])
    logits = small.task.predict(inputs, verbose=0)
    hot = np.eye(logits.shape[1])[targets]
    p = np.exp(logits - logits.max(1, keepdims=True))
    p = (hot * p / p.sum(1, keepdims=True)).sum(1)
    nats = -np.log(p) * (0.25 * (1 - p) ** 2 if form == "focal" else 1)
    found = small.task.evaluate(inputs, hot, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(nats.mean(), rel=1e-4)
    with pytest.raises(ValueError, match=r"compares targets with logits one by one.*sparse_cat"):
        small.task.evaluate(inputs, targets, verbose=0)


@pytest.mark.parametrize("loss", ["kl_divergence", "KLD", "poisson", keras.losses.Dice()])
def test_losses_of_probabilities_are_refused(loss, make_small):
    with pytest.raises(ValueError, match=r"takes probabilities, and this model gives logits"):
        make_small("classifier").task.compile("sgd", loss)


def test_what_is_not_keras_own_stays_as_it_is():
    class Mine(keras.losses.SparseCategoricalCrossentropy):
        pass

    def mine(y, p):
        return p

    mine_too = Mine()
    for loss in (mine, mine_too, None, "mse", keras.losses.Huber()):
        assert losses_of_logits(loss) is loss
    assert losses_of_logits({"a": None, "b": [mine]}) == {"a": None, "b": [mine]}
    with pytest.raises(ValueError, match=r"expected loss to be one of .* mean 'binary_cross"):
        losses_of_logits("binary_crossentropie")


def test_settings_of_an_object_are_kept():
    kept = losses_of_logits(SPARSE(ignore_class=3, reduction="sum", name="q", axis=1))
    assert (kept.name, kept.reduction, kept._fn_kwargs["axis"]) == ("q", "sum", 1)
    assert kept.get_config()["ignore_class"] == 3 and kept.get_config()["from_logits"]
    smooth = losses_of_logits(keras.losses.BinaryCrossentropy(label_smoothing=0.1))
    assert smooth.get_config()["label_smoothing"] == 0.1


def test_metrics_of_probabilities_are_told_too():
    y, logits = np.array([[1.0], [0.0]]), np.array([[0.3], [0.2]])  # both p above 1/2
    for given in ("binary_accuracy", keras.metrics.BinaryAccuracy()):
        (metric,) = metrics_of_logits([given])
        metric.update_state(y, logits)
        assert float(metric.result()) == 0.5
    assert metrics_of_logits(keras.metrics.AUC()).get_config()["from_logits"]
    assert metrics_of_logits(["accuracy"]) == ["accuracy"]
    strict = metrics_of_logits(keras.metrics.BinaryAccuracy(threshold=0.9))
    assert strict.threshold == pytest.approx(np.log(9))


def test_a_loss_of_keras_leaves_no_crf_untrained(make_small):
    small = make_small("crf")
    small.eagerly("sgd", FORMS["name"])
    with pytest.raises(ValueError, match="never sees the scores of its transitions"):
        small.task.fit(small.x, small.y, verbose=0)
    small = make_small("crf")  # a step that raised leaves a model of JAX without weights
    small.eagerly("sgd", FORMS["name"])
    small.eagerly("sgd").fit(small.x, small.y, verbose=0)  # its own sees them
