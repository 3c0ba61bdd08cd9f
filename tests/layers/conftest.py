"""What the tests of the layers share."""

import keras
import pytest

# Keras on JAX has no float64 by default, and on torch computes some operations in float32.
EXACT = keras.backend.backend() == "tensorflow"


@pytest.fixture
def precision():
    """Return the dtype of an exact comparison on this backend, and its tolerance."""
    return ("float64", 1e-12) if EXACT else ("float32", 2e-5)


@pytest.fixture
def randomize(rng):
    """Return a function that gives every weight of a built layer random values."""

    def randomize(layer, scale=0.5):
        layer.set_weights([rng.normal(scale=scale, size=w.shape) for w in layer.get_weights()])
        return layer

    return randomize


@pytest.fixture
def numpy():
    """Return keras.ops.convert_to_numpy, through lists and tuples."""
    return lambda x: keras.tree.map_structure(keras.ops.convert_to_numpy, x)
