"""The optimizer of a compiled model in NumPy: Keras' settings, the reference's steps.

- Keras holds hyper-parameters as float32 on TensorFlow, but the learning rate in a variable of its
  own precision; both are copied. A schedule is asked for its value at every step.
- On TensorFlow, Keras' optimizers see the gradient of an embedding use by use (see `Rows`): v of
  RMSprop and Adam gets Σ grad² over the uses of a token instead of (Σ grad)², and clipping measures
  them so too. Elsewhere, where the table is also the output head, and in `LayerwiseAdamW`, they see
  the sum.
- Each weight has its own state, its own learning rate where the optimizer has `factors`
  (discriminative fine-tuning), and its own step: Muon is for matrices, Adam for the rest.
- A moving average of the weights (use_ema) takes their place every so many steps, and after `fit`.
"""

from functools import partial

import keras
import numpy as np

from kerasllm import reference as ref
from kerasllm.models.decoding.compiled import compiled
from kerasllm.verify.twins.registry import UnsupportedLayerError
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
        UnsupportedLayerError: an optimizer, or a setting of it, that the twin does not know.
    """

    def __init__(self, optimizer, variables):
        self.optimizer, kind = optimizer, _kind(optimizer)
        self.factors = [getattr(optimizer, "factors", {}).get(v.path, 1.0) for v in variables]
        self.steps = [_step(optimizer, kind, v) for v in variables]
        self.decays = [_decay(optimizer, v) for v in variables]
        self.constraints = [constraint_of(v) for v in variables]
        self._schedule = _schedule(optimizer._learning_rate)
        self.decayed = _decayed(optimizer, variables)
        self.iterations = int(_array(optimizer.iterations)) if optimizer.built else 0
        self.states = _states(optimizer, variables, self.iterations)
        kept = (
            getattr(optimizer, "_model_variables_moving_average", None) if optimizer.built else ()
        )
        self.averages = [_array(average) for average in kept or ()]

    @property
    def learning_rate(self):
        """The learning rate of the next step."""
        if self._schedule:
            return float(_array(self._schedule(self.iterations)))
        return float(_array(self.optimizer._learning_rate))

    def apply(self, weights, gradients):
        """Return new weights.

        A gradient may be an array, the `Rows` of a table, or None: where the loss does not depend
        on a weight, Keras leaves it as it is, without a step, decay or constraint (on JAX it is 0).
        """
        if keras.backend.backend() == "jax":
            pairs = zip(weights, gradients, strict=True)
            gradients = [np.zeros_like(w) if g is None else g for w, g in pairs]
        if keras.backend.backend() != "tensorflow" or hasattr(self.optimizer, "factors"):
            gradients = [dense(g) for g in gradients]
        gradients, rate = _clip(self.optimizer, gradients), self.learning_rate
        new = []
        for number, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
            if gradient is None:
                new.append(weight)
                continue
            step, state = self.steps[number], self.states[number]
            options = {"learning_rate": _Held(rate * self.factors[number])}
            if step.func is ref.adamw:
                options["decayed"] = [self.decayed[number]]
            elif self.decays[number] and self.decayed[number]:
                shrink = np.float32(self.decays[number]).astype(weight.dtype)
                weight = weight - weight * shrink * weight.dtype.type(rate)
            if isinstance(gradient, Rows) and step.func is ref.adafactor:
                options["squares"] = [gradient.replaced(gradient.values**2).dense()]
            elif isinstance(gradient, Rows):
                state = self._squared_apart(step, state, gradient)
            (moved,), self.states[number] = step([weight], [dense(gradient)], state, **options)
            new.append(moved)
        new = self._averaged(new)
        self.iterations += 1
        rules = zip(self.constraints, gradients, strict=True)
        return constrained(new, [None if g is None else rule for rule, g in rules])

    def _averaged(self, weights):
        """Remember the moving average of the weights; return it where it takes their place."""
        if not self.optimizer.use_ema:
            return weights
        kept = self.optimizer.ema_momentum if self.iterations else 0.0
        before = self.averages or [np.zeros_like(w) for w in weights]
        pairs = zip(before, weights, strict=True)
        self.averages = [kept * average + (1 - kept) * w for average, w in pairs]
        every = self.optimizer.ema_overwrite_frequency
        return list(self.averages) if every and (self.iterations + 1) % every == 0 else weights

    def finished(self, weights):
        """Return what stands in the weights after a `fit`."""
        return list(self.averages) if self.optimizer.use_ema and self.averages else weights

    def _squared_apart(self, step, state, rows):
        """Return a state in which v will get Σ grad² over the uses, instead of (Σ grad)².

        v ← β v + (1 - β) grad² gives that from v + (1 - β) / β (Σ grad² - (Σ grad)²).
        """
        kept = step.keywords.get("beta_2", step.keywords.get("rho"))
        if not kept or step.func is ref.lion:
            return state
        total = rows.dense()
        zeros = (np.zeros_like(total),)
        state = state or ref.OptimizerState(0, zeros, zeros, zeros, zeros)
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
    if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        raise UnsupportedLayerError(
            "the learning rate is a function without arguments, which Keras may call once for all "
            "steps or once a step: give a number or a keras.optimizers.schedules schedule."
        )
    if keras.backend.backend() != "tensorflow":
        return rate
    graph = compiled(rate, model=None, jit=False)
    return lambda step: graph(keras.ops.convert_to_tensor(step, dtype="int64"))


def _step(optimizer, kind, variable):
    """Return the reference's step of a weight, with Keras' settings bound to it."""
    function, names = _KINDS[kind]
    settings = {ours: getattr(optimizer, theirs) for ours, theirs in names.items()}
    if kind is keras.optimizers.Muon:
        if optimizer._should_use_adamw(variable):
            function, settings = ref.adam, _adam_of_muon(optimizer)
        else:
            settings["coefficients"] = (optimizer.muon_a, optimizer.muon_b, optimizer.muon_c)
    elif function is ref.adam and optimizer.weight_decay:
        function, decay = ref.adamw, optimizer.weight_decay
        # With factors it is multiplied as it is, without Keras' cast.
        settings["weight_decay"] = _Held(decay) if hasattr(optimizer, "factors") else decay
    return partial(function, scalar_dtype=keras_scalar, **settings)


def _adam_of_muon(optimizer):
    return {name: getattr(optimizer, f"adam_{name}") for name in ("beta_1", "beta_2")} | {
        "epsilon": optimizer.epsilon
    }


def _decay(optimizer, variable):
    """Return by how much a weight shrinks before the step, where the step itself does not do it."""
    if isinstance(optimizer, keras.optimizers.Muon) and optimizer._should_use_adamw(variable):
        return optimizer.adam_weight_decay
    return optimizer.weight_decay


def _kind(optimizer):
    """Return the class in `_KINDS` that an optimizer is of.

    A subclass may only add factors, as kerasllm.training's LayerwiseAdamW does, or be the one that
    Keras puts in its place on torch.
    """
    kind = next((k for k in _KINDS if isinstance(optimizer, k)), None)
    own = type(optimizer).__module__.startswith(("keras.src.backend.", "kerasllm."))
    if kind is None or not (type(optimizer) is kind or own):
        names = [k.__name__ for k in _KINDS]
        raise UnsupportedLayerError(f"the twin knows {names}, not {type(optimizer).__name__}.")
    ratio = getattr(optimizer, "adam_lr_ratio", 1)
    for setting, on in {
        "gradient_accumulation_steps": optimizer.gradient_accumulation_steps,
        "loss_scale_factor": optimizer.loss_scale_factor,
        f"adam_lr_ratio={ratio}": ratio != 1,
    }.items():
        if on:
            raise UnsupportedLayerError(
                f"the twin does not know {setting} of {type(optimizer).__name__}: compile without."
            )
    return kind


def _clip(optimizer, gradients):
    """Clip the gradients, those of a table use by use."""
    everything, gradients = gradients, [g for g in gradients if g is not None]
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
    clipped = iter([dense(g) for g in clipped] if optimizer.global_clipnorm else clipped)
    return [None if g is None else next(clipped) for g in everything]


def _states(optimizer, variables, iterations):
    """Return one state a weight: None before the first step, else what Keras remembers."""
    if not iterations:
        return [None] * len(variables)
    places = [optimizer._get_variable_index(v) for v in variables]
    columns = []
    for names in _SLOTS:
        slots = next((slot for n in names if (slot := getattr(optimizer, n, None))), None)
        columns.append([slots[k] if slots else None for k in places])
    return [
        ref.OptimizerState(iterations, *((_kept(part, variable),) for part in parts))
        for variable, *parts in zip(variables, *columns, strict=True)
    ]


def _kept(slot, variable):
    """Return what Keras remembers in a slot; zeros like the weight where it has none."""
    if slot is None:
        return np.zeros(variable.shape, keras.backend.standardize_dtype(variable.dtype))
    return _array(slot)


def _array(x):
    """Return a copy of a Keras variable, or of a tensor, as an array."""
    return np.array(x.numpy() if hasattr(x, "numpy") else x)


# Where Keras' optimizers keep m, v, the mean of the gradient, the largest v, rows and columns.
_SLOTS = (
    ("momentums", "_momentums"), ("_velocities", "adam_velocities", "_v"), ("_average_gradients",),
    ("_velocity_hats",), ("_r",), ("_c",),
)  # fmt: skip


def _same(*names):
    return {name: name for name in names}


_ADAM = (ref.adam, _same("beta_1", "beta_2", "epsilon", "amsgrad"))
# The reference's step, and its settings by their names in Keras.
_KINDS = {
    keras.optimizers.AdamW: _ADAM,
    keras.optimizers.Adam: _ADAM,
    keras.optimizers.RMSprop: (ref.rmsprop, _same("rho", "momentum", "epsilon", "centered")),
    keras.optimizers.SGD: (ref.sgd, _same("momentum", "nesterov")),
    keras.optimizers.Lion: (ref.lion, _same("beta_1", "beta_2")),
    keras.optimizers.Muon: (
        ref.muon, _same("momentum", "nesterov", "rms_rate") | {"steps": "ns_steps"}
    ),
    keras.optimizers.Adafactor: (
        ref.adafactor, _same("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold")
    ),
}  # fmt: skip
