"""Compare a Keras model or layer with its NumPy twin, row by row.

- The twin computes in float64; for a float32 model the differences are Keras' rounding.
- Where Keras itself loses precision in a float64 model, the row and those after it are held to the
  float32 bar, and say why.
- Many steps in float32 drift apart although each is right: their rows have a wide bar. Build the
  model in float64 for a proof.
- A layer that ignores a mask in Keras does so in the twin too, and the two agree. The report warns
  of it: that is a mistake of the model, not of an equation.
"""

import contextlib

import keras
import numpy as np

from kerasllm.verify.comparison.backend import automatic_gradients, to_numpy, to_tensors
from kerasllm.verify.comparison.lost_masks import keras_silent, lost_masks
from kerasllm.verify.comparison.outputs import Precision, forward_rows, precision_of, tensors_of
from kerasllm.verify.comparison.report import Report, compare_arrays
from kerasllm.verify.twins import graph
from kerasllm.verify.twins.losses import in_floatx
from kerasllm.verify.twins.model import Twin
from kerasllm.verify.twins.tape import SHARES
from kerasllm.verify.twins.task_losses import has_own_loss

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
        of each weight and float input, and for each weight after the steps; and a warning for
        each layer that loses the mask of padded steps in x.

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
    precision = precision_of(model)
    twin = Twin(model, dtype="float64")
    with keras_silent():
        rows, precision = forward_rows(model, twin, x, precision)
        rows += _gradient_rows(model, twin, x, y, sample_weight, precision, seed)
        del twin  # of a large model it is large, and the steps have one of their own
        if steps:
            rows += _step_rows(model, x, y, sample_weight, steps, precision)
    title = f"{model_or_layer.name}: Keras on {keras.backend.backend()} against NumPy"
    warned = dict.fromkeys(map(str, lost_masks(model, tensors_of(model, x)[1])))
    return Report(rows, title=title, warnings=warned)


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


def _gradient_rows(model, twin, x, y, sample_weight, precision, seed):
    trainable = model.trainable_variables
    tensors, _ = tensors_of(model, x)
    floats = [k for k, t in enumerate(tensors) if to_numpy(t).dtype.kind == "f"]
    struct, loss_of = graph.functional(model)._inputs_struct, _loss_of(model, y, sample_weight)
    given = {f"w{k}": v.numpy() for k, v in enumerate(trainable)}
    given |= {f"x{k}": to_numpy(tensors[k]) for k in floats}

    def function(**named):
        inputs = [named.get(f"x{k}", tensor) for k, tensor in enumerate(tensors)]
        weights = [(v, named[f"w{k}"]) for k, v in enumerate(trainable)]
        # Not `stateless_call`: of a shared layer's activity losses it returns the last call's.
        with keras.StatelessScope(weights, collect_losses=True):
            outputs = model(keras.tree.pack_sequence_as(struct, inputs), training=False)
            return loss_of(outputs, model.losses)

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
    largest = max((np.abs(ours[path]).max() for path in paths.values()), default=0.0)
    return rows + [
        _noise(compare_arrays(p, "gradient", ours[p], theirs[name], bar, precision.note), largest)
        for name, p in paths.items()
    ]


def _noise(row, largest):
    """Pass a gradient that is zero on paper, like that of a key's bias in an attention.

    What is left of it is rounding, small beside the other gradients; divided by itself it is 1.
    """
    if row.ok or not row.max_abs <= 0.01 * row.bar * largest:
        return row
    return row._replace(ok=True, note="; ".join(filter(None, [row.note, "zero but for rounding"])))


def _loss_of(model, y, sample_weight):
    """Return the function of the outputs that is differentiated."""
    if y is None:
        return lambda outputs, _: tuple(keras.tree.flatten(outputs))
    if has_own_loss(model):
        return lambda outputs, _: model.compute_loss(None, y, outputs, sample_weight)
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
    if precision.dtype == "float64" and in_floatx(model):
        note = "Keras computes the loss in float32: keras.config.set_floatx('float64') before"
        precision = Precision("float32", note)
    ours = np.asarray(twin.loss(x, y, sample_weight))
    bar = precision.bar("forward")
    return compare_arrays(
        model.name, "loss", ours, to_numpy(theirs), bar, precision.note
    ), precision


def _step_rows(model, x, y, sample_weight, steps, precision):
    """Train both, compare, and put the Keras model back."""
    with _restored(model) as dropped:
        twin = Twin(model)
        for _ in range(steps):
            model.train_on_batch(x, y, sample_weight=sample_weight)
            twin.train_on_batch(x, y, sample_weight)
        note = DRIFT if precision.dtype == "float32" and not precision.note else precision.note
        note = "; ".join(filter(None, [note, f"dropout of {dropped} set to 0" if dropped else ""]))
        bar, what = precision.bar("steps"), f"after {steps} steps"
        # One weight after the other: copies of all of them would be as large as the model.
        return [
            compare_arrays(v.path, what, twin.get_weight(v), v.numpy(), bar, note)
            for v in model.weights
        ]


def _can_change(model):
    """Return the variables of a model but for those of frozen layers, which no step moves."""
    frozen = {
        id(v) for layer in model._flatten_layers() for v in layer._trainable_variables
        if not v.trainable
    }  # fmt: skip
    return [v for v in model.variables if id(v) not in frozen]


@contextlib.contextmanager
def _restored(model):
    """Switch dropout off, and put dropout, weights and optimizer back afterwards."""
    optimizer, dropouts = model.optimizer, graph.random_layers(model)
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    kept = [(v, v.numpy().copy()) for v in (*_can_change(model), *optimizer.variables)]
    shares = [(layer, name, getattr(layer, name)) for layer in dropouts for name in SHARES
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
