"""Layers that merge several inputs, each with a mask of its own, against Keras in float64."""

import keras
import numpy as np
import pytest

from kerasllm import verify

pytestmark = [
    pytest.mark.usefixtures("float64"),
    # From 3.16 on Keras warns that its recurrent layers lose the mask: the twin has to agree.
    pytest.mark.filterwarnings("ignore:.*destroy the mask:UserWarning"),
]
L = keras.layers
D, V = 3, 11
LEFT = np.array([[3, 1, 4, 0, 0], [5, 9, 2, 6, 5]])
RIGHT = np.array([[2, 7, 0, 0, 0], [0, 0, 1, 8, 0]])
MERGES = (L.Add, L.Average, L.Concatenate, L.Maximum, L.Minimum, L.Multiply)


def merging(merge, masked=(True, True, True)):
    """Return a model of two texts: merge(left, right, left), summed up so that masks matter."""
    left, right = (keras.Input((None,), dtype="int32") for _ in range(2))
    parts = [
        L.Embedding(V, D, mask_zero=mask)(ids)
        for ids, mask in zip((left, right, left), masked, strict=True)
    ]
    model = keras.Model([left, right], L.LSTM(2)(merge(parts)))
    rng = np.random.default_rng(0)
    model.set_weights([rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("masked", [(True,) * 3, (True, False, True), (False, True, True)])
@pytest.mark.parametrize("merge", MERGES)
def test_merging_layers_with_and_without_masks(merge, masked):
    report = verify.compare(merging(merge(), masked), [LEFT, RIGHT])
    assert report.ok, str(report)


def test_subtract_with_two_masks():
    model = merging(lambda parts: L.Subtract()(parts[:2]))
    report = verify.compare(model, [LEFT, RIGHT])
    assert report.ok, str(report)


@pytest.mark.parametrize("merge", [L.Multiply, L.Maximum, L.Minimum, L.Add])
def test_a_vector_is_merged_with_every_step(merge, rng):
    steps, vector = keras.Input((5, D)), keras.Input((1, D))
    model = keras.Model([steps, vector], merge()([steps, vector]))
    report = verify.compare(model, [rng.standard_normal((2, n, D)) for n in (5, 1)])
    assert report.ok, str(report)
