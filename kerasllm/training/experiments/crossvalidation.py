"""Stratified k-fold cross-validation: an honest score from a set too small to be split once."""

import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kerasllm import datasets
from kerasllm.datasets.examples import inputs_of
from kerasllm.training.engine.progress import Progress
from kerasllm.training.run_folder.folder import check_file, write_text
from kerasllm.training.run_folder.run import as_run
from kerasllm.training.settings import settings_for
from kerasllm.training.settings.base import resolve
from kerasllm.training.trainer import trained_task

SCORES = ("accuracy", "f1_macro", "matthews")  # of a classifier


def crossvalidate(
    run,
    data,
    output=None,
    *,
    folds=5,
    settings=None,
    overwrite=False,
    quiet=False,
    **overrides,
):
    """Fine-tune and score k times, each time on another fold, beside the linear baseline.

    Duplicates are removed before the rows are divided, and a tenth of each fold's training rows
    chooses the weights: the fold that is scored takes no part in it.

    Args:
        run: run folder or `Run` of `pretrain`.
        data: name of a data set, path of a file, or a `Dataset`.
        output: JSON file to write; none when None.
        folds: k.
        settings: settings of the task; the defaults when None.
        overwrite: lose the file that is there already.
        quiet: print nothing.
        **overrides: single settings.

    Returns:
        `FoldReport`: its rows hold the network's scores, and the linear baseline's as `linear_…`.
    """
    if output is not None:
        check_file(output, overwrite)
    if folds < 2:
        raise ValueError(f"folds must be 2 or more, received {folds}.")
    run, report, rows = as_run(run), Progress(quiet), whole(data)
    shape = settings_for(rows.task)
    settings = resolve(shape, settings, **overrides)
    settings.check(run)
    settings = settings.suited(shape.examples(rows, rows), run, report)

    def train_and_score(train, test):
        validation, rest = datasets.split(train, (0.1, 0.9), seed=settings.seed)
        task = trained_task(settings, shape.examples(rest, validation), run)
        found = task.evaluation(test, train)
        network, linear = found["model"], found["baselines"].get("linear", {})
        names = [name for name, score in network.items() if isinstance(score, float)]
        names = SCORES if set(SCORES) <= set(names) else names
        scores = {name: network[name] for name in names}
        scores |= {f"linear_{name}": linear[name] for name in names if name in linear}
        report.say("  fold: " + "  ".join(f"{n} {v:.4f}" for n, v in scores.items()))
        return scores

    found = score_folds(train_and_score, rows, folds, settings.seed)
    report.say(str(found))
    if output is not None:
        with report.despite("the scores"):
            write_text(output, json.dumps(found.to_json(), indent=2) + "\n")
    return found


def whole(data):
    """Return all rows of a data set, each text once (with each of its questions)."""
    if not isinstance(data, datasets.Dataset):
        data = datasets.load(data, split="all")
    seen = {}
    for row, example in enumerate(data):
        seen.setdefault(tuple(part.strip() for part in inputs_of(example)), row)
    return data.select(seen.values())


@dataclass(frozen=True)
class Fold:
    """One fold: what it was scored on and how it scored.

    Args:
        number: 1 to k.
        train_rows: (R_train,) positions in the data set.
        test_rows: (R_test,) positions in the data set; every row is a test row of one fold.
        scores: name -> value.
    """

    number: int
    train_rows: np.ndarray
    test_rows: np.ndarray
    scores: dict[str, float]


@dataclass(frozen=True)
class FoldReport:
    """The scores of every fold, their mean and their spread."""

    folds: tuple[Fold, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the scores."""
        return tuple(self.folds[0].scores)

    @property
    def mean(self) -> dict[str, float]:
        """Mean of each score across the folds."""
        return {name: statistics.fmean(self._column(name)) for name in self.names}

    @property
    def sd(self) -> dict[str, float]:
        """Standard deviation of each score across the folds (n - 1 below the sum)."""
        return {name: statistics.stdev(self._column(name)) for name in self.names}

    @property
    def rows(self) -> list[dict]:
        """One dict a fold: fold, train_rows and test_rows (how many), and each score."""
        return [
            {"fold": f.number, "train_rows": len(f.train_rows), "test_rows": len(f.test_rows)}
            | f.scores
            for f in self.folds
        ]

    def to_json(self) -> dict:
        """Return mean, sd and rows as plain values."""
        return {"mean": self.mean, "sd": self.sd, "rows": self.rows}

    def __str__(self):
        lines = ["fold  rows  " + "  ".join(f"{name:>15}" for name in self.names)]
        for fold in self.folds:
            scores = "  ".join(f"{fold.scores[name]:15.4f}" for name in self.names)
            lines.append(f"{fold.number:>4}  {len(fold.test_rows):>4}  {scores}")
        pairs = [f"{self.mean[name]:.4f} ± {self.sd[name]:.4f}" for name in self.names]
        lines.append("mean ± sd   " + "  ".join(f"{pair:>15}" for pair in pairs))
        return "\n".join(lines)

    def _column(self, name):
        return [fold.scores[name] for fold in self.folds]


def score_folds(train_and_score: Callable, dataset, folds: int = 5, seed: int = 0) -> FoldReport:
    """Train on all folds but one, score on that one, in turn.

    Every class has the same share in each fold. Remove duplicates before: a text that lies in
    two folds is scored by a model that has seen it.

    Args:
        train_and_score: function of (train, test), two data sets, that returns one number or a
            dict of numbers.
        dataset: `Dataset`; without labels it is divided at random.
        folds: k, at least 2.
        seed: of the division.

    Returns:
        `FoldReport`; printing it prints the table.

    Raises:
        ValueError: fewer than 2 folds, or a class with fewer rows than folds.

    Example:
        >>> from kerasllm.datasets.examples import Dataset, Labelled
        >>> rows = [Labelled(f"text {i}", "ab"[i % 2]) for i in range(20)]
        >>> letters = Dataset(rows, name="letters", split="train", task="classification")
        >>> report = score_folds(lambda train, test: len(test) / len(train), letters)
        >>> report.mean, report.sd
        ({'score': 0.25}, {'score': 0.0})
    """
    finished = []
    for number, (train, test) in enumerate(_divide(dataset, folds, seed), start=1):
        scores = train_and_score(dataset.select(train), dataset.select(test))
        if not isinstance(scores, dict):
            scores = {"score": scores}
        scores = {name: float(value) for name, value in scores.items()}
        finished.append(Fold(number, train, test, scores))
    return FoldReport(tuple(finished))


def _divide(dataset, folds, seed):
    from sklearn.model_selection import KFold, StratifiedKFold

    if not 2 <= folds <= len(dataset):
        raise ValueError(
            f"expected between 2 and {len(dataset)} folds (the rows there are), received {folds}; "
            "take folds=5 or more rows"
        )
    if dataset.task != "classification":
        return KFold(folds, shuffle=True, random_state=seed).split(np.zeros(len(dataset)))
    labels, counts = np.unique(dataset.labels_of, return_counts=True)
    if counts.min() < folds:
        raise ValueError(
            f"expected at least {folds} rows of every class for {folds} folds, received "
            f"{counts.min()} of class {str(labels[counts.argmin()])!r}; take fewer folds, or "
            "leave that class out"
        )
    divider = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return divider.split(np.zeros(len(dataset)), dataset.label_ids)
