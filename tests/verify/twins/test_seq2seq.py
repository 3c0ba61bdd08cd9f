"""The twin of encoder-decoder models, recurrent and Transformer, in float64."""

import keras
import numpy as np
import pytest

from kerasllm import layers as ours
from kerasllm import verify
from kerasllm.models import (
    RecurrentSeq2Seq,
    RecurrentSeq2SeqConfig,
    TokenCrossEntropy,
    TransformerSeq2Seq,
    TransformerSeq2SeqConfig,
)

pytestmark = pytest.mark.usefixtures("float64")
L = keras.layers
V, D, S, T = 11, 3, 7, 5
SOURCE = np.array([[3, 1, 4, 1, 5, 0, 0], [2, 7, 1, 8, 2, 8, 1]])
TARGET = np.array([[2, 9, 5, 0, 0], [2, 4, 6, 8, 10]])
NEXT = np.array([[9, 5, 3, 0, 0], [4, 6, 8, 10, 3]])
X = {"source": SOURCE, "target": TARGET}
ATTENTIONS = {
    "bahdanau": lambda: ours.BahdanauAttention(5),
    **{score: lambda s=score: ours.LuongAttention(s, units=5)
       for score in ("dot", "general", "concat")},
}  # fmt: skip
# Each setting meets the others at least once.
RECURRENT = {
    "lstm, bahdanau, copy": {"attention": "bahdanau", "copy": True},
    "lstm, dot, untied": {"attention": "dot", "tied": False},
    "lstm, general, 2 layers, two vocabularies": {
        "attention": "general", "num_layers": 2, "target_vocabulary_size": 13, "tied": False,
    },
    "gru, general, 2 layers, copy, untied": {
        "cell": "gru", "attention": "general", "num_layers": 2, "copy": True, "tied": False,
    },
    "gru, concat, two vocabularies": {
        "cell": "gru", "attention": "concat", "target_vocabulary_size": 13,
    },
}  # fmt: skip
TRANSFORMER = {
    "pre, copy": {"copy": True},
    "pre, untied, rotary, two vocabularies": {
        "tied": False, "positions": "rotary", "target_vocabulary_size": 13,
    },
    "post, copy, untied": {"norm": "post", "copy": True, "tied": False},
    "post, learned, gelu": {"norm": "post", "positions": "learned", "activation": "gelu"},
}  # fmt: skip


def recurrent(**settings):
    return RecurrentSeq2Seq(RecurrentSeq2SeqConfig(V, hidden_dim=D, units=6, **settings))


def transformer(**settings):
    sizes = {"hidden_dim": 4, "num_layers": 1, "num_heads": 2, "max_length": S}
    return TransformerSeq2Seq(TransformerSeq2SeqConfig(V, **sizes, **settings))


def embedded(name):
    ids = keras.Input((None,), dtype="int32", name=name)
    return ids, L.Embedding(V, D, mask_zero=True)(ids)


@pytest.mark.parametrize("name", ATTENTIONS)
def test_attention_of_recurrent_translators(name, randomized):
    (source, memory), (target, x) = embedded("source"), embedded("target")
    y = ATTENTIONS[name]()(x, source=memory)
    model = randomized(keras.Model([source, target], y))
    report = verify.compare(model, [SOURCE, TARGET])
    assert report.ok, str(report)


def test_attention_of_a_text_to_itself(randomized):
    ids, x = embedded("ids")
    model = randomized(keras.Model(ids, ours.BahdanauAttention(5)(x)))
    report = verify.compare(model, SOURCE)
    assert report.ok, str(report)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_decoder_block_and_the_weights_of_its_attention(norm, randomized):
    (source, memory), (target, x) = embedded("source"), embedded("target")
    block = ours.TransformerDecoder(3, inner_dim=5, norm=norm, activation="relu", rotary=False)
    y, weights = block(x, source=memory, return_weights=True)
    model = randomized(keras.Model([source, target], [block(y, source=memory), weights]))
    report = verify.compare(model, [SOURCE, TARGET])
    assert report.ok, str(report)


@pytest.mark.parametrize("name", RECURRENT)
def test_a_recurrent_translator(name, proven):
    proven(recurrent(**RECURRENT[name]), X, NEXT, TokenCrossEntropy(label_smoothing=0.1))


@pytest.mark.parametrize("name", TRANSFORMER)
def test_a_transformer_translator(name, proven):
    proven(transformer(**TRANSFORMER[name]), X, NEXT, TokenCrossEntropy(label_smoothing=0.1))


def test_padding_changes_no_translation(randomized):
    masks = verify.check_masks(randomized(transformer(copy=True)))
    assert masks.ok, str(masks)


def test_an_empty_source_and_clipping_by_norm(proven):
    """Keras' optimizers see a table's gradient use by use, and so does the twin."""
    x = {"source": SOURCE * [[0], [1]], "target": TARGET}
    optimizer = keras.optimizers.Adam(0.01, clipnorm=0.02)
    proven(recurrent(copy=True), x, NEXT, TokenCrossEntropy(), optimizer)


def test_what_was_said_and_where_it_looked_can_be_read(randomized):
    trace = verify.twin(randomized(recurrent(cell="gru"))).trace(X)["decoder"]
    assert trace.alpha.shape == (2, T, S) and not trace.alpha[0, :, 5:].any()
    h = trace.steps[3].cells.layers[0]
    np.testing.assert_allclose(h.h, h.z * trace.h[:, 2:3] + (1 - h.z) * h.candidate, atol=1e-15)


@pytest.mark.parametrize(
    "mistake",
    ["attention_decoder_step_without_input_feeding", "pointer_generator_repetitions_overwritten"],
)
def test_a_planted_mistake_is_seen(mistake, randomized):
    model = randomized(recurrent(copy=True))
    with verify.planted(verify.find_mistake(mistake)):
        assert not verify.compare(model, X).ok
