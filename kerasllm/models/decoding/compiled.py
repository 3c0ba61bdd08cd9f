"""Compile a function of arrays that reads a model's weights, for the current backend."""

import keras

from kerasllm.utils.allocator import keep_buffers


def compiled(function, model, jit=True):
    """Return `function` compiled: tf.function, jax.jit or torch without gradients.

    Args:
        function: takes and returns (nested) arrays; may call `model`, without changing it.
        model: the Keras model whose variables the function reads.
        jit: compile with XLA on TensorFlow.
    """
    keep_buffers()
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(
            function, jit_compile=jit, autograph=False
        )  # each shape traced apart: XLA needs them
    if keras.backend.backend() == "jax":
        import jax

        @jax.jit
        def stateless(values, *arrays):
            with keras.StatelessScope(zip(model.variables, values, strict=True)):
                return function(*arrays)

        return lambda *arrays: stateless([v.value for v in model.variables], *arrays)

    def eager(*arrays):
        import torch

        with torch.no_grad():
            return function(*arrays)

    return eager
