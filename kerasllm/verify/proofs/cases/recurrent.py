"""Cases of recurrent layers: each with masks, initial states, directions, both kinds of output."""

from functools import partial
from itertools import chain, product

import keras
import numpy as np

from kerasllm import layers as own_layers
from kerasllm import reference as ref
from kerasllm.verify.comparison.backend import call_layer
from kerasllm.verify.proofs.cases.attention import dtype_of
from kerasllm.verify.proofs.checks import Case, random_arguments

EXEMPT = {}
B, T, D, H = 2, 5, 3, 7
GATES = {"simple_rnn": 1, "lstm": 4, "gru": 3}
STATES = {"simple_rnn": ("h",), "lstm": ("h", "c"), "gru": ("h",)}
NAMES = {"simple_rnn": "SimpleRNN", "lstm": "LSTM", "gru": "GRU"}
MASKS = {
    "no mask": None,
    "right padding": np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool),
    "holes": np.array([[1, 0, 0, 1, 0], [0, 1, 1, 0, 1]], bool),
    "empty row": np.array([[0, 0, 0, 0, 0], [0, 1, 1, 0, 1]], bool),
}
JAX_REPEATS = {
    "jax": "Keras on JAX repeats the initial state before the first real step; elsewhere it is zero"
}


def _weight_shapes(name, inputs, bias=True, reset_after=True):
    gates = GATES[name]
    shapes = {"kernel": (inputs, gates * H), "recurrent_kernel": (H, gates * H)}
    if bias:
        two_rows = name == "gru" and reset_after
        shapes["bias"] = (2, gates * H) if two_rows else (gates * H,)
    return shapes


def _layer(
    name, mask_name="no mask", *, house=keras.layers, bias=True, state=False, label="", **options
):
    """Make a case of one layer, with its final states and the gradients of its initial ones."""
    mask, names = MASKS[mask_name], STATES[name]
    shapes = {"x": (B, T, D), **_weight_shapes(name, D, bias, options.get("reset_after", True))}
    weight_names = list(shapes)[1:]
    if state:
        shapes |= {f"{s}0": (B, H) for s in names}
    title = ", ".join(
        [name + _by(house), mask_name]
        + (["initial state"] if state else [])
        + ([label] if label else [])
        + [k if v is True else f"{k}={v}" for k, v in options.items()]
    )

    def forward(x, **values):
        weights = [values[w] for w in weight_names]
        first = tuple(values[f"{s}0"] for s in names) if state else None
        layer = getattr(ref, name)
        output, trace = layer(x, *weights, mask=mask, initial_state=first, **options)
        return (output, *trace.state), trace

    def backward(d_output, trace):
        grads = getattr(ref, f"{name}_backward")(d_output[0], trace, d_state=d_output[1:])
        named = {f"d_{s}0": d for s, d in zip(names, grads.d_initial_state, strict=True)}
        return {**grads._asdict(), **named}

    def in_keras(x, **values):
        kind = getattr(house, NAMES[name])
        layer = kind(H, use_bias=bias, return_state=True, dtype=dtype_of(x), **options)
        first = [values[f"{s}0"] for s in names] if state else None
        weights = [values[w] for w in weight_names]
        return call_layer(layer, weights, x, mask=_tensor(mask), initial_state=first)

    begins_masked = mask is not None and not mask[:, -1 if "go_backwards" in options else 0].all()
    return Case(
        name=title,
        covers=(name,),
        arguments=random_arguments(title, **shapes, scale=0.7),
        forward=forward,
        backward=backward,
        keras=in_keras,
        skip=JAX_REPEATS if state and begins_masked and house is keras.layers else {},
        layers=_names(house, NAMES[name]),
    )


def _by(house):
    return "" if house is keras.layers else " of kerasllm"


def _names(house, name):
    """Return the public layers that a case of this house's layers covers."""
    return () if house is keras.layers else (name,)


def _tensor(mask):
    return None if mask is None else keras.ops.convert_to_tensor(mask)


def _step(name, **options):
    """Make a case of one step."""
    gates = GATES[name]
    shapes = {"projected": (B, gates * H)}
    shapes |= {f"{s}_previous": (B, H) for s in STATES[name]}
    shapes["recurrent_kernel"] = (H, gates * H)
    if options.get("reset_after"):
        shapes["recurrent_bias"] = (gates * H,)
    title = ", ".join([f"{name}_step", *(f"{k}={v}" for k, v in options.items())])
    return Case(
        name=title,
        covers=(f"{name}_step",),
        arguments=random_arguments(title, **shapes),
        forward=partial(getattr(ref, f"{name}_step"), **options),
        backward=partial(_step_backward, name),
        keras=partial(_keras_step, name, **options),
    )


def _step_backward(name, d_output, trace):
    """Add what the sequence sums over all steps: the recurrent weights' gradients."""
    grads = getattr(ref, f"{name}_step_backward")(d_output, trace)
    d_product = getattr(grads, "d_recurrent", grads.d_projected)
    d_kernel = trace.h_previous.T @ d_product
    if name == "gru" and not trace.reset_after:
        d_kernel[:, 2 * H :] = (trace.r * trace.h_previous).T @ d_product[:, 2 * H :]
    extra = {"d_recurrent_kernel": d_kernel, "d_recurrent_bias": d_product.sum(0)}
    return {**grads._asdict(), **extra}


def _keras_step(name, projected, recurrent_kernel, recurrent_bias=None, **values):
    """Run a cell whose kernel is the identity, so that its input is the projection."""
    options = {k: values.pop(k) for k in ("reset_after", "activation") if k in values}
    cell_class = getattr(keras.layers, NAMES[name] + "Cell")
    has_bias = recurrent_bias is not None
    cell = cell_class(H, use_bias=has_bias, dtype=dtype_of(projected), **options)
    cell.build(projected.shape)
    width = projected.shape[-1]
    weights = [keras.ops.eye(width, dtype=dtype_of(projected)), recurrent_kernel]
    if has_bias:
        weights.append(keras.ops.stack([keras.ops.zeros_like(recurrent_bias), recurrent_bias]))
    states = [values[f"{s}_previous"] for s in STATES[name]]
    new = call_layer(cell, weights, projected, states)[1]
    return tuple(new) if len(new) > 1 else new[0]


def _moved(name, mask_name, **options):
    """Make a case of a layer taken apart: what is added at each step has that step's gradient.

    It is 0, so that the layer as a whole, which gives the trace, gives the same numbers.
    """
    mask, shapes = MASKS[mask_name], _weight_shapes(name, D)
    title = ", ".join([f"{name}, each step moved", mask_name, *options])
    added = {"projected": GATES[name] * H, **dict.fromkeys(STATES[name], H)}
    arguments = random_arguments(title, x=(B, T, D), **shapes, scale=0.7)
    arguments |= {key: np.zeros((B, T, width)) for key, width in added.items()}
    places = range(T)[::-1] if "go_backwards" in options else range(T)
    real = np.ones((B, T), bool) if mask is None else mask[:, list(places)]
    shown = np.logical_or.accumulate(real, axis=1)[..., None]

    def forward(x, **values):
        weights = [values[w] for w in shapes]
        _, trace = getattr(ref, name)(x, *weights, mask=mask, return_sequences=True, **options)
        h = _walk(np, partial(_numpy_step, name), real, places, x, **values)
        return np.where(shown, h, 0), trace

    def in_keras(x, **values):
        h = _walk(keras.ops, partial(_keras_step, name), real, places, x, **values)
        return keras.ops.where(shown, h, 0 * h)

    return Case(title, (name,), arguments, forward, getattr(ref, f"{name}_backward"), in_keras)


def _numpy_step(name, projected, **values):
    return getattr(ref, f"{name}_step")(projected, **values)[0]


def _walk(xp, step, real, places, x, kernel, recurrent_kernel, bias, projected, h, c=None):
    """Walk through x, in NumPy or Keras, moving gates, h and c; return every h, (B, T, H)."""
    bias, *second = bias if len(bias.shape) == 2 else (bias,)
    names, arrays = ("recurrent_kernel", "recurrent_bias"), (recurrent_kernel, *second)
    weights = dict(zip(names, arrays, strict=False))
    states, seen = [0 * h[:, 0], *([] if c is None else [0 * c[:, 0]])], []
    for t, place in enumerate(places):
        rows = xp.matmul(x[:, place], kernel) + bias + projected[:, t]
        before = dict(zip(("h_previous", "c_previous"), states, strict=False))
        new = keras.tree.flatten(step(rows, **weights, **before))
        if c is not None:  # h sees the moved cell
            o = 1 / (1 + xp.exp(-(rows + xp.matmul(states[0], recurrent_kernel))[:, 3 * H :]))
            states[1] = xp.where(real[:, t, None], new[1], states[1]) + c[:, t]
            new[0] = o * xp.tanh(states[1])
        states[0] = xp.where(real[:, t, None], new[0], states[0]) + h[:, t]
        seen.append(states[0])
    return xp.stack(seen, axis=1)


def _composed(title, covers, weight_shapes, ours, theirs, ours_backward, layers=()):
    """Make a case of several layers; `weight_shapes` has one dict of shapes a layer."""
    names = [[f"{k}{n}" for k in shapes] for n, shapes in enumerate(weight_shapes)]
    shapes = {"x": (B, T, D)}
    for group, layer in zip(names, weight_shapes, strict=True):
        shapes |= dict(zip(group, layer.values(), strict=True))

    def groups(values):
        return [[values[name] for name in group] for group in names]

    def backward(d_output, trace):
        d_x, d_groups = ours_backward(d_output, trace)
        flat = zip(chain(*names), d_groups, strict=True)
        return {"d_x": d_x, **{f"d_{name}": d for name, d in flat}}

    return Case(
        name=title,
        covers=covers,
        arguments=random_arguments(title, **shapes, scale=0.7),
        forward=lambda x, **values: ours(x, groups(values)),
        backward=backward,
        keras=lambda x, **values: theirs(x, groups(values)),
        layers=layers,
    )


def _both_directions(name, mask_name, merge_mode, return_sequences, house=keras.layers):
    mask = MASKS[mask_name]
    title = f"bidirectional {name}{_by(house)}, {mask_name}, {merge_mode}, "
    title += f"return_sequences={return_sequences}"

    def ours(x, groups):
        output, trace = ref.bidirectional(
            x, *groups[0], *groups[1], layer=getattr(ref, name), merge_mode=merge_mode,
            mask=mask, return_sequences=return_sequences,
        )  # fmt: skip
        outputs = output if merge_mode is None else (output,)
        return (*outputs, *trace.state), trace

    def ours_backward(d, trace):
        count = 2 if merge_mode is None else 1
        d_output = tuple(d[:2]) if merge_mode is None else d[0]
        grads = ref.bidirectional_backward(d_output, trace, d_state=d[count:])
        return grads.d_x, grads.d_weights

    def theirs(x, groups):
        inner = getattr(house, NAMES[name])(
            H, return_sequences=return_sequences, return_state=True, dtype=dtype_of(x)
        )
        layer = house.Bidirectional(inner, merge_mode=merge_mode, dtype=dtype_of(x))
        return call_layer(layer, groups[0] + groups[1], x, mask=_tensor(mask))

    return _composed(
        title, ("bidirectional",), [_weight_shapes(name, D)] * 2, ours, theirs, ours_backward,
        layers=_names(house, "Bidirectional"),
    )  # fmt: skip


def _stacked(name, mask_name, both_directions=False):
    mask = MASKS[mask_name]
    title = f"stack of {name}, {mask_name}" + (", both directions" if both_directions else "")
    below = _weight_shapes(name, D)
    above = _weight_shapes(name, 2 * H if both_directions else H)
    double = 2 if both_directions else 1

    def per_layer(groups):
        half = len(groups) // 2
        return [list(chain(*groups[:half])), list(chain(*groups[half:]))]

    def ours(x, groups):
        return ref.stack(
            x, per_layer(groups), layer=getattr(ref, name), both_directions=both_directions,
            mask=mask,
        )  # fmt: skip

    def ours_backward(d_output, trace):
        grads = ref.stack_backward(d_output, trace)
        return grads.d_x, list(chain(*grads.d_weights))

    def theirs(x, groups):
        for k, weights in enumerate(per_layer(groups)):
            kind = getattr(keras.layers, NAMES[name])
            layer = kind(H, return_sequences=k == 0, dtype=dtype_of(x))
            if both_directions:
                layer = keras.layers.Bidirectional(layer, dtype=dtype_of(x))
            x = call_layer(layer, weights, x, mask=_tensor(mask))
        return x

    shapes = [below] * double + [above] * double
    return _composed(title, ("stack",), shapes, ours, theirs, ours_backward)


CASES = (
    _step("simple_rnn"),
    _step("lstm"),
    _step("gru", reset_after=True),
    _step("gru", reset_after=False),
    *(_layer(name, mask) for name, mask in product(GATES, MASKS)),
    *(
        _layer(name, mask, state=True, return_sequences=True)
        for name, mask in product(GATES, ("no mask", "holes", "empty row"))
    ),
    *(
        _layer(name, mask, state=mask == "no mask", go_backwards=True, return_sequences=True)
        for name, mask in product(GATES, ("no mask", "right padding"))
    ),
    *(_layer(name, "holes", zero_output_for_mask=True, return_sequences=True) for name in GATES),
    *(_layer(name, bias=False, label="no bias", return_sequences=True) for name in GATES),
    _layer("gru", "holes", reset_after=False, return_sequences=True),
    _layer("gru", "no mask", state=True, reset_after=False, go_backwards=True),
    _layer("gru", bias=False, label="no bias", reset_after=False),
    *(_moved(name, "no mask") for name in GATES),
    *(_moved(name, "holes", go_backwards=True) for name in GATES),
    *(_layer("simple_rnn", "holes", activation=a) for a in ("relu", "sigmoid", "linear")),
    *(
        _both_directions("lstm", "holes", merge_mode, return_sequences=True)
        for merge_mode in ("concat", "sum", "ave", "mul", None)
    ),
    *(_both_directions(name, "right padding", "concat", False) for name in GATES),
    *(_stacked(name, "holes") for name in GATES),
    _stacked("lstm", "right padding", both_directions=True),
    *(
        _layer(name, mask, house=own_layers, state=True, return_sequences=True)
        for name, mask in product(GATES, MASKS)
    ),
    *(_layer(name, "holes", house=own_layers, go_backwards=True) for name in GATES),
    *(
        _layer(name, "holes", house=own_layers, zero_output_for_mask=True, return_sequences=True)
        for name in GATES
    ),
    *(_layer(name, house=own_layers, bias=False, label="no bias") for name in GATES),
    *(
        _layer("gru", mask, house=own_layers, state=True, reset_after=False, return_sequences=True)
        for mask in ("no mask", "holes")
    ),
    _layer("gru", house=own_layers, bias=False, label="no bias", reset_after=False),
    *(_both_directions(name, "holes", "concat", True, own_layers) for name in GATES),
)
