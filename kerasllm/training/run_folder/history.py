"""What history.csv of a run tells: curves, minutes, and whether the validation has flattened."""

import csv
import math

FLAT = 0.02  # share of the whole gain that a flat end may still bring
END = 0.2  # the last part of a training


def read_history(path):
    """Return the rows of a history.csv as dicts, numbers as numbers; [] where there is none."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: _number(cell) for name, cell in row.items()} for row in csv.DictReader(file)]


def _number(cell):
    try:
        return float(cell)
    except (TypeError, ValueError):
        return cell or math.nan


def curves(rows, names):
    """Return {name: values} for `plots.learning_curves`, with steps where there is one stage."""
    names = [name for name in names if name in rows[-1]]
    if len({row["stage"] for row in rows}) == 1:
        names.insert(0, "step")
    return {name: [row.get(name, math.nan) for row in rows] for name in names}


def training_minutes(rows):
    """Return the minutes spent in the stages of a training.

    Example:
        >>> training_minutes([{"stage": "a", "seconds": 30.0}, {"stage": "a", "seconds": 90.0}])
        1.5
    """
    ends = {row["stage"]: row["seconds"] for row in rows}
    return sum(ends.values()) / 60


def has_flattened(rows, monitor):
    """Return whether the last fifth of a training brought next to nothing; None if that is unknown.

    Next to nothing is 2 % of what the best validation before it gained over the first one.

    Args:
        rows: of `read_history`.
        monitor: column that the weights are chosen by; less is better where it ends in "loss".

    Example:
        >>> loss = [3.0, 2.0, 1.5, 1.2, 1.1, 1.05, 1.04, 1.03, 1.02, 1.01]
        >>> has_flattened([{"val_loss": x} for x in loss], "val_loss")
        True
        >>> has_flattened([{"val_loss": x} for x in [3.0, 2.5, 2.0, 1.5, 1.0]], "val_loss")
        False
    """
    sign = -1 if monitor.endswith("loss") else 1
    values = [sign * row.get(monitor, math.nan) for row in rows]
    values = [value for value in values if not math.isnan(value)]
    if len(values) < 5:
        return None
    cut = len(values) - max(1, round(END * len(values)))
    before = max(values[:cut])
    return max(values[cut:]) - before <= FLAT * max(before - values[0], 1e-12)
