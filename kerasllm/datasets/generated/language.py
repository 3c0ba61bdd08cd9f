"""What the generated languages share: texts are drawn from them, and scored exactly."""

from abc import ABC, abstractmethod

import numpy as np


class Language(ABC):
    """A source of texts that knows its own entropy.

    A text is words with single spaces between them; its end counts as one token more.

    Attributes:
        vocabulary: All words, sorted.
        entropy_rate: Nats per token: the least expected loss that any model can have.
        mean_tokens: Expected tokens of a text, its end included.
    """

    def sample(self, n_texts, seed=0):
        """Draw independent texts.

        Args:
            n_texts: How many.
            seed: Same seed, same texts.

        Returns:
            The texts.

        Raises:
            ValueError: If `n_texts` is negative.
        """
        if n_texts < 0:
            raise ValueError(f"Expected n_texts of 0 or more, received {n_texts}.")
        rng = np.random.default_rng(seed)
        return [" ".join(self._draw(rng)) for _ in range(n_texts)]

    def log_probability(self, text):
        """Score a text exactly: ln p(words, end) in nats, -inf if the language cannot say it."""
        return self._score(text.split())

    @abstractmethod
    def _draw(self, rng):
        """Draw the words of one text."""

    @abstractmethod
    def _score(self, words):
        """Return the log-probability of these words followed by the end."""


def entropy(probabilities):
    """Return -sum p ln p over the last axis in nats, with 0 ln 0 = 0."""
    logs = np.log(np.where(probabilities > 0, probabilities, 1.0))
    return -(probabilities * logs).sum(axis=-1)
