"""Association tests on the vectors of a run: which of two groups is nearer to which attributes.

- A word is read alone; its vector is the mean over its tokens of what the backbone gives, or of the
  embedding. Words that the tokenizer does not know whole are left out, and named.
- p: how often a division of the targets into two sets of these sizes, drawn by chance, has at least
  this effect. All divisions are tried where there are not too many.
"""

import tomllib
from functools import cache
from itertools import combinations
from math import comb
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from kerasllm.reference import association
from kerasllm.training.run_folder.run import as_run
from kerasllm.utils.errors import check_choice
from kerasllm.utils.tables import Shown, Table

DIVISIONS = 13_000  # up to so many all are tried: eight words in each set have 12,870
VECTORS = ("features", "embedding")
FEWEST = 3  # words of a set: 3 and 3 can be divided in 20 ways, so that p is 0.05 at best


class Associated(NamedTuple):
    """One association test."""

    name: str
    effect: float
    p: float
    difference: float  # of the means: the effect before it is divided by the spread
    unknown: tuple[str, ...]
    says: str
    control: bool


class Bias(Shown):
    """What association tests found; see `bias`.

    Attributes:
        tests: an `Associated` for each set of words.
        skipped: {name of a set: why it could not be tried}.
    """

    def __init__(self, tests, skipped, title):
        self.tests, self.skipped, self.title = tuple(tests), dict(skipped), title

    @property
    def table(self):
        """A row for each test."""
        rows = []
        for test in self.tests:
            kind = "control" if test.control else ""
            left_out = ", ".join(test.unknown) or "–"
            rows.append((test.name, kind, test.effect, test.p, test.difference, left_out,
                         test.says))  # fmt: skip
        for name, why in self.skipped.items():
            rows.append((name, "", None, None, None, why, "not tried"))
        columns = ("words", "", "effect", "p", "difference", "left out", "an effect above 0 says")
        return Table(columns, rows, self.title)


@cache
def word_sets():
    """Return the built-in sets of words: {name: {"x", "y", "a", "b", "language", "says"}}.

    Example:
        >>> sorted(word_sets()["work_en"])
        ['a', 'b', 'control', 'language', 'says', 'x', 'y']
    """
    return tomllib.loads(Path(__file__).with_name("word_sets.toml").read_text("utf-8"))


def bias(run, sets=None, *, vectors="features", draws=10_000, seed=0):
    """Test which of two groups of words a model puts nearer to which attributes.

    Args:
        run: run folder or `Run`, of any task with one backbone.
        sets: names of `word_sets`, or {name: {"x", "y", "a", "b": lists of words}}; left out, all
            of the run's language.
        vectors: "features", what the backbone makes of a word, or "embedding", its table.
        draws: divisions drawn where there are too many to try all.
        seed: of these draws.

    Returns:
        A `Bias`.

    Raises:
        ValueError: an unknown set; no set of which the model knows enough words.

    Source:
        Caliskan, Bryson and Narayanan (2017); see `kerasllm.reference.association`.
    """
    run = as_run(run)
    check_choice("vectors", vectors, VECTORS)
    chosen = _chosen(run, sets)
    reader = _Words(run, vectors)
    tests, skipped = [], {}
    for name, parts in chosen.items():
        try:
            tests.append(_test(reader, name, parts, draws, seed))
        except _TooFewError as why:
            skipped[name] = str(why)
    if not tests:
        raise ValueError(
            f"{run.path} knows too few words of any set: {skipped}. Give sets of words that stand "
            "in its training text."
        )
    return Bias(tests, skipped, f"{run.path}: associations by {vectors}")


class _TooFewError(ValueError):
    """Too few words of a set are known."""


def _chosen(run, sets):
    if isinstance(sets, dict):
        for name, parts in sets.items():
            if missing := {"x", "y", "a", "b"} - set(parts):
                raise ValueError(f"expected lists x, y, a, b in {name!r}, without {missing}.")
        return sets
    known = word_sets()
    if sets:
        for name in sets:
            check_choice("sets", name, tuple(known))
        return {name: known[name] for name in sets}
    language = run.config.get("language") or run.config["data"].get("language")
    return {name: s for name, s in known.items() if s["language"] == language} or known


class _Words:
    """Vectors of words, by a run."""

    def __init__(self, run, vectors):
        self.tokenizer, backbone = run.tokenizer, getattr(run.model, "backbone", None)
        table = getattr(backbone, "embedding", None)
        if backbone is None or (vectors == "embedding" and table is None):
            raise ValueError(f"{run.path} holds a {type(run.model).__name__} without {vectors}.")
        self.read = table if vectors == "embedding" else backbone

    def ids(self, word):
        """Return the ids of a word; None where a part of it is unknown."""
        ids = self.tokenizer.encode(word)
        return None if not ids or self.tokenizer.unk_id in ids else ids

    def __call__(self, words):
        ids = [self.ids(word) for word in words]
        lengths = sorted({len(row) for row in ids})
        found = {}
        for length in lengths:  # words of one length together: nothing has to be masked
            rows = [k for k, row in enumerate(ids) if len(row) == length]
            features = self.read(np.array([ids[k] for k in rows], "int32"))
            means = keras.ops.convert_to_numpy(keras.ops.mean(features, axis=1))
            found.update(zip(rows, means.astype("float64"), strict=True))
        return np.array([found[k] for k in range(len(words))])


def _test(reader, name, parts, draws, seed):
    unknown, known = [], {}
    for part in "xyab":
        words = list(dict.fromkeys(parts[part]))
        known[part] = [word for word in words if reader.ids(word) is not None]
        unknown += [word for word in words if word not in known[part]]
        if len(known[part]) < FEWEST:
            raise _TooFewError(f"knows {len(known[part])} of {len(words)} words of {part}")
    vectors = {part: reader(words) for part, words in known.items()}
    found = association(*(vectors[part] for part in "xyab"))
    p = permutation_p(found.of_x, found.of_y, draws, seed)
    difference = float(found.of_x.mean() - found.of_y.mean())
    says = parts.get("says", "x is nearer to a, y to b")
    return Associated(
        name, found.effect, p, difference, tuple(unknown), says, parts.get("control", False)
    )


def permutation_p(of_x, of_y, draws=10_000, seed=0):
    """Return the share of divisions of the words whose difference is at least that of these.

    Args:
        of_x: (X,) s_w of the first set; see `kerasllm.reference.association`.
        of_y: (Y,) of the second one.
        draws: divisions that are drawn where there are more than 13,000, this one among them.
        seed: of the draws.

    Returns:
        p, one-sided; the least is 1 / (how many divisions).

    Example:
        >>> permutation_p([3.0, 2.0], [1.0, 0.0])  # the best of 6 divisions
        0.16666666666666666
    """
    both, size = np.concatenate([of_x, of_y]), len(of_x)
    if comb(len(both), size) <= DIVISIONS:
        chosen = np.array(list(combinations(range(len(both)), size)))
    else:
        rng = np.random.default_rng(seed)
        order = rng.random((draws - 1, len(both))).argsort(axis=1)[:, :size]
        chosen = np.vstack([np.arange(size), order])
    sums = both[chosen].sum(axis=1)  # with the sum over x the difference grows, and nothing else
    return float(np.mean(sums >= np.sum(of_x) - 1e-12))
