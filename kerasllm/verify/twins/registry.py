"""Which NumPy functions compute a layer, and how to add one's own."""

from collections.abc import Callable
from typing import NamedTuple

import keras


class Handler(NamedTuple):
    """How the twin computes a layer: by a pair of functions, or by calls of other layers."""

    forward: Callable | None
    backward: Callable | None
    mask: Callable | None = None
    compose: Callable | None = None
    forgets: bool = False
    logits: tuple | None = None


class UnsupportedLayerError(TypeError):
    """The twin does not know a layer, or not with these settings."""


LAYERS = {}
OPERATIONS = {}


def register(
    layer_class, forward=None, backward=None, *, mask=None, compose=None, forgets=False, logits=None
):
    """Teach the twin a layer, by a pair of NumPy functions.

        output, trace        = forward(layer, weights, x, mask=…)
        d_inputs, d_weights  = backward(layer, d_output, trace)

    Args:
        layer_class: a subclass of `keras.Layer`.
        forward: called with the layer (to read its settings), its weights as arrays in the order
            of `layer.get_weights()`, and the arguments of the layer's `call`, tensors as arrays.
            An argument called `mask` is the mask that Keras would hand over, or None; one called
            `training` says whether a training step is computed.
        backward: returns the gradient of the input (a tuple, if there are several float inputs, in
            the order of `call`'s arguments; None for one without) and a list with the gradient of
            each weight.
        mask: (layer, inputs, mask) -> mask of the output. Left out, it is Keras' rule: a layer
            that supports masks passes on the mask of its input.
        compose: instead of the pair, for a layer made of other layers: (tape, layer, values) ->
            value, by calls of `tape.call(sublayer, value)`; its gradient follows by itself.
        forgets: whether the layer takes the masks off its inputs, so that later layers do not see
            them (Keras' MultiHeadAttention does).
        logits: where the layer ends in a softmax or sigmoid, what a cross-entropy of Keras finds
            behind it: a pair, (layer, trace) -> logits or None, and (layer, d_logits, trace) ->
            what `backward` returns.

    Raises:
        TypeError: the class is no Keras layer, or neither the pair nor `compose` is given.

    Example:
        >>> class Double(keras.layers.Layer):
        ...     def call(self, x):
        ...         return 2 * x
        >>> register(
        ...     Double,
        ...     forward=lambda layer, weights, x: (2 * x, None),
        ...     backward=lambda layer, d_output, trace: (2 * d_output, []),
        ... )
    """
    if not (isinstance(layer_class, type) and issubclass(layer_class, keras.Layer)):
        raise TypeError(f"expected a subclass of keras.Layer, received {layer_class!r}.")
    if not (callable(compose) or (callable(forward) and callable(backward))):
        raise TypeError(
            f"{layer_class.__name__} needs both forward and backward (or compose alone): the twin "
            "has no automatic differentiation."
        )
    LAYERS[layer_class] = Handler(forward, backward, mask, compose, forgets, logits)


def operation(*names):
    """Return a decorator for `(forward, backward)` makers of Keras operations, by class name."""

    def keep(pair):
        for name in names:
            forward, backward, *logits = pair()
            OPERATIONS[name] = Handler(forward, backward, logits=logits[0] if logits else None)
        return pair

    return keep


def find(layer):
    """Return the handler of a layer or of an operation in a functional model.

    Raises:
        UnsupportedLayerError: there is none. The message says how to register one.
    """
    if not isinstance(layer, keras.Layer):
        kind = type(layer)
        # By name, but only of Keras' own: a user's operation may have the same.
        of_keras = kind.__module__.startswith("keras.src.ops.")
        handler = OPERATIONS.get(kind.__name__) if of_keras else None
        if handler is None:
            raise UnsupportedLayerError(
                f"the model uses the operation keras.ops {kind.__name__} ({layer.name!r}), "
                f"which the twin does not know; it knows {sorted(OPERATIONS)}. Wrap the operation "
                "into a layer of your own and teach the twin that layer by kerasllm.verify."
                "register(YourLayer, forward, backward)."
            )
        return handler
    if isinstance(layer, keras.Model):
        own = type(layer).call
        known = (c for c in type(layer).__mro__ if c in LAYERS and c.call is own)
        return LAYERS[next(known, keras.Model)]  # by its graph, where it has one
    known = next((c for c in type(layer).__mro__ if c in LAYERS), None)
    changed = None if known is None else _changed(layer, known)
    if known is None or (changed and known.call is not type(layer).call):
        raise UnsupportedLayerError(_unsupported(layer))
    if changed:
        raise unsupported(layer, f"a `{changed}` of its own")
    if getattr(layer, "quantization_mode", None) or getattr(layer, "lora_enabled", False):
        raise unsupported(layer, "quantize or enable_lora (kerasllm.models.LoRA is known)")
    return LAYERS[known]


# What a subclass may have of its own and still compute the same.
_HARMLESS = {"get_config", "from_config", "compute_output_shape", "compute_output_spec"}


def _changed(layer, known):
    """Return the name of something that a layer does in another way than a class it comes from."""
    kinds = type(layer).__mro__[: type(layer).__mro__.index(known)]
    own = [name for kind in kinds for name in vars(kind) if hasattr(known, name)]
    own = [n for n in own if n not in _HARMLESS and (n == "__call__" or not n.startswith("__"))]
    own += sorted({"call", "compute_mask"} & vars(layer).keys())
    return next((name for name in own if not name.startswith("_abc")), None)


def unsupported(layer, what):
    """Return the error for a known layer with a setting that the twin does not compute."""
    return UnsupportedLayerError(
        f"the twin computes {type(layer).__name__}, but not with {what} (layer {layer.name!r}). "
        "Build the layer without it, or teach the twin a subclass of it by "
        "kerasllm.verify.register(YourLayer, forward, backward)."
    )


def _unsupported(layer):
    name = type(layer).__name__
    return (
        f"the twin does not know the layer {name} (named {layer.name!r}). Teach it by "
        f"kerasllm.verify.register({name}, forward, backward), where forward(layer, weights, x) "
        "returns (output, trace) and backward(layer, d_output, trace) returns (d_x, d_weights), "
        "all in NumPy; see help(kerasllm.verify.register)."
    )
