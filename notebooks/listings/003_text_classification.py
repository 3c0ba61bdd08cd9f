"""Text classification in a training loop of one's own.

Corrects 003: 62-88.

Wrong there: the optimizer is made anew for each batch, which loses Adam's running means. The model
gets no attention mask, and the texts are not padded: they become one array only because both have
the same number of tokens. Here the second text is longer.
"""

import keras
import numpy as np

from kerasllm import models, text

keras.utils.set_random_seed(7)

# Texts and labels
texts = ["I love programming", "I hate programming at night"]
labels = np.array([1, 0])
tokenizer = text.train_tokenizer(texts, "word", 50, min_frequency=1)
rows = tokenizer.encode_batch(texts)
ids = text.pad_sequences(rows)  # (2, 5): the shorter text is filled up with 0

# A tiny encoder, untrained: `TextClassifier.from_preset(FOLDER, num_classes=2)` brings weights
config = models.TransformerConfig(
    tokenizer.vocabulary_size, hidden_dim=16, num_layers=1, num_heads=2, max_length=8, causal=False
)
model = models.TextClassifier(models.TransformerBackbone(config), num_classes=2)
# One optimizer for all steps; run_eagerly computes as PyTorch does
model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)

# Train: the mask is made from the ids
losses = []
for _epoch in range(10):
    for start in range(0, len(ids), 2):
        batch = ids[start : start + 2], labels[start : start + 2]
        losses.append(float(model.train_on_batch(*batch)[0]))

print(f"loss of the first step {losses[0]:.3f}, of the last {losses[-1]:.3f}")
alone = keras.ops.convert_to_numpy(model(ids[:1, : len(rows[0])]))
padded = keras.ops.convert_to_numpy(model(ids))[:1]
print(f"padding changes the answer by {np.abs(alone - padded).max():.0e}")
assert losses[-1] < 0.5 * losses[0] and int(model.optimizer.iterations) == 10
assert np.allclose(alone, padded, atol=1e-5)
