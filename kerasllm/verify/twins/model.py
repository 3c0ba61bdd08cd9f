"""The NumPy twin of a Keras model: the same numbers, forward, backward and through training."""

import keras
import numpy as np

from kerasllm.verify.twins import graph, rules  # noqa: F401 - the rules register themselves
from kerasllm.verify.twins.losses import loss_terms
from kerasllm.verify.twins.optimizer import TwinOptimizer
from kerasllm.verify.twins.registry import UnsupportedLayerError, find
from kerasllm.verify.twins.regularizers import activity_penalties, weight_penalties
from kerasllm.verify.twins.tape import Tape
from kerasllm.verify.twins.values import dense


def twin(model, dtype=None):
    """Return the NumPy twin of a Keras model.

    Args:
        model: a built Sequential or functional model, models inside of it included; compiled, if
            losses and training steps are asked for.
        dtype: float dtype of the computation; that of the model's weights if left out.

    Returns:
        A `Twin`, with copies of the model's weights: training one leaves the other as it is.

    Raises:
        UnsupportedLayerError: the model has a layer that the twin does not know (see
            `kerasllm.verify.register`).
        TypeError: not a Keras model.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> x = np.ones((1, 3), "float32")
        >>> bool(np.allclose(twin(model).predict(x), model(x), atol=1e-6))
        True
    """
    return Twin(model, dtype)


class Twin:
    """A Keras model in plain NumPy.

    Attributes:
        model: the Keras model, read for its structure and settings only.
        variables: its variables, in the order of `get_weights()`.
        dtype: float dtype of the computation.
    """

    def __init__(self, model, dtype=None):
        if not isinstance(model, keras.Model):
            raise TypeError(
                f"expected a Keras model, received {type(model).__name__}; a single layer goes to "
                "kerasllm.verify.compare(layer, x)."
            )
        graph.functional(model)
        self.model, self.variables = model, list(model.weights)
        self.dtype = np.dtype(dtype or graph.float_dtype(model))
        self._optimizer, self._why_not = None, None
        if getattr(model, "optimizer", None) is not None:
            try:
                # Now, not at the first step: the model may be trained in the meantime.
                self._optimizer = TwinOptimizer(model.optimizer, self._trainable())
            except UnsupportedLayerError as error:
                self._why_not = error
        self.set_weights([v.numpy() for v in self.variables])

    def __repr__(self):
        count = sum(weight.size for weight in self._weights.values())
        return f"<NumPy twin of {self.model.name!r}: {count:,} weights, {self.dtype}>"

    def get_weights(self):
        """Return copies of the weights, in the order of the Keras model's."""
        return [self._weights[id(v)].copy() for v in self.variables]

    def get_weight(self, variable):
        """Return the twin's array of a variable of the Keras model; not a copy."""
        return self._weights[id(variable)]

    def set_weights(self, weights):
        """Replace the weights by arrays in the order of `get_weights()`.

        Raises:
            ValueError: another number of arrays, or another shape.
        """
        if len(weights) != len(self.variables):
            raise ValueError(f"expected {len(self.variables)} arrays, received {len(weights)}.")
        for variable, weight in zip(self.variables, weights, strict=True):
            if tuple(variable.shape) != np.shape(weight):
                raise ValueError(
                    f"expected {variable.path} of shape {tuple(variable.shape)}, received "
                    f"{np.shape(weight)}."
                )
        self._weights = {
            id(v): np.array(w, self.dtype) for v, w in zip(self.variables, weights, strict=True)
        }

    def calls(self, x):
        """Return every computed layer: `Call`s with name, layer, inputs, output and trace."""
        return [call for call in self._forward(x)[0].calls if call.name]

    def predict(self, x, batch_size=None):
        """Return what `model.predict(x)` returns.

        Args:
            x: an array, or a list or dict of them for several inputs.
            batch_size: compute so many rows at a time; all at once if left out.
        """
        graph.check_steps(self.model, "predict_step")
        arrays = graph.input_arrays(self.model, x)
        if batch_size is None:
            return self._outputs(arrays)  # inputs of different numbers of rows have to stay whole
        rows, size = len(arrays[0]), batch_size
        parts = [self._outputs([a[k : k + size] for a in arrays]) for k in range(0, rows, size)]
        return keras.tree.map_structure(lambda *ys: np.concatenate(ys), *parts)

    def trace(self, x):
        """Return {layer name: trace}: every symbol of every layer.

        Layers inside of others are named like "block_0/attention"; the second call of a shared
        layer like "embedding#2". A trace is that of the layer's equation in
        `kerasllm.reference`, for instance an `LSTMTrace` with the gates i, f, g, o at each step.
        """
        return {call.name: call.trace for call in self.calls(x)}

    def loss(self, x, y, sample_weight=None):
        """Return the loss that `model.evaluate` would return for these rows as one batch."""
        tape, outputs, _ = self._forward(x)
        graph.check_steps(self.model, "test_step")
        terms = loss_terms(tape, self.model, y, outputs, sample_weight)
        penalties = (
            weight_penalties(self.variables, tape.weights),
            activity_penalties(tape.activities),
        )
        return sum(term.value for term in terms) + sum(penalty for penalty, _ in penalties)

    def gradients(self, x, y, sample_weight=None):
        """Return {variable path: gradient of the loss}, for every trainable variable.

        Float inputs are listed too, as "inputs/<name>".
        """
        return self._filled(self._loss_and_gradients(x, y, sample_weight)[1])

    def _loss_and_gradients(self, x, y, sample_weight=None, training=False):
        tape, outputs, inputs = self._forward(x, training)
        terms = loss_terms(tape, self.model, y, outputs, sample_weight)
        for value, d in (pair for term in terms for pair in term.gradients):
            value.add_gradient(d)
        activity, d_activities = activity_penalties(tape.activities)
        for (value, _), d in zip(tape.activities, d_activities, strict=True):
            value.add_gradient(d)
        penalty, d_penalty = weight_penalties(self.variables, tape.weights)
        gradients = self._send_back(tape, inputs, d_penalty)
        return sum(term.value for term in terms) + penalty + activity, gradients, tape.updates

    def output_gradients(self, x, d_outputs):
        """Return the gradients of Σ d_output · output, one cotangent for each output, flat."""
        tape, outputs, inputs = self._forward(x)
        for output, d in zip(outputs, d_outputs, strict=True):
            output.add_gradient(np.asarray(d, self.dtype))
        return self._filled(self._send_back(tape, inputs, {}))

    def train_on_batch(self, x, y, sample_weight=None):
        """Take one step of the model's optimizer; return the loss before it.

        (Keras returns a running mean over the batches since the last reset.)

        Raises:
            ValueError: the model drops units at random, or was not compiled.
        """
        optimizer = self._ready_to_train()
        graph.check_steps(self.model, "train_step")
        loss, gradients, updates = self._loss_and_gradients(x, y, sample_weight, training=True)
        self._weights |= updates
        trained = self._trainable()
        weights = [self._weights[id(v)] for v in trained]
        moved = optimizer.apply(weights, [gradients[v.path] for v in trained])
        for variable, weight in zip(trained, moved, strict=True):
            self._weights[id(variable)] = weight
        return loss

    def fit(self, x, y, batch_size=32, epochs=1, shuffle=False, sample_weight=None):
        """Train like `model.fit(x, y, batch_size, epochs, shuffle=False)`: the same batches.

        Returns:
            {"loss": [mean loss of each epoch]}.

        Raises:
            ValueError: `shuffle=True` (Keras' order cannot be known), random layers.
        """
        if shuffle:
            raise ValueError(
                "the twin cannot know in which order Keras shuffles: call fit with shuffle=False on"
                " both, or shuffle the data before."
            )
        arrays = graph.input_arrays(self.model, x)
        rows, history = len(arrays[0]), []
        for _ in range(epochs):
            total = 0.0
            for start in range(0, rows, batch_size):
                batch = slice(start, start + batch_size)
                cut = [graph.rows(part, batch) for part in (y, sample_weight)]
                inputs = graph.as_given(self.model, [a[batch] for a in arrays])
                loss = self.train_on_batch(inputs, *cut)
                total += loss * len(arrays[0][batch])
            history.append(total / rows)
        trained = self._trainable()
        weights = self._optimizer.finished([self._weights[id(v)] for v in trained])
        self._weights |= {id(v): weight for v, weight in zip(trained, weights, strict=True)}
        return {"loss": history}

    def _trainable(self):
        trainable = {id(v) for v in self.model.trainable_variables}
        return [v for v in self.variables if id(v) in trainable]

    def _ready_to_train(self):
        if self._why_not:
            raise self._why_not
        if self._optimizer is None:
            raise ValueError(
                f"the model {self.model.name!r} had no optimizer when the twin was made: call "
                "model.compile(optimizer, loss) before twin(model)."
            )
        graph.check_frozen(self.model)
        names = [layer.name for layer in graph.random_layers(self.model)]
        if names:
            raise ValueError(
                f"the layers {names} draw random numbers in training, which a twin cannot repeat: "
                "build the model with dropout 0 to compare training steps."
            )
        return self._optimizer

    def _outputs(self, arrays):
        _, outputs, _ = self._forward(graph.as_given(self.model, arrays))
        return self._pack([value.array for value in outputs])

    def _pack(self, arrays):
        struct = graph.functional(self.model)._outputs_struct
        if not isinstance(struct, dict) and len(arrays) == 1:
            return arrays[0]
        return keras.tree.pack_sequence_as(struct, arrays)

    def _tape(self, training):
        return Tape(self._weights, self.dtype, training)

    def _forward(self, x, training=False):
        tape = self._tape(training)
        inputs = [tape.value(array) for array in graph.input_arrays(self.model, x)]
        outputs = keras.tree.flatten(find(self.model).compose(tape, self.model, inputs))
        return tape, outputs, inputs

    def _send_back(self, tape, inputs, extra):
        tape.backward()
        gradients = {}
        for variable in self._trainable():
            parts = [d[id(variable)] for d in (tape.d_weights, extra) if id(variable) in d]
            total = parts[0] + parts[1] if len(parts) == 2 else parts[0] if parts else None
            gradients[variable.path] = total  # None: the loss does not depend on it
        for name, value in zip(graph.input_names(self.model), inputs, strict=True):
            if value.is_float:
                d = np.zeros_like(value.array) if value.d is None else value.d
                gradients[f"inputs/{name}"] = d
        return gradients

    def _filled(self, gradients):
        """Return gradients as arrays, zeros for what the loss does not depend on."""
        zeros = {v.path: np.zeros(tuple(v.shape), self.dtype) for v in self._trainable()}
        return {name: zeros[name] if d is None else dense(d) for name, d in gradients.items()}
