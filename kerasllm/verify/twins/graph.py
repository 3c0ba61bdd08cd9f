"""Walk through Sequential, functional and nested models, node by node.

A functional Keras model is a graph of calls; a layer that is shared stands in it several times.
Each node's layer is called on the tape with the values that its arguments stand for.
"""

import keras
import numpy as np

from kerasllm.models import LoRA
from kerasllm.verify.twins.registry import UnsupportedLayerError, register
from kerasllm.verify.twins.tape import draws
from kerasllm.verify.twins.values import is_value


def functional(model):
    """Return the graph of a Sequential or functional model; of a `LoRA`, that of its task.

    Raises:
        UnsupportedLayerError: the model has none: it is a subclass with a `call` of its own.
        ValueError: a Sequential that has not seen an input yet.
    """
    model = model.task if isinstance(model, LoRA) else model
    if isinstance(model, keras.Sequential) and model._functional is None:
        raise ValueError(
            f"the Sequential model {model.name!r} is not built: call it once on your data, or start"
            " it with keras.Input."
        )
    graph = getattr(model, "_functional", model)
    methods = (type(graph).call, type(model).__call__)
    known = ("keras.", "kerasllm.models.")  # whose language models leave the head out in a step
    own_call = not all(method.__module__.startswith(known) for method in methods)
    if own_call or "call" in vars(model) or not hasattr(graph, "_nodes_by_depth"):
        raise UnsupportedLayerError(
            f"the model {type(model).__name__} computes by a `call` method of its own, which the "
            "twin cannot read. Build it as keras.Model(inputs, outputs), or teach the twin its "
            "class by kerasllm.verify.register."
        )
    return graph


def run(tape, model, inputs):
    """Compute a model on the tape.

    Args:
        tape: a `Tape`.
        model: Sequential or functional.
        inputs: values, in the order of `model.inputs`.

    Returns:
        The output value(s), nested as the model's output.
    """
    graph = functional(model)
    known = {id(symbol): value for symbol, value in zip(graph._inputs, inputs, strict=True)}

    def fill_in(argument):
        return known[id(argument)] if isinstance(argument, keras.KerasTensor) else argument

    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input:
                continue
            args, kwargs = node.arguments.convert(fill_in)
            outputs = tape.call(node.operation, *args, **kwargs)
            for symbol, value in zip(node.outputs, keras.tree.flatten(outputs), strict=True):
                known[id(symbol)] = value
    outputs = [known[id(symbol)] for symbol in graph._outputs]
    # A list of one output is returned without the list, as Keras does.
    struct = graph._outputs_struct
    if isinstance(struct, (list, tuple)) and len(outputs) == 1:
        return outputs[0]
    return keras.tree.pack_sequence_as(struct, outputs)


def operations(model):
    """Return the layers and operations of a graph, those of models inside of it included."""
    found = {}
    for operation in functional(model).operations:
        is_graph = hasattr(getattr(operation, "_functional", operation), "_nodes_by_depth")
        inner = operations(operation) if is_graph else [operation]
        found |= {id(part): part for part in inner}
    return list(found.values())


def upstream(model, number):
    """Return the ids of the operations that one output of a model depends on."""
    graph, found = functional(model), set()
    nodes = [node for depth in graph._nodes_by_depth.values() for node in depth]
    makers = {id(symbol): node for node in nodes for symbol in node.outputs}
    todo = [makers[id(graph._outputs[number])]]
    while todo:
        node = todo.pop()
        if id(node) not in found:
            found.add(id(node))
            todo += [makers[id(symbol)] for symbol in node.arguments.keras_tensors]
            is_graph = isinstance(node.operation, keras.Model)
            parts = operations(node.operation) if is_graph else [node.operation]
            found |= {id(part) for part in parts}
    return found


def input_names(model):
    """Return the names of a model's inputs, in the order of `model.inputs`."""
    return [symbol.name for symbol in functional(model)._inputs]


def output_names(model):
    """Return the names of a model's outputs: what the keys of losses and targets are."""
    graph = functional(model)
    struct = graph._outputs_struct
    if isinstance(struct, dict) and len(struct) == len(graph._outputs):
        return keras.tree.flatten({key: key for key in struct})  # in the order of the outputs
    return list(graph.output_names)


def input_arrays(model, x):
    """Return the inputs as a flat list of arrays, in the order of `model.inputs`.

    Raises:
        ValueError: another number of inputs, a missing name, or another number of axes.
    """
    graph = functional(model)
    symbols, struct = graph._inputs, graph._inputs_struct
    if isinstance(x, dict):
        keys = sorted(struct) if isinstance(struct, dict) else input_names(model)
        missing = [key for key in keys if key not in x]
        if missing:
            raise ValueError(f"expected inputs {keys}, received {sorted(x)}: {missing} missing.")
        arrays = [x[key] for key in keys]
    else:
        arrays = list(x) if len(symbols) > 1 else keras.tree.flatten([_whole(x)])
    if len(arrays) != len(symbols):
        raise ValueError(
            f"expected {len(symbols)} inputs {input_names(model)}, received {len(arrays)}."
        )
    return [_fit(array, symbol) for array, symbol in zip(arrays, symbols, strict=True)]


def _whole(x):
    """Return a lone input; one that is wrapped into a list of arrays is unwrapped."""
    wrapped = isinstance(x, (list, tuple)) and len(x) == 1 and hasattr(x[0], "shape")
    return np.asarray(x[0] if wrapped else x)


def _fit(array, symbol):
    """Return an input in the kind of number and the number of axes that the model wants."""
    array = keras.ops.convert_to_numpy(array)
    if len(symbol.shape) == array.ndim + 1 and symbol.shape[-1] == 1:
        array = array[..., None]  # (B,) -> (B, 1), as Keras does
    fits = len(symbol.shape) == array.ndim and all(
        expected in (None, received)
        for expected, received in zip(symbol.shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"expected input {symbol.name!r} of shape {symbol.shape}, received {array.shape}."
        )
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        raise ValueError(f"input {symbol.name!r} holds NaN or infinity: clean the data first.")
    if 0 in array.shape:
        raise ValueError(f"input {symbol.name!r} of shape {array.shape} is empty: nothing to do.")
    kind = np.float64 if "float" in symbol.dtype else np.dtype(symbol.dtype)
    return array if "float" in symbol.dtype and array.dtype.kind == "f" else array.astype(kind)


def random_layers(model):
    """Return the layers that draw random numbers in training, those inside of others included."""
    return list(filter(draws, model._flatten_layers(include_self=False)))


def float_dtype(model):
    """Return float64 if a weight or an output has it, else float32."""
    numbers = (*model.weights, *functional(model)._outputs)
    kinds = {keras.backend.standardize_dtype(x.dtype) for x in numbers}
    return "float64" if "float64" in kinds else "float32"


def as_given(model, arrays):
    """Return flat input arrays in a form that `input_arrays` takes."""
    struct = functional(model)._inputs_struct
    if isinstance(struct, dict):
        return keras.tree.pack_sequence_as(struct, arrays)
    return arrays if len(arrays) > 1 else arrays[0]


def rows(nest, batch):
    """Cut the rows of a batch out of an array or a dict or list of arrays."""
    if nest is None:
        return None
    if isinstance(nest, dict):
        return {name: rows(part, batch) for name, part in nest.items()}
    if isinstance(nest, (list, tuple)) and all(np.ndim(part) > 0 for part in nest):
        return [rows(part, batch) for part in nest]
    return np.asarray(nest)[batch]


def check_steps(model, *names):
    """Refuse a model with a method of its own in the place of one of Keras', such as `train_step`.

    Raises:
        UnsupportedLayerError: there is one.
    """
    for name in names:
        method = getattr(type(model), name)
        if name in vars(model) or not method.__module__.startswith(("keras.", "kerasllm.")):
            raise UnsupportedLayerError(
                f"the model {type(model).__name__} has a `{name}` of its own, which the twin "
                "cannot read: compare a keras.Model(model.inputs, model.outputs), without it."
            )


def check_frozen(model):
    """Refuse a model of which layers were frozen or freed after TensorFlow compiled its step.

    Raises:
        UnsupportedLayerError: they were.
    """
    compiled = keras.backend.backend() == "tensorflow" and not model.run_eagerly
    if compiled and model.train_function is not None and model.optimizer.built:
        before = {id(v) for v in model.optimizer._trainable_variables}
        if before != {id(v) for v in model.trainable_variables}:
            raise UnsupportedLayerError(
                f"layers of {model.name!r} were frozen or freed after a training, and Keras goes "
                "on training what it trained before: call model.compile again, then twin(model)."
            )


def _nested(tape, model, inputs, mask=None):
    values = keras.tree.flatten(inputs)
    for value, given in zip(values, keras.tree.flatten(mask), strict=False):
        if given is not None and is_value(value):
            value.mask = given
    return run(tape, model, values)


register(keras.Sequential, compose=_nested)
register(keras.Model, compose=_nested)
