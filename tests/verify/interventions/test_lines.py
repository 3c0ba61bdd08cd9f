"""A line behind the line of an equation: nothing else changes."""

import numpy as np
import pytest

from kerasllm import reference as ref
from kerasllm.verify.interventions.change import Change, put, without
from kerasllm.verify.interventions.changed import STEPS, WHOLE, Place
from kerasllm.verify.interventions.lines import lines_behind


def lstm_of(rng):
    x, kernel, recurrent = (rng.normal(size=s) for s in [(2, 5, 3), (3, 28), (7, 28)])
    return lambda: ref.lstm(x, kernel, recurrent, return_sequences=True)


def test_every_symbol_is_handed_over_once_a_step_in_the_order_of_the_equation(rng):
    seen, compute = [], lstm_of(rng)
    with lines_behind({ref.lstm_step: "ifgoch"}, lambda n, value: seen.append(n) or value):
        compute()
    assert seen == list("ifgoch") * 5


def test_doing_nothing_changes_no_bit(rng):
    compute = lstm_of(rng)
    output, trace = compute()
    with lines_behind(STEPS, lambda _, v: v), lines_behind(WHOLE, lambda _, v: v):
        again, traced = compute()
    assert np.array_equal(output, again) and np.array_equal(trace.c, traced.c)


def test_the_code_comes_back_after_an_error_too(rng):
    compute, before = lstm_of(rng), ref.lstm_step.__code__
    with pytest.raises(ZeroDivisionError), lines_behind({ref.lstm_step: "c"}, lambda *_: 1 / 0):
        compute()
    assert ref.lstm_step.__code__ is before and ref.lstm_step.__kwdefaults__ is None


@pytest.mark.parametrize("function", [*STEPS, *WHOLE], ids=lambda f: f.__module__ + f.__name__)
def test_every_named_symbol_is_a_line_of_its_function(function):
    names = {**STEPS, **WHOLE}[function]
    with lines_behind({function: names}, None):
        constants = function.__code__.co_consts
    assert all(name in constants for name in names)


def test_two_branches_of_an_equation(rng):
    """`inner` of a GRU stands in two lines, of which one is computed."""
    projected, h, U = rng.normal(size=(1, 9)), rng.normal(size=(1, 3)), rng.normal(size=(3, 9))
    for reset_after in (True, False):
        with lines_behind({ref.gru_step: ("inner",)}, lambda _, value: 0 * value):
            _, trace = ref.gru_step(projected, h, U, reset_after=reset_after)
        assert np.allclose(trace.candidate, np.tanh(projected[:, 6:]))


def test_a_change_is_for_its_positions_units_and_head():
    at = Place("layer", 0, "z")
    array = np.arange(2 * 3 * 5 * 7.0).reshape(2, 3, 5, 7)  # (B, N, T, K)
    moved = Change("", at, put(-1.0), (1, 4), [2, 6], 1).of_array(array)
    expected = array.copy()
    for t in (1, 4):
        for unit in (2, 6):
            expected[:, 1, t, unit] = -1
    assert np.array_equal(moved, expected)
    backwards = Change("", at, put(-1.0), (1,), backwards=True).of_array(array[:, 0])
    assert np.array_equal(np.flatnonzero((backwards == -1).all(axis=(0, 2))), [3])


def test_without_a_key_the_others_share():
    row = np.array([[[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]]])  # (B, N, S)
    moved = Change("", Place("a", 0, "weights"), without(0)).of_row(row, 2)
    assert np.array_equal(moved, [[[0, 0.5, 0.5], [0, 0, 0]]])
