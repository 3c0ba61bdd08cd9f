"""Which tokens a model takes for alike: neighbours by cosine, and a map."""

from collections import Counter

import keras
import numpy as np

MOST = 90  # words on the map
TEXTS = 2000  # in which words are counted


def embedding_table(task):
    """Return the token embeddings (V, D) of a task, of an encoder-decoder those of the source."""
    for layer in task._flatten_layers():
        weights = getattr(layer, "embeddings", None)
        if weights is not None and len(weights.shape) == 2:
            return keras.ops.convert_to_numpy(weights).astype("float32")
    return None


def common_words(tokenizer, texts, most=MOST):
    """Return the ids of the commonest tokens of texts that are words: letters, no single one.

    Args:
        tokenizer: a `Tokenizer`.
        texts: list of texts.
        most: how many at most.
    """
    counts = Counter(i for row in tokenizer.encode_batch(list(texts)) for i in row)
    special = tokenizer.special_ids
    found = (i for i, _ in counts.most_common() if i not in special and _is_word(tokenizer, i))
    return [i for i, _ in zip(found, range(most), strict=False)]


def _is_word(tokenizer, i):
    text = tokenizer.decode([i]).strip().lstrip("#")
    return text.isalpha() and (len(text) > 2 or not text.isascii())


def neighbours(table, ids, count=5):
    """Return for each id the `count` nearest others by cosine, (R, count).

    Example:
        >>> neighbours(np.array([[1.0, 0], [0.9, 0.1], [0, 1.0]]), [0], count=1).tolist()
        [[1]]
    """
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
    alike = unit[ids] @ unit.T
    alike[np.arange(len(ids)), ids] = -np.inf
    return np.argsort(-alike, axis=1, kind="stable")[:, :count]


def laid_out(vectors):
    """Return places (R, 2) from 0 to 1 at which near vectors are near: t-SNE on the cosine.

    Source: van der Maaten and Hinton 2008.
    """
    from sklearn.manifold import TSNE

    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    options = {"perplexity": min(12, (len(unit) - 1) / 3), "init": "pca", "random_state": 0}
    places = TSNE(2, learning_rate="auto", **options).fit_transform(unit)
    span = np.maximum(places.max(axis=0) - places.min(axis=0), 1e-9)
    return (places - places.min(axis=0)) / span
