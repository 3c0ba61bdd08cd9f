"""Whether a claim about a model holds for other models that were trained alike."""

from typing import Any, NamedTuple

import keras
import numpy as np

from kerasllm.utils.tables import Shown, Table


class Outcome(NamedTuple):
    """Whether a claim holds for one model, and what was seen there."""

    seed: int
    holds: bool
    seen: Any


class Claim(Shown):
    """In how many models a claim holds; see `over_seeds`.

    Attributes:
        says: the claim, in words.
        outcomes: an `Outcome` for each model.
    """

    def __init__(self, says, outcomes):
        self.says, self.outcomes = says, tuple(outcomes)

    @property
    def holds(self):
        """The number of models in which it holds."""
        return sum(outcome.holds for outcome in self.outcomes)

    @property
    def interval(self):
        """Bounds of the share of such models in which it holds (95 %, Clopper and Pearson 1934)."""
        from scipy.stats import binomtest

        bounds = binomtest(self.holds, len(self.outcomes)).proportion_ci(0.95, "exact")
        return float(bounds.low), float(bounds.high)

    @property
    def table(self):
        """A row for each model."""
        low, high = self.interval
        title = (
            f"{self.says}: holds in {self.holds} of {len(self.outcomes)} models (of all such "
            f"models in {low:.0%} to {high:.0%}, 95 % interval)"
        )
        rows = [(str(seed), "yes" if holds else "no", "" if seen is None else str(seen))
                for seed, holds, seen in self.outcomes]  # fmt: skip
        return Table(("seed", "holds", "seen"), rows, title)


def over_seeds(claim, n=3, *, train, first=0):
    """Train n small models, and report in how many of them a claim holds.

    What one model does may be chance: of two units that could carry the subject, training chose
    one. A claim is worth saying if it names what holds for the next model too.

    Args:
        claim: (model) -> whether it holds, or (whether it holds, what was seen). Its docstring, or
            its name, says the claim.
        n: how many models.
        train: (seed) -> a trained model or a run. Keras' seed is set before.
        first: the first seed; the others follow it.

    Returns:
        A `Claim`.

    Raises:
        ValueError: n below 1.
        TypeError: a claim that answers neither with a truth value nor with such a pair.

    Example:
        >>> def positive(model):
        ...     '''The first weight is positive.'''
        ...     weight = float(model.get_weights()[0][0, 0])
        ...     return weight > 0, round(weight, 2)
        >>> def untrained(seed):
        ...     return keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        >>> len(over_seeds(positive, n=5, train=untrained).outcomes)
        5

    Source:
        D'Amour et al., Underspecification Presents Challenges for Credibility in Modern Machine
        Learning (2020): models that differ in the seed alone solve a task in different ways.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"expected a whole number of models from 1, received {n!r}.")
    says = (claim.__doc__ or claim.__name__).strip().splitlines()[0].rstrip(".")
    outcomes = []
    for seed in range(first, first + n):
        keras.utils.set_random_seed(seed)
        outcomes.append(Outcome(seed, *_outcome(claim(train(seed)))))
    return Claim(says, outcomes)


def _outcome(answer):
    holds, seen = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, None)
    if not isinstance(holds, (bool, np.bool_)):
        raise TypeError(
            f"expected a claim to answer True or False, or (True or False, what was seen); it "
            f"answered {answer!r}."
        )
    return bool(holds), seen
