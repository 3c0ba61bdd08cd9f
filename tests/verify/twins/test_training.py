"""Check 4: twins trained for 300 steps beside their Keras models, in float64, weights to 1e-9."""

import keras
import numpy as np
import pytest

from kerasllm import verify
from kerasllm.models import (
    CausalLM,
    ContrastiveLM,
    RecurrentBackbone,
    RecurrentConfig,
    SpanContrast,
    TextClassifier,
    TokenCrossEntropy,
    TransformerBackbone,
    TransformerConfig,
)
from kerasllm.verify.twins import loss_functions

pytestmark = [
    pytest.mark.usefixtures("float64"),
    # From 3.16 on Keras warns that its recurrent layers lose the mask: the twin has to agree.
    pytest.mark.filterwarnings("ignore:.*destroy the mask:UserWarning"),
]
V, T, BATCH, BATCHES, STEPS = 11, 5, 3, 2, 300
losses = keras.losses
opt = keras.optimizers


def recurrent(**settings):
    return RecurrentBackbone(RecurrentConfig(V, hidden_dim=3, units=7, **settings))


def transformer(**settings):
    heads = {"num_heads": 2, "num_layers": 1, "max_length": T}
    return TransformerBackbone(TransformerConfig(V, hidden_dim=4, **heads, **settings))


class Warm(opt.schedules.LearningRateSchedule):
    """Rise for 20 steps, then fall: a schedule that the twin can only ask for its value."""

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        return 0.003 * keras.ops.minimum((step + 1) / 20, 20 / (step + 1))


CASES = {
    "LSTM language model, Adam, global norm": (
        lambda: CausalLM(recurrent(num_layers=2, residual=True)),
        lambda: opt.Adam(0.01, global_clipnorm=0.5),
    ),
    "GRU language model, momentum": (
        lambda: CausalLM(recurrent(cell="gru")),
        lambda: opt.SGD(0.01, momentum=0.9),
    ),
    "GPT, AdamW, schedule, global norm": (
        lambda: CausalLM(transformer()),
        lambda: opt.AdamW(Warm(), weight_decay=0.1, global_clipnorm=1.0),
    ),
    "GPT, rotary, SGD, clipped by value": (
        lambda: CausalLM(transformer(positions="rotary")),
        lambda: opt.SGD(0.02, clipvalue=0.02),
    ),
    "BERT classifier, RMSprop": (
        lambda: TextClassifier(
            transformer(causal=False, norm="post", positions="sinusoidal"), num_classes=3
        ),
        lambda: opt.RMSprop(0.002, momentum=0.5),
    ),
    "BiLSTM classifier, Nesterov, clipped by norm": (
        lambda: TextClassifier(
            recurrent(bidirectional=True, project=False), num_classes=3, pooling="max"
        ),
        lambda: opt.SGD(0.1, momentum=0.8, nesterov=True, clipnorm=0.3),
    ),
    "simple RNN classifier, Adam": (
        lambda: TextClassifier(recurrent(cell="simple"), num_classes=3, pooling="last"),
        lambda: opt.Adam(0.01),
    ),
}


def data(model, seed=0):
    rng = np.random.default_rng(seed)
    ids = rng.integers(6, V, (BATCHES, BATCH, T))
    lengths = rng.integers(2, T + 1, (BATCHES, BATCH))
    ids *= np.arange(T) < lengths[..., None]
    if isinstance(model, CausalLM):
        targets = np.roll(ids, -1, axis=-1)
        targets[..., -1] = 0
        return ids, targets, TokenCrossEntropy()
    return (
        ids,
        rng.integers(3, size=(BATCHES, BATCH)),
        losses.SparseCategoricalCrossentropy(from_logits=True),
    )


def randomized(model, seed=0):
    rng = np.random.default_rng(seed)
    model.set_weights([w + 0.2 * rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


CLIPPED = {
    "Adam, norm": lambda: opt.Adam(0.01, clipnorm=0.02),
    "Adam, global norm": lambda: opt.Adam(0.01, global_clipnorm=0.02),
    "Adam, value": lambda: opt.Adam(0.01, clipvalue=0.001),
    "RMSprop, norm": lambda: opt.RMSprop(0.01, clipnorm=0.02),
}


@pytest.mark.parametrize("name", CLIPPED)
def test_tokens_that_occur_several_times(name):
    """TensorFlow's optimizers see an embedding's gradient use by use; the twin does the same."""
    stack = [keras.layers.Embedding(4, 5), keras.layers.GlobalAveragePooling1D()]
    model = keras.Sequential([keras.Input((T,), dtype="int32"), *stack, keras.layers.Dense(3)])
    randomized(model).compile(CLIPPED[name](), "mean_squared_error", jit_compile=False)
    rng, twin = np.random.default_rng(1), verify.twin(model)
    ids, y = rng.integers(4, size=(7, T)), rng.standard_normal((7, 3))
    for _ in range(3):
        model.train_on_batch(ids, y)
        twin.train_on_batch(ids, y)
    for ours, theirs in zip(twin.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_300_steps(name):
    build, optimizer = CASES[name]
    keras.utils.set_random_seed(0)  # from other weights rounding may grow faster
    model = randomized(build())
    ids, targets, loss = data(model)
    model.compile(optimizer(), loss, jit_compile=False)
    twin, before = verify.twin(model), model.get_weights()
    first = twin.loss(ids[0], targets[0])
    for step in range(STEPS):
        model.train_on_batch(ids[step % BATCHES], targets[step % BATCHES])
        last = twin.train_on_batch(ids[step % BATCHES], targets[step % BATCHES])
    moved = [np.abs(a - b).max() for a, b in zip(model.get_weights(), before, strict=True)]
    apart = [
        np.abs(a - b).max() for a, b in zip(model.get_weights(), twin.get_weights(), strict=True)
    ]
    assert last < first and max(moved) > 0.05
    assert max(apart) <= 1e-9, dict(zip([v.path for v in model.weights], apart, strict=True))
    # The twin goes on where a trained model stands, its optimizer's memory included.
    later = verify.twin(model)
    model.train_on_batch(ids[0], targets[0])
    later.train_on_batch(ids[0], targets[0])
    for ours, theirs in zip(later.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_two_losses_on_inputs_of_different_sizes(pooling):
    """A contrast of 6 spans beside a language model of 3 texts, one backbone for both."""
    model = randomized(ContrastiveLM(recurrent(num_layers=2), pooling=pooling))
    rng = np.random.default_rng(0)
    ids, targets = rng.integers(1, V, (2, BATCH, T))
    spans = rng.integers(1, V, (2 * BATCH, T - 1))
    spans[1::2, 2:] = 0
    model.compile(
        opt.Adam(0.01),
        {"logits": TokenCrossEntropy(), "pooled": SpanContrast(0.2)},
        loss_weights={"logits": 1.0, "pooled": 0.3},
        jit_compile=False,
    )
    x = {"ids": ids, "spans": spans}
    y = {"logits": targets, "pooled": np.zeros(len(spans))}
    report = verify.compare(model, x, y, steps=5)
    assert report.ok, str(report)
    assert verify.twin(model).predict(x)["pooled"].shape == (2 * BATCH, 3)


def two_headed():
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(V, 3, mask_zero=True)(ids)
    h = keras.layers.GRU(5, return_sequences=True)(x)
    tags = keras.layers.Dense(3, activation="softmax", name="tags", kernel_regularizer="l2")(h)
    yes = keras.layers.Dense(1, activation="sigmoid", name="yes")(
        keras.layers.GlobalAveragePooling1D()(h)
    )
    return randomized(keras.Model(ids, [tags, yes]))


def test_fit_with_two_losses_weights_and_a_ragged_last_batch():
    model, rng = two_headed(), np.random.default_rng(1)
    ids = rng.integers(0, V, (7, T))
    ids[:, 0] = 1
    y = [rng.integers(3, size=(7, T)), rng.integers(2, size=7)]
    weights = [rng.random((7, T)), rng.random(7)]
    model.compile(
        opt.RMSprop(0.01),
        {"tags": "sparse_categorical_crossentropy", "yes": "binary_crossentropy"},
        loss_weights={"tags": 0.7, "yes": 2.0},
        jit_compile=False,
    )
    twin = verify.twin(model)
    settings = {"batch_size": 3, "epochs": 5, "shuffle": False, "sample_weight": weights}
    theirs = model.fit(ids, y, verbose=0, **settings).history["loss"]
    ours = twin.fit(ids, y, **settings)["loss"]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    for a, b in zip(twin.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


def averaged():
    """Return a model whose output is a mean of probabilities: a softmax is not its last step."""
    stack = [keras.layers.Reshape((5, 1)), keras.layers.Dense(3, activation="softmax")]
    pooling = keras.layers.GlobalAveragePooling1D()
    return randomized(keras.Sequential([keras.Input((5,)), *stack, pooling]))


def vectors(activation=None, units=3):
    dense = keras.layers.Dense(units, activation=activation)
    return randomized(keras.Sequential([keras.Input((5,)), dense]))


LOSSES = {
    "mse": (vectors, lambda: losses.MeanSquaredError(), "floats"),
    "mse, summed": (vectors, lambda: losses.MeanSquaredError(reduction="sum"), "floats"),
    "mse, by weights": (
        vectors,
        lambda: losses.MeanSquaredError(reduction="mean_with_sample_weight"),
        "floats",
    ),
    "one-hot": (
        lambda: vectors("softmax"),
        lambda: losses.CategoricalCrossentropy(label_smoothing=0.1),
        "hot",
    ),
    "one-hot, logits": (vectors, lambda: losses.CategoricalCrossentropy(from_logits=True), "hot"),
    "averaged probabilities": (
        averaged,
        lambda: losses.SparseCategoricalCrossentropy(),
        "ids",
    ),
    "averaged probabilities, one-hot": (
        averaged,
        lambda: losses.CategoricalCrossentropy(),
        "hot",
    ),
    "of sigmoids": (
        lambda: vectors("sigmoid"),
        lambda: losses.SparseCategoricalCrossentropy(),
        "ids",
    ),
    "ignored class": (
        vectors,
        lambda: losses.SparseCategoricalCrossentropy(True, ignore_class=1),
        "ids",
    ),
    "binary": (
        lambda: vectors("sigmoid", 3),
        lambda: losses.BinaryCrossentropy(label_smoothing=0.2),
        "hot",
    ),
    "binary, logits": (vectors, lambda: losses.BinaryCrossentropy(from_logits=True), "hot"),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
def test_losses(name, weighted, rng):
    build, loss, kind = LOSSES[name]
    model, x, ids = build(), rng.standard_normal((7, 5)), rng.integers(3, size=7)
    y = {"ids": ids, "hot": np.eye(3)[ids], "floats": rng.standard_normal((7, 3))}[kind]
    model.compile("sgd", loss())
    weight = rng.random(7) if weighted else None
    report = verify.compare(model, x, y, sample_weight=weight)
    assert report.ok, str(report)


def test_frozen_layers_stay():
    model = randomized(CausalLM(recurrent()))
    model.get_layer("stack").trainable = False
    ids, targets, loss = data(model)
    model.compile(opt.SGD(0.1), loss, jit_compile=False)
    twin = verify.twin(model)
    assert not any("stack" in path for path in twin.gradients(ids[0], targets[0]))
    twin.train_on_batch(ids[0], targets[0])
    model.train_on_batch(ids[0], targets[0])
    for a, b in zip(twin.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


def test_what_cannot_be_trained_is_said(rng):
    x, y = rng.standard_normal((2, 5)), rng.standard_normal((2, 3))
    dropping = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dropout(0.5, name="drop"), keras.layers.Dense(3)]
    )
    dropping.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"\['drop'\] draw random numbers"):
        verify.twin(dropping).train_on_batch(x, y)
    model = vectors()
    model.compile(opt.Adagrad(), "mse")
    with pytest.raises(TypeError, match="not Adagrad"):
        verify.twin(model).train_on_batch(x, y)
    model.compile(opt.Adam(gradient_accumulation_steps=2), "mse")
    with pytest.raises(TypeError, match="gradient_accumulation_steps"):
        verify.twin(model).train_on_batch(x, y)
    model.compile("sgd", keras.losses.LogCosh())
    with pytest.raises(TypeError, match="loss 'log_cosh'"):
        verify.twin(model).loss(x, y)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"targets of shape \(2, 3\).*received \(2, 5\)"):
        verify.twin(model).loss(x, x)
    with pytest.raises(ValueError, match="sample_weight of shape"):
        verify.twin(model).loss(x, y, sample_weight=np.ones(5))
    with pytest.raises(ValueError, match="shuffle=False"):
        verify.twin(model).fit(x, y, shuffle=True)


def test_a_probability_at_the_limit_is_one_that_is_not_moved():
    least, most = 1e-7, 1 - 1e-7
    p = np.array([least, most, least / 2, 1.0])
    array, kept = loss_functions._clipped(p)
    assert array.tolist() == [least, most, least, most] and kept.tolist() == [1, 1, 0, 0]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tensor = tf.constant(p)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            clipped = keras.ops.clip(tensor, least, most)
        assert tape.gradient(clipped, tensor).numpy().tolist() == kept.tolist()
