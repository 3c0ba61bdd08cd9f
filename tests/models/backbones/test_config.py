"""Settings of the backbones: sizes and errors."""

import dataclasses

import pytest

from kerasllm.models import (
    RecurrentBackbone,
    RecurrentConfig,
    TransformerBackbone,
    TransformerConfig,
)

CONFIGS = (RecurrentConfig, TransformerConfig)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("name", ["tiny", "small", "base"])
def test_sizes_grow_and_can_be_changed(config, name):
    settings = config.of_size(name, 31)
    assert settings.vocabulary_size == 31
    assert config.of_size(name, 31, dropout=0.25, num_layers=9) == dataclasses.replace(
        settings, dropout=0.25, num_layers=9
    )
    widths = [config.of_size(size, 31).hidden_dim for size in ("tiny", "small", "base")]
    assert widths == sorted(set(widths))


@pytest.mark.parametrize("backbone", [RecurrentBackbone, TransformerBackbone])
@pytest.mark.parametrize("name", ["tiny", "small"])
def test_sizes_build(backbone, name):
    model = backbone.from_size(name, 31, dropout=0.1)
    assert model.settings == backbone.config_class.of_size(name, 31, dropout=0.1)
    assert model.output_shape == (None, None, model.settings.hidden_dim)
    assert model.hidden_dim == model.settings.hidden_dim
    assert model.causal


def test_the_number_of_weights_is_that_of_the_equations():
    config = TransformerConfig(31, 12, num_layers=2, num_heads=3, max_length=17)
    d, block = 12, (12 * 36 + 36) + (12 * 12 + 12) + (12 * 48 + 48) + (48 * 12 + 12) + 4 * 12
    assert TransformerBackbone(config).count_params() == (31 + 17) * d + 2 * block + 2 * d
    config = RecurrentConfig(31, 12, units=7, num_layers=2)
    lstm = 4 * 7 * (12 + 7 + 1) + 4 * 7 * (7 + 7 + 1)
    assert RecurrentBackbone(config).count_params() == 31 * 12 + lstm + 7 * 12 + 12


@pytest.mark.parametrize("config", CONFIGS)
def test_settings_are_frozen(config):
    with pytest.raises(dataclasses.FrozenInstanceError):
        config(31).num_layers = 3


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("field", ["vocabulary_size", "hidden_dim", "num_layers"])
@pytest.mark.parametrize("value", [0, -1, 2.0, "3", None, True])
def test_sizes_are_positive_integers(config, field, value):
    with pytest.raises(ValueError, match=f"{field} must be a positive integer, received"):
        config(**{"vocabulary_size": 31, field: value})


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("value", [-0.1, 1.0, 1, "a lot", None])
def test_dropout_is_a_share(config, value):
    with pytest.raises(ValueError, match=r"dropout must lie in \[0, 1\), received"):
        config(31, dropout=value)


@pytest.mark.parametrize(
    ("config", "wrong", "nearest"),
    [
        (RecurrentConfig, {"cell": "lstn"}, "lstm"),
        (RecurrentConfig, {"cell": "GRU"}, "gru"),
        (TransformerConfig, {"positions": "rotatory"}, "rotary"),
        (TransformerConfig, {"norm": "prenorm"}, "pre"),
        (TransformerConfig, {"activation": "gelu-tanh"}, "gelu_tanh"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(config, wrong, nearest):
    (field, value), *_ = wrong.items()
    message = rf"expected {field} among .*received '{value}'\. Did you mean '{nearest}'\?"
    with pytest.raises(ValueError, match=message):
        config(31, **wrong)


@pytest.mark.parametrize("config", CONFIGS)
def test_an_unknown_size_is_answered_with_the_nearest(config):
    with pytest.raises(ValueError, match=r"expected a size among .*Did you mean 'small'\?"):
        config.of_size("smal", 31)


@pytest.mark.parametrize("config", CONFIGS)
def test_an_unknown_setting_is_answered_with_the_nearest(config):
    with pytest.raises(ValueError, match=r"received 'num_layer'\. Did you mean 'num_layers'\?"):
        config.of_size("tiny", 31, num_layer=3)


def test_heads_share_the_features_evenly():
    with pytest.raises(ValueError, match="10 features cannot be shared evenly among num_heads=4"):
        TransformerConfig(31, 10, num_heads=4)
    with pytest.raises(ValueError, match="rotary positions need an even head size, it is 5"):
        TransformerConfig(31, 10, num_heads=2, positions="rotary")
    with pytest.raises(ValueError, match="inner_dim must be a positive integer, received 0"):
        TransformerConfig(31, inner_dim=0)
    with pytest.raises(ValueError, match="sinusoidal positions need an even"):
        TransformerConfig(31, 9, num_heads=3, positions="sinusoidal")


def test_segments_need_the_whole_text():
    with pytest.raises(ValueError, match="segments=2 need causal=False"):
        TransformerConfig(31, segments=2)
    assert TransformerConfig(31, segments=1).segments == 1
    assert TransformerConfig(31, segments=2, causal=False).segments == 2
    for value in (-1, 1.5, True, None):
        with pytest.raises(ValueError, match="segments must be 0 or a positive integer"):
            TransformerConfig(31, segments=value, causal=False)
