"""Scores of tags and entities: by hand, beside NLTK's chunk scorer, and beside seqeval."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.chunk.util import ChunkScore, conlltags2tree
from sklearn.metrics import accuracy_score

from kerasllm.metrics import (
    bootstrap_interval,
    count_entities,
    precision_recall_f1,
    tagging_intervals,
    tagging_metrics,
)

TRUE = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-ORG", "I-ORG", "I-ORG"], ["O"]]
FOUND = [["B-PER", "I-PER", "O", "B-ORG"], ["O", "B-ORG", "I-ORG", "O"], ["B-LOC"]]


def test_by_hand():
    # There: PER, LOC, ORG. Found: PER (right), ORG (no ORG there), ORG (too short), LOC.
    scores = tagging_metrics(TRUE, FOUND)
    assert scores["precision"] == 1 / 4 and scores["recall"] == 1 / 3
    assert scores["f1"] == pytest.approx(2 / 7)
    assert scores["types"]["PER"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "entities": 1}
    assert scores["types"]["ORG"]["precision"] == 0.0 and scores["types"]["LOC"]["entities"] == 1


def test_counts_of_each_sentence():
    counts, types = count_entities(TRUE, FOUND)
    assert types == ("LOC", "ORG", "PER")
    assert counts.sum(axis=1).tolist() == [[1, 2, 2], [0, 1, 1], [0, 1, 0]]


def test_nothing_there_and_nothing_found():
    scores = tagging_metrics([["O", "O"]], [["O", "O"]])
    assert scores == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "types": {}, "accuracy": 1.0}
    assert not np.any(precision_recall_f1(*np.zeros((3, 2))))
    assert tagging_intervals([["O", "O"]], [["O", "O"]])["f1"] == (0, 0)


def test_the_scheme_does_not_matter():
    bioes = [["B-PER", "E-PER", "O", "S-LOC"], ["O", "B-ORG", "I-ORG", "E-ORG"], ["O"]]
    assert tagging_metrics(bioes, TRUE)["f1"] == tagging_metrics(TRUE, bioes)["f1"] == 1.0


# Sentences in BIO, most of them broken, and some without a token.
TAGS = st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"])
SENTENCES = st.lists(st.lists(st.tuples(TAGS, TAGS), max_size=6), min_size=1, max_size=4)


@given(SENTENCES)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_against_the_chunks_of_nltk(sentences):
    def tree(tags):
        rows = [(str(place), "", tag) for place, tag in enumerate(tags)]
        return conlltags2tree(rows, chunk_types=("A", "B"), strict=False)

    true, found = ([[pair[i] for pair in row] for row in sentences] for i in (0, 1))
    oracle = ChunkScore()
    for pair in zip(true, found, strict=True):
        oracle.score(*map(tree, pair))
    scores = tagging_metrics(true, found)
    assert scores["precision"] == pytest.approx(oracle.precision())
    assert scores["recall"] == pytest.approx(oracle.recall())
    assert scores["f1"] == pytest.approx(oracle.f_measure())
    total = count_entities(true, found)[0].sum(axis=(0, 1))
    for name, (low, high) in tagging_intervals(true, found, samples=20).items():
        assert 0 <= low <= high <= 1 and (total[0] or high == 0), name


def test_accuracy_of_tags(rng):
    true, found = (
        [list(rng.choice(["DT", "NN", "VB"], 1 + i % 7)) for i in range(50)] for _ in range(2)
    )
    flat = [[tag for row in rows for tag in row] for rows in (true, found)]
    assert tagging_metrics(true, found, entities=False) == {
        "accuracy": pytest.approx(accuracy_score(*flat))
    }
    assert tagging_metrics([["B-X", "E-X"]], [["I-X", "I-X"]])["accuracy"] == 1  # both B-X I-X
    assert tagging_metrics(TRUE, FOUND)["accuracy"] == pytest.approx(6 / 9)
    assert tagging_metrics([[], ["O"]], [[], ["O"]], entities=False) == {"accuracy": 1}
    assert tagging_metrics([[]], [[]]) == {
        "precision": 0, "recall": 0, "f1": 0, "types": {}, "accuracy": 0,
    }  # fmt: skip


def test_intervals_draw_whole_sentences(rng):
    true = [["A"] * int(n) for n in rng.integers(1, 9, 40)]
    found = [row if rng.random() < 0.5 else ["B"] * len(row) for row in true]
    rows = np.array([[len(a) * (a == b), len(a)] for a, b in zip(true, found, strict=True)])
    expected = bootstrap_interval(lambda r: r[:, 0].sum() / r[:, 1].sum(), rows, seed=1)
    assert tagging_intervals(true, found, False, seed=1)["accuracy"] == pytest.approx(expected)
    entities = [[[f"B-{tag}" for tag in row] for row in rows] for rows in (true, found)]
    expected = bootstrap_interval(
        lambda t, f: tagging_metrics(list(t), list(f))["recall"],
        *(np.array([*map(tuple, rows), ()], dtype=object)[:-1] for rows in entities),
        samples=50,
    )
    assert tagging_intervals(*entities, samples=50)["recall"] == pytest.approx(expected)


def test_against_seqeval(rng):
    metrics = pytest.importorskip("seqeval.metrics", reason="needs the extra bench: seqeval")
    letters, kinds = list("BIES"), ["A", "B", "C"]
    tags = ["O", *(f"{letter}-{kind}" for letter in letters for kind in kinds)]
    lengths = rng.integers(1, 12, 300)
    # A found row is the true one with some tags changed, and most rows break every scheme.
    true = [rng.choice(tags, n).tolist() for n in lengths]
    found = [[t if rng.random() < 0.6 else str(rng.choice(tags)) for t in row] for row in true]
    scores = tagging_metrics(true, found)
    assert 0.1 < scores["f1"] < 0.9
    for name in ("precision", "recall", "f1"):
        theirs = getattr(metrics, f"{name}_score")
        assert scores[name] == pytest.approx(theirs(true, found), abs=1e-12)
        each = theirs(true, found, average=None)
        assert [scores["types"][kind][name] for kind in kinds] == pytest.approx(list(each))


def test_rows_that_do_not_belong_together_are_refused():
    for score in (tagging_metrics, tagging_intervals):
        with pytest.raises(ValueError, match="2 predictions for 3 rows"):
            score(TRUE, FOUND[:2])
        with pytest.raises(ValueError, match="2 predicted tags for the 1 tokens of sentence 2"):
            score(TRUE, [*FOUND[:2], ["O", "O"]])
        with pytest.raises(ValueError, match="at least one row"):
            score([], [])
