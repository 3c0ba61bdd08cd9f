"""What every layer promises: one table of layers, one test for each promise."""

import inspect
import json

import keras
import numpy as np
import pytest

from kerasllm.layers import (
    GRU,
    LSTM,
    Bidirectional,
    BiLSTM,
    FeedForward,
    MaskedPooling,
    MultiHeadAttention,
    SimpleRNN,
    StackedRNN,
    TokenEmbedding,
    TransformerEncoder,
)

V, D, H = 11, 12, 7  # vocabulary, features, units

LAYERS = {
    "embedding": lambda **k: TokenEmbedding(V, D, **k),
    "embedding-learned": lambda **k: TokenEmbedding(V, D, 13, "learned", 0.1, **k),
    "embedding-sinusoidal": lambda **k: TokenEmbedding(V, D, 13, "sinusoidal", **k),
    "rnn-lstm-layer": lambda **k: LSTM(H, return_sequences=True, **k),
    "rnn-gru-layer": lambda **k: GRU(H, return_sequences=True, reset_after=False, **k),
    "rnn-simple-layer": lambda **k: SimpleRNN(H, return_sequences=True, go_backwards=False, **k),
    "rnn-both-layer": lambda **k: Bidirectional(
        LSTM(H, return_sequences=True, dtype=k.get("dtype")), **k
    ),
    "rnn-simple": lambda **k: StackedRNN(H, cell="simple", **k),
    "rnn-lstm": lambda **k: StackedRNN(H, 2, dropout=0.1, **k),
    "rnn-gru-residual": lambda **k: StackedRNN(D, 2, "gru", residual=True, **k),
    "rnn-gru-both": lambda **k: StackedRNN(H, cell="gru", bidirectional=True, **k),
    "bilstm": lambda **k: BiLSTM(H, 2, dropout=0.1, residual=True, **k),
    "attention": lambda **k: MultiHeadAttention(5, key_dim=3, dropout=0.1, **k),
    "attention-causal": lambda **k: MultiHeadAttention(3, causal=True, use_bias=False, **k),
    "attention-rotary": lambda **k: MultiHeadAttention(2, rotary=True, **k),
    "attention-grouped": lambda **k: MultiHeadAttention(
        6, 4, causal=True, rotary=True, num_kv_heads=2, rotary_base=50.0, interleaved=True, **k
    ),
    "feed-forward": lambda **k: FeedForward(H, **k),
    "feed-forward-gated": lambda **k: FeedForward(H, "swiglu", use_bias=False, **k),
    "transformer-pre": lambda **k: TransformerEncoder(3, **k),
    "transformer-post": lambda **k: TransformerEncoder(
        2, H, norm="post", activation="relu", dropout=0.1, epsilon=1e-3, **k
    ),
    "transformer-gpt": lambda **k: TransformerEncoder(
        3, causal=True, rotary=True, activation="gelu_tanh", **k
    ),
    "transformer-llama": lambda **k: TransformerEncoder(
        6,
        H,
        causal=True,
        rotary=True,
        activation="swiglu",
        normalization="rms",
        use_bias=False,
        num_kv_heads=3,
        key_dim=2,
        rotary_base=50.0,
        **k,
    ),
    "pooling-mean": lambda **k: MaskedPooling(**k),
    "pooling-max": lambda **k: MaskedPooling("max", **k),
    "pooling-last": lambda **k: MaskedPooling("last", **k),
    "pooling-first": lambda **k: MaskedPooling("first", **k),
    "pooling-attention": lambda **k: MaskedPooling("attention", **k),
}
WITH_MASK = [name for name in LAYERS if name.startswith(("rnn", "bi", "att", "trans", "pool"))]
IDS = np.array([[3, 1, 4, 1, 5], [9, 2, 6, 0, 0], [7, 0, 0, 0, 0]], dtype="int32")
REAL = IDS != 0
LENGTHS = REAL.sum(axis=1)

# Of its recurrent layers, whose configuration is that of ours.
KERAS_DOES_NOT_WRITE = {"use_cudnn", "seed", "weights"}

every_layer = pytest.mark.parametrize("name", LAYERS)


class Probe(keras.layers.Layer):
    """Keep the mask that arrives."""

    supports_masking = True

    def __init__(self):
        super().__init__()
        self.supports_masking = True

    def call(self, inputs, mask=None):
        self.arrived = mask
        return inputs


def _inputs(name, rng):
    return IDS if name.startswith("emb") else rng.normal(size=(*IDS.shape, D)).astype("float32")


def _build(name, rng, randomize, **options):
    """Return the layer with random weights, and an input for it."""
    layer, x = LAYERS[name](**options), _inputs(name, rng)
    layer(x)
    return randomize(layer), x


def _host(name, randomize, **options):
    """Return a model from ids through (where needed) an embedding and the layer."""
    ids = keras.Input((None,), dtype="int32")
    x = ids if name.startswith("emb") else keras.layers.Embedding(V, D, mask_zero=True)(ids)
    return randomize(keras.Model(ids, LAYERS[name](**options)(x)))


def _call(layer, x, mask=None):
    takes_mask = "mask" in inspect.signature(layer.call).parameters
    return layer(x, mask=mask) if takes_mask and mask is not None else layer(x)


@every_layer
def test_configuration_round_trip(name):
    layer = LAYERS[name](name="some_name", dtype="mixed_bfloat16")
    config = layer.get_config()
    again = type(layer).from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    # Each argument of the constructor is written down.
    arguments = set(inspect.signature(type(layer).__init__).parameters) - {"self", "kwargs"}
    of_keras = KERAS_DOES_NOT_WRITE if name.endswith("-layer") else set()
    assert arguments - of_keras <= set(config)


@every_layer
def test_saved_and_loaded_inside_a_model_gives_identical_outputs(name, randomize, numpy, tmp_path):
    model = _host(name, randomize)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[-1]) is type(model.layers[-1])
    assert np.array_equal(numpy(model(IDS)), numpy(loaded(IDS)))


@pytest.mark.backends
@every_layer
def test_padding_changes_no_number(name, rng, randomize, numpy, precision):
    dtype, tolerance = precision
    layer, x = _build(name, rng, randomize, dtype=dtype)
    padded = numpy(_call(layer, x, REAL))
    for row, length in enumerate(LENGTHS):
        alone = numpy(_call(layer, x[row : row + 1, :length]))[0]
        same = padded[row, : len(alone)] if padded.ndim == 3 else padded[row]
        assert np.abs(same - alone).max() < tolerance


@pytest.mark.parametrize("name", WITH_MASK)
def test_what_stands_in_the_padding_changes_nothing(name, rng, randomize, numpy):
    layer, x = _build(name, rng, randomize)
    other = np.where(REAL[..., None], x, 50 * rng.normal(size=x.shape)).astype("float32")
    before, after = numpy(_call(layer, x, REAL)), numpy(_call(layer, other, REAL))
    if before.ndim == 3:
        before, after = before[REAL], after[REAL]
    assert np.array_equal(before, after)


@every_layer
def test_the_mask_is_passed_on(name, randomize, numpy):
    model, probe = _host(name, randomize), Probe()
    ids = keras.Input((None,), dtype="int32")
    x = ids
    for layer in model.layers[1:]:
        x = layer(x)
    keras.Model(ids, probe(x))(IDS)
    if name.startswith("pooling"):
        assert probe.arrived is None
    else:
        assert np.array_equal(numpy(probe.arrived), REAL)


@pytest.mark.backends
@pytest.mark.parametrize("name", WITH_MASK)
def test_a_mask_that_travels_with_the_tensor_counts_like_a_given_one(name, randomize, numpy):
    model = _host(name, randomize)
    features, layer = model.layers[1](IDS), model.layers[2]
    plain = keras.ops.convert_to_tensor(numpy(features))  # has lost its mask
    assert np.array_equal(numpy(model(IDS)), numpy(layer(plain, mask=REAL)))


@every_layer
def test_one_model_takes_any_length(name, randomize, numpy, precision):
    model = _host(name, randomize)
    ids = np.array([[3, 1, 4, 2]], dtype="int32")
    for length in (4, 2, 3, 1):
        y = numpy(model(ids[:, :length]))
        assert y.shape[0] == 1
        assert y.ndim == 2 or y.shape[1] == length
        assert np.isfinite(y).all()


@pytest.mark.backends
@every_layer
def test_one_step_of_training_moves_every_weight(name, rng, randomize):
    model = _host(name, randomize)
    eagerly = keras.backend.backend() != "jax"  # which compiles each operation then
    model.compile(keras.optimizers.SGD(0.5), "mse", run_eagerly=eagerly)
    before = model.get_weights()
    y = rng.normal(size=model(IDS).shape)
    model.fit(IDS, y, verbose=0)
    for weight, old in zip(model.weights, before, strict=True):
        new = keras.ops.convert_to_numpy(weight)
        assert weight.trainable
        assert np.isfinite(new).all()
        assert not np.array_equal(new, old), weight.path


@pytest.mark.backends
@every_layer
def test_mixed_precision_is_finite_near_and_of_its_dtype(name, rng, randomize, numpy):
    layer, x = _build(name, rng, randomize)
    half = LAYERS[name](dtype="mixed_bfloat16")
    half(x)
    half.set_weights(layer.get_weights())
    y, exact = _call(half, x, REAL), numpy(_call(layer, x, REAL))
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    assert all(keras.backend.standardize_dtype(w.dtype) == "float32" for w in half.weights)
    y = numpy(keras.ops.cast(y, "float32"))
    assert np.isfinite(y).all()
    assert np.linalg.norm(y - exact) < 0.05 * np.linalg.norm(exact)


@every_layer
def test_float64_is_honoured(name, rng, randomize, numpy, precision):
    if precision[0] != "float64":
        pytest.skip("Keras has float64 throughout on TensorFlow only")
    layer, x = _build(name, rng, randomize)
    exact = LAYERS[name](dtype="float64")
    exact(x)
    exact.set_weights(layer.get_weights())
    y = numpy(_call(exact, x, REAL))
    assert y.dtype == "float64"
    error = np.abs(y - numpy(_call(layer, x, REAL))).max()
    assert error < 1e-4
    assert error > 0 or name.startswith(("embedding", "pooling"))


@every_layer
def test_the_computed_shape_is_the_real_one(name, rng, randomize):
    layer, x = _build(name, rng, randomize)
    assert tuple(layer.compute_output_shape(x.shape)) == tuple(layer(x).shape)
    unknown = layer.compute_output_shape((None, None, *x.shape[2:]))
    assert tuple(unknown) == tuple(_host(name, randomize).output_shape)
