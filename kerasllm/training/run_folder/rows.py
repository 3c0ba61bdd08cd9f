"""Which rows a run learned from and which were held out, so that no score is of what it was taught.

- A row is known by the hash of what a model is given of it, as duplicates are compared: without
  white space at its ends. A second hash holds its answer too, and shows that one was changed.
- The rows of a text file are its lines.
- Of a training on more than `MOST` rows those alone are recorded that were held out.
"""

import hashlib
import json
from typing import NamedTuple

import numpy as np

from kerasllm.datasets.examples import Text, inputs_of, values_of
from kerasllm.utils.errors import is_at_terminal
from kerasllm.utils.files import whole_file
from kerasllm.utils.ranks import first_alone

FILE = "rows.bin"  # how many rows each split has, then their hashes: uint64
MOST = 1_000_000
BY_CHANCE = 0.01  # share of the rows of other data that may be known without being copied
SHORTEST = 20  # characters of a text: a shorter one may be said twice
TRAINED_ROWS = ("refuse", "drop", "score")


class Rows(NamedTuple):
    """The rows of a run: uint64 arrays (R, 2), hashes of the input and of the whole row.

    Attributes:
        train: what it learned from.
        validation: what its weights were chosen by.
        test: the test rows of its data at that time; none where there are none.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, train, validation, test=()):
        """Return the rows of examples."""
        train = () if len(train) > MOST else train
        return cls(*map(hashes, (train, validation, test)))

    @first_alone
    def save(self, folder):
        """Write them into a run folder."""
        with whole_file(folder / FILE, "wb") as file:
            for part in (np.array([*map(len, self)], "<u8"), *self):
                file.write(part.astype("<u8").tobytes())

    @classmethod
    def load(cls, folder):
        """Return the rows that a run recorded, None of a run of before that did not.

        Raises:
            ValueError: the file is damaged.
        """
        if not (folder / FILE).is_file():
            return None
        numbers = np.fromfile(folder / FILE, "<u8")
        counts = numbers[:3].astype(float)
        if len(counts) < 3 or len(numbers) != 3 + 2 * counts.sum():
            raise ValueError(
                f"{folder / FILE}, which says what the run was trained on, is damaged: restore it "
                "from a copy, or train again."
            )
        ends = np.cumsum(counts).astype(int)[:2]
        return cls(*np.split(numbers[3:].reshape(-1, 2), ends))

    def known(self, split, examples):
        """Return which examples (R,) stand in a split, by what a model is given of them."""
        return np.isin(hashes(examples)[:, 0], getattr(self, split)[:, 0])

    def same(self, split, examples):
        """Return whether a split is what it was."""
        return np.array_equal(getattr(self, split), hashes(examples))


def hashes(examples):
    """Return the hashes (R, 2) of examples: of what a model is given, and of all of it.

    Example:
        >>> (a, b), (c, d) = hashes([Text("the same"), Text("the same ")])
        >>> bool(a == c), bool(b == d)
        (True, False)
    """
    found = np.zeros((len(examples), 2), "uint64")
    for row, example in zip(found, examples, strict=True):
        row[:] = [_hash([part.strip() for part in inputs_of(example)]), _hash(values_of(example))]
    return found


def _hash(values):
    digest = hashlib.sha256(json.dumps(values).encode()).digest()
    return int.from_bytes(digest[:8], "little")


def still_held_out(rows, now, split):
    """Return which rows of changed data were held out, which were trained on, and what changed.

    Args:
        rows: the `Rows` of the run.
        now: `Dataset` of all that the data hold now.
        split: that is to be scored.

    Returns:
        (bool (R,), bool (R,), a sentence).

    Raises:
        ValueError: nothing of the split is left.
    """
    learned = rows.known("train", now)
    held = rows.known(split, now) & ~learned
    was, here = getattr(rows, split), hashes(now)
    gone = len(was) - np.isin(was[:, 0], here[held, 0]).sum()
    new = ~np.isin(here[:, 0], np.concatenate(rows)[:, 0])
    answers = held & ~np.isin(here[:, 1], was[:, 1])
    told = (
        f"{now.name} changed since the training: of the {len(was):,} rows of its {split} split "
        f"{gone:,} are gone and {answers.sum():,} were edited; {new.sum():,} rows are new and not "
        f"scored. What was held out then is scored, {held.sum():,} rows"
    )
    if not held.any():
        raise ValueError(
            f"nothing that was held out is left: {told.split(' What ')[0]} Give the rows to score "
            "as a file of their own, or train again."
        )
    return held, learned, told


def fair_rows(rows, data, trained_rows="refuse"):
    """Return which rows of other data are scored (R,), and what is to be said of them.

    Rows that stand in the validation or the test split of the run were held out, and are scored.

    Args:
        rows: the `Rows` of the run.
        data: `Dataset` that is to be scored.
        trained_rows: what to do about rows that the run was trained on: "refuse", "drop", "score".

    Raises:
        ValueError: rows that were trained on, more than may be there by chance.
    """
    learned, every = rows.known("train", data), np.ones(len(data), bool)
    for row in np.flatnonzero(learned):
        if isinstance(data[row], Text) and len(data[row].text.strip()) < SHORTEST:
            learned[row] = False
    if not learned.any():
        return every, []
    count = f"{learned.sum():,} of the {len(data):,} rows of {data.name}"
    if any(rows.known(split, data).all() for split in ("validation", "test")):
        return every, [f"{count} stand among the training rows of its data too"]
    if trained_rows == "score" or learned.mean() <= BY_CHANCE:
        return every, [f"{count} were trained on: of these the scores say nothing"]
    if trained_rows == "drop" and not learned.all():
        return ~learned, [f"{count} were trained on and are left out"]
    drop, score = (_option(choice) for choice in ("drop", "score"))
    raise ValueError(
        f"{count} were trained on: their scores would say nothing of new ones. Give other rows, or "
        f"{drop} to score the rest, {score} to score all."
    )


def _option(choice):
    return f"--trained-rows {choice}" if is_at_terminal() else f'trained_rows="{choice}"'
