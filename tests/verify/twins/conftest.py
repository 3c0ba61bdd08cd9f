"""What the tests of twins share."""

import keras
import numpy as np
import pytest

from kerasllm import verify


@pytest.fixture
def randomized():
    """Return a function that gives a model random weights everywhere: zeros hide mistakes."""

    def fill(model):
        rng = np.random.default_rng(0)
        model.set_weights([0.5 * rng.standard_normal(w.shape) for w in model.get_weights()])
        return model

    return fill


@pytest.fixture
def proven(randomized):
    """Return a function that compares a model with its twin: outputs, gradients, 10 steps."""

    def prove(model, x, y, loss=None, optimizer=None, **options):
        optimizer = optimizer or keras.optimizers.Adam(0.01)
        randomized(model).compile(optimizer, loss, jit_compile=False)
        report = verify.compare(model, x, y, steps=10, **options)
        assert report.ok, str(report)
        return report

    return prove
