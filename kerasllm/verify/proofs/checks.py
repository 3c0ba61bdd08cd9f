"""The four checks: what has to hold before an equation counts as proven.

1. `check_backward`: the backward pass by hand against centred differences, random cotangent,
   float64.
2. `check_forward`: the forward pass against Keras, on the backend that is running.
3. `check_gradients`: the gradient of every argument against that backend's automatic
   differentiation.
4. `check_training`: 300 optimizer steps beside Keras (`kerasllm.verify.proofs.training`).

A `Case` is one equation with random numbers in it; `cases_*.py` are tables of them:

    Case(
        name="dense, bias",
        covers=("dense",),                                  # public names of kerasllm.reference
        arguments=random_arguments("dense, bias", x=(2, 5, 3), kernel=(3, 11), bias=(11,)),
        forward=dense,                                      # (**arguments) -> (output, trace)
        backward=dense_backward,                            # (d_output, trace) -> d_x, d_kernel, …
        keras=lambda x, kernel, bias: x @ kernel + bias,    # (**tensors) -> tensor, same names
    )

`arguments` are the differentiable ones, by name; close over the rest (masks, ids) with
`functools.partial` or a lambda. An output may be an array or a tuple of arrays; the cotangent has
the same form. `backward` returns a NamedTuple or a dict with `d_<name>` for each argument. On the
Keras side use `keras.ops`, or `call_layer(layer, weights, *inputs)` for a layer. `skip` maps a
backend to the reason why Keras cannot answer there: the report shows it.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import keras
import numpy as np

from kerasllm.verify.comparison.backend import _evaluate, to_numpy, to_tensors
from kerasllm.verify.comparison.report import compare_arrays

BARS = {
    "check_backward": 1e-8,
    ("check_forward", "float64"): 1e-12,
    ("check_forward", "float32"): 1e-5,
    ("check_gradients", "float64"): 1e-10,
    ("check_gradients", "float32"): 1e-4,
}
ULPS = {"float64": 2.0**24, "float32": 2.0**14}  # of an entry, on checks 2 and 3; see `Row`
DIRECTIONS = 16  # in which check 1 moves an argument
STEP = 1e-5  # of centred differences: its error is about STEP**2 = 1e-10 of the third derivative


@dataclass(frozen=True)
class Case:
    """One equation with random inputs, in NumPy and in Keras (see the head of this module)."""

    name: str
    covers: tuple[str, ...]
    arguments: Mapping[str, np.ndarray]
    forward: Callable
    backward: Callable | None = None
    keras: Callable | None = None
    layers: tuple[str, ...] = ()  # public layers of the package on the Keras side
    skip: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


def random_arguments(seed, /, scale=1.0, **shapes):
    """Return normal float64 arrays by name, `scale` their deviation.

    The same `seed` text gives the same numbers.

    Example:
        >>> random_arguments("any text", x=(2, 3))["x"].shape
        (2, 3)
    """
    rng = np.random.default_rng(zlib.crc32(seed.encode()))
    return {name: scale * rng.standard_normal(shape) for name, shape in shapes.items()}


def flatten(nest):
    """Return the arrays of an array or of nested tuples, in order."""
    if isinstance(nest, (tuple, list)):
        return [leaf for item in nest for leaf in flatten(item)]
    return [np.asarray(nest)]


def random_cotangent(case, output):
    """Return a random array for each output array, in the form of `output`."""
    rng = np.random.default_rng(zlib.crc32(case.name.encode()) + 1)

    def draw(nest):
        if isinstance(nest, (tuple, list)):
            return tuple(draw(item) for item in nest)
        return rng.standard_normal(np.shape(nest)).astype(np.asarray(nest).dtype)

    return draw(output)


def hand_gradients(case, dtype="float64"):
    """Return the outputs, the cotangent and the gradients by hand: `(outputs, d_output, grads)`."""
    arguments = {name: array.astype(dtype) for name, array in case.arguments.items()}
    output, trace = case.forward(**arguments)
    d_output = random_cotangent(case, output)
    grads = case.backward(d_output, trace)
    grads = grads._asdict() if hasattr(grads, "_asdict") else grads
    return flatten(output), d_output, {name: grads[f"d_{name}"] for name in arguments}


def directions(case, name):
    """Return the directions, (n, size), in which check 1 moves an argument.

    A small array is moved entry by entry. A larger one is moved as a whole, in random directions:
    a wrong entry changes the slope along each of them.
    """
    size = case.arguments[name].size
    if size <= DIRECTIONS:
        return np.eye(size)
    rng = np.random.default_rng(zlib.crc32(f"{case.name} {name}".encode()))
    return rng.standard_normal((DIRECTIONS, size)) / np.sqrt(size)


def centred_differences(case, d_output, name):
    """Return the slope of sum(d_output * output) along each of `directions`."""
    argument, cotangent = case.arguments[name], flatten(d_output)

    def outputs(offset):
        moved = argument + offset.reshape(argument.shape)
        return flatten(case.forward(**{**case.arguments, name: moved})[0])

    def slope(direction):
        up, down = outputs(STEP * direction), outputs(-STEP * direction)
        # The difference is taken before the sum: summed first, its digits would cancel.
        rises = [np.sum(d * (u - v)) for d, u, v in zip(cotangent, up, down, strict=True)]
        return sum(rises) / (2 * STEP)

    return np.array([slope(direction) for direction in directions(case, name)])


def check_backward(case):
    """Compare the backward pass by hand with centred differences, in float64."""
    _, d_output, grads = hand_gradients(case)
    return [
        compare_arrays(
            f"1 {case.name}", f"d_{name}",
            directions(case, name) @ np.ravel(grads[name]),
            centred_differences(case, d_output, name), BARS["check_backward"], case.note,
        )
        for name in case.arguments
    ]  # fmt: skip


def check_forward(case, dtype="float64"):
    """Compare the forward pass with Keras on the running backend."""
    arguments = {name: array.astype(dtype) for name, array in case.arguments.items()}
    ours = flatten(case.forward(**arguments)[0])
    return _check2_rows(case, dtype, ours, keras.tree.flatten(case.keras(**to_tensors(arguments))))


def check_gradients(case, dtype="float64"):
    """Compare the backward pass by hand with automatic differentiation on the running backend."""
    return check_forward_and_gradients(case, dtype)[1]


def check_forward_and_gradients(case, dtype="float64"):
    """Return the rows of check 2 and those of check 3, from one evaluation on either side."""
    arguments = {name: array.astype(dtype) for name, array in case.arguments.items()}
    outputs, d_output, ours = hand_gradients(case, dtype)
    tensors, cotangents = to_tensors(arguments), flatten(d_output)
    answers, theirs = _evaluate(case.keras, tensors, cotangents)
    bar = BARS["check_gradients", dtype]
    return _check2_rows(case, dtype, outputs, answers), [
        compare_arrays(
            f"3 {case.name}", f"d_{name} ({dtype})", ours[name], theirs[name], bar, case.note, ULPS
        )
        for name in arguments
    ]


def _check2_rows(case, dtype, ours, theirs):
    note = case.note or _precision_note(theirs, dtype)
    bar = BARS["check_forward", dtype]
    pairs = enumerate(zip(ours, map(to_numpy, theirs), strict=True))
    return [
        compare_arrays(f"2 {case.name}", f"output {k} ({dtype})", a, b, bar, note, ULPS)
        for k, (a, b) in pairs
    ]


def _precision_note(tensors, dtype):
    if all(keras.backend.standardize_dtype(tensor.dtype) == dtype for tensor in tensors):
        return ""
    return f"Keras answers {dtype} input in another precision on {keras.backend.backend()}"
