"""n-gram language models: the next word depends on the last n-1 words, and learning is counting.

Three ways to turn counts into probabilities: the counts themselves (maximum likelihood), every
count plus k, and interpolated Kneser-Ney, which was the state of the art until neural networks.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

__all__ = [
    "NGramModel", "ngram_add_k", "ngram_fit", "ngram_kneser_ney", "ngram_log_probabilities",
    "ngram_mle", "ngram_perplexity",
]  # fmt: skip

BOS, EOS, UNK = "<bos>", "<eos>", "<unk>"
_NOTHING = Counter()


class NGramModel(NamedTuple):
    """The counts of an n-gram model.

    `counts[context][word]` says how often the word followed the context (a tuple of 0 to n-1
    words); `continuations[context][word]` before how many *different* words the pair stood.
    """

    order: int
    vocabulary: tuple
    counts: Mapping
    continuations: Mapping


def ngram_fit(sentences, order, min_count=1):
    """Count every word after each of its contexts of 0 to n-1 words.

    Args:
        sentences: iterable of lists of words.
        order: n; 2 looks at one word of context.
        min_count: words seen less often are counted as `<unk>`. With 1, `<unk>` has no counts and
            unknown words get probability 0 from all but add-k.

    Returns:
        `NGramModel`. Each sentence is preceded by n-1 `<bos>` and followed by one `<eos>`; the
        vocabulary is what can be predicted: words, `<eos>` and `<unk>`.

    Raises:
        ValueError: if order is below 1, or there are no sentences.
        TypeError: if a sentence is a string instead of a list of words.

    Example:
        >>> model = ngram_fit([["a", "rose", "is", "a", "rose"]], order=2)
        >>> model.counts["a",], model.counts["rose",]
        (Counter({'rose': 2}), Counter({'is': 1, '<eos>': 1}))

    Source:
        Shannon 1948, "A mathematical theory of communication", section 3.
    """
    sentences = [_words(sentence) for sentence in sentences]
    if order < 1 or not sentences:
        raise ValueError(
            f"expected order >= 1 and at least one sentence, received order {order} and "
            f"{len(sentences)} sentences"
        )
    frequency = Counter(word for sentence in sentences for word in sentence)
    known = {word for word, count in frequency.items() if count >= min_count}
    counts, continuations = defaultdict(Counter), defaultdict(Counter)
    for sentence in sentences:
        words = _padded([word if word in known else UNK for word in sentence], order)
        for t in range(order - 1, len(words)):
            for start in range(t, t - order, -1):  # contexts of 0, 1, … n-1 words
                context, word = tuple(words[start:t]), words[t]
                if context and not counts[context][word]:  # this n-gram is new
                    continuations[context[1:]][word] += 1
                counts[context][word] += 1
    vocabulary = tuple(sorted(known | {EOS, UNK}))
    return NGramModel(order, vocabulary, dict(counts), dict(continuations))


def ngram_mle(word, context, model):
    """Return the share of the context's occurrences that this word followed.

        P(word | context) = count(context, word) / Σ_w count(context, w)

    Args:
        word: a word.
        context: the words before it; only the last n-1 are used.
        model: `NGramModel`.

    Returns:
        A probability; 0 after a context that was never seen.

    Example:
        >>> model = ngram_fit([["a", "rose", "is", "a", "rose"]], order=2)
        >>> ngram_mle("is", ["a", "rose"], model)
        0.5

    Source:
        Jurafsky and Martin, "Speech and language processing", chapter "N-gram language models".
    """
    word, context = _known(word, context, model)
    counts = model.counts.get(context, _NOTHING)
    return counts[word] / counts.total() if counts else 0.0


def ngram_add_k(word, context, model, k=1.0):
    """Pretend that every word followed every context k times more often than it did.

        P(word | context) = (count(context, word) + k) / (Σ_w count(context, w) + k · V)

    Args:
        word: a word.
        context: the words before it; only the last n-1 are used.
        model: `NGramModel`.
        k: what is added; 1 is Laplace's rule.

    Returns:
        A probability above 0.

    Example:
        >>> model = ngram_fit([["a", "rose", "is", "a", "rose"]], order=2)
        >>> ngram_add_k("is", ["rose"], model)  # V = 5: a, is, rose, <eos>, <unk>
        0.2857142857142857

    Source:
        Lidstone 1920; Jurafsky and Martin, the same chapter, "Smoothing".
    """
    word, context = _known(word, context, model)
    counts = model.counts.get(context, _NOTHING)
    return (counts[word] + k) / (counts.total() + k * len(model.vocabulary))


def ngram_kneser_ney(word, context, model, discount=0.75):
    """Take a little from every count, and give it out as the next shorter context would.

        P(word | context) = max(c(word) - discount, 0) / Σ_w c(w)
                          + discount · |{w : c(w) > 0}| / Σ_w c(w) · P(word | shorter context)

    For the longest context c counts occurrences. For a shorter one it counts *different words in
    front*: "Francisco" is frequent, but only after "San", so it is no likely guess elsewhere.
    Without any context, P is c(word) / Σ_w c(w).

    Args:
        word: a word.
        context: the words before it; only the last n-1 are used.
        model: `NGramModel`.
        discount: between 0 and 1.

    Returns:
        A probability.

    Example:
        >>> model = ngram_fit([["a", "rose", "is", "a", "rose"]], order=2)
        >>> ngram_kneser_ney("is", ["rose"], model)
        0.275

    Source:
        Kneser and Ney 1995, "Improved backing-off for m-gram language modeling"; interpolated as in
        Chen and Goodman 1999, "An empirical study of smoothing techniques for language modeling".
    """
    word, context = _known(word, context, model)
    longest = len(context) == model.order - 1
    table = model.counts if longest else model.continuations
    return _kneser_ney(word, context, table, model, discount)


def _kneser_ney(word, context, table, model, discount):
    counts = table.get(context, _NOTHING)
    total = counts.total()
    if not context:
        return counts[word] / total
    shorter = _kneser_ney(word, context[1:], model.continuations, model, discount)
    if not total:
        return shorter
    return (max(counts[word] - discount, 0) + discount * len(counts) * shorter) / total


def ngram_log_probabilities(sentence, model, estimator=ngram_kneser_ney):
    """Return the log-probability of each word of a sentence and of its end.

        log P(word_t | word_{t-n+1} … word_{t-1})

    Args:
        sentence: list of words.
        model: `NGramModel`.
        estimator: called as `estimator(word, context, model)`, such as `ngram_mle`.

    Returns:
        Array (number of words + 1,), in nats; -inf where the probability is 0.

    Example:
        >>> model = ngram_fit([["a", "rose", "is", "a", "rose"]], order=2)
        >>> ngram_log_probabilities(["a", "rose"], model, ngram_mle).round(3)
        array([ 0.   ,  0.   , -0.693])
    """
    words, n = _padded(_words(sentence), model.order), model.order
    probabilities = [
        estimator(words[t], words[t - n + 1 : t], model) for t in range(n - 1, len(words))
    ]
    return np.array([math.log(p) if p > 0 else -math.inf for p in probabilities])


def ngram_perplexity(sentences, model, estimator=ngram_kneser_ney):
    """Return among how many equally likely words the model hesitates, on average.

        perplexity = exp(- mean of the log-probabilities of all words and sentence ends)

    Args:
        sentences: iterable of lists of words.
        model: `NGramModel`.
        estimator: as in `ngram_log_probabilities`.

    Returns:
        A number ≥ 1; infinite if any probability is 0.

    Example:
        >>> model = ngram_fit([["heads"], ["tails"]], order=1)
        >>> round(ngram_perplexity([["heads"]], model, ngram_mle), 3)  # 1/4, then <eos>: 1/2
        2.828
    """
    nats = [ngram_log_probabilities(sentence, model, estimator) for sentence in sentences]
    return math.exp(-np.concatenate(nats).mean())


def _words(sentence):
    if isinstance(sentence, str):
        raise TypeError(
            f"expected a list of words, received the string {sentence[:40]!r}; split it first, "
            "or write list(text) for a model of characters"
        )
    return list(sentence)


def _padded(words, order):
    return [BOS] * (order - 1) + words + [EOS]


def _known(word, context, model):
    """Replace unknown words, and cut the context to what the model looks at."""
    known = model.counts[()]  # every word that was counted
    context = list(context)[max(0, len(context) - model.order + 1) :]
    context = tuple(w if w in known or w == BOS else UNK for w in context)
    return (word if word in known else UNK), context
