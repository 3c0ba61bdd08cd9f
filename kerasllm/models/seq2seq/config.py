"""Settings of the encoder-decoder models, one frozen dataclass each, and their sizes."""

from dataclasses import dataclass

from kerasllm.models.backbones.config import BackboneConfig, _check_choice, _check_size

# size: (recurrent settings, Transformer settings)
_SIZES = {
    "tiny": (
        {"hidden_dim": 64, "units": 64},
        {"hidden_dim": 64, "num_layers": 1, "num_heads": 2},
    ),
    "small": (
        {"hidden_dim": 256, "units": 256},
        {"hidden_dim": 256, "num_layers": 3, "num_heads": 4, "inner_dim": 512},
    ),
    "base": (
        {"hidden_dim": 512, "units": 512, "num_layers": 2},
        {"hidden_dim": 512, "num_layers": 6, "num_heads": 8, "inner_dim": 2048},
    ),
}
_CELLS = ("lstm", "gru")
_ATTENTIONS = ("bahdanau", "dot", "general", "concat")


class _Seq2SeqConfig(BackboneConfig):
    """What both kinds of settings can do."""

    sizes = _SIZES

    def __post_init__(self):
        super().__post_init__()
        if self.target_vocabulary_size is not None:
            _check_size("target_vocabulary_size", self.target_vocabulary_size)
        if self.copy and self.target_vocabulary_size is not None:
            raise ValueError(
                "copy=True says words of the source in the target, and so needs one vocabulary for "
                "both: leave target_vocabulary_size out, or set copy=False."
            )

    @property
    def output_size(self):
        """Return V of the target."""
        return self.target_vocabulary_size or self.vocabulary_size


@dataclass(frozen=True)
class RecurrentSeq2SeqConfig(_Seq2SeqConfig):
    """Settings of a `RecurrentSeq2Seq`.

    Attributes:
        vocabulary_size: V of the source, with the special tokens.
        target_vocabulary_size: V of the target; None for one vocabulary and one table for both.
        hidden_dim: width of the embeddings.
        units: of the decoder's cells; half of it each direction of the encoder.
        num_layers: depth of encoder and decoder.
        cell: "lstm" or "gru".
        attention: "bahdanau", "dot", "general" or "concat".
        copy: let the decoder copy words of the source.
        tied: score tokens by the target's embedding table.
        dropout: on embeddings and features, and between the encoder's layers.
    """

    size_column = 0

    vocabulary_size: "int"
    target_vocabulary_size: int | None = None
    hidden_dim: "int" = 256
    units: "int" = 256
    num_layers: "int" = 1
    cell: str = "lstm"
    attention: str = "bahdanau"
    copy: bool = False
    tied: bool = True
    dropout: float = 0.0

    def __post_init__(self):
        _check_choice("cell", self.cell, _CELLS)
        _check_choice("attention", self.attention, _ATTENTIONS)
        super().__post_init__()
        if self.units % 2:
            raise ValueError(
                f"units must be even, for the two directions of the encoder, received {self.units}."
            )


@dataclass(frozen=True)
class TransformerSeq2SeqConfig(_Seq2SeqConfig):
    """Settings of a `TransformerSeq2Seq`.

    Attributes:
        vocabulary_size: V of the source, with the special tokens.
        target_vocabulary_size: V of the target; None for one vocabulary and one table for both.
        hidden_dim: D.
        num_layers: blocks of the encoder, and of the decoder.
        num_heads: attention heads a block.
        inner_dim: width of the feed-forward networks; 4 D when None.
        max_length: longest source and target.
        positions: "sinusoidal", "learned", "rotary" or None.
        norm: "pre" or "post".
        activation: "relu", "gelu" or "gelu_tanh".
        copy: let the decoder copy words of the source.
        tied: score tokens by the target's embedding table.
        dropout: after the embeddings, the attentions and the feed-forward networks.
    """

    size_column = 1

    vocabulary_size: "int"
    target_vocabulary_size: int | None = None
    hidden_dim: "int" = 256
    num_layers: "int" = 3
    num_heads: "int" = 4
    inner_dim: int | None = None
    max_length: "int" = 256
    positions: str = "sinusoidal"
    norm: str = "pre"
    activation: str = "relu"
    copy: bool = False
    tied: bool = True
    dropout: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        if self.inner_dim is not None:
            _check_size("inner_dim", self.inner_dim)
        if self.hidden_dim % (2 * self.num_heads):
            raise ValueError(
                f"{self.hidden_dim} features cannot be shared evenly among "
                f"num_heads={self.num_heads}, an even number each: choose a hidden_dim that is a "
                "multiple of twice num_heads."
            )
