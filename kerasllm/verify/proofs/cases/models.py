"""Whole models that are trained beside their twins: translators, a tagger, classifiers.

A row of `MODELS` is the name, the functions of `kerasllm.reference` and the public layers that it
covers, a function that builds and compiles the model in Keras' precision of the moment, and the
batches.
"""

import keras
import numpy as np

from kerasllm import layers
from kerasllm.models import (
    CausalLM,
    EmbeddingBackbone,
    EmbeddingConfig,
    LoRA,
    RecurrentBackbone,
    RecurrentConfig,
    RecurrentSeq2Seq,
    RecurrentSeq2SeqConfig,
    TextClassifier,
    TokenCrossEntropy,
    TokenTagger,
    TransformerBackbone,
    TransformerConfig,
    TransformerSeq2Seq,
    TransformerSeq2SeqConfig,
)

BATCHES, B, T, S, V, C, W = 5, 3, 4, 5, 11, 3, 4


def _compiled(model, loss=None, optimizer=None):
    """Compile a model with random weights everywhere: zeros hide swapped biases."""
    rng = np.random.default_rng(0)
    for variable in model.weights:
        drawn = 0.5 * rng.standard_normal(variable.shape)
        variable.assign(abs(drawn) if "variance" in variable.path else drawn)
    optimizer = optimizer or keras.optimizers.Adam(0.01)
    model.compile(optimizer, loss, jit_compile=False)
    return model


def _translator():
    config = RecurrentSeq2SeqConfig(V, hidden_dim=3, units=6, copy=True)
    return _compiled(RecurrentSeq2Seq(config), TokenCrossEntropy(label_smoothing=0.1))


def _attending_translator():
    sizes = {"hidden_dim": 4, "num_layers": 1, "num_heads": 2, "max_length": S}
    config = TransformerSeq2SeqConfig(V, norm="post", activation="relu", dropout=0.0, **sizes)
    # Not Adam: it divides the gradient of a key's bias, which is 0 on paper, by its own size.
    optimizer = keras.optimizers.SGD(0.1)
    return _compiled(TransformerSeq2Seq(config), TokenCrossEntropy(), optimizer)


def _llama():
    config = TransformerConfig(
        V, hidden_dim=6, num_layers=2, num_heads=3, inner_dim=7, positions="rotary",
        activation="swiglu", normalization="rms", use_bias=False, num_kv_heads=1, key_dim=4,
        tied=False,
    )  # fmt: skip
    return _compiled(CausalLM(TransformerBackbone(config)), TokenCrossEntropy())


def _reader():
    ids = keras.Input((None,), dtype="int32")
    x = layers.TokenEmbedding(V, 4, max_length=T, positions="learned")(ids)
    x = layers.StackedRNN(4, 2, "gru", residual=True)(layers.BiLSTM(3)(x))
    x = layers.SimpleRNN(4, return_sequences=True)(x)
    x = keras.layers.Add()([x, layers.LuongAttention("general")(x)])
    x = keras.layers.Add()([x, layers.BahdanauAttention(5)(x)])
    y = keras.layers.Dense(C)(layers.MaskedPooling("attention")(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return _compiled(keras.Model(ids, y), loss)


def _convolved():
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Conv1D(5, 2, padding="causal")(keras.layers.Embedding(V, 4)(ids))
    x = keras.layers.BatchNormalization()(keras.layers.GlobalMaxPooling1D()(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Muon(0.01)
    return _compiled(keras.Model(ids, keras.layers.Dense(C)(x)), loss, optimizer)


def _tagger():
    words = EmbeddingBackbone(EmbeddingConfig(V, 3))
    letters = {"num_characters": 7, "filters": 5, "embedding_dim": 2}
    return _compiled(TokenTagger(words, C, dropout=0.0, characters=letters))


def _adapted():
    task = TextClassifier(RecurrentBackbone(RecurrentConfig(V, hidden_dim=5, units=7)), C)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return _compiled(LoRA(task, rank=2, targets=("*kernel", "embeddings")), loss)


def _ids(rng, length, size=V):
    """Return ids (B, length) with padding on the right."""
    real = np.arange(length) < rng.integers(2, length + 1, (B, 1))
    return rng.integers(1, size, (B, length)) * real


def _texts_and_translations(rng):
    target = _ids(rng, T + 1)
    return {"source": _ids(rng, S), "target": target[:, :-1]}, target[:, 1:]


def _tokens_and_next(rng):
    ids = _ids(rng, T + 1)
    return np.where(ids[:, 1:], ids[:, :-1], 0), ids[:, 1:]


def _sentences_and_tags(rng):
    ids = _ids(rng, T)
    letters = np.where(ids[..., None], rng.integers(0, 7, (B, T, W)), 0)
    letters[..., 0] = ids > 0  # each word has a letter
    x = {"ids": ids, "positions": np.where(ids, np.arange(T), -1), "characters": letters}
    return x, rng.integers(1, C + 1, (B, T)) * (ids > 0)


def _texts_and_classes(rng):
    return _ids(rng, T), rng.integers(C, size=B)


def _batches(make):
    rng = np.random.default_rng(1)
    return tuple(make(rng) for _ in range(BATCHES))


MODELS = (
    (
        "translator that copies",
        ("attention_decoder", "pointer_generator"),
        ("AttentionDecoder", "PointerGenerator"),
        _translator,
        _batches(_texts_and_translations),
    ),
    (
        "translator of attention blocks",
        ("transformer_encoder", "transformer_decoder", "feed_forward", "layer_norm"),
        ("TransformerEncoder", "TransformerDecoder", "MultiHeadAttention", "FeedForward"),
        _attending_translator,
        _batches(_texts_and_translations),
    ),
    (
        "Llama with two tables",
        ("llama_block", "grouped_query_attention", "swiglu", "rotary", "rms_norm"),
        ("TransformerEncoder", "MultiHeadAttention", "FeedForward", "TokenEmbedding"),
        _llama,
        _batches(_tokens_and_next),
    ),
    (
        "reader in both directions",
        ("lstm", "gru", "simple_rnn", "bidirectional", "general_attention", "additive_attention"),
        (
            "TokenEmbedding", "BiLSTM", "StackedRNN", "LuongAttention", "BahdanauAttention",
            "MaskedPooling", "LSTM", "GRU", "SimpleRNN", "Bidirectional",
        ),
        _reader,
        _batches(_texts_and_classes),
    ),
    (
        "convolution, trained with Muon",
        ("conv1d", "batch_norm", "muon"),
        (),
        _convolved,
        _batches(_texts_and_classes),
    ),
    (
        "tagger that reads letters",
        ("character_cnn", "crf"),
        ("CharacterCNN", "CRF"),
        _tagger,
        _batches(_sentences_and_tags),
    ),
    (
        "low-rank adapted classifier", ("lora",), ("LoRA",), _adapted, _batches(_texts_and_classes)
    ),
)  # fmt: skip
