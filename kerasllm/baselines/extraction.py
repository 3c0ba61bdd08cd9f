"""What a summary has to beat: sentences taken from the text, the first ones or the central ones."""

import math

import numpy as np

from kerasllm.baselines.baseline import check_examples
from kerasllm.baselines.generation import scored
from kerasllm.baselines.spans import sentences, words
from kerasllm.metrics.writing import WITHOUT_SPACES, writing_of

DAMPING = 0.85  # share of the walk that follows likeness; the rest goes anywhere


def lead_sentences(train, test):
    """Answer each text with its first sentences, as many as targets have in the middle.

    Args:
        train: `Dataset` of pairs.
        test: likewise.

    Returns:
        `Baseline`, whose predictions are texts.

    Raises:
        ValueError: no pairs.

    Example:
        >>> from kerasllm.datasets.examples import Dataset, Pair
        >>> rows = [Pair("Ada came. Bob went.", "Ada was here.")]
        >>> lead_sentences(*[Dataset(rows, name="x", split="train", task="seq2seq")] * 2).predicted
        ['Ada came.']
    """
    return _extracted("lead_sentences", train, test, _first)


def textrank(train, test):
    """Answer each text with its central sentences, in their order; nothing is learned of words.

        w_ij = |words of i and j| / (ln |i| + ln |j|)
        r    = (1 - d) / n + d Wᵀ r,  W the rows of w divided by their sums

    Args:
        train: `Dataset` of pairs, which says how many sentences a summary has.
        test: likewise.

    Returns:
        `Baseline`, whose predictions are texts.

    Raises:
        ValueError: no pairs.

    Source: Mihalcea and Tarau 2004, TextRank: bringing order into texts, section 4.
    """
    return _extracted("textrank", train, test, _central)


def _extracted(name, train, test, choose):
    """Return the baseline that answers with the sentences that `choose(parts, count)` names."""
    check_examples(train, test)
    targets = [text for pair in train for text in pair.references]
    count = int(np.median([len(sentences(target)) for target in targets]))
    between = "" if writing_of(targets) in WITHOUT_SPACES else " "
    answers = []
    for text in test.texts:
        parts = [text[start:end] for start, end in sentences(text)]
        chosen = sorted(choose(parts, min(count, len(parts))))
        answers.append(between.join(parts[row] for row in chosen))
    return scored(name, answers, test, {"sentences": count})


def _first(_parts, count):
    return range(count)


def _central(parts, count):
    return np.argsort(-sentence_ranks(parts), kind="stable")[:count].tolist()


def sentence_ranks(parts):
    """Return how central each sentence is, (n,); they add up to 1.

    Example:
        >>> sentence_ranks(["a red cat sat", "the red cat ran", "it rained"]).round(2)
        array([0.47, 0.47, 0.07])
    """
    sets = [{part[a:b].lower() for a, b in words(part)} for part in parts]
    likeness = np.zeros((len(parts), len(parts)))
    for i, first in enumerate(sets):
        for j, second in enumerate(sets[:i]):
            scale = math.log(max(len(first), 1)) + math.log(max(len(second), 1))
            likeness[i, j] = likeness[j, i] = len(first & second) / scale if scale else 0.0
    total = likeness.sum(axis=1, keepdims=True)
    steps = np.where(total > 0, likeness / np.where(total > 0, total, 1), 1 / len(parts))
    matrix = np.eye(len(parts)) - DAMPING * steps.T
    return np.linalg.solve(matrix, np.full(len(parts), (1 - DAMPING) / len(parts)))
