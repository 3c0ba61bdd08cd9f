"""Entity scores: by hand, and beside seqeval."""

import numpy as np
import pytest

from kerasllm.metrics.entities import count_entities, entity_scores, ratios

TRUE = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-ORG", "I-ORG", "I-ORG"], ["O"]]
FOUND = [["B-PER", "I-PER", "O", "B-ORG"], ["O", "B-ORG", "I-ORG", "O"], ["B-LOC"]]


def test_by_hand():
    # There: PER, LOC, ORG. Found: PER (right), ORG (no ORG there), ORG (too short), LOC.
    scores = entity_scores(TRUE, FOUND)
    assert scores["precision"] == 1 / 4 and scores["recall"] == 1 / 3
    assert scores["f1"] == pytest.approx(2 / 7)
    assert scores["types"]["PER"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "entities": 1}
    assert scores["types"]["ORG"]["precision"] == 0.0 and scores["types"]["LOC"]["entities"] == 1


def test_counts_of_each_sentence():
    counts, types = count_entities(TRUE, FOUND)
    assert types == ("LOC", "ORG", "PER")
    assert counts.sum(axis=1).tolist() == [[1, 2, 2], [0, 1, 1], [0, 1, 0]]


def test_nothing_there_and_nothing_found():
    scores = entity_scores([["O", "O"]], [["O", "O"]])
    assert scores == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "types": {}}
    assert all(np.isfinite(ratios(np.zeros((2, 3)))).ravel())


def test_the_scheme_does_not_matter():
    bioes = [["B-PER", "E-PER", "O", "S-LOC"], ["O", "B-ORG", "I-ORG", "E-ORG"], ["O"]]
    assert entity_scores(bioes, TRUE)["f1"] == entity_scores(TRUE, bioes)["f1"] == 1.0


def test_against_seqeval(rng):
    metrics = pytest.importorskip("seqeval.metrics", reason="needs the extra bench: seqeval")
    letters, kinds = list("BIES"), ["A", "B", "C"]
    tags = ["O", *(f"{letter}-{kind}" for letter in letters for kind in kinds)]
    lengths = rng.integers(1, 12, 300)
    # A found row is the true one with some tags changed, and most rows break every scheme.
    true = [rng.choice(tags, n).tolist() for n in lengths]
    found = [[t if rng.random() < 0.6 else str(rng.choice(tags)) for t in row] for row in true]
    scores = entity_scores(true, found)
    assert 0.1 < scores["f1"] < 0.9
    for name in ("precision", "recall", "f1"):
        theirs = getattr(metrics, f"{name}_score")
        assert scores[name] == pytest.approx(theirs(true, found), abs=1e-12)
        each = theirs(true, found, average=None)
        assert [scores["types"][kind][name] for kind in kinds] == pytest.approx(list(each))


def test_rows_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="as many rows of predicted tags as of true ones"):
        entity_scores(TRUE, FOUND[:2])
    with pytest.raises(ValueError, match="2 predicted tags for the 1 tokens of sentence 2"):
        entity_scores(TRUE, [*FOUND[:2], ["O", "O"]])
