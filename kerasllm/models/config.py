"""Settings of the backbones, one frozen dataclass each, and their presets."""

import dataclasses
from dataclasses import dataclass

from kerasllm.text.errors import nearest

# preset: (recurrent settings, Transformer settings)
_PRESETS = {
    "tiny": (
        {"hidden_dim": 64, "units": 64, "num_layers": 1},
        {"hidden_dim": 64, "num_layers": 2, "num_heads": 2},
    ),
    "small": (
        {"hidden_dim": 128, "units": 256, "num_layers": 1},
        {"hidden_dim": 128, "num_layers": 4, "num_heads": 4},
    ),
    "base": (
        {"hidden_dim": 512, "units": 512, "num_layers": 2},
        {"hidden_dim": 384, "num_layers": 6, "num_heads": 6},
    ),
}


class _Config:
    """What both kinds of settings can do."""

    @classmethod
    def preset(cls, name, vocabulary_size, **overrides):
        """Return the settings called `name`, for a vocabulary, with some of them replaced."""
        if name not in _PRESETS:
            raise ValueError(
                f"expected a preset among {sorted(_PRESETS)}, received {name!r}."
                + nearest(name, _PRESETS)
            )
        settings = _PRESETS[name][cls.preset_column]
        return cls(**{"vocabulary_size": vocabulary_size, **settings, **overrides})

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{field.name} must be a positive integer, received {value!r}.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), received {self.dropout!r}.")


@dataclass(frozen=True)
class RecurrentConfig(_Config):
    """Settings of a `RecurrentBackbone`.

    Attributes:
        vocabulary_size: V, with the special tokens.
        hidden_dim: width of the embedding.
        units: H of each recurrent layer and direction.
        num_layers: depth.
        cell: "lstm", "gru" or "simple".
        bidirectional: read in both directions (not for a causal language model).
        residual: add each layer's input to its output.
        project: map the last features back to `hidden_dim`, which ties input and output tables.
        dropout: after the embedding and between the layers.
    """

    preset_column = 0

    vocabulary_size: "int"
    hidden_dim: "int" = 128
    units: "int" = 256
    num_layers: "int" = 1
    cell: str = "lstm"
    bidirectional: bool = False
    residual: bool = False
    project: bool = True
    dropout: float = 0.0


@dataclass(frozen=True)
class TransformerConfig(_Config):
    """Settings of a `TransformerBackbone`.

    Attributes:
        vocabulary_size: V, with the special tokens.
        hidden_dim: D.
        num_layers: blocks.
        num_heads: attention heads a block.
        inner_dim: width of the feed-forward networks; 4 D when None.
        max_length: longest text.
        causal: each position sees only the past (a GPT); False for an encoder (a BERT).
        positions: "learned", "sinusoidal" or "rotary".
        norm: "pre" or "post".
        activation: "gelu", "gelu_tanh" or "relu".
        dropout: after the embedding, the attention and the feed-forward networks.
    """

    preset_column = 1

    vocabulary_size: "int"
    hidden_dim: "int" = 128
    num_layers: "int" = 4
    num_heads: "int" = 4
    inner_dim: int | None = None
    max_length: "int" = 512
    causal: bool = True
    positions: str = "learned"
    norm: str = "pre"
    activation: str = "gelu"
    dropout: float = 0.0
