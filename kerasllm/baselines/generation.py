"""What an encoder-decoder has to beat: the nearest training pair, the source or its beginning."""

import numpy as np

from kerasllm.baselines.baseline import Baseline, check_examples
from kerasllm.baselines.features import fit_tf_idf, tf_idf
from kerasllm.metrics.generation import generation_metrics
from kerasllm.metrics.writing import WITHOUT_SPACES, writing_of

AT_ONCE = 256  # sources that are compared with all of training at once


def nearest_neighbour(train, test):
    """Answer each source with the (first) target of the training pair with the likest source.

    Likeness is the cosine of TF-IDF vectors; of equal ones the first counts.

    Args:
        train: `Dataset` of pairs.
        test: likewise.

    Returns:
        `Baseline`, whose predictions are texts.

    Raises:
        ValueError: no pairs, or training sources without a single word.

    Example:
        >>> from kerasllm.datasets.examples import Dataset, Pair
        >>> rows = [Pair("rot und blau", "red and blue"), Pair("ein Hund", "a dog")]
        >>> train = Dataset(rows, name="x", split="train", task="seq2seq")
        >>> nearest_neighbour(train, train[1:]).predicted
        ['a dog']
    """
    check_examples(train, test)
    vectorizer = tf_idf(train.texts)
    known = fit_tf_idf(vectorizer, train.texts)
    asked, nearest = vectorizer.transform(test.texts), []
    for start in range(0, len(test), AT_ONCE):
        likeness = asked[start : start + AT_ONCE] @ known.T  # rows of length one: the cosine
        nearest += np.asarray(likeness.argmax(axis=1)).ravel().tolist()
    return scored("nearest", [train[row].target for row in nearest], test)


def copy(train, test):
    """Answer each source with itself; nothing is learned.

    Args:
        train: `Dataset` of pairs.
        test: likewise.

    Returns:
        `Baseline`, whose predictions are texts.

    Raises:
        ValueError: no pairs.

    Example:
        >>> from kerasllm.datasets.examples import Dataset, Pair
        >>> data = Dataset([Pair("Ada!", "Ada!")], name="x", split="test", task="seq2seq")
        >>> copy(data, data).metrics["exact_match"]
        100.0
    """
    check_examples(train, test)
    return scored("copy", test.texts, test)


def lead(train, test):
    """Answer each source with its first words, as many as targets have in the middle (the median).

    Writing without spaces is counted in characters.

    Args:
        train: `Dataset` of pairs.
        test: likewise.

    Returns:
        `Baseline`, whose predictions are texts.

    Raises:
        ValueError: no pairs.

    Example:
        >>> from kerasllm.datasets.examples import Dataset, Pair
        >>> train = Dataset([Pair("a b c d", "x y")], name="x", split="train", task="seq2seq")
        >>> lead(train, train).predicted
        ['a b']
    """
    check_examples(train, test)
    targets = [text for pair in train for text in pair.references]
    characters = writing_of(targets) in WITHOUT_SPACES
    cut, join = (list, "".join) if characters else (str.split, " ".join)
    length = int(np.median([len(cut(target)) for target in targets]))
    answers = [join(cut(source)[:length]) for source in test.texts]
    return scored("lead", answers, test, {"length": length})


def scored(name, answers, test, settings=None):
    """Return the `Baseline` of answers, scored against all references of each row."""
    metrics = generation_metrics([pair.references for pair in test], answers)
    return Baseline(name, answers, metrics, settings or {})
