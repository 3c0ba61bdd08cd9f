"""The conditional random field inside compiled TensorFlow functions of unknown lengths."""

import keras
import numpy as np
import pytest

from kerasllm.layers.crf import CRF
from kerasllm.reference.sequence.crf import crf, crf_backward

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tests tf.function")


@pytest.mark.parametrize("jit", [False, True])
def test_value_and_gradients_in_a_graph(jit, rng, randomize):
    import tensorflow as tf

    layer = CRF(3, dtype="float64")
    layer.build((None, None, 3))
    randomize(layer)
    spec = [tf.TensorSpec([None, None, 3], "float64"), tf.TensorSpec([None, None], "int32")]
    traces = []

    def nats_and_gradient(e, tags):
        traces.append(e.shape)
        with tf.GradientTape() as tape:
            tape.watch(e)
            nats = layer(e, tags=tags)
        return nats, tape.gradient(nats, e)

    compiled = tf.function(nats_and_gradient, spec, autograph=False, jit_compile=jit)
    for steps in (1, 4, 2):
        e, tags = rng.normal(size=(2, steps, 3)), rng.integers(0, 3, (2, steps)).astype("int32")
        expected, trace = crf(e, tags, *layer.get_weights())
        nats, gradient = compiled(tf.constant(e), tf.constant(tags))
        assert np.abs(nats - expected).max() < 1e-12
        assert np.abs(gradient - crf_backward(np.ones(2), trace).d_emissions).max() < 1e-12
    assert len(traces) == 1  # one loop serves every length
