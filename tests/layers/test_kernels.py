"""The kernels of each backend by loops in NumPy, whatever Keras runs on."""

import importlib

import numpy as np
import pytest


def kernels(name):
    """Return (kernels of a backend, its function that makes tensors)."""
    module = pytest.importorskip(name)
    make = {
        "tensorflow": lambda: module.convert_to_tensor,
        "jax": lambda: pytest.importorskip("jax.numpy").asarray,
        "torch": lambda: module.as_tensor,
    }
    return importlib.import_module(f"kerasllm.layers.kernels.of_{name}"), make[name]()


def integers(rng, *shape):
    """Return whole numbers as float32: their sums are exact, in any order."""
    return rng.integers(-9, 10, shape).astype("float32")


@pytest.mark.parametrize("rows", [1, 3, 5, 7, 11, 13])
@pytest.mark.parametrize("name", ["tensorflow", "jax", "torch"])
def test_fold_goes_over_blocks_in_their_order(name, rows, rng):
    of, tensor = kernels(name)
    x, weight = integers(rng, 11, 2), integers(rng, 11)

    def step(carry, blocks):
        part, w = blocks
        # The order counts: what came before is halved at each block. Zeros are filled up with.
        return (carry[0] / 2 + (w[None] @ part)[0], carry[1] + 1), 3 * part + w[:, None]

    begin = tensor(np.zeros(2, "float32")), tensor(np.float32(0))
    (total, blocks), y = of.fold(step, begin, (tensor(x), tensor(weight)), rows)
    expected = np.zeros(2)
    for start in range(0, 11, rows):
        expected = expected / 2 + weight[start : start + rows] @ x[start : start + rows]
    np.testing.assert_allclose(np.asarray(total), expected, rtol=1e-5)
    np.testing.assert_array_equal(np.asarray(y), 3 * x + weight[:, None])
    assert float(blocks) == -(-11 // rows)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ["tensorflow", "jax"])
def test_scan_gives_what_each_step_gave_in_the_order_of_time(name, reverse, rng):
    of, tensor = kernels(name)
    x = integers(rng, 5, 3)

    def step(carry, now):
        (state,), (value,) = carry, now
        state = state / 2 + value
        return (state,), {"state": state, "double": 2 * value}

    (last,), y = of.scan(step, (tensor(np.zeros(3, "float32")),), (tensor(x),), reverse)
    state, states = np.zeros(3), np.zeros((5, 3))
    for t in reversed(range(5)) if reverse else range(5):
        state = states[t] = state / 2 + x[t]
    np.testing.assert_allclose(np.asarray(y["state"]), states, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(last), state, rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(y["double"]), 2 * x)
