"""Backbones: padding, steps, saving, groups of layers."""

import itertools

import keras
import numpy as np
import pytest

CAUSAL = (
    "simple", "lstm", "lstm-untied", "gru-residual",
    "gpt", "gpt-post", "gpt-rotary", "gpt-sinusoidal", "llama",
)  # fmt: skip
READS_ALL = ("bert", "birnn")
every_backbone = pytest.mark.parametrize("name", [*CAUSAL, *READS_ALL])


@pytest.mark.backends
@every_backbone
def test_padding_changes_no_feature(name, make_backbone, ids, numpy):
    backbone = make_backbone(name)
    features = numpy(backbone(ids))
    assert features.shape == (*ids.shape, backbone.hidden_dim)
    for row, length in enumerate((ids != 0).sum(axis=1)):
        alone = numpy(backbone(ids[row : row + 1, :length]))[0]
        assert np.abs(features[row, :length] - alone).max() < 1e-5


@every_backbone
def test_only_a_causal_backbone_ignores_the_future(name, make_backbone, ids, numpy):
    backbone = make_backbone(name)
    other = ids.copy()
    other[0, 4:] = 29 - other[0, 4:]
    same = np.abs(numpy(backbone(ids)) - numpy(backbone(other)))[0]
    assert same[4:].max() > 1e-3
    assert backbone.causal is (name in CAUSAL)
    assert (same[:4].max() < 1e-6) == backbone.causal


@pytest.mark.backends
@pytest.mark.parametrize("pieces", [(1,) * 7, (3, 1, 3)], ids=["singly", "3-1-3"])
@pytest.mark.parametrize("name", CAUSAL)
def test_step_by_step_gives_the_features_of_the_whole(name, pieces, make_backbone, rng, numpy):
    backbone = make_backbone(name)
    ids = rng.integers(6, 23, (3, 7)).astype("int32")
    state, parts = backbone.initial_state(3, 11), []
    for start, end in itertools.pairwise(np.cumsum([0, *pieces])):
        y, state = backbone.step(ids[:, start:end], state, start=int(start))
        parts.append(numpy(y))
    assert np.abs(np.concatenate(parts, axis=1) - numpy(backbone(ids))).max() < 1e-5


@every_backbone
def test_saved_and_loaded(name, make_backbone, ids, numpy, tmp_path):
    backbone = make_backbone(name)
    backbone.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.settings == backbone.settings
    assert loaded.get_config() == backbone.get_config()
    assert np.array_equal(numpy(loaded(ids)), numpy(backbone(ids)))


@every_backbone
def test_groups_hold_every_weight_once_from_the_bottom_to_the_top(name, make_backbone):
    backbone = make_backbone(name)
    groups = backbone.layer_groups()
    weights = [id(w) for group in groups for layer in group for w in layer.weights]
    assert len(weights) == len(set(weights))
    assert set(weights) == {id(w) for w in backbone.weights}
    assert groups[0][0] is backbone.embedding
    assert len(groups) == 1 + backbone.settings.num_layers


def test_a_frozen_backbone_is_loaded_frozen(make_backbone, tmp_path):
    backbone = make_backbone("gpt")
    backbone.trainable = False
    backbone.save(tmp_path / "model.keras")
    assert not keras.saving.load_model(tmp_path / "model.keras").trainable_weights


def test_settings_reach_the_layers(make_backbone):
    block = make_backbone("gpt-post", dropout=0.3).blocks[1]
    settings = block.get_config()
    assert settings["norm"] == "post"
    assert settings["activation"] == "relu"
    assert settings["inner_dim"] == 5
    assert settings["dropout"] == 0.3
    assert settings["causal"]
    assert make_backbone("gpt-rotary").blocks[0].attention.rotary
    assert not make_backbone("gpt").blocks[0].attention.rotary
    assert make_backbone("gpt", dropout=0.3).embedding.dropout.rate == 0.3
    backbone = make_backbone("bert", epsilon=1e-3, segments=3, separator=7, score_pad=False)
    assert backbone.blocks[1].get_config()["epsilon"] == 1e-3
    assert backbone.get_layer("norm").epsilon == 1e-3
    embedding = backbone.embedding.get_config()
    assert (embedding["segments"], embedding["separator"], embedding["score_pad"]) == (3, 7, False)
    stack = make_backbone("lstm", dropout=0.3).get_layer("stack")
    assert stack.dropout == 0.3
    assert make_backbone("gru-residual").get_layer("stack").residual


def test_a_text_longer_than_the_context_is_refused(make_backbone):
    with pytest.raises(ValueError, match="5 tokens is longer than max_length=4"):
        make_backbone("gpt", max_length=4)(np.full((1, 5), 7))
