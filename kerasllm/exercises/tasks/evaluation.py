"""Exercises: scores of a class, intervals, a test of two models."""

import numpy as np

from kerasllm.exercises.exercise import Exercise
from kerasllm.exercises.trials import Trial

R = 11


def _score_trials(rng):
    counts = rng.integers(1, 30, size=(3, 3))
    never = counts.copy()
    never[:, 1] = 0  # a class that was never predicted, as by a majority baseline
    return [
        Trial("two classes", (rng.integers(1, 30, size=(2, 2)),)),
        Trial("three classes", (counts,)),
        Trial("a class that is never predicted", (never,)),
    ]


def _interval_trials(rng):
    made = []
    for confidence in (0.95, 0.8):
        draws = rng.integers(R, size=(200, R))
        made.append(Trial(f"confidence {confidence}", (rng.gamma(2.0, size=R), draws, confidence)))
    return made


def _test_trials(rng):
    first, second = rng.random((2, 40)) < np.array([[0.8], [0.55]])
    same = rng.random(R) < 0.5
    halves = np.arange(8) % 2 == 0
    return [
        Trial("the first is better", (first, second)),
        Trial("the second is better", (second, first)),
        Trial("as often one as the other", (halves, ~halves)),
        Trial("always the same rows", (same, same)),
    ]


EXERCISES = (
    Exercise(
        name="class_scores",
        level="a few lines",
        task="score every class from a confusion matrix.",
        statement="""
            precision_c = confusion[c, c] / Σ_r confusion[r, c]
            recall_c    = confusion[c, c] / Σ_r confusion[c, r]
            f1_c        = 2 precision_c recall_c / (precision_c + recall_c)     0/0 is 0

            confusion: (C, C) counts, the true class a row, the predicted class a column.
            Return precision, recall, f1, (C,) each.""",
        hint="""Sum down the columns for what was predicted, along the rows for what is true;
            np.maximum(whole, 1) keeps 0/0 away where counts are whole numbers.""",
        outputs=("precision", "recall", "f1"),
        trials=_score_trials,
    ),
    Exercise(
        name="percentile_bootstrap",
        level="a few lines",
        task="put an interval round a mean by drawing the rows again.",
        statement="""
            mean_s = (1 / R) Σ_r values[draws[s, r]]
            low, high = quantiles (1 - confidence) / 2 and (1 + confidence) / 2 of all mean_s

            values: (R,). draws: (S, R), numbers of rows, drawn with replacement. confidence: 0.95
            if left out. Return low, high, two numbers.""",
        hint="values[draws] is (S, R). Half of what may be missed lies below, half above.",
        outputs=("low", "high"),
        trials=_interval_trials,
    ),
    Exercise(
        name="mcnemar",
        level="a few lines",
        task="ask whether two models differ by more than chance.",
        statement="""
            n = rows on which exactly one of the two is right,  k = those of the rarer kind
            p = min(1, 2 Σ_{i=0}^{k} C(n, i) / 2ⁿ)

            first_right, second_right: (R,) bool, whether each model answered a row rightly.
            Return p, a number.""",
        hint="math.comb(n, i). Rows on which the two agree must not count, not even in n.",
        outputs=("p",),
        trials=_test_trials,
    ),
)
