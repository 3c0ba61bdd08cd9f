"""Known mistakes in scores, intervals and tests of two models."""
# ruff: noqa: ARG001, D401 - forgotten arguments are mistakes; docstrings end a sentence

import math

import numpy as np

from kerasllm import reference as ref
from kerasllm.verify.mistakes.mistake import mistake


@mistake("class_scores")
def class_scores_rows_for_columns(confusion):
    """Rows and columns are swapped: precision is what recall should be."""
    precision, recall, f1 = ref.class_scores(confusion)
    return ref.ClassScores(recall, precision, f1)


@mistake("class_scores")
def class_scores_plain_mean(confusion):
    """F1 is the plain mean of precision and recall, and not the harmonic one."""
    precision, recall, _ = ref.class_scores(confusion)
    return ref.ClassScores(precision, recall, (precision + recall) / 2)


@mistake("class_scores")
def class_scores_two_forgotten(confusion):
    """F1 lacks the factor 2."""
    scores = ref.class_scores(confusion)
    return scores._replace(f1=scores.f1 / 2)


@mistake("class_scores")
def class_scores_divided_by_all(confusion):
    """Both are divided by all rows, and not by those of the class."""
    share = np.diagonal(confusion) / np.sum(confusion)
    return ref.ClassScores(share, share, share)


@mistake("class_scores")
def class_scores_nothing_by_nothing(confusion):
    """A class that was never predicted has the precision 0 / 0."""
    confusion = np.asarray(confusion, dtype=float)
    right = np.diagonal(confusion)
    precision, recall = right / confusion.sum(axis=0), right / confusion.sum(axis=1)
    return ref.ClassScores(precision, recall, 2 * precision * recall / (precision + recall))


@mistake("percentile_bootstrap")
def percentile_bootstrap_whole_tail(values, draws, confidence=0.95):
    """All that may be missed is cut off at each end, and not half of it."""
    return ref.percentile_bootstrap(values, draws, 2 * confidence - 1)


@mistake("percentile_bootstrap")
def percentile_bootstrap_of_rows(values, draws, confidence=0.95):
    """The quantiles are those of the rows, and not of their means."""
    tail = (1 - confidence) / 2
    return tuple(np.quantile(np.asarray(values)[draws], [tail, 1 - tail]))


@mistake("percentile_bootstrap")
def percentile_bootstrap_of_rows_drawn(values, draws, confidence=0.95):
    """The mean is taken over the draws of each place, and not over the rows of each draw."""
    means, tail = np.asarray(values)[draws].mean(axis=0), (1 - confidence) / 2
    return tuple(np.quantile(means, [tail, 1 - tail]))


@mistake("percentile_bootstrap")
def percentile_bootstrap_without_drawing(values, draws, confidence=0.95):
    """The draws are not used: it is the mean, 1.96 standard errors below and above."""
    values = np.asarray(values)
    error = 1.96 * values.std(ddof=1) / len(values) ** 0.5
    return values.mean() - error, values.mean() + error


@mistake("mcnemar")
def mcnemar_one_sided(first_right, second_right):
    """Only one end is counted: the factor 2 is forgotten."""
    return _binomial(*_counts(first_right, second_right), sides=1)


@mistake("mcnemar")
def mcnemar_above_one(first_right, second_right):
    """P grows above 1 where both kinds of rows are equally many."""
    return _binomial(*_counts(first_right, second_right), most=2.0)


@mistake("mcnemar")
def mcnemar_of_all_rows(first_right, second_right):
    """Rows on which the two agree are counted in n."""
    return _binomial(*_counts(first_right, second_right), n=len(first_right))


@mistake("mcnemar")
def mcnemar_of_the_right_answers(first_right, second_right):
    """All right answers are counted, and not those that only one of the two has."""
    return _binomial(int(np.sum(first_right)), int(np.sum(second_right)))


@mistake("mcnemar")
def mcnemar_more_frequent_kind(first_right, second_right):
    """K counts the more frequent kind of rows, and not the rarer one."""
    counts = _counts(first_right, second_right)
    return _binomial(max(counts), max(counts), n=sum(counts))


def _counts(first_right, second_right):
    first, second = np.asarray(first_right, bool), np.asarray(second_right, bool)
    return int((first & ~second).sum()), int((~first & second).sum())


def _binomial(a, b, n=None, sides=2, most=1.0):
    n = a + b if n is None else n
    return min(most, sides * sum(math.comb(n, i) for i in range(min(a, b) + 1)) / 2**n)
