"""Classifying Chinese texts with an LSTM.

Corrects 004: 324-360, 366-375, 383-390, 398-399, 413-414, 422, 428-429, 439-442, 456.

Wrong there: `Tokenizer` cuts at spaces, so a Chinese sentence is one token; labels that are one-hot
already are made one-hot again, and `fit` raises; the LSTM goes on reading the padding; 100 epochs
on three sentences, with nothing held out, show nothing; and no pretrained model is fine-tuned.
(For that see `004_lstm_language_model.py`.)
"""

import keras
import numpy as np

from kerasllm import baselines, datasets, layers, text

keras.utils.set_random_seed(7)

# Data: texts, some of which are held out
train, test = datasets.load("spam_zh"), datasets.load("spam_zh", split="test")

# Characters need no spaces
tokenizer = text.train_tokenizer(train.texts, "character", 2000)
assert len(tokenizer.encode("文本分类问题。")) == 7
input_sequences, test_sequences = (
    text.pad_sequences(tokenizer.encode_batch(data.texts), length=40) for data in (train, test)
)

# Model: the embedding makes the mask, so the last state is that of the last character
model = keras.Sequential([
    keras.Input((None,), dtype="int32"),
    layers.TokenEmbedding(tokenizer.vocabulary_size, 32),
    layers.LSTM(32),
    keras.layers.Dense(2),
])  # fmt: skip

# Labels stay numbers: the sparse loss takes them
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(0.01), loss, jit_compile=False)
model.fit(input_sequences, train.label_ids, epochs=5, verbose=0)

answers = keras.ops.argmax(model(test_sequences), axis=-1)
accuracy = np.mean(np.equal(answers, test.label_ids))
linear, majority = (
    baseline(train, test).metrics["accuracy"] for baseline in (baselines.linear, baselines.majority)
)
print(f"{len(test)} texts held out: LSTM {accuracy:.0%}, linear {linear:.0%}, one answer for all "
      f"{majority:.0%}. Use the {'LSTM' if accuracy > linear else 'linear model'}.")  # fmt: skip
assert accuracy > 0.5
