"""A backbone of embedding, positions and Transformer blocks."""

import keras

from kerasllm.layers import TokenEmbedding, TransformerEncoder
from kerasllm.layers.attention.transformer import normalizing
from kerasllm.models.backbones.backbone import Backbone
from kerasllm.models.backbones.config import TransformerConfig


@keras.saving.register_keras_serializable("kerasllm")
class TransformerBackbone(Backbone):
    """Embedding, positions and Transformer blocks; causal by default.

        x = E[ids] + P;  x = block_l(x), l = 1 … L;  features = norm(x)   (norm="pre")

    Args:
        config: a `TransformerConfig`.
        packed: whether a row may hold several texts, a pad between two of them; see
            `TokenEmbedding`. A saved model does not keep it.

        >>> from keras import ops
        >>> backbone = TransformerBackbone.from_size("tiny", vocabulary_size=31)
        >>> backbone(ops.convert_to_tensor([[3, 4, 0]])).shape
        TensorShape([1, 3, 64])
    """

    config_class = TransformerConfig

    def __init__(self, config, packed=False, **kwargs):
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
            tied=config.tied,
            packed=packed,
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
                normalization=config.normalization,
                use_bias=config.use_bias,
                num_kv_heads=config.num_kv_heads,
                key_dim=config.key_dim,
                rotary_base=config.rotary_base,
                interleaved=config.interleaved,
                name=f"block_{number}",
            )
            for number in range(config.num_layers)
        ]
        # Pre-norm blocks leave their sum unnormalised; post-norm blocks embed unnormalised sums.
        norm = normalizing(config.normalization, epsilon=config.epsilon, name="norm")
        # === Functional model ===
        ids = keras.Input((None,), dtype="int32", name="ids")
        x = embedding(ids)
        if config.norm == "post":
            x = norm(x)
        for block in blocks:
            x = block(x)
        super().__init__(ids, norm(x) if config.norm == "pre" else x, **kwargs)
        # === Config ===
        self.settings, self.packed = config, packed

    @property
    def blocks(self):
        """Return the Transformer blocks from the bottom to the top."""
        return [self.get_layer(f"block_{n}") for n in range(self.settings.num_layers)]

    def packing(self):
        """Return a copy whose rows may hold several texts, a pad between two; none sees another."""
        made = TransformerBackbone(self.settings, packed=True)
        made.set_weights(self.get_weights())
        return made

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
