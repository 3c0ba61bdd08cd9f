"""Check 4: a twin trained beside its Keras model, the same batches, the same optimizer.

- Each optimizer trains an LSTM with a dense layer on top, small enough for 300 steps in a second.
- Equations that belong to a kind of model are trained in one (`proofs/cases/models.py`), on
  TensorFlow, whose float64 is float64 throughout.
- In float64 both must hold the same weights at the end, to 9 digits. A float32 run drifts apart
  however right it is, so there only the first steps are compared.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import keras
import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.comparison.backend import in_precision
from kerasllm.verify.comparison.report import compare_arrays
from kerasllm.verify.twins.model import twin

STEPS = {"float64": 300, "float32": 10}
BARS = {"float64": 1e-9, "float32": 1e-4}
UNITS, CLASSES, BATCHES = 7, 3, 5


@dataclass(frozen=True)
class Trajectory:
    """One optimizer: its class in Keras, its step in NumPy, and the settings of both."""

    name: str
    covers: tuple[str, ...]
    keras: type
    step: Callable
    settings: Mapping[str, float] = field(default_factory=dict)
    clip: Callable | None = None
    clip_setting: Mapping[str, float] = field(default_factory=dict)
    layers: tuple[str, ...] = ()

    def train(self, dtype):
        """Return the trained Keras model, and the weights of its twin."""
        rng = np.random.default_rng(11)
        x = rng.standard_normal((BATCHES, 13, 5, 2)).astype(dtype)
        y = rng.integers(CLASSES, size=(BATCHES, 13))
        model = _keras_model(self, dtype, rng)
        weights, state = model.get_weights(), None
        for k in range(STEPS[dtype]):
            # Not fit: it converts float64 arrays to float32 first.
            model.train_on_batch(x[k % BATCHES], y[k % BATCHES])
            grads = _gradients(weights, x[k % BATCHES], y[k % BATCHES])
            grads = self.clip(grads) if self.clip else grads
            weights, state = self.step(weights, grads, state)
        return model, weights


@dataclass(frozen=True)
class ModelTrajectory:
    """A whole model, trained with Adam: how it is built, compiled, and fed."""

    name: str
    covers: tuple[str, ...]
    layers: tuple[str, ...]
    build: Callable
    batches: tuple

    def train(self, dtype):
        """Return the trained Keras model, and the weights of its twin."""
        with in_precision(dtype):
            model = self.build()
            by_hand = twin(model)
            for k in range(STEPS[dtype]):
                x, y = self.batches[k % len(self.batches)]
                model.train_on_batch(x, y)
                by_hand.train_on_batch(x, y)
        return model, by_hand.get_weights()


def check_training(trajectory, dtype=None):
    """Train twin and Keras model side by side and compare every weight at the end.

    Args:
        trajectory: one of `TRAJECTORIES`.
        dtype: "float64" or "float32"; float64 on TensorFlow if left out, else float32 (Keras
            computes some operations in float32 on JAX and torch).

    Returns:
        One row a weight.
    """
    on_tensorflow = keras.backend.backend() == "tensorflow"
    dtype = dtype or ("float64" if on_tensorflow else "float32")
    model, weights = trajectory.train(dtype)
    return [
        compare_arrays(
            f"4 {trajectory.name}",
            f"{v.path.split('/', 1)[1]} after {STEPS[dtype]} steps ({dtype})",
            ours, theirs, BARS[dtype],
        )
        for v, ours, theirs in zip(model.weights, weights, model.get_weights(), strict=True)
    ]  # fmt: skip


def _keras_model(trajectory, dtype, rng):
    # Eager and unrolled, JAX compiles each operation once for all models, and not each model.
    on_jax = keras.backend.backend() == "jax"
    layers = [
        keras.layers.LSTM(UNITS, dtype=dtype, name="lstm", unroll=on_jax),
        keras.layers.Dense(CLASSES, dtype=dtype, name="dense"),
    ]
    model = keras.Sequential([keras.Input((5, 2), dtype=dtype), *layers])
    model.set_weights([0.5 * rng.standard_normal(w.shape) for w in model.get_weights()])
    model.compile(
        optimizer=trajectory.keras(**trajectory.settings, **trajectory.clip_setting),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=dtype),
        jit_compile=False,
        run_eagerly=on_jax,
    )
    return model


def _gradients(weights, x, y):
    features, lstm_trace = ref.lstm(x, *weights[:3])
    logits, dense_trace = ref.dense(features, *weights[3:])
    _, loss_trace = ref.cross_entropy(logits, y)
    d_logits = ref.cross_entropy_backward(1.0, loss_trace).d_logits
    dense_grads = ref.dense_backward(d_logits, dense_trace)
    lstm_grads = ref.lstm_backward(dense_grads.d_x, lstm_trace)
    return [*lstm_grads[1:4], *dense_grads[1:]]
