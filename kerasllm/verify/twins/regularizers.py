"""What a model holds against its weights: regularizers, activity regularizers, constraints.

- A weight regularizer adds to the loss once, however often the weight is used.
- An activity regularizer adds to the loss at every call of its layer, divided by the batch size in
  those releases of Keras that do so.
- A constraint moves a weight after each optimizer step.
"""

import itertools
from functools import lru_cache
from typing import NamedTuple

import keras
import numpy as np

from kerasllm.verify.twins.registry import UnsupportedLayerError

_L1L2 = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)


class Activity(NamedTuple):
    """A value on the tape whose size the loss pays for."""

    value: object  # Value
    layer: object


def weight_penalties(variables, weights):
    """Return the loss of the L1 and L2 regularizers, and {id(variable): its gradient}.

        loss = Σ l1 |w| + l2 w²

    Args:
        variables: Keras variables.
        weights: {id(variable): array}.

    Raises:
        UnsupportedLayerError: another regularizer.
    """
    total, gradients = 0.0, {}
    for variable in variables:
        rule = getattr(variable, "regularizer", None)
        # Keras' L1L2 leaves out what is 0, and so the gradient of a table stays one of its uses.
        nothing = type(rule) is keras.regularizers.L1L2 and not (rule.l1 or rule.l2)
        if rule is not None and variable.trainable and not nothing:
            penalty, gradients[id(variable)] = _penalty(rule, weights[id(variable)], variable.path)
            total += penalty
    return total, gradients


def activity_penalties(activities):
    """Return the loss of the activity regularizers, and the gradient of each value.

        loss = Σ (l1 |y| + l2 y²) / B

    Args:
        activities: `Activity` tuples, one a call and output.

    Raises:
        UnsupportedLayerError: another regularizer than L1 and L2.
    """
    total, gradients = 0.0, []
    _check_shared(activities)
    for value, layer in activities:
        penalty, d = _penalty(layer.activity_regularizer, value.array, layer.name)
        rows = len(value.array) if _divided_by_rows() else 1
        total += penalty / rows
        gradients.append(d / rows)
    return total, gradients


def _check_shared(activities):
    """Refuse what Keras on JAX gets wrong: it keeps the loss of a shared layer's last call."""
    calls = {(layer.name, id(value.source)) for value, layer in activities}
    names = sorted(name for name, _ in calls)
    twice = [a for a, b in itertools.pairwise(names) if a == b]
    if twice and keras.backend.backend() == "jax":
        raise UnsupportedLayerError(
            f"Keras on JAX counts the activity regularizer of {twice[0]!r} for the last call only: "
            "share a layer without it, or run on TensorFlow or torch."
        )


def _penalty(rule, x, where):
    if type(rule) not in _L1L2:
        raise UnsupportedLayerError(
            f"the twin knows the regularizers L1 and L2, received {type(rule).__name__} on "
            f"{where!r}: build the model with keras.regularizers.L1L2, or without."
        )
    # Keras casts the factors, on TensorFlow by way of float32.
    l1, l2 = (float(np.float32(getattr(rule, name, 0) or 0)) for name in ("l1", "l2"))
    return float(l1 * np.abs(x).sum() + l2 * (x**2).sum()), l1 * np.sign(x) + 2 * l2 * x


@lru_cache(maxsize=1)
def _divided_by_rows():
    layer = keras.layers.ActivityRegularization(l1=1.0)
    layer(keras.ops.ones((2, 1)))
    return float(layer.losses[0]) < 1.5


def constraint_of(variable):
    """Return a function from a weight to the weight that its constraint allows, or None.

    Raises:
        UnsupportedLayerError: a constraint that the twin does not know.
    """
    rule = getattr(variable, "constraint", None)
    if rule is None:
        return None
    if type(rule) not in _CONSTRAINTS:
        known = sorted(kind.__name__ for kind in _CONSTRAINTS)
        raise UnsupportedLayerError(
            f"the twin knows the constraints {known}, received {type(rule).__name__} on "
            f"{variable.path!r}: build that layer with one of them, or without."
        )
    return lambda weight: _CONSTRAINTS[type(rule)](rule, weight)


def constrained(weights, constraints):
    """Return the weights after their constraints, as Keras leaves them after a step.

    Args:
        weights: arrays.
        constraints: for each a function from `constraint_of`, or None.
    """
    pairs = zip(weights, constraints, strict=True)
    return [weight if rule is None else rule(weight) for weight, rule in pairs]


def _norms(rule, w):
    axis = tuple(rule.axis) if isinstance(rule.axis, (list, tuple)) else rule.axis
    return np.sqrt((w**2).sum(axis=axis, keepdims=True))


def _max_norm(rule, w):
    norms = _norms(rule, w)
    return w * (np.clip(norms, 0, rule.max_value) / (keras.config.epsilon() + norms))


def _min_max_norm(rule, w):
    norms = _norms(rule, w)
    desired = rule.rate * np.clip(norms, rule.min_value, rule.max_value) + (1 - rule.rate) * norms
    return w * (desired / (keras.config.epsilon() + norms))


def _unit_norm(rule, w):
    return w / (keras.config.epsilon() + _norms(rule, w))


_CONSTRAINTS = {
    keras.constraints.MaxNorm: _max_norm,
    keras.constraints.MinMaxNorm: _min_max_norm,
    keras.constraints.NonNeg: lambda _rule, w: np.maximum(w, 0),
    keras.constraints.UnitNorm: _unit_norm,
}
