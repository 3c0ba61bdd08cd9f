"""The tagger: what it reads, its loss, and the tags that it gives."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasllm.models.backbones.embedding import EmbeddingBackbone, EmbeddingConfig
from kerasllm.models.tagging.token_tagger import GatherWords, TokenTagger
from kerasllm.reference.sequence.crf import crf, crf_viterbi

TAGS, LETTERS = 5, 11
POSITIONS = np.array([[1, 2, 4, 6], [1, 3, -1, -1]], "int32")
IDS = np.array([[2, 9, 7, 8, 7, 6, 12, 3], [2, 9, 7, 20, 3, 0, 0, 0]], "int32")
TARGETS = np.array([[1, 5, 2, 3], [4, 1, 0, 0]], "int32")
REAL = TARGETS > 0


def words(rng):
    letters = rng.integers(1, LETTERS, (2, 4, 6)) * REAL[..., None]
    letters[0, 1, 2:] = 0
    return {"ids": IDS, "positions": POSITIONS, "characters": letters.astype("int32")}


def make(backbone, rng, **options):
    options = {"characters": {"num_characters": LETTERS, "filters": 3}, "units": 4} | options
    tagger = TokenTagger(backbone, TAGS, **options)
    tagger.set_weights([rng.normal(scale=0.6, size=w.shape) for w in tagger.get_weights()])
    return tagger


@pytest.mark.backends
def test_features_are_those_of_the_first_pieces(rng, numpy):
    x = rng.normal(size=(2, 8, 3)).astype("float32")
    layer = GatherWords()
    y = layer([ops.convert_to_tensor(x), POSITIONS])
    for row, place in zip(*np.nonzero(REAL), strict=True):
        assert np.array_equal(numpy(y)[row, place], x[row, POSITIONS[row, place]])
    assert np.array_equal(numpy(layer.compute_mask([x, POSITIONS])), REAL)


@pytest.mark.backends
@pytest.mark.parametrize("head", ["crf", "softmax"])
def test_the_loss_is_nats_per_word_and_the_tags_are_the_best(head, make_backbone, rng, numpy):
    tagger, x = make(make_backbone("bert"), rng, head=head), words(rng)
    y_pred = tagger(x)
    loss = numpy(tagger.compute_loss(y=ops.convert_to_tensor(TARGETS), y_pred=y_pred))
    e, tags = numpy(y_pred), np.maximum(TARGETS - 1, 0)
    if head == "crf":
        weights = tagger.get_layer("crf").get_weights()
        nats = -crf(e, tags, *weights, mask=REAL)[0].sum()
        best = crf_viterbi(e, *weights, mask=REAL)[0]
    else:
        log_p = e - np.log(np.exp(e).sum(axis=-1, keepdims=True))
        nats = -sum(log_p[row, word, tags[row, word]] for row, word in np.argwhere(REAL))
        best = e.argmax(axis=-1) * REAL
    assert loss == pytest.approx(nats / REAL.sum(), rel=1e-4)
    assert np.array_equal(tagger.decoder.predict_on_batch(x), best)


def test_weights_of_sentences_count_their_words(make_backbone, rng):
    tagger = make(make_backbone("bert"), rng)
    y, y_pred = ops.convert_to_tensor(TARGETS), tagger(words(rng))
    both, first, second = (
        float(tagger.compute_loss(y=y, y_pred=y_pred, sample_weight=ops.convert_to_tensor(w)))
        for w in ([1.0, 1.0], [1.0, 0.0], [0.0, 1.0])
    )
    assert both == pytest.approx((4 * first + 2 * second) / 6, rel=1e-5)


@pytest.mark.backends
@pytest.mark.parametrize("name", ["bert", "birnn", "words"])
def test_padding_changes_no_emission(name, make_backbone, rng, numpy):
    backbone = EmbeddingBackbone(EmbeddingConfig(23, 6)) if name == "words" else make_backbone(name)
    tagger, x = make(backbone, rng), words(rng)
    together = numpy(tagger(x))[1, :2]
    alone = {
        "ids": IDS[1:, :5],
        "positions": POSITIONS[1:, :2],
        "characters": x["characters"][1:, :2],
    }
    assert np.abs(numpy(tagger(alone))[0] - together).max() < 1e-5


@pytest.mark.backends
@pytest.mark.parametrize("head", ["crf", "softmax"])
def test_learns_and_survives_saving(head, rng, tmp_path):
    forbidden = [(0, 0)] if head == "crf" else None
    backbone = EmbeddingBackbone(EmbeddingConfig(23, 6))
    tagger = make(backbone, rng, head=head, forbidden=forbidden, dropout=0.0)
    jit = "auto" if keras.backend.backend() == "jax" else False
    tagger.compile(keras.optimizers.Adam(0.05), jit_compile=jit)
    x, before = words(rng), tagger.get_weights()
    tagger.fit(x, TARGETS, epochs=40, verbose=0)
    tags = tagger.decoder.predict_on_batch(x)
    assert np.array_equal((tags + 1) * REAL, TARGETS)
    assert all(not np.array_equal(a, b) for a, b in zip(before, tagger.get_weights(), strict=True))
    tagger.save(tmp_path / "tagger.keras")
    again = keras.saving.load_model(tmp_path / "tagger.keras", compile=False)
    assert np.array_equal(again.decoder.predict_on_batch(x), tags)
    assert again.get_config() == tagger.get_config()
    assert type(again.backbone) is EmbeddingBackbone and again.backbone.hidden_dim == 6


def test_without_spelling_and_bilstm_only_ids_and_positions_are_read(make_backbone, rng, numpy):
    tagger = TokenTagger(make_backbone("bert"), TAGS)
    assert set(tagger.input) == {"ids", "positions"}
    assert {layer.name for layer in tagger.layers} >= {"gather", "tags", "crf"}
    assert not {"words", "spelling"} & {layer.name for layer in tagger.layers}


def test_presets_of_the_embeddings():
    assert EmbeddingBackbone.from_size("tiny", 31).hidden_dim == 64
    assert (
        EmbeddingBackbone.from_size("tiny", 31, hidden_dim=5).layer_groups()[0][0].hidden_dim == 5
    )


def test_an_unknown_head_is_refused(make_backbone):
    with pytest.raises(ValueError, match=r"head must be one of .* received 'cfr'"):
        TokenTagger(make_backbone("bert"), TAGS, head="cfr")
