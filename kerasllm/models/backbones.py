"""Backbones: token ids (B, T) to features (B, T, D).

A backbone is a functional Keras model. It can also be driven step by step, for generating text:
`state = backbone.initial_state(B, max_length)`, then `features, state = backbone.step(ids, state,
start)`, where the state is that of the recurrent layers or the keys and values seen so far.
"""

import dataclasses

import keras
from keras import ops

from kerasllm.layers import StackedRNN, TokenEmbedding, TransformerEncoder
from kerasllm.models.config import RecurrentConfig, TransformerConfig


class _Backbone(keras.Model):
    """What both backbones share: configuration and presets."""

    def get_config(self):
        """Return the settings that rebuild this backbone."""
        config = dataclasses.asdict(self.settings)
        return {**config, "name": self.name, "trainable": self.trainable}

    @classmethod
    def from_config(cls, config, custom_objects=None):  # noqa: ARG003 - Keras passes it
        """Rebuild a backbone from its settings."""
        config = dict(config)
        model = {key: config.pop(key) for key in ("name", "trainable") if key in config}
        return cls(cls.config_class(**config), **model)

    @classmethod
    def from_preset(cls, name, vocabulary_size, **overrides):
        """Return an untrained backbone of the preset "tiny", "small" or "base"."""
        return cls(cls.config_class.preset(name, vocabulary_size, **overrides))

    @property
    def hidden_dim(self):
        """Return D, the width of the features."""
        return self.output.shape[-1]

    @property
    def embedding(self):
        """Return the token embedding."""
        return self.get_layer("embedding")

    def features(self, layer=-1):
        """Return the symbolic features of a layer: 0 the embeddings, -1 the top.

        Raises:
            ValueError: for a layer that the backbone does not have.
        """
        outputs = [self.embedding.output, *self._layer_outputs(), self.output]
        if layer not in range(-len(outputs), len(outputs)):
            raise ValueError(
                f"expected layer from 0 (the embeddings) to {len(outputs) - 1} (the top) or -1, "
                f"received {layer}."
            )
        return outputs[layer]

    def _layer_outputs(self):
        """Return the outputs between the embeddings and the top."""
        return []

    @property
    def causal(self):
        """Return whether features at t depend on tokens up to t only."""
        settings = self.settings
        return getattr(settings, "causal", not getattr(settings, "bidirectional", False))


@keras.saving.register_keras_serializable("kerasllm")
class RecurrentBackbone(_Backbone):
    """Embedding and a stack of recurrent layers.

        x = E[ids];  h = stack(x);  features = h W + b  (project=True)

    Args:
        config: a `RecurrentConfig`.

        >>> backbone = RecurrentBackbone.from_preset("tiny", vocabulary_size=31)
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


@keras.saving.register_keras_serializable("kerasllm")
class TransformerBackbone(_Backbone):
    """Embedding, positions and Transformer blocks; causal by default.

        x = E[ids] + P;  x = block_l(x), l = 1 … L;  features = norm(x)   (norm="pre")

    Args:
        config: a `TransformerConfig`.

        >>> backbone = TransformerBackbone.from_preset("tiny", vocabulary_size=31)
        >>> backbone(ops.convert_to_tensor([[3, 4, 0]])).shape
        TensorShape([1, 3, 64])
    """

    config_class = TransformerConfig

    def __init__(self, config, **kwargs):
        # === Layers ===
        embedding = TokenEmbedding(
            config.vocabulary_size,
            config.hidden_dim,
            config.max_length,
            config.positions,
            config.dropout,
            segments=config.segments,
            separator=config.separator,
            score_pad=config.score_pad,
            name="embedding",
        )
        blocks = [
            TransformerEncoder(
                config.num_heads,
                config.inner_dim,
                causal=config.causal,
                rotary=config.positions == "rotary",
                norm=config.norm,
                activation=config.activation,
                dropout=config.dropout,
                epsilon=config.epsilon,
                name=f"block_{number}",
            )
            for number in range(config.num_layers)
        ]
        # Pre-norm blocks leave their sum unnormalised; post-norm blocks embed unnormalised sums.
        norm = keras.layers.LayerNormalization(epsilon=config.epsilon, name="norm")
        # === Functional model ===
        ids = keras.Input((None,), dtype="int32", name="ids")
        x = embedding(ids)
        if config.norm == "post":
            x = norm(x)
        for block in blocks:
            x = block(x)
        super().__init__(ids, norm(x) if config.norm == "pre" else x, **kwargs)
        # === Config ===
        self.settings = config

    @property
    def blocks(self):
        """Return the Transformer blocks from the bottom to the top."""
        return [self.get_layer(f"block_{n}") for n in range(self.settings.num_layers)]

    def _layer_outputs(self):
        return [block.output for block in self.blocks[:-1]]

    def initial_state(self, batch_size, max_length=None):
        """Return empty keys and values for `max_length` positions, a pair for each block."""
        length = max_length or self.settings.max_length
        return [block.attention.initial_cache(batch_size, length) for block in self.blocks]

    def step(self, ids, state, start=0):
        """Return features (B, T, D) of the tokens at `start` (B, T) and the new state."""
        norm, new = self.get_layer("norm"), []
        x = self.embedding(ids, start=start)
        if self.settings.norm == "post":
            x = norm(x)
        for block, cache in zip(self.blocks, state, strict=True):
            x, cache = block(x, cache=cache, start=start)
            new.append(cache)
        return (norm(x) if self.settings.norm == "pre" else x), new

    def layer_groups(self):
        """Return the layers in groups from the bottom to the top, for gradual unfreezing."""
        blocks, norm = self.blocks, self.get_layer("norm")
        if self.settings.norm == "post":
            return [[self.embedding, norm], *[[block] for block in blocks]]
        return [[self.embedding], *[[block] for block in blocks[:-1]], [blocks[-1], norm]]
