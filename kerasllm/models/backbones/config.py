"""Settings of the backbones, one frozen dataclass each, and their sizes."""

import dataclasses
from dataclasses import dataclass

from kerasllm.text import SEP
from kerasllm.utils.errors import nearest

# size: (recurrent settings, Transformer settings)
_SIZES = {
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


_CHOICES = {
    "cell": ("lstm", "gru", "simple"),
    "positions": ("learned", "sinusoidal", "rotary", None),
    "norm": ("pre", "post"),
    "activation": ("gelu", "gelu_tanh", "relu"),
}


_DEEPEST = 1000  # layers, each of which takes time to build, whatever its size


def _check_choice(what, value, choices):
    if value not in choices:
        raise ValueError(
            f"expected {what} among {choices}, received {value!r}."
            + nearest(value, [choice for choice in choices if choice])
        )


def _check_size(name, value):
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a positive integer, received {value!r}.")
    if name == "num_layers" and value > _DEEPEST:
        raise ValueError(f"num_layers must be {_DEEPEST} at most, received {value}.")


class BackboneConfig:
    """What all settings can do: their sizes, and their checks.

    Attributes:
        sizes: {size: settings of each kind}.
        size_column: which of them are this kind's.
    """

    sizes = _SIZES

    @classmethod
    def of_size(cls, size, vocabulary_size, **overrides):
        """Return the settings of a size, for a vocabulary, with some of them replaced."""
        _check_choice("a size", size, tuple(cls.sizes))
        for key in overrides:
            _check_choice("a setting", key, tuple(f.name for f in dataclasses.fields(cls)))
        settings = cls.sizes[size][cls.size_column]
        return cls(**{"vocabulary_size": vocabulary_size, **settings, **overrides})

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type == "int":
                _check_size(field.name, value)
            if field.name in _CHOICES:
                _check_choice(field.name, value, _CHOICES[field.name])
        if not isinstance(self.dropout, int | float) or not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must lie in [0, 1), received {self.dropout!r}.")


@dataclass(frozen=True)
class RecurrentConfig(BackboneConfig):
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

    size_column = 0

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
class TransformerConfig(BackboneConfig):
    """Settings of a `TransformerBackbone`; the last four fit checkpoints from elsewhere.

    Attributes:
        vocabulary_size: V, with the special tokens.
        hidden_dim: D.
        num_layers: blocks.
        num_heads: attention heads a block.
        inner_dim: width of the feed-forward networks; 4 D when None.
        max_length: longest text.
        causal: each position sees only the past (a GPT); False for an encoder (a BERT).
        positions: "learned", "sinusoidal", "rotary" or None.
        norm: "pre" or "post".
        activation: "gelu", "gelu_tanh" or "relu".
        dropout: after the embedding, the attention and the feed-forward networks.
        epsilon: of the layer norms.
        segments: segment embeddings (BERT's token types), 0 for none.
        separator: token id that ends a segment.
        score_pad: False where the embedding's row of the pad id was never trained.
    """

    size_column = 1

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
    epsilon: float = 1e-5
    segments: int = 0
    separator: int = SEP
    score_pad: bool = True

    def __post_init__(self):
        super().__post_init__()
        if type(self.segments) is not int or self.segments < 0:
            raise ValueError(
                f"segments must be 0 or a positive integer, received {self.segments!r}."
            )
        if self.segments > 1 and self.causal:
            raise ValueError(
                f"segments={self.segments} need causal=False: a text that is read token by token "
                "does not know how many separators came before."
            )
        if self.inner_dim is not None:
            _check_size("inner_dim", self.inner_dim)
        if self.hidden_dim % self.num_heads:
            raise ValueError(
                f"{self.hidden_dim} features cannot be shared evenly among "
                f"num_heads={self.num_heads}: choose a hidden_dim that is a multiple of num_heads."
            )
        head = self.hidden_dim // self.num_heads
        if self.positions == "rotary" and head % 2:
            raise ValueError(f"rotary positions need an even head size, it is {head}.")
        if self.positions == "sinusoidal" and self.hidden_dim % 2:
            raise ValueError(
                f"sinusoidal positions need an even hidden_dim, received {self.hidden_dim}."
            )
