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
    "activation": ("gelu", "gelu_tanh", "relu", "swiglu"),
    "normalization": ("layer", "rms"),
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
    """Settings of a `TransformerBackbone`: those of a GPT-2, a BERT, a RoBERTa or a Llama.

        GPT-2     the defaults
        BERT      causal=False, norm="post", segments=2
        RoBERTa   causal=False, norm="post", segments=1
        Llama     positions="rotary", activation="swiglu", normalization="rms", use_bias=False

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
        activation: "gelu", "gelu_tanh", "relu" or "swiglu".
        dropout: after the embedding, the attention and the feed-forward networks.
        epsilon: of the norms.
        segments: segment embeddings (BERT's token types), 0 for none.
        separator: token id that ends a segment.
        score_pad: False where the embedding's row of the pad id was never trained.
        normalization: "layer" or "rms".
        use_bias: biases in attention and feed-forward networks.
        num_kv_heads: heads of keys and values, which groups of heads share; `num_heads` when None.
        key_dim: size of a head; `hidden_dim` / `num_heads` when None.
        rotary_base: of the angles of rotary positions.
        interleaved: rotary positions turn neighbouring features together, not the two halves.
        tied: the head of a language model is the embedding's own table.
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
    normalization: str = "layer"
    use_bias: bool = True
    num_kv_heads: int | None = None
    key_dim: int | None = None
    rotary_base: float = 10000.0
    interleaved: bool = False
    tied: bool = True

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
        for name in ("inner_dim", "num_kv_heads", "key_dim"):
            if getattr(self, name) is not None:
                _check_size(name, getattr(self, name))
        self._check_heads()
        if self.positions == "sinusoidal" and self.hidden_dim % 2:
            raise ValueError(
                f"sinusoidal positions need an even hidden_dim, received {self.hidden_dim}."
            )

    def _check_heads(self):
        if self.key_dim is None and self.hidden_dim % self.num_heads:
            raise ValueError(
                f"{self.hidden_dim} features cannot be shared evenly among "
                f"num_heads={self.num_heads}: choose a hidden_dim that is a multiple of num_heads."
            )
        if self.num_heads % self.groups:
            raise ValueError(
                f"num_heads={self.num_heads} cannot be shared evenly among "
                f"num_kv_heads={self.groups}: choose a divisor of num_heads."
            )
        if self.positions == "rotary" and self.head_size % 2:
            raise ValueError(f"rotary positions need an even head size, it is {self.head_size}.")
        base = self.rotary_base
        if isinstance(base, bool) or not isinstance(base, int | float) or not 0 < base < 1e30:
            raise ValueError(f"rotary_base must be a positive number, received {base!r}.")

    @property
    def head_size(self):
        """Return the size of a head's queries, keys and values."""
        return self.key_dim or self.hidden_dim // self.num_heads

    @property
    def groups(self):
        """Return how many heads of keys and values there are."""
        return self.num_kv_heads or self.num_heads
