"""Whole models that are trained beside their twins: a translator, a tagger, an adapted classifier.

A row of `MODELS` is the name, the functions of `kerasllm.reference` that it covers, a function that
builds and compiles the model in Keras' precision of the moment, and the batches.
"""

import keras
import numpy as np

from kerasllm.models import (
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
)

BATCHES, B, T, S, V, C, W = 5, 3, 4, 5, 11, 3, 4


def _compiled(model, loss=None):
    """Compile a model with random weights everywhere: zeros hide swapped biases."""
    rng = np.random.default_rng(0)
    model.set_weights([0.5 * rng.standard_normal(w.shape) for w in model.get_weights()])
    model.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
    return model


def _translator():
    config = RecurrentSeq2SeqConfig(V, hidden_dim=3, units=6, copy=True)
    return _compiled(RecurrentSeq2Seq(config), TokenCrossEntropy(label_smoothing=0.1))


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
        "translator that copies", ("attention_decoder", "pointer_generator"), _translator,
        _batches(_texts_and_translations),
    ),
    ("tagger that reads letters", ("character_cnn", "crf"), _tagger, _batches(_sentences_and_tags)),
    ("low-rank adapted classifier", ("lora",), _adapted, _batches(_texts_and_classes)),
)  # fmt: skip
