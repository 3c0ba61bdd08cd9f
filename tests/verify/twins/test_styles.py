"""The common ways to write a model: what keras.io shows has a twin."""

import keras
import numpy as np
import pytest

from kerasllm import layers as ours
from kerasllm import verify
from kerasllm.models.optimizers import LayerwiseAdamW

pytestmark = pytest.mark.usefixtures("float64")
L, opt, losses = keras.layers, keras.optimizers, keras.losses
V, T, D = 11, 4, 3
IDS = np.array([[3, 1, 4, 0], [5, 9, 2, 6], [7, 7, 0, 0]])


def randomized(model):
    rng = np.random.default_rng(0)
    # Not negative: a moving variance is none.
    model.set_weights([np.abs(0.5 * rng.standard_normal(w.shape)) for w in model.get_weights()])
    return model


def compiled(model, optimizer=None, loss="mse", **options):
    optimizer = optimizer or opt.SGD(0.1)
    randomized(model).compile(optimizer, loss, run_eagerly=True, **options)
    return model


def agree(model, x, y=None, steps=0, **options):
    report = verify.compare(model, x, y, steps=steps, **options)
    assert report.ok, str(report)
    return report


def embedded(mask_zero=True, **options):
    ids = keras.Input((T,), **options)
    return ids, L.Embedding(V, D, mask_zero=mask_zero)(ids)


def test_an_input_of_ids_without_a_dtype():
    """As on keras.io: Input() is of floats, and Embedding takes them."""
    ids, x = embedded()
    report = agree(compiled(keras.Model(ids, L.LSTM(2)(x))), IDS, np.ones((3, 2)), steps=2)
    (row,) = [row for row in report.rows if row.name.startswith("inputs/")]
    assert row.max_abs == 0


def test_our_layers_of_ids_without_a_dtype():
    ids = keras.Input((T,))
    x = ours.TokenEmbedding(V, D)(ids)
    agree(randomized(keras.Model(ids, ours.MaskedPooling()(x))), IDS)


ATTENTIONS = {
    "x, x": lambda layer, x: layer(x, x),
    "x, x, x": lambda layer, x: layer(x, x, x),
    "by name": lambda layer, x: layer(query=x, value=x),
    "by name, in another order": lambda layer, x: layer(key=2.0 * x, value=x, query=x - 1.0),
}


@pytest.mark.parametrize("style", ATTENTIONS)
@pytest.mark.parametrize("kind", ["multi-head", "grouped"])
def test_self_attention(kind, style):
    ids, x = embedded(mask_zero=False)
    layer = L.MultiHeadAttention(2, 2) if kind == "multi-head" else L.GroupQueryAttention(2, 4, 2)
    agree(randomized(keras.Model(ids, ATTENTIONS[style](layer, x))), IDS)


@pytest.mark.parametrize("reader", ["pooling", "lstm"])
@pytest.mark.parametrize("kind", [L.Attention, L.AdditiveAttention])
def test_masked_attention_into_a_reader(kind, reader):
    ids, x = embedded()
    y = kind()([x, x])
    y = L.GlobalAveragePooling1D()(y) if reader == "pooling" else L.LSTM(2)(y)
    agree(randomized(keras.Model(ids, y)), IDS)


@pytest.mark.filterwarnings("ignore:Gradients do not exist:UserWarning")
@pytest.mark.parametrize("optimizer", [opt.SGD, opt.AdamW])
def test_a_loss_for_one_of_two_outputs(optimizer):
    """What no loss depends on stays as it is: without a gradient there is no decay either."""
    ids, x = embedded()
    outputs = [L.Dense(2, name="read")(L.LSTM(2)(x)), L.Dense(1, name="spare")(L.LSTM(2)(x))]
    y = [np.ones((3, 2)), np.ones((3, 1))]
    model = compiled(keras.Model(ids, outputs), optimizer(0.1, weight_decay=0.1), ["mse", None])
    expected = model.evaluate(IDS, y, verbose=0)
    np.testing.assert_allclose(verify.twin(model).loss(IDS, y), np.ravel(expected)[0], rtol=1e-12)
    agree(model, IDS, y, steps=2)


def test_a_model_that_was_built_by_its_shape():
    model = keras.Sequential([L.Embedding(V, D), L.GlobalAveragePooling1D(), L.Dense(2)])
    model.build((None, T))
    agree(compiled(model), IDS, np.ones((3, 2)), steps=2)


def test_freezing_after_training():
    """The optimizer remembers more weights than are trained now."""
    ids, x = embedded()
    model = compiled(keras.Model(ids, L.Dense(2, name="last")(L.LSTM(2, name="body")(x))),
                     opt.Adam(0.01))  # fmt: skip
    y = np.ones((3, 2))
    model.train_on_batch(IDS, y)
    model.get_layer("body").trainable = False
    assert verify.twin(model).predict(IDS).shape == (3, 2)
    agree(model, IDS, y, steps=2)
    model.compile(opt.Adam(0.01), "mse", run_eagerly=True)
    agree(model, IDS, y, steps=2)


def test_freezing_after_training_in_a_graph_is_said():
    model = keras.Sequential([keras.Input((D,)), L.Dense(2, name="body"), L.Dense(2)])
    randomized(model).compile(opt.SGD(0.1), "mse", jit_compile=False)
    x, y = np.ones((2, D)), np.ones((2, 2))
    model.train_on_batch(x, y)
    model.get_layer("body").trainable = False
    twin = verify.twin(model)
    with pytest.raises(verify.UnsupportedLayerError, match=r"call model\.compile again"):
        twin.train_on_batch(x, y)


def conv(**options):
    return lambda x: L.Conv1D(2, 3, **options)(x)


FEATURES = {
    "valid": conv(),
    "same, stride": conv(padding="same", strides=2, activation="relu"),
    "causal": conv(padding="causal", use_bias=False),
    "dilated": conv(padding="same", dilation_rate=2, activation="softmax"),
    "batch norm": lambda x: L.BatchNormalization(momentum=0.5)(x),
    "batch norm, plain": lambda x: L.BatchNormalization(center=False, scale=False)(x),
    "masked batch norm": lambda x: L.BatchNormalization()(L.Masking()(L.ReLU()(x))),
    "rms norm": lambda x: L.RMSNormalization()(x),
    "repeat": lambda x: L.RepeatVector(2)(L.GlobalMaxPooling1D()(x)),
    "dot": lambda x: L.Dot(axes=-1)([x, 2.0 * x]),
    "dot, of other axes": lambda x: L.Dot(axes=(1, 2))([L.Dense(2)(x), L.Dense(T)(x)]),
    "cosine": lambda x: L.Dot(axes=1, normalize=True)(
        [L.Flatten()(x), L.Dense(T * D)(L.Flatten()(x))]
    ),
    "elu": lambda x: L.ELU(0.3)(x),
    "leaky": lambda x: L.LeakyReLU(0.2)(x),
    "relu6": lambda x: L.ReLU(1.0)(x),
    "prelu": lambda x: L.PReLU()(x),
    "prelu, shared": lambda x: L.PReLU(shared_axes=[1])(x),
}


@pytest.mark.parametrize("name", FEATURES)
def test_layers(name, rng):
    x = keras.Input((T, D))
    y = FEATURES[name](L.Dense(D)(x))
    data = rng.standard_normal((5, T, D))
    data[0, 2:] = 0.0
    model = compiled(keras.Model(x, y))
    agree(model, data, rng.standard_normal((5, *y.shape[1:])), steps=2)


TARGETS = np.eye(3)[[0, 2, 1, 1, 0]]
FOCAL = losses.CategoricalFocalCrossentropy
LOSSES = {
    "huber": (lambda: losses.Huber(0.3), None),
    "mae": (lambda: losses.MeanAbsoluteError(), None),
    "kl": (lambda: losses.KLDivergence(), "softmax"),
    "focal": (lambda: FOCAL(label_smoothing=0.1), "softmax"),
    "focal, logits": (lambda: FOCAL(from_logits=True, alpha=[0.2, 0.3, 1.0]), None),
    "binary focal": (lambda: losses.BinaryFocalCrossentropy(True, gamma=1.5), "sigmoid"),
    "binary focal, logits": (lambda: losses.BinaryFocalCrossentropy(from_logits=True), None),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, rng):
    loss, activation = LOSSES[name]
    x = keras.Input((D,))
    model = compiled(keras.Model(x, L.Dense(3, activation=activation)(x)), loss=loss())
    weight = rng.random(5)
    agree(model, rng.standard_normal((5, D)), TARGETS, steps=2, sample_weight=weight)


OPTIMIZERS = {
    "amsgrad": lambda: opt.Adam(0.05, amsgrad=True),
    "amsgrad, of this project": lambda: LayerwiseAdamW(0.05, amsgrad=True),
    "EMA": lambda: opt.Adam(0.05, use_ema=True, ema_momentum=0.5),
    "EMA, overwriting": lambda: opt.SGD(0.1, use_ema=True, ema_overwrite_frequency=2),
    "Lion": lambda: opt.Lion(0.01, weight_decay=0.1),
    "Muon": lambda: opt.Muon(0.01),
    "Muon, plain": lambda: opt.Muon(0.01, nesterov=False, rms_rate=None, exclude_layers=["dense"]),
    "Adafactor": lambda: opt.Adafactor(0.1),
    "SGD, weight decay": lambda: opt.SGD(0.1, weight_decay=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name, rng):
    """A fit, and a twin of the trained model that goes on; with a table, and words twice."""
    model = keras.Sequential([
        keras.Input((T,), dtype="int32"), L.Embedding(V, D), L.Flatten(), L.Dense(5, "tanh"),
        L.Dense(2),
    ])  # fmt: skip
    compiled(model, OPTIMIZERS[name]())
    y = rng.standard_normal((3, 2))
    for _ in range(2):
        twin = verify.twin(model)
        twin.fit(IDS, y, batch_size=1, epochs=2)
        model.fit(IDS, y, batch_size=1, epochs=2, shuffle=False, verbose=0)
        for ours_, theirs in zip(twin.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_allclose(ours_, theirs, rtol=0, atol=1e-12)
