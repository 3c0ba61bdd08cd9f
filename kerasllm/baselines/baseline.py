"""What every baseline returns: its answers to the test rows, and what they score.

    baseline(train, test) -> Baseline

fits to training examples and predicts for others, of which it sees no answer. `train` and `test`
are a `Dataset` each, for a language model token ids.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Baseline:
    """A cheap model that was fitted to training examples, and what it predicted for others.

    Args:
        name: what it is called in a table, such as "linear".
        predicted: the answer to each test row, as the metrics of the task take it: class ids
            (positions in `labels`); bool (rows, labels) for several labels a text; lists of tags;
            texts; for a language model -ln p of each test sequence in nats.
        metrics: the scores of these answers.
        settings: what was chosen, such as C.
        labels: class names, for classification.
    """

    name: str
    predicted: Any
    metrics: dict
    settings: dict = field(default_factory=dict)
    labels: tuple[str, ...] = ()


def check_examples(train, test):
    """Raise unless there is something to learn from and something to answer.

    Args:
        train: training rows.
        test: test rows.

    Raises:
        ValueError: one of them is empty.

    Example:
        >>> check_examples([1, 2], [])
        Traceback (most recent call last):
        ValueError: expected training and test rows, received 0 test rows and 2 training rows; ...
    """
    if len(train) == 0 or len(test) == 0:
        raise ValueError(
            f"expected training and test rows, received {len(test)} test rows and "
            f"{len(train)} training rows; is a split empty?"
        )
