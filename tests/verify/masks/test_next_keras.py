"""With Keras' recurrent layers losing masks: own layers and models say the same, Keras' go red."""

import keras
import numpy as np
import pytest

from kerasllm import verify
from kerasllm.layers import AttentionDecoder, BiLSTM, StackedRNN
from kerasllm.models import (
    CausalLM,
    ContrastiveLM,
    EmbeddingBackbone,
    EmbeddingConfig,
    MaskedLM,
    RecurrentBackbone,
    RecurrentConfig,
    RecurrentSeq2Seq,
    RecurrentSeq2SeqConfig,
    TextClassifier,
    TokenCrossEntropy,
    TokenTagger,
)
from kerasllm.verify.twins import graph

L = keras.layers
V = 13
IDS = np.array([[6, 7, 8, 9, 10, 11, 12], [6, 7, 8, 0, 0, 0, 0], [9, 0, 0, 0, 0, 0, 0]], "int32")


def embedded():
    ids = keras.Input((None,), dtype="int32")
    return ids, L.Embedding(V, 6, mask_zero=True)(ids)


def host(layer):
    ids, x = embedded()
    return keras.Model(ids, layer(x))


def decoder(**options):
    (source, m), (target, x) = embedded(), embedded()
    read = L.Dense(12)(StackedRNN(4, bidirectional=True)(m))
    return keras.Model([source, target], AttentionDecoder(5, **options)(x, source=read)[0])


def backbone(**options):
    return RecurrentBackbone(RecurrentConfig(V, hidden_dim=6, units=6, **options))


def tagger(head):
    words = EmbeddingBackbone(EmbeddingConfig(V, 6))
    return TokenTagger(words, 3, head=head, units=5, dropout=0.0)


def translator(**options):
    return RecurrentSeq2Seq(RecurrentSeq2SeqConfig(V, hidden_dim=6, units=10, **options))


PLACES = np.where(IDS[:, :4] != 0, np.arange(4), -1).astype("int32")
PAIR = {"source": IDS, "target": IDS[:, :5]}
MODELS = {
    "simple": (lambda: host(StackedRNN(5, cell="simple")), IDS),
    "lstm, two layers": (lambda: host(StackedRNN(5, 2)), IDS),
    "gru, residual": (lambda: host(StackedRNN(6, 2, "gru", residual=True)), IDS),
    "gru, both directions": (lambda: host(StackedRNN(5, 2, "gru", bidirectional=True)), IDS),
    "BiLSTM": (lambda: host(BiLSTM(3, 2, residual=True)), IDS),
    "decoder": (decoder, [IDS, IDS[:, :5]]),
    "decoder, gru": (lambda: decoder(cell="gru", num_layers=2, attention="bahdanau"),
                     [IDS, IDS[:, :5]]),
    "backbone": (lambda: backbone(num_layers=2), IDS),
    "backbone, simple": (lambda: backbone(cell="simple", project=False), IDS),
    "backbone, gru": (lambda: backbone(cell="gru", bidirectional=True, residual=True), IDS),
    "causal": (lambda: CausalLM(backbone(num_layers=2)), IDS),
    "masked": (lambda: MaskedLM(backbone(bidirectional=True)),
               {"ids": IDS, "positions": np.array([[1, 4], [2, 0], [0, 0]], "int32")}),
    "contrastive": (lambda: ContrastiveLM(backbone()), {"ids": IDS, "spans": IDS[:, :3]}),
    "classifier": (lambda: TextClassifier(backbone(num_layers=2, residual=True), 3), IDS),
    "classifier, max": (lambda: TextClassifier(backbone(bidirectional=True), 3, "max"), IDS),
    "tagger": (lambda: tagger("softmax"), {"ids": IDS, "positions": PLACES}),
    "tagger, crf": (lambda: tagger("crf"), {"ids": IDS, "positions": PLACES}),
    "translator": (translator, PAIR),
    "translator, gru": (lambda: translator(cell="gru", num_layers=2, attention="concat"), PAIR),
    "translator, copying": (lambda: translator(copy=True), PAIR),
}  # fmt: skip
every_model = pytest.mark.parametrize("name", MODELS)


def build(name, kept):
    """Return a model with random weights, made where masks are kept or lost."""
    with verify.recurrent_masks(kept):
        model = MODELS[name][0]()
    rng = np.random.default_rng(7)
    model.set_weights([0.4 * rng.normal(size=w.shape) for w in model.get_weights()])
    return model


def run(model, x):
    outputs = keras.tree.flatten(model(keras.tree.map_structure(keras.ops.convert_to_tensor, x)))
    return [keras.ops.convert_to_numpy(y) for y in outputs]


@pytest.mark.backends
@every_model
def test_the_same_numbers(name):
    x = MODELS[name][1]
    for kept, lost in zip(run(build(name, True), x), run(build(name, False), x), strict=True):
        np.testing.assert_array_equal(kept, lost)


@every_model
def test_no_mask_is_lost_and_padding_changes_nothing(name):
    model = build(name, False)
    report = verify.check_masks(model)
    assert report.ok and not report.warnings, str(report)
    assert any(row.quantity == "padding" for row in report.rows)


@pytest.mark.backends
@pytest.mark.parametrize("name", ["lstm, two layers", "backbone", "decoder", "translator"])
def test_the_mask_arrives_behind_the_model(name):
    model, arrived = build(name, False), []

    class Probe(L.Layer):
        supports_masking = True

        def call(self, inputs, mask=None):
            arrived.append(mask)
            return inputs

    x = MODELS[name][1]
    run(keras.Model(model.inputs, Probe()(model.output)), keras.tree.flatten(x))
    target = keras.tree.flatten(x)[-1]
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(arrived[-1]), target != 0)


@pytest.mark.parametrize("name", ["lstm, two layers", "causal", "classifier", "tagger, crf"])
def test_one_step_of_training_is_the_same(name):
    x, trained = MODELS[name][1], []
    for kept in (True, False):
        model = build(name, kept)
        y = np.asarray(run(model, x)[0].argmax(axis=-1), "int32")
        loss = {"causal": TokenCrossEntropy(), "tagger, crf": None}.get(
            name, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=keras.backend.backend() != "jax")
        inputs = graph.as_given(model, graph.input_arrays(model, x))
        nats = model.train_on_batch(inputs, y)
        trained.append([np.asarray(nats), *model.get_weights()])
    for one, other in zip(*trained, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["backbone, gru", "causal", "tagger", "translator"])
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_model_saved_today_loads_there(name, tmp_path):
    model, x = build(name, True), MODELS[name][1]
    model.save(tmp_path / "model.keras")
    with verify.recurrent_masks(kept=False):
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    for before, after in zip(run(model, x), run(loaded, x), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("name", ["lstm, two layers", "causal", "tagger, crf", "classifier"])
def test_the_twin_agrees_without_a_warning(name):
    report = verify.compare(build(name, False), MODELS[name][1])
    assert report.ok and not report.warnings, str(report)


BARE = {
    "stack": (lambda: [L.LSTM(5, return_sequences=True, name="loser"), L.LSTM(4), L.Dense(2)],
              {"padding", "mask: loser"}),
    "Bidirectional": (lambda: [L.Bidirectional(L.GRU(4, return_sequences=True), name="loser"),
                               L.Dense(2)], {"mask: loser"}),
    "both": (lambda: [L.Bidirectional(L.LSTM(4, return_sequences=True), name="loser"),
                      L.Bidirectional(L.LSTM(3))], {"padding", "mask: loser"}),
    "TimeDistributed": (lambda: [L.TimeDistributed(L.Dense(4), name="loser"), L.LSTM(4)],
                        {"padding", "mask: loser"}),
}  # fmt: skip


@pytest.mark.parametrize("length", [None, 6], ids=["any length", "fixed length"])
@pytest.mark.parametrize("name", BARE)
@pytest.mark.filterwarnings("ignore:.*destroy the mask:UserWarning")
def test_bare_layers_of_keras_turn_red(name, length):
    stack, expected = BARE[name]
    inputs = keras.Input((length,), dtype="int32")
    reports = {}
    for kept in (True, False):
        with verify.recurrent_masks(kept):
            embedding = L.Embedding(V, 6, mask_zero=True, name="words")
            reports[kept] = verify.check_masks(keras.Sequential([inputs, embedding, *stack()]))
    assert reports[True].ok and not reports[True].warnings, str(reports[True])
    failed = {row.quantity for row in reports[False].failures}
    assert failed == expected - ({"padding"} if length else set()), str(reports[False])
    (warning,) = reports[False].warnings
    assert warning.startswith("loser (") and "loses the mask that words gives: " in warning
    assert "StackedRNN or BiLSTM" in warning or "Leave TimeDistributed out" in warning


@pytest.mark.backends
def test_keras_warns_and_drops_the_mask_as_keras_3_16_does():
    ids = keras.ops.convert_to_tensor(IDS)
    with verify.recurrent_masks(kept=False):
        layer = L.LSTM(4, return_sequences=True)
        wrapped = L.Bidirectional(L.GRU(3)), L.TimeDistributed(L.Dense(2))
    assert not any(one.supports_masking for one in (layer, *wrapped, wrapped[0].backward_layer))
    x = L.Embedding(V, 6, mask_zero=True)(ids)
    with pytest.warns(UserWarning, match="destroy the mask"):
        y = layer(x)
    assert getattr(y, "_keras_mask", None) is None
    plain = keras.ops.convert_to_tensor(keras.ops.convert_to_numpy(x).copy())
    used, unmasked = (keras.ops.convert_to_numpy(v) for v in (y, layer(plain)))
    assert np.allclose(used[0], unmasked[0], atol=1e-6)  # which has no padding
    assert not np.allclose(used[1], unmasked[1], atol=1e-6)
    with verify.recurrent_masks(kept=True):
        assert L.LSTM(4).supports_masking
    again = L.GRU.from_config(L.GRU(5, name="some").get_config())
    assert again.name == "some" and again.units == 5
