"""A recurrent encoder, and a decoder with attention and input feeding."""

import keras
from keras import ops

from kerasllm.layers.attention.recurrent_decoder import AttentionDecoder
from kerasllm.layers.recurrent import StackedRNN
from kerasllm.models.seq2seq.backbone import EncoderDecoder, embeddings, target_name
from kerasllm.models.seq2seq.config import RecurrentSeq2SeqConfig


@keras.saving.register_keras_serializable("kerasllm")
class RecurrentEncoderDecoder(EncoderDecoder):
    """A bidirectional recurrent encoder, and a decoder with attention and input feeding.

        m        = encoder(E[source])
        h̃_t, α_t = decoder(E'[target_t], h̃_{t-1}, s_{t-1}, m)         as in `AttentionDecoder`

    Args:
        config: a `RecurrentSeq2SeqConfig`.

    Inputs, outputs: see `EncoderDecoder`.

    Source: Bahdanau et al. 2015; Luong et al. 2015.

        >>> from keras import ops
        >>> backbone = RecurrentEncoderDecoder.from_size("tiny", vocabulary_size=31)
        >>> source, target = ops.convert_to_tensor([[7, 8, 0]]), ops.convert_to_tensor([[2, 9]])
        >>> backbone({"source": source, "target": target})["features"].shape
        TensorShape([1, 2, 64])
    """

    config_class = RecurrentSeq2SeqConfig

    @staticmethod
    def make_layers(config):
        """Return the layers below the head."""
        return [
            *embeddings(config),
            StackedRNN(
                config.units // 2,
                config.num_layers,
                config.cell,
                bidirectional=True,
                dropout=config.dropout,
                name="encoder",
            ),
            AttentionDecoder(
                config.units, config.num_layers, config.cell, config.attention, name="decoder"
            ),
        ]

    @staticmethod
    def read(_config, get, source):
        """Return the features of the source (B, S, units)."""
        return get("encoder")(get("embedding")(source))

    @staticmethod
    def write(config, get, target, memory):
        """Return the features of the target (B, T, units), and the attention (B, T, S)."""
        return get("decoder")(get(target_name(config))(target), source=memory)

    def initial_state(self, memory, max_length=None):  # noqa: ARG002 - a state of one size
        """Return the state before the first target token."""
        states = self.get_layer("decoder").initial_state(
            memory["features"], ops.not_equal(memory["source"], 0)
        )
        return {"decoder": states, "source": memory["source"]}

    def step(self, ids, state, start=0):  # noqa: ARG002 - a recurrent state knows its position
        """Return features (B, 1, D) and attention (B, 1, S) of ids (B, 1), and the new state."""
        x = self.target_embedding(ids)[:, 0]
        features, weights, states = self.get_layer("decoder").step(x, state["decoder"])
        return features[:, None], weights[:, None], {**state, "decoder": states}

    def layer_groups(self):
        """Return the layers in groups from the bottom to the top, for gradual unfreezing."""
        return [self._embeddings(), [self.get_layer("encoder")], [self.get_layer("decoder")]]
