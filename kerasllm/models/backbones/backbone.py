"""Backbones: token ids (B, T) to features (B, T, D).

A backbone is a functional Keras model. It can also be driven step by step, for generating text:
`state = backbone.initial_state(B, max_length)`, then `features, state = backbone.step(ids, state,
start)`, where the state is that of the recurrent layers or the keys and values seen so far.
"""

import dataclasses

import keras


class Backbone(keras.Model):
    """What all backbones share: settings, sizes, features by layer."""

    def __init__(self, inputs, outputs, name=None, trainable=None):
        # Keras drops what it does not know: a mistyped option must not be lost.
        super().__init__(inputs, outputs, name=name, trainable=trainable)

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
    def from_size(cls, size, vocabulary_size, **overrides):
        """Return an untrained backbone of the size "tiny", "small" or "base"."""
        return cls(cls.config_class.of_size(size, vocabulary_size, **overrides))

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
