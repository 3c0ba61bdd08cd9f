"""The twin of taggers: places and letters of words, the field over the tags, their own loss."""

import keras
import numpy as np
import pytest

from kerasllm import verify
from kerasllm.layers import CRF
from kerasllm.models import (
    EmbeddingBackbone,
    EmbeddingConfig,
    RecurrentBackbone,
    RecurrentConfig,
    TokenTagger,
    TransformerBackbone,
    TransformerConfig,
)

pytestmark = pytest.mark.usefixtures("float64")
V, D, C = 11, 3, 3
IDS = np.array([[3, 1, 4, 1, 5, 0, 0], [2, 7, 1, 8, 2, 8, 1]])
PLACES = np.array([[0, 2, 3, -1], [1, 2, 4, 6]])
LETTERS = np.array([[[3, 1, 4], [2, 0, 0], [5, 6, 0], [0, 0, 0]],
                    [[1, 0, 0], [2, 3, 0], [4, 4, 4], [6, 0, 0]]])  # fmt: skip
TAGS = np.array([[1, 2, 2, 0], [3, 2, 1, 1]])
WEIGHTS = np.array([0.3, 2.0])
READS = {"num_characters": 7, "filters": 5, "embedding_dim": 2}
BACKBONES = {
    "words": lambda: EmbeddingBackbone(EmbeddingConfig(V, D)),
    "recurrent": lambda: RecurrentBackbone(
        RecurrentConfig(V, hidden_dim=D, units=5, bidirectional=True)
    ),
    "transformer": lambda: TransformerBackbone(
        TransformerConfig(V, hidden_dim=4, num_layers=1, num_heads=2, max_length=7, causal=False)
    ),
}
TAGGERS = {
    "words, crf, BiLSTM, letters": ("words", {"units": 5, "characters": READS}),
    "words, crf, forbidden": ("words", {"forbidden": [(0, 2), (3, 1), (1, 3)]}),
    "recurrent, softmax, letters": ("recurrent", {"head": "softmax", "characters": READS}),
    "transformer, crf, letters": ("transformer", {"characters": {**READS, "kernel_size": 2}}),
    "transformer, softmax, BiLSTM": ("transformer", {"head": "softmax", "units": 5}),
}


def tagger(backbone, **settings):
    return TokenTagger(BACKBONES[backbone](), C, dropout=0.0, **settings)


def inputs(letters=True):
    x = {"ids": IDS, "positions": PLACES}
    return x | {"characters": LETTERS} if letters else x


@pytest.mark.parametrize("name", TAGGERS)
def test_a_tagger(name, proven):
    backbone, settings = TAGGERS[name]
    x = inputs("characters" in settings)
    proven(tagger(backbone, **settings), x, TAGS, sample_weight=WEIGHTS)


@pytest.mark.parametrize("head", ["crf", "softmax"])
def test_a_sentence_without_words_counts_for_nothing(head, proven):
    x = inputs()
    real = np.array([1, 0])[:, None]
    x = {"ids": IDS * real, "positions": np.where(real, PLACES, -1),
         "characters": LETTERS * real[..., None]}  # fmt: skip
    model = tagger("words", head=head, characters=READS)
    proven(model, x, TAGS * real)
    twin = verify.twin(model)
    one = {name: array[:1] for name, array in x.items()}
    assert twin.loss(x, TAGS * real) == pytest.approx(twin.loss(one, TAGS[:1]), rel=1e-13)


def test_letters_that_occur_several_times(proven):
    """Clipped by its norm, a table's gradient is measured use by use, as TensorFlow does."""
    model = tagger("words", characters=READS)
    proven(model, inputs(), TAGS, optimizer=keras.optimizers.RMSprop(0.01, clipnorm=0.02))


def test_the_best_tags(randomized):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(V, D, mask_zero=True)(ids)
    model = randomized(keras.Model(ids, CRF(D)(x, decode=True)))
    for rows in (IDS, IDS * [[0], [1]]):
        np.testing.assert_array_equal(
            verify.twin(model).predict(rows), model.predict(rows, verbose=0)
        )


def test_a_planted_mistake_is_seen(randomized):
    model = randomized(tagger("words", characters=READS))
    with verify.planted(verify.find_mistake("character_cnn_padding_wins")):
        assert not verify.compare(model, inputs()).ok


def test_a_loss_that_the_twin_cannot_read_is_named():
    class Own(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.sum(y_pred)

    x = keras.Input((3,))
    model = Own(x, keras.layers.Dense(2)(x))
    model.compile("sgd")
    with pytest.raises(TypeError, match="Own computes its loss by a `compute_loss` of its own"):
        verify.twin(model).loss(np.ones((2, 3)), np.ones((2, 2)))
