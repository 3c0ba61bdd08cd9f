"""The twin's tape: every call of a layer, in the order of computation.

Forward, each call is computed by its handler and kept with its trace. Backward, the tape is walked
from its end, and each call's hand-written backward function turns the gradient of its output into
those of its inputs and weights. Nothing here knows calculus: a value that several calls read gets
the sum of what they send, and so does a weight that several calls share.

Masks follow Keras call by call: who is handed a mask, who passes it on, who loses it.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasllm.verify.twins.registry import find, unsupported
from kerasllm.verify.twins.regularizers import Activity
from kerasllm.verify.twins.values import Value, dense, gradient_or_zeros, is_value, unwrap


class Call(NamedTuple):
    """One computed call; `name` is None for arithmetic between layers."""

    name: str | None
    layer: Any
    inputs: list
    output: Any
    trace: Any
    backward: Callable | None


class Composition(NamedTuple):
    """Trace of a layer made of layers: theirs stand beside it, as name/part."""

    x: np.ndarray
    output: np.ndarray


class Tape:
    """Calls, values and the gradients of the weights.

    Args:
        weights: {id(variable): array}.
        dtype: float dtype of all values.
        training: whether a training step is computed.

    Attributes:
        updates: {id(variable): array}, new values of weights that a training step sets by itself,
            such as the moving averages of a batch normalisation.
    """

    def __init__(self, weights, dtype, training=False):
        self.weights, self.dtype, self.training = weights, np.dtype(dtype), training
        self.calls, self.activities, self.d_weights, self.updates = [], [], {}, {}
        self._computed = {}  # values of weights that are computed from others
        self._scope, self._names = [], set()

    def value(self, array, mask=None):
        """Return a value, floats in the tape's dtype."""
        array = np.asarray(array)
        if np.issubdtype(array.dtype, np.floating):
            array = array.astype(self.dtype)
        return Value(array, mask)

    def call(self, layer, *args, **kwargs):
        """Compute a layer (or an operation of a functional model) and return its value(s)."""
        handler, is_layer = find(layer), isinstance(layer, keras.Layer)
        signature = inspect.signature(layer.call)
        bound = signature.bind(*args, **kwargs).arguments
        kwargs.pop("training", None)  # Keras' fit, evaluate and predict overrule it
        previous = hand_over_masks(signature, bound, kwargs) if is_layer else None
        # In the order of the signature: keywords may be in any.
        inputs = [v for v in keras.tree.flatten(list(bound.values())) if is_value(v)]
        floats = [value for value in inputs if value.is_float]
        name = self._unique(layer.name) if is_layer else None
        if handler.compose:
            output, trace, backward = self._compose(handler, layer, name, args, kwargs)
        else:
            output, trace = self._compute(name, handler.forward, layer, args, kwargs)
            self._look_behind(handler, layer, floats, output, trace)

            def backward(d_output):
                return self._send_back(handler.backward, layer, floats, d_output, trace)

        if is_layer:
            self._note_activity(layer, handler, output)
            for value in inputs if handler.forgets else ():
                value.mask = None
            set_masks(handler, layer, next(iter(bound.values())), output, previous)
        return self._keep(Call(name, layer, inputs, output, trace, backward))

    def _look_behind(self, handler, layer, floats, output, trace):
        """Give the output the logits that Keras finds behind it, if the loss asks for them."""
        if not is_value(output):
            return
        for value in floats:
            if value.array is output.array:  # handed on as it is, with all that is known of it
                output.logits, output.mask = value.logits, value.mask
        read, backward = handler.logits or (None, None)
        logits = read(layer, trace) if read else None
        if logits is not None:

            def send_back(d_logits):
                return self._send_back(backward, layer, floats, d_logits, trace)

            output.logits = self._keep(Call(None, layer, floats, Value(logits), trace, send_back))

    def apply(self, forward, backward, *values):
        """Compute `output, trace = forward(*arrays)`, arithmetic that is no layer.

        `backward(d_output, trace)` returns a tuple with the gradient of each value.
        """
        output, trace = forward(*(value.array for value in values))
        output = keras.tree.map_structure(Value, output)

        def send_back(d_output):
            for value, d in zip(values, backward(d_output, trace), strict=True):
                value.add_gradient(d)

        return self._keep(Call(None, None, list(values), output, trace, send_back))

    def compute_weight(self, variable, forward, backward, *parts):
        """Put `output, trace = forward(*arrays of parts)` in the place of a weight from here on.

        `backward(d_output, trace)` returns the gradient of each part, which are weights too.
        """
        output, trace = forward(*map(self._weight, parts))

        def send_back(d_output):
            del self._computed[id(variable)]  # all calls that read it have been walked through
            for part, d in zip(parts, backward(d_output, trace), strict=True):
                self._add_weight_gradient(part, d)

        value = self._keep(Call(None, None, [], Value(output), trace, send_back))
        self._computed[id(variable)] = value

    def add(self, a, b):
        """Return a + b, of one shape: a residual connection."""
        return self.apply(lambda x, y: (x + y, None), lambda d, _: (d, d), a, b)

    def backward(self):
        """Walk the tape from its end; the gradients of the outputs must be set."""
        for call in reversed(self.calls):
            outputs = keras.tree.flatten(call.output)
            if call.backward is None or all(value.d is None for value in outputs):
                continue
            call.backward(keras.tree.map_structure(gradient_or_zeros, call.output))

    def _note_activity(self, layer, handler, output):
        """Remember what an activity regularizer will look at; a hidden one cannot be seen."""
        if getattr(layer, "activity_regularizer", None) is not None:
            self.activities += [Activity(value, layer) for value in keras.tree.flatten(output)]
        for part in () if handler.compose else layer._flatten_layers(include_self=False):
            if getattr(part, "activity_regularizer", None) is not None:
                raise unsupported(layer, f"an activity regularizer inside of it, on {part.name!r}")

    def _compose(self, handler, layer, name, args, kwargs):
        self._scope.append(name)
        masks = {key: keras.tree.map_structure(unwrap, kwargs[key]) for key in masks_in(kwargs)}
        output = handler.compose(self, layer, *args, **{**kwargs, **masks})
        self._scope.pop()
        first = keras.tree.flatten([args])[0]
        shown = [value.array for value in keras.tree.flatten(output)]
        trace = Composition(first.array, shown[0] if len(shown) == 1 else tuple(shown))
        return output, trace, None

    def _compute(self, _name, forward, layer, args, kwargs):
        arrays, named = keras.tree.map_structure(unwrap, (list(args), kwargs))
        weights = [self._weight(v) for v in getattr(layer, "weights", ())]
        if "training" in inspect.signature(forward).parameters:
            named |= {"training": self.training}
            output, trace, updates = forward(layer, weights, *arrays, **named)
            self.updates |= {id(layer.weights[k]): array for k, array in updates.items()}
        else:
            output, trace = forward(layer, weights, *arrays, **named)
        return keras.tree.map_structure(Value, output), trace

    def _send_back(self, backward, layer, floats, d_output, trace):
        d_inputs, d_weights = backward(layer, d_output, trace)
        d_inputs = d_inputs if isinstance(d_inputs, tuple) else (d_inputs,)
        if len(d_inputs) < len(floats):
            raise ValueError(
                f"backward of {type(layer).__name__} must return one gradient for each of its "
                f"{len(floats)} float inputs, it returned {len(d_inputs)}."
            )
        # More of them belong to inputs that were left out, such as initial states.
        for value, d in zip(floats, d_inputs, strict=False):
            value.add_gradient(d)
        for variable, d in zip(getattr(layer, "weights", ()), d_weights, strict=True):
            self._add_weight_gradient(variable, d)

    def _weight(self, variable):
        computed = self._computed.get(id(variable))
        return self.weights[id(variable)] if computed is None else computed.array

    def _add_weight_gradient(self, variable, d):
        key = id(variable)
        if key in self._computed:
            self._computed[key].add_gradient(dense(d))
        else:
            self.d_weights[key] = d if key not in self.d_weights else self.d_weights[key] + d

    def _keep(self, call):
        for value in keras.tree.flatten(call.output):
            value.source = call
        self.calls.append(call)
        return call.output

    def _unique(self, name):
        path = "/".join([*self._scope[-1:], name])
        number, unique = 1, path
        while unique in self._names:
            number += 1
            unique = f"{path}#{number}"
        self._names.add(unique)
        return unique


def masks_in(kwargs):
    """Return the names of the masks among keyword arguments."""
    return [name for name in kwargs if name.endswith("mask")]


def draws(layer):
    """Return whether a layer draws random numbers in training.

    One of layers, such as StackedRNN, does not: it has a Dropout inside that does.
    """
    if any(isinstance(part, keras.layers.Dropout) for part in layer._layers):
        return False
    shares = (getattr(layer, name, 0) for name in SHARES)
    return any(isinstance(share, (int, float)) and share > 0 for share in shares)


SHARES = ("rate", "dropout", "recurrent_dropout")


def hand_over_masks(signature, bound, kwargs):
    """Give `call` the masks of its inputs, as `keras.Layer.__call__` does; return the first's.

    A call with one tensor argument gets its mask as `mask`; one with several gets `<name>_mask`
    for each. So a recurrent layer that is given an initial state is *not* handed a mask.
    """
    tensors = {name: x for name, x in bound.items() if any(map(is_value, keras.tree.flatten(x)))}
    names = {name: f"{name}_mask" for name in tensors}
    if len(tensors) == 1:
        names = dict.fromkeys(tensors, "mask")
    for name, mask_name in names.items():
        if mask_name in signature.parameters and bound.get(mask_name) is None:
            kwargs[mask_name] = keras.tree.map_structure(mask_of, tensors[name])
    given = kwargs.get("mask", bound.get("mask"))
    if given is not None:
        return keras.tree.map_structure(unwrap, given)
    return keras.tree.map_structure(mask_of, next(iter(bound.values())))


def mask_of(value):
    """Return the mask of a value."""
    return value.mask if is_value(value) else None


def set_masks(handler, layer, first, output, previous):
    """Attach the masks of a layer's outputs where they have none yet."""
    outputs = keras.tree.flatten(output)
    if not layer.supports_masking or all(value.mask is not None for value in outputs):
        return
    arrays = keras.tree.map_structure(unwrap, first)
    if handler.mask:
        masks = handler.mask(layer, arrays, previous)
    elif getattr(layer.compute_mask, "_is_default", False):
        masks = previous
    else:
        masks = layer.compute_mask(arrays, previous)
    for value, mask in zip(outputs, keras.tree.flatten(masks), strict=False):
        if value.mask is None and mask is not None:
            value.mask = keras.ops.convert_to_numpy(mask).astype(bool)
