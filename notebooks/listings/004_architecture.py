"""The diagram of an encoder-decoder, its arrows tried out on a model.

Corrects 004: 83-87.

Wrong there: the decoder has no arrow from the words that it wrote before, so that it could not know
how to go on, and text comes out of it without scores of the vocabulary. The attention that §2.1
names has no arrow either.
"""

import numpy as np

from kerasllm import models

config = models.RecurrentSeq2SeqConfig(vocabulary_size=11, hidden_dim=8, units=8)
model = models.RecurrentSeq2Seq(config)
given = {"source": np.array([[7, 8, 9]]), "target": np.array([[2, 7, 9]])}


def moved(**changed):
    """Say at which of three steps the scores change with an input."""
    difference = np.subtract(model({**given, **changed}), model(given))
    return (np.abs(difference).max(-1) > 1e-6)[0].tolist()


assert model(given).shape == (1, 3, 11)  # F: a score for each word of the vocabulary
assert moved(source=np.array([[6, 8, 9]])) == [True, True, True]  # A to D
assert moved(target=np.array([[2, 6, 9]])) == [False, True, True]  # E to D, the past alone
attention = model.backbone(given)["attention"]  # C to D: how much of each source word, at each step
assert np.allclose(np.sum(attention, -1), 1) and attention.shape == (1, 3, 3)

print("""
graph TD
A[source words] --> B[embeddings]
B --> C{encoder: a vector a word}
C -->|attention| D{decoder}
E[words written so far] --> D
D --> F[scores of the vocabulary] --> G[next word] --> E
""")
