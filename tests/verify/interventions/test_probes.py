"""Probes of a model whose unit 0 is the subject, and claims over seeds."""

import itertools

import keras
import pytest

from kerasllm import verify

TEXTS = [
    " ".join((subject, *rest))
    for subject in ("cat", "cats")
    for rest in itertools.product(("near", "old", "is"), repeat=2)
]
LABELS = [[None, text.split()[0], text.split()[0]] for text in TEXTS]


def test_the_subject_is_read_off_its_cell_and_not_off_the_words(by_hand, words):
    cell = verify.probe(by_hand, TEXTS, LABELS, "lstm", "c", words)
    assert cell.accuracy == 1 and cell.selectivity == 1 - cell.control > 0
    rows = verify.probe(by_hand, TEXTS, LABELS, "embedding", "output", words)
    assert rows.accuracy < 0.8
    assert "selectivity" in str(cell)


def test_a_probe_of_the_words_themselves_is_not_selective(by_hand, words):
    """Each word has one label, so that memory does: the control task is as easy."""
    labels = [[word for word in text.split()] for text in TEXTS]
    found = verify.probe(by_hand, TEXTS, labels, "embedding", "output", words)
    assert found.accuracy == 1 and found.control == 1 and found.selectivity == 0
    assert found.majority < 0.5


def test_labels_that_do_not_fit_are_refused(by_hand, words):
    with pytest.raises(ValueError, match="three texts"):
        verify.probe(by_hand, TEXTS[:2], LABELS[:2], "lstm", "c", words)
    with pytest.raises(ValueError, match=r"expected 3 labels for \['cat', 'near', 'near'\]"):
        verify.probe(by_hand, TEXTS[:3], [["x"]] * 3, "lstm", "c", words)
    with pytest.raises(ValueError, match="no token of the test texts"):
        verify.probe(by_hand, TEXTS[:3], [[None] * 3] * 3, "lstm", "c", words)


def test_a_claim_is_asked_of_models_of_other_seeds():
    trained = []

    def large(model):
        """The first weight is above 0.
        More of it.
        """
        weight = float(model.get_weights()[0][0, 0])
        return weight > 0, round(weight, 3)

    def train(seed):
        trained.append(seed)
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])

    found = verify.over_seeds(large, 4, train=train, first=5)
    again = verify.over_seeds(large, 4, train=train, first=5)
    assert trained == [5, 6, 7, 8] * 2
    assert found.outcomes == again.outcomes
    assert found.holds == sum(outcome.seen > 0 for outcome in found.outcomes)
    assert f"The first weight is above 0: holds in {found.holds} of 4 models" in str(found)


def test_three_of_three_is_no_certainty():
    found = verify.over_seeds(lambda seed: True, train=lambda seed: seed)
    assert found.interval == (pytest.approx(0.025 ** (1 / 3)), 1.0)  # by hand: p³ = 2.5 %


def test_a_claim_that_answers_something_else():
    with pytest.raises(TypeError, match="True or False"):
        verify.over_seeds(lambda seed: 0.7, train=lambda seed: seed)
    with pytest.raises(ValueError, match="from 1"):
        verify.over_seeds(lambda seed: True, 0, train=lambda seed: seed)
