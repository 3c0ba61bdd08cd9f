"""The twin of encoder-decoder models and of taggers, in float64."""

import keras
import numpy as np
import pytest

from kerasllm import layers as ours
from kerasllm import verify
from kerasllm.layers.crf import CRF
from kerasllm.models.backbones.embedding import EmbeddingBackbone, EmbeddingConfig
from kerasllm.models.seq2seq.config import TransformerSeq2SeqConfig
from kerasllm.models.seq2seq.transformer import TransformerSeq2Seq
from kerasllm.models.tagging.token_tagger import TokenTagger

pytestmark = pytest.mark.usefixtures("float64")
L = keras.layers
V, D, S, T = 11, 3, 7, 5
SOURCE = np.array([[3, 1, 4, 1, 5, 0, 0], [2, 7, 1, 8, 2, 8, 1]])
TARGET = np.array([[2, 9, 5, 0, 0], [2, 4, 6, 8, 10]])
ATTENTIONS = {
    "bahdanau": lambda: ours.BahdanauAttention(5),
    **{score: lambda s=score: ours.LuongAttention(s, units=5)
       for score in ("dot", "general", "concat")},
}  # fmt: skip


def randomized(model, seed=0):
    rng = np.random.default_rng(seed)
    model.set_weights([0.5 * rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


def embedded(name):
    ids = keras.Input((None,), dtype="int32", name=name)
    return ids, L.Embedding(V, D, mask_zero=True)(ids)


@pytest.mark.parametrize("name", ATTENTIONS)
def test_attention_of_recurrent_translators(name):
    (source, memory), (target, x) = embedded("source"), embedded("target")
    y = ATTENTIONS[name]()(x, source=memory)
    model = randomized(keras.Model([source, target], y))
    report = verify.compare(model, [SOURCE, TARGET])
    assert report.ok, str(report)


def test_attention_of_a_text_to_itself():
    ids, x = embedded("ids")
    model = randomized(keras.Model(ids, ours.BahdanauAttention(5)(x)))
    report = verify.compare(model, SOURCE)
    assert report.ok, str(report)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_decoder_block_and_the_weights_of_its_attention(norm):
    (source, memory), (target, x) = embedded("source"), embedded("target")
    block = ours.TransformerDecoder(3, inner_dim=5, norm=norm, activation="relu", rotary=False)
    y, weights = block(x, source=memory, return_weights=True)
    model = randomized(keras.Model([source, target], [block(y, source=memory), weights]))
    report = verify.compare(model, [SOURCE, TARGET])
    assert report.ok, str(report)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_transformer_translator_trains_beside_its_twin(norm):
    config = TransformerSeq2SeqConfig(
        V, hidden_dim=4, num_layers=1, num_heads=2, max_length=S, dropout=0.0, norm=norm
    )
    model = randomized(TransformerSeq2Seq(config))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    model.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
    y = np.where(TARGET == 0, 0, np.roll(TARGET, -1, axis=1))
    report = verify.compare(model, {"source": SOURCE, "target": TARGET}, y, steps=3)
    assert report.ok, str(report)
    masks = verify.check_masks(model)
    assert masks.ok, str(masks)


@pytest.mark.parametrize("head", ["crf", "softmax"])
def test_a_tagger_trains_beside_its_twin(head):
    backbone = EmbeddingBackbone(EmbeddingConfig(V, D))
    forbidden = [(0, 2), (3, 1), (1, 3)] if head == "crf" else None
    model = TokenTagger(backbone, 3, head, forbidden=forbidden, units=5, dropout=0.0)
    randomized(model).compile(keras.optimizers.Adam(0.01), jit_compile=False)
    x = {"ids": SOURCE, "positions": np.array([[0, 2, 3, -1], [1, 2, 4, 6]])}
    y = np.array([[1, 2, 2, 0], [3, 2, 1, 1]])
    weight = np.array([0.3, 2.0])
    report = verify.compare(model, x, y, steps=3, sample_weight=weight)
    assert report.ok, str(report)


def test_the_best_tags():
    ids, x = embedded("ids")
    field = CRF(D)
    model = randomized(keras.Model(ids, field(x, decode=True)))
    np.testing.assert_array_equal(
        verify.twin(model).predict(SOURCE), model.predict(SOURCE, verbose=0)
    )


def test_a_loss_that_the_twin_cannot_read_is_named():
    class Own(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.sum(y_pred)

    x = keras.Input((3,))
    model = Own(x, L.Dense(2)(x))
    model.compile("sgd")
    with pytest.raises(TypeError, match="Own computes its loss by a `compute_loss` of its own"):
        verify.twin(model).loss(np.ones((2, 3)), np.ones((2, 2)))
