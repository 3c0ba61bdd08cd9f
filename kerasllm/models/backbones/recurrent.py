"""A backbone of embedding and recurrent layers."""

import keras
from keras import ops

from kerasllm.layers import StackedRNN, TokenEmbedding
from kerasllm.models.backbones.backbone import Backbone
from kerasllm.models.backbones.config import RecurrentConfig


@keras.saving.register_keras_serializable("kerasllm")
class RecurrentBackbone(Backbone):
    """Embedding and a stack of recurrent layers.

        x = E[ids];  h = stack(x);  features = h W + b  (project=True)

    Args:
        config: a `RecurrentConfig`.

        >>> backbone = RecurrentBackbone.from_size("tiny", vocabulary_size=31)
        >>> backbone(ops.convert_to_tensor([[3, 4, 0]])).shape
        TensorShape([1, 3, 64])
    """

    config_class = RecurrentConfig

    def __init__(self, config, **kwargs):
        # === Layers ===
        embedding = TokenEmbedding(
            config.vocabulary_size, config.hidden_dim, dropout=config.dropout, name="embedding"
        )
        stack = StackedRNN(
            config.units,
            config.num_layers,
            config.cell,
            bidirectional=config.bidirectional,
            dropout=config.dropout,
            residual=config.residual,
            name="stack",
        )
        # === Functional model ===
        ids = keras.Input((None,), dtype="int32", name="ids")
        features = stack(embedding(ids))
        if config.project:
            features = keras.layers.Dense(config.hidden_dim, name="projection")(features)
        super().__init__(ids, features, **kwargs)
        # === Config ===
        self.settings = config

    def initial_state(self, batch_size, _max_length=None):
        """Return the recurrent states before the first token."""
        return self.get_layer("stack").initial_state(batch_size)

    def step(self, ids, state, start=0):  # noqa: ARG002 - a recurrent state knows its position
        """Return features (B, T, D) of the next tokens (B, T) and the new state.

        Padding leaves the state as it is, but for a single token, which is always real.
        """
        mask = ops.not_equal(ids, 0) if ids.shape[1] > 1 else None
        x, state = self.get_layer("stack")(
            self.embedding(ids), mask=mask, initial_state=state, return_state=True
        )
        return (self.get_layer("projection")(x) if self.settings.project else x), state

    def layer_groups(self):
        """Return the layers in groups from the bottom to the top, for gradual unfreezing."""
        top = [self.get_layer("projection")] if self.settings.project else []
        stack = self.get_layer("stack").layers
        return [[self.embedding], *[[layer] for layer in stack[:-1]], [stack[-1], *top]]
