"""A language model of three LSTM layers, pretrained on bare text and then fine-tuned on labels.

Corrects 004: 100-104, 127-130, 135-140, 145, 150, 155-157. Completes 000: 51-53.

Wrong there: Keras calls the third LSTM `lstm_2`, there is no `lstm_3`; the model made from it ends
in hidden states under a loss for probabilities; and it is fine-tuned on the arrays of the
pretraining. In the diagram before (§2.3) the arrow from the pretrained model leads to the
fine-tuning data: the two meet in the fine-tuned model. 000 has these steps, and no code.
"""

import keras
import numpy as np

from kerasllm import datasets, layers, models, text

keras.utils.set_random_seed(7)
rng = np.random.default_rng(7)
bare = datasets.load("grammar", n_texts=480).texts  # to pretrain on
held_back = datasets.load("grammar", split="validation", n_texts=480).texts  # to fine-tune, to test
labels = np.arange(len(held_back)) % 2  # 1: a sentence; 0: its words were shuffled
labelled = [
    sentence if label else " ".join(rng.permutation(sentence.split()))
    for sentence, label in zip(held_back, labels, strict=True)
]

# 1. Input: words as ids, padded to one length
tokenizer = text.train_tokenizer(bare, "word", 200)
ids, labelled_ids = (
    text.pad_sequences(tokenizer.encode_batch(texts, bos=True, eos=True), length=12)
    for texts in (bare, labelled)
)

# 2. Model: the embedding makes the mask of the padding; `states` is kept, and no name is needed
inputs = keras.Input((None,), dtype="int32")
states = layers.TokenEmbedding(tokenizer.vocabulary_size, 32)(inputs)
for _ in range(3):
    states = layers.LSTM(32, return_sequences=True)(states)
model = keras.Model(inputs, keras.layers.Dense(tokenizer.vocabulary_size)(states))

# 3. Compile, and 4. pretrain: the targets are the text itself, shifted by one
model.compile(keras.optimizers.Adam(0.01), models.TokenCrossEntropy(), jit_compile=False)
history = model.fit(ids[:, :-1], ids[:, 1:], epochs=4, verbose=0)

# 5. Fine-tune: the same layers, labels, and a head for them; a third is held out
for layer in model.layers[:-2]:
    layer.trainable = False  # all below the last LSTM; before compile, or it does nothing
fine_tuned = keras.Model(inputs, keras.layers.Dense(2)(layers.MaskedPooling("mean")(states)))
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
fine_tuned.compile(keras.optimizers.Adam(0.003), loss, jit_compile=False)
fine_tuned.fit(labelled_ids[:320], labels[:320], epochs=5, verbose=0)

right = np.equal(keras.ops.argmax(fine_tuned(labelled_ids[320:]), axis=-1), labels[320:])
print(f"pretraining: {' then '.join(f'{nats:.2f}' for nats in history.history['loss'])} nats")
print(f"fine-tuned: {right.mean():.0%} of {len(right)} texts held out")
assert [layer in fine_tuned.layers for layer in model.layers] == [True] * 5 + [False]
assert right.mean() > 0.6
