"""Compare what every layer of a Keras model returns with its NumPy twin."""

import contextlib

import keras
import numpy as np

from kerasllm.verify.comparison.backend import to_numpy
from kerasllm.verify.comparison.report import compare_arrays
from kerasllm.verify.twins import graph

BARS = {
    "forward": {"float64": 1e-12, "float32": 1e-5, "half": 5e-2},
    "gradient": {"float64": 1e-10, "float32": 1e-4, "half": 0.5},
    "steps": {"float64": 1e-9, "float32": 1e-2, "half": 1.0},
}


class Precision:
    """The dtype that agreement is measured by, and why it is lower than the model's."""

    def __init__(self, dtype, note=""):
        self.dtype, self.note = dtype, note

    def bar(self, what):
        """Return the largest relative difference that passes."""
        return BARS[what][self.dtype]


def precision_of(model):
    """Return the precision that a model computes in."""
    layers = list(model._flatten_layers(include_self=False))
    half = {layer.compute_dtype for layer in layers} & {"float16", "bfloat16"}
    if half:
        return Precision("half", f"Keras computes in {sorted(half)[0]}")
    kinds = {v.numpy().dtype.name for v in model.weights}
    declared = any(v.dtype == "float64" for v in model.weights)
    if declared and "float64" not in kinds:
        return Precision("float32", "this backend holds float64 weights as float32")
    return Precision("float64" if "float64" in kinds or not kinds else "float32")


@contextlib.contextmanager
def _recorded(layers):
    """Record what the `call` of each layer returns, in order: {id(layer): [outputs]}."""
    outputs = {id(layer): [] for layer in layers}

    def recording(call, kept):
        def record(*args, **kwargs):
            kept.append(call(*args, **kwargs))
            return kept[-1]

        return record

    for layer in layers:
        layer.__dict__["call"] = recording(layer.call, outputs[id(layer)])
    try:
        yield outputs
    finally:
        for layer in layers:
            del layer.__dict__["call"]


def tensors_of(model, x):
    """Return the outputs of a model for NumPy inputs, nested as `model(...)` returns them."""
    arrays = graph.input_arrays(model, x)
    struct = graph.functional(model)._inputs_struct
    tensors = [
        keras.ops.convert_to_tensor(array, dtype=symbol.dtype)
        for array, symbol in zip(arrays, graph.functional(model)._inputs, strict=True)
    ]
    return tensors, keras.tree.pack_sequence_as(struct, tensors)


def forward_rows(model, twin, x, precision):
    """Return the rows of every layer's output and mask, and the precision at the end."""
    calls = twin.calls(x)
    layers = list({id(call.layer): call.layer for call in calls}.values())
    with _recorded(layers) as recorded:
        model(tensors_of(model, x)[1], training=False)
    many = {key: len(outputs) for key, outputs in recorded.items()}
    rows, seen = [], {}
    for call in calls:
        number = seen[id(call.layer)] = seen.get(id(call.layer), -1) + 1
        ours = keras.tree.flatten(call.output)
        if many[id(call.layer)] != sum(c.layer is call.layer for c in calls):
            continue  # Keras calls it once for each step, the twin once for all
        theirs = keras.tree.flatten(recorded[id(call.layer)][number])
        precision = _lost_precision(call.layer, theirs, precision)
        for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            what = "output" if len(ours) == 1 else f"output {k}"
            bar = precision.bar("forward")
            rows.append(compare_arrays(call.name, what, a.array, to_numpy(b), bar, precision.note))
            rows += _mask_rows(call.name, what, a.mask, getattr(b, "_keras_mask", None))
    return rows, precision


def _mask_rows(name, what, ours, theirs):
    if ours is None and theirs is None:
        return []
    if ours is None or theirs is None:
        note = f"the mask is missing in {'NumPy' if ours is None else 'Keras'}"
        return [compare_arrays(name, f"mask of {what}", 0, np.ones(()), 0.0, note)]
    masks = (np.asarray(mask, float) for mask in (ours, to_numpy(theirs)))
    return [compare_arrays(name, f"mask of {what}", *masks, 0.0)]


def _lost_precision(layer, outputs, precision):
    """Return the precision after a layer: Keras may leave float64 inside of it."""
    if precision.dtype != "float64":
        return precision
    if any(str(to_numpy(output).dtype) == "float32" for output in outputs):
        note = f"{layer.name} answers in float32 on {keras.backend.backend()}"
        return Precision("float32", note)
    tanh_form = getattr(layer, "activation", None) == "gelu_tanh"
    if tanh_form and keras.backend.backend() == "tensorflow":
        return Precision("float32", "TensorFlow's gelu by tanh has float32 constants")
    return precision
