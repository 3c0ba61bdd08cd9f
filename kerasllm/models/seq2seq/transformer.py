"""The Transformer as it was first published: encoder and decoder."""

import keras
from keras import ops

from kerasllm.layers import TransformerEncoder
from kerasllm.layers.attention.transformer_decoder import TransformerDecoder
from kerasllm.models.seq2seq.backbone import EncoderDecoder, embeddings, target_name
from kerasllm.models.seq2seq.config import TransformerSeq2SeqConfig


@keras.saving.register_keras_serializable("kerasllm")
class TransformerEncoderDecoder(EncoderDecoder):
    """An encoder that reads the whole source, and a decoder that reads it at every block.

        m        = norm(blocks(E[source] + P))
        h        = norm(decoder blocks(E'[target] + P, m))

    The attention is the cross-attention of the last block, the mean of its heads.

    Args:
        config: a `TransformerSeq2SeqConfig`.

    Inputs, outputs: see `EncoderDecoder`.

    Source: Vaswani et al. 2017.

        >>> from keras import ops
        >>> backbone = TransformerEncoderDecoder.from_size("tiny", vocabulary_size=31)
        >>> source, target = ops.convert_to_tensor([[7, 8, 0]]), ops.convert_to_tensor([[2, 9]])
        >>> backbone({"source": source, "target": target})["features"].shape
        TensorShape([1, 2, 64])
    """

    config_class = TransformerSeq2SeqConfig

    @staticmethod
    def make_layers(config):
        """Return the layers below the head."""
        c = config
        options = {
            "inner_dim": c.inner_dim, "rotary": c.positions == "rotary", "norm": c.norm,
            "activation": c.activation, "dropout": c.dropout,
        }  # fmt: skip
        layers = embeddings(c, c.max_length, c.positions)
        for n in range(c.num_layers):
            layers.append(TransformerEncoder(c.num_heads, name=f"encoder_{n}", **options))
            layers.append(TransformerDecoder(c.num_heads, name=f"decoder_{n}", **options))
        if c.norm == "pre":  # whose blocks leave their sum unnormalised
            layers += [
                keras.layers.LayerNormalization(epsilon=1e-5, name=f"{side}_norm")
                for side in ("encoder", "decoder")
            ]
        return layers

    @staticmethod
    def read(config, get, source):
        """Return the features of the source (B, S, D)."""
        x = get("embedding")(source)
        for n in range(config.num_layers):
            x = get(f"encoder_{n}")(x)
        return get("encoder_norm")(x) if config.norm == "pre" else x

    @staticmethod
    def write(config, get, target, memory):
        """Return the features of the target (B, T, D), and the attention (B, T, S)."""
        x = get(target_name(config))(target)
        for n in range(config.num_layers):
            x, weights = get(f"decoder_{n}")(x, source=memory, return_weights=True)
        return _normalised(config, get, x), ops.mean(weights, axis=1)  # over the heads

    def initial_state(self, memory, max_length=None):
        """Return empty keys and values for `max_length` target tokens, and the source's."""
        batch, blocks = ops.shape(memory["source"])[0], self._blocks()
        length = max_length or self.settings.max_length
        return {
            "caches": [block.attention.initial_cache(batch, length) for block in blocks],
            "memory": [block.project_source(memory["features"]) for block in blocks],
            "source": memory["source"],
        }

    def step(self, ids, state, start=0):
        """Return features (B, 1, D), attention (B, 1, S) of ids (B, 1) at `start`, a new state."""
        x, caches = self.target_embedding(ids, start=start), []
        seen = ops.not_equal(state["source"], 0)
        for block, cache, memory in zip(
            self._blocks(), state["caches"], state["memory"], strict=True
        ):
            x, cache, weights = block(
                x, source=memory, source_mask=seen, cache=cache, start=start, return_weights=True
            )
            caches.append(cache)
        features = _normalised(self.settings, self.get_layer, x)
        return features, ops.mean(weights, axis=1), {**state, "caches": caches}

    def layer_groups(self):
        """Return the layers in groups from the bottom to the top, for gradual unfreezing."""
        names = [[f"{side}_{n}"] for side in ("encoder", "decoder")
                 for n in range(self.settings.num_layers)]  # fmt: skip
        if self.settings.norm == "pre":
            names[self.settings.num_layers - 1].append("encoder_norm")
            names[-1].append("decoder_norm")
        return [self._embeddings(), *([self.get_layer(n) for n in group] for group in names)]

    def _blocks(self):
        return [self.get_layer(f"decoder_{n}") for n in range(self.settings.num_layers)]


def _normalised(config, get, x):
    return get("decoder_norm")(x) if config.norm == "pre" else x
