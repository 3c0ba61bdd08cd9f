"""What the encoder-decoder backbones share.

Inputs {"source": (B, S), "target": (B, T) beginning with <bos>} give {"features": (B, T, D) of the
target, "attention": (B, T, S)}: how much each target position looked at each source position.
"""

import keras
from keras import ops

from kerasllm.layers import TokenEmbedding
from kerasllm.models.backbones.backbone import Backbone


class EncoderDecoder(Backbone):
    """A source text and the beginning of a target to the target's features.

    A subclass says which layers it has (`make_layers`) and how they are called: `read` the source,
    `write` the target. Both are given `get`, which finds a layer by its name.

    Args:
        config: of the subclass's `config_class`.
    """

    causal = True  # the target's features at t depend on its tokens up to t only

    def __init__(self, config, **kwargs):
        # === Layers ===
        get = {layer.name: layer for layer in self.make_layers(config)}.__getitem__
        # === Functional model ===
        source = keras.Input((None,), dtype="int32", name="source")
        target = keras.Input((None,), dtype="int32", name="target")
        features, attention = self.write(config, get, target, self.read(config, get, source))
        inputs = {"source": source, "target": target}
        super().__init__(inputs, {"features": features, "attention": attention}, **kwargs)
        # === Config ===
        self.settings = config

    @property
    def hidden_dim(self):
        """Return D, the width of the target's features."""
        return self.output["features"].shape[-1]

    @property
    def target_embedding(self):
        """Return the table of the target's tokens."""
        return self.get_layer(target_name(self.settings))

    def encode(self, source):
        """Return what the decoder needs to know of the source ids (B, S)."""
        source = ops.convert_to_tensor(source, dtype="int32")
        return {"features": self.read(self.settings, self.get_layer, source), "source": source}

    def attention(self, source, target):
        """Return how much each target position looks at each source position, (B, T, S)."""
        memory = self.encode(source)["features"]
        target = ops.convert_to_tensor(target, dtype="int32")
        return self.write(self.settings, self.get_layer, target, memory)[1]

    def _embeddings(self):
        names = dict.fromkeys(("embedding", target_name(self.settings)))
        return [self.get_layer(name) for name in names]


def target_name(config):
    """Return the name of the target's embedding: the source's own where they share a vocabulary."""
    return "embedding" if config.target_vocabulary_size is None else "target_embedding"


def embeddings(config, *options):
    """Return the table of the source, and that of the target where it is another one."""
    # Of this deviation, features of size 1 give logits of size 1, whatever the width.
    start = keras.initializers.RandomNormal(stddev=config.hidden_dim**-0.5)
    sizes = {"embedding": config.vocabulary_size, target_name(config): config.output_size}
    return [
        TokenEmbedding(
            size, config.hidden_dim, *options, dropout=config.dropout, name=name,
            embeddings_initializer=start,
        )
        for name, size in sizes.items()
    ]  # fmt: skip
