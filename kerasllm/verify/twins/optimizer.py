"""The optimizer of a compiled model in NumPy: Keras' settings, the reference's steps.

- Keras holds hyper-parameters as float32 on TensorFlow, but the learning rate in a variable of its
  own precision; both are copied. A schedule is asked for its value at every step.
- On TensorFlow, Keras' optimizers see the gradient of an embedding use by use (see `Rows`): v of
  RMSprop and Adam gets Σ grad² over the uses of a token instead of (Σ grad)², and clipping measures
  them so too. Elsewhere, and where the table is also the output head, they see the sum.
- Each weight has its own state, and its own learning rate where the optimizer has `factors`
  (discriminative fine-tuning).
"""

from functools import partial

import keras
import numpy as np

from kerasllm import reference as ref
from kerasllm.models.decoding.compiled import compiled
from kerasllm.verify.twins.regularizers import constrained, constraint_of
from kerasllm.verify.twins.values import Rows, dense


class _Held(float):
    """A learning rate as a Keras variable holds it: not to be rounded again."""


def keras_scalar(value):
    """Round a hyper-parameter as Keras does."""
    return value if isinstance(value, _Held) else np.float32(value)


class TwinOptimizer:
    """Optimizer steps on a list of weights.

    Args:
        optimizer: a Keras optimizer; its settings are read, and its state if it has one.
        variables: the trainable variables, in order.

    Raises:
        TypeError: an optimizer, or a setting of it, that the twin does not know.
    """

    def __init__(self, optimizer, variables):
        self.optimizer = optimizer
        self.factors = [getattr(optimizer, "factors", {}).get(v.path, 1.0) for v in variables]
        self.step_function = _step_function(optimizer)
        self.constraints = [constraint_of(v) for v in variables]
        self._schedule = _schedule(optimizer._learning_rate)
        self.decayed = _decayed(optimizer, variables)
        self.iterations = int(_array(optimizer.iterations)) if optimizer.built else 0
        self.states = _states(optimizer, variables, self.iterations)

    @property
    def learning_rate(self):
        """The learning rate of the next step."""
        if self._schedule:
            return float(_array(self._schedule(self.iterations)))
        return float(_array(self.optimizer._learning_rate))

    def apply(self, weights, gradients):
        """Return new weights; a gradient may be an array or the `Rows` of a table."""
        if keras.backend.backend() != "tensorflow":
            gradients = [dense(g) for g in gradients]
        gradients, rate = _clip(self.optimizer, gradients), self.learning_rate
        if hasattr(self.optimizer, "factors"):  # it sums a row's uses before the square
            gradients = [dense(g) for g in gradients]
        new = []
        rows = zip(weights, gradients, self.states, self.factors, self.decayed, strict=True)
        for number, (weight, gradient, state, factor, decayed) in enumerate(rows):
            options = {"learning_rate": _Held(rate * factor)}
            if self.step_function.func is ref.adamw:
                options["decayed"] = [decayed]
            if isinstance(gradient, Rows):
                state = self._squared_apart(state, gradient)
            (moved,), self.states[number] = self.step_function(
                [weight], [dense(gradient)], state, **options
            )
            new.append(moved)
        self.iterations += 1
        return constrained(new, self.constraints)

    def _squared_apart(self, state, rows):
        """Return a state in which v will get Σ grad² over the uses, instead of (Σ grad)².

        v ← β v + (1 - β) grad² gives that from v + (1 - β) / β (Σ grad² - (Σ grad)²).
        """
        kept = getattr(self.optimizer, "beta_2", getattr(self.optimizer, "rho", None))
        if not kept:
            return state
        total = rows.dense()
        zeros = (np.zeros_like(total),)
        state = state or ref.OptimizerState(0, zeros, zeros, zeros)
        squares = rows.replaced(rows.values**2).dense()
        return state._replace(v=(state.v[0] + (1 - kept) / kept * (squares - total**2),))


def _decayed(optimizer, variables):
    """Return for each variable whether the optimizer lets it decay."""
    excluded = getattr(optimizer, "_is_excluded_from_weight_decay", None)
    if excluded:  # Keras 3.16, where `_use_weight_decay` answers only when training has begun
        return [not excluded(v) for v in variables]
    decay = getattr(optimizer, "_use_weight_decay", lambda _: True)
    # On TensorFlow the optimizer asks about the backend's own variable.
    tensorflow = keras.backend.backend() == "tensorflow"
    return [bool(decay(v.value if tensorflow else v)) for v in variables]


def _schedule(rate):
    """Return a schedule as a function of the step, computed as Keras computes it; or None.

    In a graph TensorFlow multiplies by 1/20 where it divides by 20 eagerly; in float32 that moves
    the learning rate, by a last digit that 300 steps of training bring to light.
    """
    if not callable(rate) or hasattr(rate, "assign"):
        return None
    if keras.backend.backend() != "tensorflow":
        return rate
    graph = compiled(rate, model=None, jit=False)
    return lambda step: graph(keras.ops.convert_to_tensor(step, dtype="int64"))


def _step_function(optimizer):
    """Return the reference's step with Keras' settings bound to it."""
    kind = next((k for k in _KINDS if isinstance(optimizer, k)), None)
    _check(optimizer, kind)
    function, names = _KINDS[kind]
    settings = {name: getattr(optimizer, name) for name in names}
    if kind in (keras.optimizers.AdamW, keras.optimizers.Adam) and optimizer.weight_decay:
        function = ref.adamw
        decay = optimizer.weight_decay
        # With factors it is multiplied as it is, without Keras' cast.
        settings["weight_decay"] = _Held(decay) if hasattr(optimizer, "factors") else decay
    return partial(function, scalar_dtype=keras_scalar, **settings)


def _check(optimizer, kind):
    known = "SGD (with momentum, Nesterov), RMSprop, Adam and AdamW"
    # A subclass may only add factors, as kerasllm.training's LayerwiseAdamW does, or be the one
    # that Keras puts in its place on torch.
    same = type(optimizer) is kind or type(optimizer).__module__.startswith("keras.src.backend.")
    if kind is None or not (same or hasattr(optimizer, "factors")):
        raise TypeError(f"the twin knows {known}, not {type(optimizer).__name__}.")
    decay = optimizer.weight_decay and not issubclass(kind, keras.optimizers.Adam)
    for setting, on in {
        "amsgrad": getattr(optimizer, "amsgrad", False),
        "use_ema": optimizer.use_ema,
        "gradient_accumulation_steps": optimizer.gradient_accumulation_steps,
        "loss_scale_factor": optimizer.loss_scale_factor,
        "weight_decay": decay,
    }.items():
        if on:
            raise TypeError(
                f"the twin does not know {setting} of {type(optimizer).__name__}: compile without."
            )


def _clip(optimizer, gradients):
    """Clip the gradients, those of a table use by use."""
    arrays = [g.values if isinstance(g, Rows) else g for g in gradients]
    if optimizer.clipnorm:
        arrays = ref.clip_by_norm(arrays, optimizer.clipnorm)
    elif optimizer.global_clipnorm:
        arrays = ref.clip_by_global_norm(arrays, optimizer.global_clipnorm)
    elif optimizer.clipvalue:
        arrays = ref.clip_by_value(arrays, optimizer.clipvalue)
    pairs = zip(gradients, arrays, strict=True)
    clipped = [g.replaced(array) if isinstance(g, Rows) else array for g, array in pairs]
    # Multiplied by the global factor, the uses are summed up for good.
    return [dense(g) for g in clipped] if optimizer.global_clipnorm else clipped


def _states(optimizer, variables, iterations):
    """Return one state a weight: None before the first step, else what Keras remembers."""
    if not iterations:
        return [None] * len(variables)
    zeros = [np.zeros(v.shape, keras.backend.standardize_dtype(v.dtype)) for v in variables]
    columns = []
    for names in _SLOTS:
        found = next((slot for n in names if (slot := getattr(optimizer, n, None))), None)
        columns.append(zeros if not found else [_array(slot) for slot in found])
    return [
        ref.OptimizerState(iterations, *((part,) for part in parts))
        for parts in zip(*columns, strict=True)
    ]


def _array(x):
    """Return a copy of a Keras variable, or of a tensor, as an array."""
    return np.array(x.numpy() if hasattr(x, "numpy") else x)


# Where Keras' optimizers keep m, v and the mean of the gradient.
_SLOTS = (("momentums", "_momentums"), ("_velocities",), ("_average_gradients",))
_KINDS = {
    keras.optimizers.AdamW: (ref.adam, ("beta_1", "beta_2", "epsilon")),
    keras.optimizers.Adam: (ref.adam, ("beta_1", "beta_2", "epsilon")),
    keras.optimizers.RMSprop: (ref.rmsprop, ("rho", "momentum", "epsilon", "centered")),
    keras.optimizers.SGD: (ref.sgd, ("momentum", "nesterov")),
}
