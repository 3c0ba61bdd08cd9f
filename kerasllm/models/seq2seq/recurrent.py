"""Encoder-decoder models: a source text in, a target text out.

Inputs {"source": (B, S), "target": (B, T) beginning with <bos>} give logits (B, T, V); those at t
are of the token after target t. Decoding goes step by step through the same layers:

    memory = model.encode(source)
    state = model.initial_state(memory, max_length)
    logits, state = model.step(ids, state, start)         ids (B, 1), logits (B, V)
"""

import dataclasses

import keras
from keras import ops

from kerasllm.layers import TokenEmbedding
from kerasllm.layers.attention_decoder import AttentionDecoder
from kerasllm.layers.copying import PointerGenerator
from kerasllm.layers.recurrent import StackedRNN
from kerasllm.models.seq2seq.config import RecurrentSeq2SeqConfig


class Seq2Seq(keras.Model):
    """What encoder-decoder models share: vocabularies, output head, copy mechanism, settings.

    A subclass says which layers it has (`make_layers`) and how they are called: `read` the source,
    `write` the target. Both are given `get`, which finds a layer by its name.
    """

    def __init__(self, config, **kwargs):
        # === Layers ===
        layers = [*self.make_layers(config), *_head_layers(config)]
        get = {layer.name: layer for layer in layers}.__getitem__
        # === Functional model ===
        source = keras.Input((None,), dtype="int32", name="source")
        target = keras.Input((None,), dtype="int32", name="target")
        features, weights = self.write(config, get, target, self.read(config, get, source))
        logits = self.score(config, get, features, weights, source)
        super().__init__({"source": source, "target": target}, logits, **kwargs)
        # === Config ===
        self.settings = config

    @staticmethod
    def score(config, get, features, weights, source):
        """Return logits, or log-probabilities with copying (B, T, V), of features (B, T, D)."""
        x = get("dropout")(features)
        if config.tied:
            logits = get(target_name(config))(get("projection")(x), reverse=True)
        else:
            logits = get("head")(x)
        if not config.copy:
            return logits
        return get("copy")(x, logits=logits, weights=weights, source=source)

    def encode(self, source):
        """Return what the decoder needs to know of the source ids (B, S)."""
        source = ops.convert_to_tensor(source, dtype="int32")
        return {"features": self.read(self.settings, self.get_layer, source), "source": source}

    def attention(self, source, target):
        """Return how much each target position looks at each source position, (B, T, S)."""
        memory = self.encode(source)["features"]
        target = ops.convert_to_tensor(target, dtype="int32")
        return self.write(self.settings, self.get_layer, target, memory)[1]

    @classmethod
    def from_preset(cls, name, vocabulary_size, **overrides):
        """Return an untrained model of the preset "tiny", "small" or "base"."""
        return cls(cls.config_class.preset(name, vocabulary_size, **overrides))

    def get_config(self):
        """Return the settings that rebuild this model."""
        config = dataclasses.asdict(self.settings)
        return {**config, "name": self.name, "trainable": self.trainable}

    @classmethod
    def from_config(cls, config, custom_objects=None):  # noqa: ARG003 - Keras passes it
        """Rebuild a model from its settings."""
        config = dict(config)
        model = {key: config.pop(key) for key in ("name", "trainable") if key in config}
        return cls(cls.config_class(**config), **model)


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


def _head_layers(config):
    yield keras.layers.Dropout(config.dropout, name="dropout")
    if config.tied:
        yield keras.layers.Dense(config.hidden_dim, name="projection")
    else:
        yield keras.layers.Dense(config.output_size, name="head")
    if config.copy:
        yield PointerGenerator(name="copy")


@keras.saving.register_keras_serializable("kerasllm")
class RecurrentSeq2Seq(Seq2Seq):
    """A bidirectional recurrent encoder, and a decoder with attention and input feeding.

        m        = encoder(E[source])
        h̃_t, α_t = decoder(E'[target_t], h̃_{t-1}, s_{t-1}, m)         as in `AttentionDecoder`
        logits_t = (h̃_t W + b) E'ᵀ                                     tied
        p_t      = g_t softmax(logits_t) + (1 - g_t) Σ_s α_ts [source_s]     copy=True

    Args:
        config: a `RecurrentSeq2SeqConfig`.

    Inputs, outputs: see the head of this file. With copy=True the outputs are ln p, which is its
    own softmax.

    Source: Bahdanau et al. 2015; Luong et al. 2015; See et al. 2017 (copy).

        >>> model = RecurrentSeq2Seq.from_preset("tiny", vocabulary_size=31)
        >>> source, target = ops.convert_to_tensor([[7, 8, 0]]), ops.convert_to_tensor([[2, 9]])
        >>> model({"source": source, "target": target}).shape
        TensorShape([1, 2, 31])
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
        """Return the logits (B, V) of the token after ids (B, 1), and the new state."""
        x = self.get_layer(target_name(self.settings))(ids)[:, 0]
        features, weights, states = self.get_layer("decoder").step(x, state["decoder"])
        logits = self.score(
            self.settings, self.get_layer, features[:, None], weights[:, None], state["source"]
        )
        return logits[:, 0], {**state, "decoder": states}
