"""The worked example: five words through an embedding, two LSTM layers, a head and a softmax.

Corrects 004: 230-295.

Wrong there: three output neurons cannot name five words; the softmax returns what it is given; the
sentence that is read off is not made of the highest entries of the rows printed (the first is
highest at `world`, the sentence begins with `python`); and five vectors are no vector of fixed
length.
"""

import numpy as np

from kerasllm import reference

words = ["hello", "world", "python", "code", "AI"]
table = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]], float)  # (V, D)
ids = np.array([[0, 1, 2, 3, 4]])
x, _ = reference.embedding(ids, table)  # (1, 5, 3): rows of the table

# Two LSTM layers of 3 units; their weights are drawn, as nothing is trained here.
rng = np.random.default_rng(9)
stack = [[2 * rng.normal(size=shape) for shape in ((3, 12), (3, 12), (12,))] for _ in range(2)]
states, trace = reference.stack(x, stack, return_sequences=True)  # (1, 5, 3): one a word
encoded = trace.state[-1][0]  # (1, 3): the vector of fixed length is the last state
assert np.array_equal(encoded, states[:, -1])

scores, _ = reference.dense(states, 3 * rng.normal(size=(3, 5)))  # (1, 5, 5): a score for each word
probabilities, _ = reference.softmax(scores)
print(probabilities[0].round(2))
assert np.allclose(probabilities.sum(-1), 1) and not np.allclose(probabilities, scores)
assert np.abs(reference.softmax(probabilities)[0] - probabilities).max() > 0.1  # not its own input

best = probabilities.argmax(-1)[0]
print("untrained, it would say:", *(words[i] for i in best))
assert all(row[i] == row.max() for row, i in zip(probabilities[0], best, strict=True))
