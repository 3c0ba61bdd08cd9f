"""Texts as vectors without a network: counts of words, and what goes together in them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_FEATURES = 100_000  # bounds the memory: features * classes * 8 bytes, a few times over


@dataclass(frozen=True)
class SemanticSpace:
    """TF-IDF followed by its leading singular vectors: latent semantic analysis.

    Args:
        vectorizer: fitted `TfidfVectorizer`.
        svd: fitted `TruncatedSVD`.
    """

    vectorizer: Any
    svd: Any

    @property
    def dimensions(self):
        """How many singular vectors are kept."""
        return len(self.svd.singular_values_)

    @property
    def explained(self):
        """Share of the variance that they explain."""
        return float(self.svd.explained_variance_ratio_.sum())

    def encode(self, texts):
        """Return (R, dimensions) vectors of length one."""
        from sklearn.preprocessing import normalize

        return normalize(self.svd.transform(self.vectorizer.transform(texts)))


def semantic_space(texts, dimensions=100, seed=0):
    """Learn from unlabelled texts which words keep company.

    Args:
        texts: unlabelled texts.
        dimensions: singular vectors kept; fewer where the text is too small for as many.
        seed: of the randomised decomposition.

    Returns:
        `SemanticSpace`.

    Raises:
        ValueError: fewer than 3 texts or features.

    Example:
        >>> space = semantic_space(["the sea is wide", "the sky is wide", "bread and salt"])
        >>> space.encode(["the sea", "salt"]).shape
        (2, 2)
    """
    from sklearn.decomposition import TruncatedSVD

    texts = list(texts)
    vectorizer = tf_idf(texts)
    counts = fit_tf_idf(vectorizer, texts)
    kept = min(dimensions, *(size - 1 for size in counts.shape))
    if kept < 2:
        raise ValueError(
            f"expected at least 3 unlabelled texts and features, received {counts.shape[0]} texts "
            f"with {counts.shape[1]} features; use the linear baseline instead"
        )
    return SemanticSpace(vectorizer, TruncatedSVD(kept, random_state=seed).fit(counts))


def tf_idf(texts):
    """Return the TF-IDF vectorizer that suits these texts, not yet fitted.

    Args:
        texts: the texts to be vectorized.

    Returns:
        `sklearn.feature_extraction.text.TfidfVectorizer`.

    Example:
        >>> tf_idf(["今天天气很好"]).analyzer, tf_idf(["a fine day"]).analyzer
        ('char', 'word')
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    unit = {"analyzer": "char", "ngram_range": (1, 3)}
    if has_spaces(texts):
        # every run of word characters, and every other sign: "!" tells something too
        unit = {"ngram_range": (1, 2), "token_pattern": r"\w+|[^\w\s]"}
    return TfidfVectorizer(sublinear_tf=True, max_features=MAX_FEATURES, dtype=np.float32, **unit)


class PairFeatures:
    """TF-IDF of two texts with one label: of the first, of the second, and of what both share.

        x = [a, b, a ∘ b]

    Args:
        first: fitted vectorizer of the first texts.
        second: of the second ones.
        both: of both, for what they share.
    """

    def __init__(self, first, second, both):
        self.first, self.second, self.both = first, second, both
        self.analyzer = f"{both.analyzer}, of pairs"

    def transform(self, pairs):
        """Return the features of pairs (text, text_b), (R, features) sparse."""
        from scipy.sparse import hstack

        a, b = zip(*pairs, strict=True)
        shared = self.both.transform(a).multiply(self.both.transform(b))
        return hstack([self.first.transform(a), self.second.transform(b), shared]).tocsr()


def fitted(train):
    """Return (vectorizer, features) of what is read of a `Dataset`: of texts, or of pairs."""
    if not train.of_pairs:
        vectorizer = tf_idf(train.texts)
        return vectorizer, fit_tf_idf(vectorizer, train.texts)
    a, b = map(list, zip(*train.readings, strict=True))
    made = [tf_idf(texts) for texts in (a, b, a + b)]
    for vectorizer, texts in zip(made, (a, b, a + b), strict=True):
        fit_tf_idf(vectorizer, texts)
    vectorizer = PairFeatures(*made)
    return vectorizer, vectorizer.transform(train.readings)


def has_spaces(texts):
    """Return whether words are separated by spaces: at least one in 10 characters is a space.

    Example:
        >>> has_spaces(["how are you"]), has_spaces(["今天我们用 Keras 训练一个很小的语言模型"])
        (True, False)
    """
    sample = texts[:: max(1, len(texts) // 1000)]
    spaces = sum(len(text.split()) - 1 for text in sample if text.strip())
    return spaces * 10 >= sum(len(text) for text in sample)


def fit_tf_idf(vectorizer, texts):
    """Fit the vectorizer and return the features of these texts, (R, features) sparse.

    Raises:
        ValueError: no text holds anything but white space.
    """
    if not any(text.strip() for text in texts):
        raise ValueError(
            f"expected texts with words in them, received {len(texts)} texts such as "
            f"{list(texts)[:2]!r}; check the text column"
        )
    return vectorizer.fit_transform(texts)
