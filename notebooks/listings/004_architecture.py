"""The diagram of an encoder-decoder, its arrows tried out on a model.

Corrects 004: 83-87.

Missing there: an arrow from the words written so far to the decoder, which needs them to go on; the
scores of the vocabulary, from which a word is chosen; and the attention that §2.1 names.
"""

import keras
import numpy as np

from kerasllm import models

config = models.RecurrentSeq2SeqConfig(vocabulary_size=11, hidden_dim=8, units=8)
model = models.RecurrentSeq2Seq(config)
given = {"source": np.array([[7, 8, 9]]), "target": np.array([[2, 7, 9]])}


def scores(**changed):
    return keras.ops.convert_to_numpy(model({**given, **changed}))


def moved(**changed):
    """Say at which of three steps the scores change with an input."""
    return (np.abs(scores(**changed) - scores()).max(-1) > 1e-6)[0].tolist()


assert scores().shape == (1, 3, 11)  # F: a score for each word of the vocabulary
assert moved(source=np.array([[6, 8, 9]])) == [True, True, True]  # A to D
assert moved(target=np.array([[2, 6, 9]])) == [False, True, True]  # E to D, the past alone
attention = keras.ops.convert_to_numpy(model.backbone(given)["attention"])
assert attention.shape == (1, 3, 3)  # C to D: how much of each source word, at each step
assert np.allclose(attention.sum(-1), 1)

print("""
graph TD
A[source words] --> B[embeddings]
B --> C{encoder: a vector a word}
C -->|attention| D{decoder}
E[words written so far] --> D
D --> F[scores of the vocabulary] --> G[next word] --> E
""")
