"""A language model: an LSTM that predicts the next word at every position.

Corrects 002: 48-63.

Wrong there: data and sizes are never defined. Without `return_sequences=True` the LSTM hands on its
last state alone: right where a window of text has one next word as its target; where the targets
are the text, shifted by one, `fit` raises. Traps nearby: padding without a mask, nothing held out.
"""

import keras
import numpy as np

from kerasllm import datasets, layers, models, text

keras.utils.set_random_seed(7)
train = datasets.load("grammar", n_texts=400)  # a language of known entropy
validation = datasets.load("grammar", split="validation", n_texts=200)
tokenizer = text.train_tokenizer(train.texts, "word", 500, min_frequency=1)


def inputs_and_targets(texts):
    ids = text.pad_sequences(tokenizer.encode_batch(texts, bos=True, eos=True))
    return ids[:, :-1], ids[:, 1:]  # (B, T) each: the target is the next word


model = keras.Sequential([
    keras.Input((None,), dtype="int32"),
    layers.TokenEmbedding(tokenizer.vocabulary_size, 32),  # makes the mask of the padding
    layers.LSTM(64, return_sequences=True),
    keras.layers.Dense(tokenizer.vocabulary_size),
])  # fmt: skip
model.compile(keras.optimizers.Adam(0.01), models.TokenCrossEntropy(), jit_compile=False)
model.fit(*inputs_and_targets(train.texts), epochs=6, verbose=0)

inputs, targets = inputs_and_targets(validation.texts)
loss = float(models.TokenCrossEntropy()(targets, model(inputs)))
best = validation.info["entropy_rate"]
print(f"held out: {loss:.3f} nats a word (the language itself: {best:.3f})")
print(f"perplexity {np.exp(loss):.2f}, of {tokenizer.vocabulary_size} tokens")
assert best - 0.1 < loss < best + 0.6 < np.log(tokenizer.vocabulary_size)
