"""What Keras does differently from what its words say: the twin does the same, or refuses."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasllm import verify

pytestmark = pytest.mark.usefixtures("float64")
L, losses = keras.layers, keras.losses
FEATURES, CLASSES = 5, 3
LARGE = 60.0  # times the logits: probabilities that are 0 and 1, logits that are not


def own_softmax(x):
    return ops.softmax(x)


def nested(name):
    return lambda x: keras.Sequential([keras.Input(x.shape[1:]), L.Activation(name)])(x)


ENDS = {
    "dense": lambda x: L.Dense(CLASSES, activation="softmax", name="last")(x),
    "sigmoid": lambda x: L.Dense(CLASSES, activation="sigmoid")(x),
    "activation layer": lambda x: L.Activation("softmax")(L.Dense(CLASSES)(x)),
    "softmax layer": lambda x: L.Softmax()(L.Dense(CLASSES)(x)),
    "nested model": lambda x: nested("softmax")(L.Dense(CLASSES)(x)),
    "ops.softmax": lambda x: ops.softmax(L.Dense(CLASSES)(x)),
    "ops.softmax, axis 0": lambda x: ops.softmax(L.Dense(CLASSES)(x), axis=0),
    "ops.sigmoid": lambda x: ops.sigmoid(L.Dense(CLASSES)(x)),
    "dropout after": lambda x: L.Dropout(0.0)(L.Dense(CLASSES, activation="softmax")(x)),
    "identity after": lambda x: L.Identity()(nested("sigmoid")(L.Dense(CLASSES)(x))),
    "mixed": lambda x: 0.5 * ops.softmax(L.Dense(CLASSES)(x)) + 0.5 / CLASSES,
}
KINDS = {
    "sparse": lambda logits: losses.SparseCategoricalCrossentropy(logits),
    "hot": lambda logits: losses.CategoricalCrossentropy(logits),
    "binary": lambda logits: losses.BinaryCrossentropy(logits),
}


def compiled(end, loss, scale=1.0, eager=True):
    source = keras.Input((FEATURES,))
    model = keras.Model(source, end(source))
    rng = np.random.default_rng(0)
    model.set_weights([scale * rng.standard_normal(w.shape) for w in model.get_weights()])
    model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=eager, jit_compile=False)
    return model


@pytest.fixture
def data(rng):
    ids = rng.integers(CLASSES, size=4)
    return rng.standard_normal((4, FEATURES)), ids


@pytest.mark.filterwarnings("ignore:.*received `from_logits=True`:UserWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ENDS)
def test_logits_are_found_where_keras_finds_them(end, kind, data):
    x, ids = data
    y = ids if kind == "sparse" else np.eye(CLASSES)[ids]
    model = compiled(ENDS[end], KINDS[kind](False))
    for scale, from_logits in ((1.0, False), (LARGE, False), (1.0, True)):
        model.set_weights([scale * w for w in model.get_weights()])
        model.compile(keras.optimizers.SGD(0.1), KINDS[kind](from_logits), run_eagerly=True)
        report = verify.compare(model, x, y)
        assert report.ok, str(report)


@pytest.mark.parametrize("end", ["ops.softmax", "nested model", "mixed"])
def test_logits_in_a_graph(end, data):
    """What fit, evaluate and predict compute in their graphs is what the twin computes."""
    x, ids = data
    model = compiled(ENDS[end], KINDS["sparse"](False), LARGE, eager=False)
    twin = verify.twin(model)
    np.testing.assert_allclose(twin.loss(x, ids), model.evaluate(x, ids, verbose=0), rtol=1e-12)
    twin.fit(x, ids, batch_size=2)
    model.fit(x, ids, batch_size=2, shuffle=False, verbose=0)
    for ours, theirs in zip(twin.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * LARGE)


class Doubled(losses.MeanSquaredError):
    def call(self, y_true, y_pred):
        return 2 * super().call(y_true, y_pred)


class CalledOtherwise(losses.MeanSquaredError):
    def __call__(self, y_true, y_pred, sample_weight=None):
        return 2 * super().__call__(y_true, y_pred, sample_weight)


class Absolute(losses.Loss):
    def call(self, y_true, y_pred):
        return ops.mean(ops.abs(y_true - y_pred), axis=-1)


def mean_squared_error(y_true, y_pred):
    return ops.mean(3 * (y_true - y_pred) ** 2, axis=-1)


@pytest.mark.parametrize(
    "loss",
    [Doubled(), CalledOtherwise(), Absolute(), mean_squared_error],
    ids=["doubled", "called otherwise", "a loss", "a function"],
)
def test_a_loss_of_ones_own_is_refused(loss, data):
    model = compiled(L.Dense(CLASSES), loss)
    x, y = data[0], np.eye(CLASSES)[data[1]]
    twin = verify.twin(model)
    with pytest.raises(verify.UnsupportedLayerError, match="does not know the loss"):
        twin.loss(x, y)
    with pytest.raises(verify.UnsupportedLayerError, match="does not know the loss"):
        twin.train_on_batch(x, y)


class OwnTraining(keras.Model):
    def train_step(self, data):
        return super().train_step(data)


class OwnTest(keras.Model):
    def test_step(self, data):
        return super().test_step(data)


class OwnPrediction(keras.Model):
    def predict_step(self, data):
        return 2 * super().predict_step(data)


class OwnLoss(keras.Model):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return 2 * super().compute_loss(x, y, y_pred, sample_weight, training)


@pytest.mark.parametrize(
    ("kind", "method"),
    [(OwnTraining, "fit"), (OwnTest, "loss"), (OwnPrediction, "predict"), (OwnLoss, "loss")],
)
def test_a_step_of_ones_own_is_refused(kind, method, data):
    source = keras.Input((FEATURES,))
    model = kind(source, L.Dense(CLASSES)(source))
    model.compile("sgd", "mse")
    x, y = data[0], np.eye(CLASSES)[data[1]]
    arguments = (x,) if method == "predict" else (x, y)
    with pytest.raises(verify.UnsupportedLayerError, match="of its own"):
        getattr(verify.twin(model), method)(*arguments)


class Softmax(keras.Operation):
    """A user's operation with the name of one of Keras'."""

    def call(self, x):
        return 2 * x

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape, x.dtype)


class Halved(L.Dense):
    @property
    def kernel(self):
        return 0.5 * super().kernel


class Unmasked(L.Embedding):
    def compute_mask(self, inputs, mask=None):
        return None


class Named(L.Dense):
    """A subclass that computes the same."""

    def __init__(self, units, colour="blue", **kwargs):
        super().__init__(units, **kwargs)
        self.colour = colour

    def get_config(self):
        return {**super().get_config(), "colour": self.colour}


def test_a_layer_or_operation_that_only_looks_known_is_refused(data):
    x = data[0]
    for end in (Halved(CLASSES), Softmax()):
        with pytest.raises(verify.UnsupportedLayerError):
            verify.twin(compiled(end, "mse")).predict(x)
    patched = L.Dense(CLASSES)
    model = compiled(patched, "mse")
    patched.call = lambda x: 2 * L.Dense.call(patched, x)
    with pytest.raises(verify.UnsupportedLayerError, match="`call` of its own"):
        verify.twin(model).predict(x)
    ids = keras.Input((3,), dtype="int32")
    model = keras.Model(ids, L.LSTM(2)(Unmasked(7, 2, mask_zero=True)(ids)))
    with pytest.raises(verify.UnsupportedLayerError, match="`compute_mask` of its own"):
        verify.twin(model).predict(np.array([[1, 2, 0]]))
    assert verify.compare(compiled(Named(CLASSES), "mse"), x).ok


class Optimizer(keras.optimizers.SGD):
    def update_step(self, gradient, variable, learning_rate):
        super().update_step(2 * gradient, variable, learning_rate)


REFUSED = {
    "own step": lambda: Optimizer(0.1),
    "callable rate": lambda: keras.optimizers.SGD(lambda: 0.1),
    "accumulation": lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=2),
    "Adagrad": lambda: keras.optimizers.Adagrad(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_optimizer_that_is_not_known_is_refused(name, data):
    model = compiled(L.Dense(CLASSES), "mse")
    model.compile(REFUSED[name](), "mse")
    twin = verify.twin(model)
    assert twin.predict(data[0]).shape == (4, CLASSES)
    with pytest.raises(verify.UnsupportedLayerError):
        twin.train_on_batch(data[0], np.eye(CLASSES)[data[1]])


@pytest.mark.parametrize("name", ["enable_lora", "quantize"])
def test_weights_that_are_not_what_they_were_are_refused(name, data):
    model = compiled(L.Dense(CLASSES, name="last"), "mse")
    layer = model.get_layer("last")
    layer.enable_lora(2) if name == "enable_lora" else layer.quantize("int8")
    with pytest.raises(verify.UnsupportedLayerError, match="quantize or enable_lora"):
        verify.twin(model).predict(data[0])


def test_unequal_directions_are_refused():
    x = keras.Input((3, 2))
    other = L.LSTM(2, use_bias=False, go_backwards=True)
    model = keras.Model(x, L.Bidirectional(L.LSTM(2), backward_layer=other)(x))
    with pytest.raises(verify.UnsupportedLayerError, match="two directions that differ"):
        verify.twin(model).predict(np.ones((1, 3, 2)))


@pytest.mark.parametrize("kind", [L.LSTM, L.GRU, L.SimpleRNN])
def test_both_directions_unrolled_and_masked_are_refused(kind, rng):
    """Keras reads the mask of the backward layer from its other end there."""
    x = keras.Input((3, 2))
    inputs = rng.standard_normal((2, 3, 2))
    inputs[1, 1:] = 0.0
    layer = L.Bidirectional(kind(2, return_sequences=True, unroll=True))
    model = keras.Model(x, layer(L.Masking()(x)))
    with pytest.raises(verify.UnsupportedLayerError, match="unroll, zero_output_for_mask and go_b"):
        verify.twin(model).predict(inputs)
    plain = keras.Model(x, layer(x))  # without a mask it is what it says
    assert verify.compare(plain, inputs).ok


def test_training_said_to_a_layer_is_overruled(rng):
    """Keras' predict and fit say themselves whether it is training: no dropout, no frozen norm."""
    x = keras.Input((FEATURES,))
    y = L.BatchNormalization()(L.Dense(2)(L.Dropout(0.0)(x, training=True)), training=False)
    model = keras.Model(x, L.BatchNormalization()(y))
    model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False, run_eagerly=True)
    inputs = rng.standard_normal((4, FEATURES))
    report = verify.compare(model, inputs, np.ones((4, 2)), steps=3)
    assert report.ok, str(report)
    dropping = keras.Model(x, L.Dropout(0.5)(x, training=True))
    np.testing.assert_array_equal(verify.twin(dropping).predict(inputs), inputs)
    np.testing.assert_array_equal(dropping.predict(inputs, verbose=0), inputs)


def test_a_penalty_of_nothing_leaves_a_table_its_uses():
    """A gradient of 0 would make the table's dense, and Adam would see another square."""
    for penalty in ("l1l2", "l2", keras.regularizers.L1L2(0.0, 0.01)):
        table = L.Embedding(4, 2, embeddings_regularizer=penalty)
        model = keras.Sequential([keras.Input((6,), dtype="int32"), table, L.Flatten()])
        model.compile(keras.optimizers.Adam(0.1), "mse", run_eagerly=True)
        ids = np.array([[1, 1, 2, 1, 3, 1]])
        assert verify.compare(model, ids, np.ones((1, 12)), steps=3).ok, penalty
