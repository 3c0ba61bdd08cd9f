"""The four checks of every equation: the proof that reference and Keras are the same."""

import sys

import keras
import numpy as np
import pytest

from kerasllm import layers, models, reference
from kerasllm.verify.comparison.backend import to_tensors
from kerasllm.verify.proofs import checks, equations, training
from kerasllm.verify.proofs.cases.trajectories import TRAJECTORIES
from kerasllm.verify.proofs.checks import (
    check_backward,
    check_forward,
    check_gradients,
    hand_gradients,
)
from kerasllm.verify.proofs.training import check_training
from kerasllm.verify.twins import registry

pytestmark = [
    pytest.mark.backends,
    # Keras' own conversion of JAX and torch arrays, under NumPy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
DIFFERENTIABLE = [case for case in equations.CASES if case.backward]
IN_KERAS = [case for case in equations.CASES if case.keras]


def _name(item):
    return getattr(item, "name", item)


def _skip_where_keras_differs(case):
    reason = case.skip.get(keras.backend.backend())
    if reason:
        pytest.skip(reason)


def _failures(rows):
    assert rows
    return "\n".join(map(str, (row for row in rows if not row.ok)))


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=_name)
def test_check_1_backward_by_hand_against_centred_differences(case):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("NumPy alone: has been run on the default backend")
    assert not _failures(check_backward(case))


@pytest.mark.parametrize("dtype", equations.precisions())
@pytest.mark.parametrize("case", IN_KERAS, ids=_name)
def test_check_2_forward_against_keras(case, dtype):
    _skip_where_keras_differs(case)
    assert not _failures(check_forward(case, dtype))


@pytest.mark.parametrize("dtype", equations.precisions())
@pytest.mark.parametrize("case", [c for c in IN_KERAS if c.backward], ids=_name)
def test_check_3_gradients_against_automatic_differentiation(case, dtype):
    _skip_where_keras_differs(case)
    assert not _failures(check_gradients(case, dtype))


def test_what_check_4_trains_with():
    moments = {"beta_1": 0.8, "beta_2": 0.97, "epsilon": 1e-3}
    centered = {"rho": 0.8, "momentum": 0.7, "centered": True}
    trained = {t.name: t.settings | t.clip_setting for t in TRAJECTORIES if hasattr(t, "settings")}
    assert trained == {
        "SGD": {"learning_rate": 0.1},
        "momentum": {"learning_rate": 0.05, "momentum": 0.9},
        "Nesterov": {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
        "RMSprop": {"learning_rate": 0.003},
        "RMSprop, centered": {"learning_rate": 0.003, **centered},
        "Adam": {"learning_rate": 0.01},
        "Adam, amsgrad": {"learning_rate": 0.01, "amsgrad": True},
        "Lion": {"learning_rate": 0.003},
        "Adafactor": {"learning_rate": 0.03},
        "Adam, other betas": {"learning_rate": 0.01, **moments},
        "AdamW": {"learning_rate": 0.01, "weight_decay": 0.1},
        "clipped by value": {"learning_rate": 0.3, "clipvalue": 0.02},
        "clipped by norm": {"learning_rate": 0.3, "clipnorm": 0.05},
        "clipped by global norm": {"learning_rate": 0.01, "global_clipnorm": 0.1},
    }
    assert all(t.step.keywords.items() >= dict(t.settings).items() for t in TRAJECTORIES[:14])
    assert training.STEPS == {"float64": 300, "float32": 10}
    assert training.BARS == {"float64": 1e-9, "float32": 1e-4}
    assert checks.BARS == {
        "check_backward": 1e-8,
        ("check_forward", "float64"): 1e-12,
        ("check_forward", "float32"): 1e-5,
        ("check_gradients", "float64"): 1e-10,
        ("check_gradients", "float32"): 1e-4,
    }


@pytest.mark.parametrize("trajectory", TRAJECTORIES, ids=_name)
def test_check_4_training_beside_keras(trajectory):
    assert not _failures(check_training(trajectory))


def test_every_public_function_and_layer_has_its_checks_or_a_reason():
    assert not equations.uncovered()


def test_every_public_layer_has_a_twin():
    for name in equations.public_layers():
        kind = getattr(layers, name, None) or getattr(models, name)
        assert kind in registry.LAYERS or issubclass(kind, keras.Model) or any(
            base in registry.LAYERS and base.call is kind.call for base in kind.__mro__
        ), name  # fmt: skip


def test_a_layer_that_loses_its_case_or_its_model_is_named(monkeypatch):
    cases = [case for case in equations.CASES if "FeedForward" not in case.layers]
    monkeypatch.setattr(equations, "CASES", cases)
    assert equations.uncovered() == ("FeedForward",)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="models train on TensorFlow")
def test_a_layer_that_no_model_trains_is_named(monkeypatch):
    trained = [t for t in TRAJECTORIES if "CRF" not in t.layers]
    monkeypatch.setattr(equations, "TRAJECTORIES", trained)
    assert "CRF" in equations.uncovered()


def test_cases_and_models_hold_the_layers_that_they_name(monkeypatch):
    """Each name of a layer is that of one which the Keras side calls."""
    called = set()
    call = keras.Layer.stateless_call

    def record(layer, *args, **kwargs):
        called.add(type(layer).__name__)
        return call(layer, *args, **kwargs)

    monkeypatch.setattr(keras.Layer, "stateless_call", record)
    for case in equations.CASES:
        called.clear()
        if case.layers:
            case.keras(**to_tensors({k: a.astype("float32") for k, a in case.arguments.items()}))
        assert set(case.layers) <= called, case.name
    for one in TRAJECTORIES:
        called.clear()
        if one.layers:
            model = one.build()
            called |= {type(layer).__name__ for layer in (model, *model._flatten_layers())}
        assert set(one.layers) <= called, one.name


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_every_gradient_of_a_recurrent_layer_is_compared(name):
    layer = {"SimpleRNN": "simple_rnn"}.get(name, name.lower())
    cases = [case for case in DIFFERENTIABLE if case.covers == (layer,)]
    compared = {f"d_{argument}" for case in cases for argument in case.arguments}
    fields = set(getattr(reference, f"{name}Grads")._fields)
    assert {"d_h", "d_projected"} <= fields
    assert fields - {"d_initial_state"} <= compared  # as d_h0 and d_c0


def test_exemptions_name_functions_that_exist_and_give_a_reason():
    for name, reason in equations.EXEMPT.items():
        assert name in (*equations.public_functions(), *equations.public_layers())
        assert len(reason) > 10


def test_cases_call_what_they_claim_to_cover():
    for case in equations.CASES:
        called = _called(lambda case=case: _run(case))
        assert set(case.covers) <= called, case.name
        if case.backward:
            assert {f"{name}_backward" for name in case.covers} <= called, case.name


def _run(case):
    return hand_gradients(case) if case.backward else case.forward(**case.arguments)


def _called(function):
    """Return the names of the package's functions that run inside of `function`."""
    names = set()
    home = reference.__name__

    def note(frame, event, _):
        if event == "call" and frame.f_globals.get("__name__", "").startswith(home):
            names.add(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return names


def test_names_of_cases_are_unique():
    names = [case.name for case in (*equations.CASES, *TRAJECTORIES)]
    assert len(names) == len(set(names))


def test_traces_are_not_changed_by_the_backward_pass():
    for case in DIFFERENTIABLE:
        _, trace = case.forward(**case.arguments)
        before = [np.array(array, copy=True) for array in _arrays(trace)]
        case.backward(hand_gradients(case)[1], trace)
        after = list(_arrays(trace))
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)), case.name


def _arrays(nest):
    if isinstance(nest, np.ndarray):
        yield nest
    elif isinstance(nest, (tuple, list)):
        for item in nest:
            yield from _arrays(item)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_have_the_dtype_of_the_arguments(dtype):
    for case in DIFFERENTIABLE:
        outputs, _, grads = hand_gradients(case, dtype)
        found = {array.dtype.name for array in (*outputs, *grads.values())}
        assert found == {dtype}, case.name


def test_the_whole_report_is_refused_on_another_backend():
    with pytest.raises(ValueError, match="KERAS_BACKEND=mxnet"):
        equations.verify_equations("mxnet")
