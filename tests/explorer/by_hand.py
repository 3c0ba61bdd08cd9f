"""Models whose mechanism was built in by hand: what the page should find is known."""

import keras
import numpy as np

from kerasllm.layers import LSTM
from kerasllm.models import (
    CausalLM,
    EmbeddingBackbone,
    EmbeddingConfig,
    TextClassifier,
    TransformerBackbone,
    TransformerConfig,
)
from kerasllm.models.classification.preprocessor import ClassificationPreprocessor
from kerasllm.models.language.preprocessor import CausalPreprocessor
from kerasllm.text import train_tokenizer

OPEN = 40.0  # of a gate: σ(40) is 1 to 17 digits
SUBJECT, NEAR = 0, 1  # units of the cell
PREVIOUS, COPIES = ("block_0", 1), ("block_1", 0)  # block and head


def words(text):
    """Return a tokenizer of the words of a text."""
    options = {"word_splitter": "space", "lowercase": True, "min_frequency": 1}
    return train_tokenizer([text], "word", 100, **options)


def agreement():
    """Return (model, tokenizer) that says "are" behind "cats" and "is" behind "cat".

    The cell of unit 0 is +1 from "cats" on and -1 from "cat" on; that of unit 1 remembers "near",
    and unit 2 forgets all. The output reads neither of them.
    """
    tokenizer = words("the cat cats near tree is are")
    of = {word: tokenizer.encode(word)[0] for word in ("cat", "cats", "near", "is", "are")}
    size = tokenizer.vocabulary_size
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(size, size, name="embedding"),
            LSTM(3, return_sequences=True, name="lstm"),
            keras.layers.Dense(size, name="head"),
        ]
    )
    i, f, g, o = (np.zeros((size, 3)) for _ in range(4))
    i[:] = -OPEN
    i[[of["cat"], of["cats"]], SUBJECT] = i[of["near"], NEAR] = OPEN
    i[:, 2] = OPEN
    g[of["cats"], SUBJECT], g[of["cat"], SUBJECT], g[of["near"], NEAR] = OPEN, -OPEN, OPEN
    g[:, 2] = 0.3
    bias = np.zeros((4, 3))
    bias[1], bias[3] = (OPEN, OPEN, -OPEN), OPEN
    head = np.zeros((3, size))
    head[SUBJECT, of["is"]], head[SUBJECT, of["are"]] = -6.0, 6.0
    kernel = np.concatenate([i, f, g, o], axis=1)
    model.set_weights([np.eye(size), kernel, np.zeros((3, 12)), bias.ravel(), head,
                       np.zeros(size)])  # fmt: skip
    return model, tokenizer


def copying():
    """Return a language model that goes on as the text went on after the same word before.

    The stream holds, one beside the other, the word, the position, and the word before it. Head 1
    of block 0 looks at the token before and writes its word into the third part. Head 0 of block 1
    looks from a word at the token whose word before was the same, and writes the word that stands
    there four times into the first part, which the output reads. The other heads write nothing.
    """
    tokenizer = words("tom brown met ann . then")
    size, places = tokenizer.vocabulary_size, 10
    width = 2 * size + places
    config = TransformerConfig(size, hidden_dim=width, num_layers=2, num_heads=2, inner_dim=4,
                               max_length=places, key_dim=max(size, places))  # fmt: skip
    backbone = TransformerBackbone(config)
    task = CausalLM(backbone, preprocessor=CausalPreprocessor(tokenizer, length=places))
    word, place, before = slice(size), slice(size, size + places), slice(size + places, width)
    table, positions = np.zeros((size, width)), np.zeros((places, width))
    table[:, word], positions[:, place] = np.eye(size), np.eye(places)
    backbone.embedding.embeddings.assign(table)
    backbone.embedding.position_embeddings.assign(positions)
    for number, (name, head) in enumerate((PREVIOUS, COPIES)):
        block, parts = backbone.get_layer(name), np.zeros((3, 2, width, config.key_dim))
        q, k, v = parts[:, head]
        if number == 0:
            q[place, : places - 1] = OPEN * np.eye(places)[:, 1:]  # position t looks at t - 1
            k[place, :places] = np.eye(places)
        else:
            q[word, :size] = OPEN * np.eye(size)
            k[before, :size] = np.eye(size)
        v[word, :size] = np.eye(size)
        out = np.zeros((2, config.key_dim, width))
        out[head][:size, before if number == 0 else word] = (1 if number == 0 else 4) * np.eye(size)
        kernel = parts.transpose(2, 0, 1, 3).reshape(width, -1)  # [q of heads | k | v]
        made = {array.shape: array for array in (kernel, out.reshape(-1, width))}
        for layer in (block.attention, block.feed_forward):  # all other weights are 0
            zeros = (np.zeros(w.shape) for w in layer.get_weights())
            layer.set_weights([made.get(zero.shape, zero) for zero in zeros])
    return task


def opinion():
    """Return a classifier of reviews that knows two words: "awful" and "lovely"."""
    tokenizer = words("the film was long and awful lovely but")
    of = {word: tokenizer.encode(word)[0] for word in ("awful", "lovely")}
    backbone = EmbeddingBackbone(EmbeddingConfig(tokenizer.vocabulary_size, 3))
    reader = ClassificationPreprocessor(tokenizer, ["negative", "positive"], length=20)
    task = TextClassifier(backbone, pooling="mean", preprocessor=reader)
    table = np.tile([0.0, 1.0, -1.0], (tokenizer.vocabulary_size, 1))
    table[of["awful"], 0], table[of["lovely"], 0] = -20, 20
    backbone.embedding.embeddings.assign(table)
    *_, kernel, bias = task.weights
    kernel.assign([[-1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
    bias.assign([0.0, 1.0])  # without either word it is rather positive
    return task
