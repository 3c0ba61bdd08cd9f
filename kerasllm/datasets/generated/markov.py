"""A random Markov chain over made-up words, with its exact entropy rate."""

import numpy as np

from kerasllm.datasets.generated.language import Language, entropy


class MarkovLanguage(Language):
    r"""A chain in which the next word depends on the last `order` words alone.

    $$H = -\sum_i \pi_i \sum_j P_{ij} \ln P_{ij}$$

    A context i is a number whose digits, in base N+1 for N words, are the last `order` words; the
    digit N means "before the text". A text starts in the context of N's alone and the chain returns
    there at its end, so that the end is one more state of a chain that runs for ever.

    Attributes:
        words: The N words in the order of their numbers.
        successors: (N+1, branching) numbers of the words that may follow each last word.
        probabilities: (contexts, branching+1) of these successors and, last, of the end: P.
        stationary: (contexts,) share of all tokens that are chosen in each context: pi.

    Source: Shannon, A mathematical theory of communication (1948), section 7.
    """

    def __init__(self, words, successors, probabilities):
        self.words, self.vocabulary = tuple(words), tuple(sorted(words))
        self.successors, self.probabilities = successors, probabilities
        self.start = len(probabilities) - 1
        self._numbers = {word: number for number, word in enumerate(self.words)}
        self._cumulative = probabilities.cumsum(axis=1)
        visits = self._visits()
        self.mean_tokens = float(visits.sum())
        self.stationary = visits / visits.sum()
        self.entropy_rate = float(self.stationary @ entropy(probabilities))

    def followers(self, contexts):
        """Return (..., branching) numbers of the words that may come next."""
        return self.successors[contexts % len(self.successors)]

    def step(self, contexts, words):
        """Return the contexts after one more word: the oldest digit drops out."""
        return (contexts * len(self.successors) + words) % len(self.probabilities)

    def _visits(self):
        """Return (contexts,) how often a text is expected to be in each: a sum over its words."""
        contexts = np.arange(len(self.probabilities))
        targets = self.step(contexts[:, None], self.followers(contexts)).ravel()
        now = np.zeros(len(contexts))
        now[self.start] = 1.0
        total = now
        while now.sum() > 1e-17:  # what is still unfinished shrinks by a factor at each word
            flow = (now[:, None] * self.probabilities[:, :-1]).ravel()
            now = np.bincount(targets, weights=flow, minlength=len(contexts))
            total = total + now
        return total

    def _draw(self, rng):
        context, words = self.start, []
        while True:
            bounds = self._cumulative[context, :-1]
            choice = np.searchsorted(bounds, rng.random(), side="right")
            # Rounding may leave the last bound of a context without an end just below one.
            if context == self.start:
                choice = min(choice, len(bounds) - 1)
            if choice == len(bounds):
                return words
            number = self.followers(context)[choice]
            words.append(self.words[number])
            context = self.step(context, number)

    def _score(self, words):
        context, total = self.start, 0.0
        for word in words:
            number = self._numbers.get(word, -1)
            (place,) = np.nonzero(self.followers(context) == number)
            if not len(place):
                return -np.inf
            total += np.log(self.probabilities[context, place[0]])
            context = self.step(context, number)
        return float(total + np.log(self.probabilities[context, -1])) if words else -np.inf


def markov_language(
    states: int = 50,
    branching: int = 4,
    *,
    order: int = 1,
    mean_words: float = 20.0,
    seed: int = 0,
) -> MarkovLanguage:
    """Draw a random sparse Markov chain.

    Args:
        states: Number of words N.
        branching: How many different words can follow a word.
        order: 1 or 2. With 2 the last word fixes which words can follow, and the last two how
            probable each of them is.
        mean_words: Expected words of a text; lengths are geometric.
        seed: Same seed, same language.

    Returns:
        The language.

    Raises:
        ValueError: If a number is out of its range.

    Example:
        >>> language = markov_language(states=20, branching=3)
        >>> bool(0 < language.entropy_rate < np.log(3 + 1))
        True
        >>> round(language.mean_tokens, 6)
        21.0
    """
    _check(states, branching, order, mean_words)
    rng = np.random.default_rng(seed)
    successors = np.array([_others(rng, states, word, branching) for word in range(states + 1)])
    circle = rng.permutation(states)  # one round trip through all words: none is out of reach
    for word, following in zip(circle, np.roll(circle, -1), strict=True):
        if following not in successors[word]:
            successors[word, 0] = following
    probabilities = np.zeros(((states + 1) ** order, branching + 1))
    probabilities[:, :-1] = rng.dirichlet(np.ones(branching), len(probabilities))
    probabilities[:-1] *= 1 - 1 / mean_words
    probabilities[:-1, -1] = 1 / mean_words  # the last row is the start, where no text ends
    return MarkovLanguage(_made_up_words(rng, states), successors, probabilities)


def _check(states, branching, order, mean_words):
    if not 2 <= states <= 10_000:
        raise ValueError(f"Expected from 2 to 10,000 states, received {states}.")
    if not 1 <= branching < states:
        raise ValueError(
            f"Expected branching from 1 to states - 1 = {states - 1}, received {branching}."
        )
    if order not in (1, 2):
        raise ValueError(f"Expected order 1 or 2, received {order}.")
    if not mean_words > 1:
        raise ValueError(f"Expected mean_words above 1, received {mean_words}.")


def _others(rng, states, word, count):
    """Return `count` different numbers below `states`, none of them `word`."""
    choices = np.arange(states)
    return rng.choice(choices[choices != word], size=count, replace=False)


def _made_up_words(rng, count):
    """Return `count` different words of consonant-vowel syllables, such as "tamiro"."""
    words = {}
    while len(words) < count:
        syllables = rng.integers(2, 4)
        words[
            "".join(
                rng.choice(list("bdfgklmnprstvz")) + rng.choice(list("aeiou"))
                for _ in range(syllables)
            )
        ] = None
    return list(words)
