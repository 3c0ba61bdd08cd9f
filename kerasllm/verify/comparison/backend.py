"""Gradients of layers on every backend, and arrays to and from it."""

import contextlib

import keras
import numpy as np


def automatic_gradients(function, tensors, cotangents):
    """Differentiate `sum(cotangent * output)` by each tensor, with the running backend.

    Args:
        function: called as `function(**tensors)`; returns a tensor or a tuple of tensors.
        tensors: tensors by name.
        cotangents: one array for each output.

    Returns:
        NumPy arrays by name; zeros where an output does not depend on the tensor.
    """
    return _evaluate(function, tensors, cotangents)[1]


def _evaluate(function, tensors, cotangents):
    """Return the outputs, flat, and the gradients by name; see `automatic_gradients`."""
    differentiate = {
        "tensorflow": _tensorflow_gradients,
        "jax": _jax_gradients,
        "torch": _torch_gradients,
    }[keras.backend.backend()]
    outputs, gradients = differentiate(function, tensors, cotangents)
    return outputs, {
        name: np.zeros(tensor.shape) if gradient is None else to_numpy(gradient)
        for (name, tensor), gradient in zip(tensors.items(), gradients, strict=True)
    }


def call_layer(layer, weights, *inputs, **options):
    """Call a Keras layer with `weights` in place of its own, so that they can be differentiated.

    Args:
        layer: a new layer; built here from the inputs' shapes if it is not built yet.
        weights: tensors in the order of `layer.get_weights()`.
        *inputs: what the layer is called with.
        **options: further arguments of the call (mask, initial_state, training, …).

    Returns:
        The output, without the layer's side effects.
    """
    if not layer.built:
        layer.build(*(keras.tree.map_structure(lambda tensor: tensor.shape, i) for i in inputs))
    values = dict(zip(map(id, layer.weights), weights, strict=True))
    trainable = [values[id(v)] for v in layer.trainable_variables]
    # Not a weight: the counter of a random number generator, which some layers own.
    others = [values.get(id(v), v.value) for v in layer.non_trainable_variables]
    return layer.stateless_call(trainable, others, *inputs, **options)[0]


@contextlib.contextmanager
def in_precision(dtype):
    """Build and run Keras models in "float32" or "float64" for as long as the block lasts."""
    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)


def to_tensors(arrays):
    """Return the arrays by name as tensors of the running backend."""
    return {name: keras.ops.convert_to_tensor(array) for name, array in arrays.items()}


def to_numpy(tensor):
    """Return a tensor of any backend as an array."""
    return keras.ops.convert_to_numpy(tensor)


def _tensorflow_gradients(function, tensors, cotangents):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(tensors)
        outputs = keras.tree.flatten(function(**tensors))
    cotangents = [tf.cast(d, y.dtype) for d, y in zip(cotangents, outputs, strict=True)]
    gradients = tape.gradient(outputs, list(tensors.values()), output_gradients=cotangents)
    return outputs, [tf.convert_to_tensor(g) if g is not None else None for g in gradients]


def _jax_gradients(function, tensors, cotangents):
    import jax

    def forward(named):
        named = {name: named[name] for name in tensors}  # JAX sorts the names
        return keras.tree.flatten(function(**named))

    @jax.jit  # one compilation instead of one for each operation of the forward and backward pass
    def both(named, cotangents):
        outputs, pull_back = jax.vjp(forward, named)
        pairs = zip(cotangents, outputs, strict=True)
        return outputs, pull_back([jax.numpy.asarray(d, y.dtype) for d, y in pairs])[0]

    outputs, gradients = both(tensors, cotangents)
    return outputs, [gradients[name] for name in tensors]


def _torch_gradients(function, tensors, cotangents):
    import torch

    leaves = {name: tensor.detach().requires_grad_() for name, tensor in tensors.items()}
    outputs = keras.tree.flatten(function(**leaves))
    cotangents = [
        torch.as_tensor(d).to(y.device, y.dtype) for d, y in zip(cotangents, outputs, strict=True)
    ]
    gradients = torch.autograd.grad(outputs, list(leaves.values()), cotangents, allow_unused=True)
    outputs = [y.detach() for y in outputs]
    return outputs, [g.detach() if g is not None else None for g in gradients]
