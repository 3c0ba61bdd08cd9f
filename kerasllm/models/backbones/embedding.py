"""A backbone of embeddings alone, of tokens and of pairs of neighbours."""

from dataclasses import dataclass

import keras

from kerasllm.layers import TokenEmbedding
from kerasllm.models.backbones.backbone import Backbone
from kerasllm.models.backbones.config import BackboneConfig, RecurrentConfig


@dataclass(frozen=True)
class EmbeddingConfig(BackboneConfig):
    """Settings of an `EmbeddingBackbone`.

    Attributes:
        vocabulary_size: V, with the special tokens.
        hidden_dim: width of the embedding.
        dropout: after the embedding.
        pairs: rows of a table of pairs of neighbouring tokens; 0 for none.
        deviation: standard deviation of the first vectors; 1 / √hidden_dim when None.
    """

    vocabulary_size: "int"
    hidden_dim: "int" = 100
    dropout: float = 0.0
    pairs: int = 0
    deviation: float | None = None

    @classmethod
    def of_size(cls, size, vocabulary_size, **overrides):
        """Return the settings of a size: the width of the recurrent ones."""
        hidden_dim = RecurrentConfig.of_size(size, vocabulary_size).hidden_dim
        return cls(**{"vocabulary_size": vocabulary_size, "hidden_dim": hidden_dim, **overrides})


@keras.saving.register_keras_serializable("kerasllm")
class EmbeddingBackbone(Backbone):
    """A vector for each token, whatever its neighbours, or with the one before.

        x_t = E[id_t]  (+ G[row of (id_{t-1}, id_t)] with pairs; see `TokenEmbedding`)

    Args:
        config: an `EmbeddingConfig`.

        >>> from keras import ops
        >>> backbone = EmbeddingBackbone(EmbeddingConfig(vocabulary_size=31, hidden_dim=7))
        >>> backbone(ops.convert_to_tensor([[6, 8, 0]])).shape
        TensorShape([1, 3, 7])
    """

    config_class = EmbeddingConfig

    def __init__(self, config, **kwargs):
        limit = 3**0.5 * (config.deviation or config.hidden_dim**-0.5)
        embedding = TokenEmbedding(
            config.vocabulary_size,
            config.hidden_dim,
            dropout=config.dropout,
            embeddings_initializer=keras.initializers.RandomUniform(-limit, limit),
            pairs=config.pairs,
            name="embedding",
        )
        ids = keras.Input((None,), dtype="int32", name="ids")
        super().__init__(ids, embedding(ids), **kwargs)
        self.settings = config

    def layer_groups(self):
        """Return the layers in groups from the bottom to the top, for gradual unfreezing."""
        return [[self.embedding]]
