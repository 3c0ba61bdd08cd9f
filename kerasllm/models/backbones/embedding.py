"""A backbone of word embeddings alone."""

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
    """

    vocabulary_size: "int"
    hidden_dim: "int" = 100
    dropout: float = 0.0

    @classmethod
    def of_size(cls, size, vocabulary_size, **overrides):
        """Return the settings of a size: the width of the recurrent ones."""
        hidden_dim = RecurrentConfig.of_size(size, vocabulary_size).hidden_dim
        return cls(**{"vocabulary_size": vocabulary_size, "hidden_dim": hidden_dim, **overrides})


@keras.saving.register_keras_serializable("kerasllm")
class EmbeddingBackbone(Backbone):
    """A vector for each word, whatever its neighbours: x = E[ids].

    Args:
        config: an `EmbeddingConfig`.

        >>> from keras import ops
        >>> backbone = EmbeddingBackbone(EmbeddingConfig(vocabulary_size=31, hidden_dim=7))
        >>> backbone(ops.convert_to_tensor([[6, 8, 0]])).shape
        TensorShape([1, 3, 7])
    """

    config_class = EmbeddingConfig

    def __init__(self, config, **kwargs):
        limit = (3 / config.hidden_dim) ** 0.5
        embedding = TokenEmbedding(
            config.vocabulary_size,
            config.hidden_dim,
            dropout=config.dropout,
            embeddings_initializer=keras.initializers.RandomUniform(-limit, limit),
            name="embedding",
        )
        ids = keras.Input((None,), dtype="int32", name="ids")
        super().__init__(ids, embedding(ids), **kwargs)
        self.settings = config

    def layer_groups(self):
        """Return the layers in groups from the bottom to the top, for gradual unfreezing."""
        return [[self.embedding]]
