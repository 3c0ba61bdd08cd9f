"""Compare a Keras model or layer with its NumPy twin, row by row.

- The twin computes in float64; for a float32 model the differences are Keras' rounding.
- Where Keras itself loses precision in a float64 model, the row and those after it are held to the
  float32 bar, and say why.
- Many steps in float32 drift apart although each is right: their rows have a wide bar. Build the
  model in float64 for a proof.
"""

import contextlib
import warnings

import keras
import numpy as np

from kerasllm.verify import graph
from kerasllm.verify.report import Report, compare_arrays
from kerasllm.verify.rungs import automatic_gradients, to_numpy, to_tensors
from kerasllm.verify.twin import Twin, random_layers

__all__ = ["compare"]

BARS = {
    "forward": {"float64": 1e-12, "float32": 1e-5, "half": 5e-2},
    "gradient": {"float64": 1e-10, "float32": 1e-4, "half": 0.5},
    "steps": {"float64": 1e-9, "float32": 1e-2, "half": 1.0},
}
DRIFT = "float32 drifts step by step; float64 has the 1e-9 bar"


def compare(model_or_layer, x, y=None, steps=0, *, sample_weight=None, seed=0):
    """Compare outputs, gradients and training steps of a Keras model with NumPy.

    Args:
        model_or_layer: a built Sequential or functional model, or a layer (a list of arrays as x
            is passed as several arguments where its `call` takes several).
        x: inputs, as for `model.predict`.
        y: targets: gradients are those of the compiled loss. Without, they are those of
            Σ d · output with a random d, and nothing needs to be compiled.
        steps: so many training steps on this batch; needs y. The model's weights and optimizer are
            put back afterwards. A layer is trained with Adam on the mean squared error.
        sample_weight: weights of the losses.
        seed: of the random d.

    Returns:
        A `Report`: a row for the output (and mask) of each layer, for the loss, for the gradient
        of each weight and float input, and for each weight after the steps.

    Raises:
        UnsupportedLayerError: a layer that the twin does not know.
        ValueError: steps without y, or a model that was not compiled.

    Example:
        >>> layer = keras.layers.Dense(3)
        >>> report = compare(layer, np.random.default_rng(0).normal(size=(2, 5)).astype("float32"))
        >>> report.ok, [row.quantity for row in report.rows]
        (True, ['output', 'gradient', 'gradient', 'gradient'])
    """
    if steps and y is None:
        raise ValueError("expected targets y for training steps, received None: pass y.")
    if isinstance(model_or_layer, keras.Model):
        model = model_or_layer
    else:
        model = _wrapped(model_or_layer, x)
        if y is not None:
            model.compile(keras.optimizers.Adam(0.01), "mean_squared_error")
    if steps and getattr(model, "optimizer", None) is None:
        raise ValueError(
            f"the model {model.name!r} has no optimizer: call model.compile(optimizer, loss) first."
        )
    precision = _precision(model)
    twin = Twin(model, dtype="float64")
    rows, precision = _forward_rows(model, twin, x, precision)
    rows += _gradient_rows(model, twin, x, y, sample_weight, precision, seed)
    if steps:
        rows += _step_rows(model, x, y, sample_weight, steps, precision)
    title = f"{model_or_layer.name}: Keras on {keras.backend.backend()} against NumPy"
    return Report(rows, title=title)


class _Precision:
    """The dtype that agreement is measured by, and why it is lower than the model's."""

    def __init__(self, dtype, note=""):
        self.dtype, self.note = dtype, note

    def bar(self, what):
        return BARS[what][self.dtype]


def _precision(model):
    """Return the precision that a model computes in."""
    layers = list(model._flatten_layers(include_self=False))
    half = {l.compute_dtype for l in layers} & {"float16", "bfloat16"}
    if half:
        return _Precision("half", f"Keras computes in {sorted(half)[0]}")
    kinds = {v.numpy().dtype.name for v in model.weights}
    declared = any(v.dtype == "float64" for v in model.weights)
    if declared and "float64" not in kinds:
        return _Precision("float32", "this backend holds float64 weights as float32")
    return _Precision("float64" if "float64" in kinds or not kinds else "float32")


def _wrapped(layer, x):
    """Return a model of one layer."""
    if not isinstance(layer, keras.Layer):
        raise TypeError(
            f"expected a Keras model or layer, received {type(layer).__name__}: for a layer class, "
            "pass an instance."
        )
    arrays = [np.asarray(a) for a in (x if isinstance(x, (list, tuple)) else [x])]
    floats = layer.dtype if layer.dtype in ("float64", "float32") else "float32"
    inputs = [
        keras.Input(a.shape[1:], dtype=floats if a.dtype.kind == "f" else a.dtype.name)
        for a in arrays
    ]
    merges = hasattr(layer, "_merge_function") or hasattr(layer, "score_mode")
    output = layer(inputs) if merges else layer(*inputs)
    return keras.Model(inputs, output, name=f"model_of_{layer.name}")


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


def _call_model(model, x):
    """Return the outputs of a model for NumPy inputs, nested as `model(...)` returns them."""
    arrays = graph.input_arrays(model, x)
    struct = graph.functional(model)._inputs_struct
    tensors = [
        keras.ops.convert_to_tensor(array, dtype=symbol.dtype)
        for array, symbol in zip(arrays, graph.functional(model)._inputs, strict=True)
    ]
    return tensors, keras.tree.pack_sequence_as(struct, tensors)


def _forward_rows(model, twin, x, precision):
    """Return the rows of every layer's output and mask, and the precision at the end."""
    calls = twin.calls(x)
    layers = list({id(call.layer): call.layer for call in calls}.values())
    with _recorded(layers) as recorded, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a destroyed mask is no news here
        model(_call_model(model, x)[1], training=False)
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
        return _Precision("float32", note)
    tanh_form = getattr(layer, "activation", None) == "gelu_tanh"
    if tanh_form and keras.backend.backend() == "tensorflow":
        return _Precision("float32", "TensorFlow's gelu by tanh has float32 constants")
    return precision


def _gradient_rows(model, twin, x, y, sample_weight, precision, seed):
    trainable = model.trainable_variables
    tensors, _ = _call_model(model, x)
    floats = [k for k, t in enumerate(tensors) if to_numpy(t).dtype.kind == "f"]
    struct, loss_of = graph.functional(model)._inputs_struct, _loss_of(model, y, sample_weight)
    given = {f"w{k}": v.numpy() for k, v in enumerate(trainable)}
    given |= {f"x{k}": to_numpy(tensors[k]) for k in floats}

    def function(**named):
        inputs = [named.get(f"x{k}", tensor) for k, tensor in enumerate(tensors)]
        weights = [named[f"w{k}"] for k in range(len(trainable))]
        others = [v.value for v in model.non_trainable_variables]
        outputs, _, losses = model.stateless_call(
            weights, others, keras.tree.pack_sequence_as(struct, inputs), training=False,
            return_losses=True,
        )  # fmt: skip
        return loss_of(outputs, losses)

    rows = []
    if y is None:
        rng = np.random.default_rng(seed)
        outputs = keras.tree.flatten(twin.predict(x))
        cotangents = [rng.standard_normal(np.shape(output)) for output in outputs]
        ours = twin.output_gradients(x, cotangents)
    else:
        cotangents, ours = [np.ones(())], twin.gradients(x, y, sample_weight)
        loss, precision = _loss_row(model, twin, x, y, sample_weight, function, given, precision)
        rows.append(loss)
    theirs = automatic_gradients(function, to_tensors(given), cotangents)
    paths = {f"w{k}": v.path for k, v in enumerate(trainable)}
    paths |= {f"x{k}": f"inputs/{graph.input_names(model)[k]}" for k in floats}
    bar = precision.bar("gradient")
    return rows + [
        compare_arrays(path, "gradient", ours[path], theirs[name], bar, precision.note)
        for name, path in paths.items()
    ]


def _loss_of(model, y, sample_weight):
    """Return the function of the outputs that is differentiated."""
    if y is None:
        return lambda outputs, _: tuple(keras.tree.flatten(outputs))
    compiled = getattr(model, "_compile_loss", None)
    if compiled is None:
        raise ValueError(
            f"the model {model.name!r} has no loss: call model.compile(optimizer, loss) first, or "
            "leave y out."
        )
    # A new one, because computing a loss of several outputs changes the model's metrics.
    names = graph.output_names(model)
    loss = type(compiled)(compiled._user_loss, compiled._user_loss_weights, output_names=names)
    y = keras.tree.map_structure(keras.ops.convert_to_tensor, y)
    if sample_weight is not None:
        sample_weight = keras.tree.map_structure(keras.ops.convert_to_tensor, sample_weight)
    return lambda outputs, losses: loss(y, outputs, sample_weight) + sum(losses)


def _loss_row(model, twin, x, y, sample_weight, function, given, precision):
    theirs = function(**to_tensors(given))
    if precision.dtype == "float64" and str(to_numpy(theirs).dtype) == "float32":
        note = "Keras computes the loss in floatx: keras.config.set_floatx('float64')"
        precision = _Precision("float32", note)
    ours = np.asarray(twin.loss(x, y, sample_weight))
    bar = precision.bar("forward")
    return compare_arrays(model.name, "loss", ours, to_numpy(theirs), bar, precision.note), precision


def _step_rows(model, x, y, sample_weight, steps, precision):
    """Train both, compare, and put the Keras model back."""
    with _restored(model) as dropped:
        twin = Twin(model)
        for _ in range(steps):
            model.train_on_batch(x, y, sample_weight=sample_weight)
            twin.train_on_batch(x, y, sample_weight)
        theirs = [v.numpy() for v in model.weights]
    note = DRIFT if precision.dtype == "float32" and not precision.note else precision.note
    note = "; ".join(filter(None, [note, f"dropout of {dropped} set to 0" if dropped else ""]))
    bar, what = precision.bar("steps"), f"after {steps} steps"
    return [
        compare_arrays(variable.path, what, ours, his, bar, note)
        for variable, ours, his in zip(model.weights, twin.get_weights(), theirs, strict=True)
    ]


@contextlib.contextmanager
def _restored(model):
    """Switch dropout off, and put dropout, weights and optimizer back afterwards."""
    optimizer, dropouts = model.optimizer, random_layers(model)
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    kept = [(v, v.numpy().copy()) for v in (*model.variables, *optimizer.variables)]
    shares = [(layer, name, getattr(layer, name)) for layer in dropouts for name in _SHARES
              if isinstance(getattr(layer, name, None), float)]  # fmt: skip
    for layer, name, _ in shares:
        setattr(layer, name, 0.0)
    model.train_function = None  # traced with the dropout that it had
    try:
        yield [layer.name for layer in dropouts]
    finally:
        for layer, name, share in shares:
            setattr(layer, name, share)
        model.train_function = None
        for variable, value in kept:
            variable.assign(value)


_SHARES = ("rate", "dropout", "recurrent_dropout")
