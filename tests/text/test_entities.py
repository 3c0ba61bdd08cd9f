"""Schemes of tags, and conlleval's reading of those that break them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasllm.layers.crf import CRF
from kerasllm.text.entities import check_tags, convert_tags, find_spans, forbidden_pairs, write_tags

# Read by hand from conlleval's rules for the beginning and the end of a chunk.
READINGS = {
    "B-A I-A O B-B": [("A", 0, 2), ("B", 3, 4)],
    "I-A I-A B-A": [("A", 0, 2), ("A", 2, 3)],  # IOB1
    "O I-A I-B": [("A", 1, 2), ("B", 2, 3)],
    "B-A I-B I-B": [("A", 0, 1), ("B", 1, 3)],
    "B-A B-A I-A": [("A", 0, 1), ("A", 1, 3)],
    "B-A I-A E-A S-B": [("A", 0, 3), ("B", 3, 4)],
    "B-A M-A E-A": [("A", 0, 3)],  # BMES
    "E-A E-A I-A O": [("A", 0, 1), ("A", 1, 2), ("A", 2, 3)],
    "I-A S-A I-A": [("A", 0, 1), ("A", 1, 2), ("A", 2, 3)],
    "B-A O E-A": [("A", 0, 1), ("A", 2, 3)],
    "O O": [],
    "": [],
    "B-a-b I-a-b": [("a-b", 0, 2)],
}


@pytest.mark.parametrize("tags", READINGS)
def test_spans_by_the_rules_of_conlleval(tags):
    assert find_spans(tags.split()) == READINGS[tags]


SPANS = st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 2), st.integers(1, 3)), max_size=4)


def _row(drawn):
    spans, place = [], 0
    for kind, gap, length in drawn:
        spans.append((kind, place + gap, place + gap + length))
        place += gap + length
    return spans, place + 1


@given(SPANS)
@pytest.mark.parametrize("scheme", ["bio", "bioes", "iob1"])
def test_writing_and_reading_are_inverse(scheme, drawn):
    spans, length = _row(drawn)
    tags = write_tags(spans, length, scheme)
    assert find_spans(tags) == spans
    assert convert_tags(convert_tags(tags, "bio"), scheme) == tags
    assert check_tags([tags], scheme).broken == 0


@given(SPANS)
@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_no_right_row_is_forbidden(scheme, drawn):
    spans, length = _row(drawn)
    tags = write_tags(spans, length, scheme)
    labels = [
        f"{letter}-{kind}" for letter in "BIES"[: 2 if scheme == "bio" else 4] for kind in "AB"
    ]
    labels.append("O")
    pairs = set(forbidden_pairs(labels))
    numbers = [len(labels), *(labels.index(tag) for tag in tags), len(labels)]
    assert not pairs & set(itertools.pairwise(numbers))


@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_a_constrained_field_never_breaks_the_scheme(scheme, rng):
    letters = "BI" if scheme == "bio" else "BIES"
    labels = sorted([f"{letter}-{kind}" for letter in letters for kind in "AB"] + ["O"])
    free, bound = CRF(len(labels)), CRF(len(labels), forbidden=forbidden_pairs(labels))
    scores = rng.normal(scale=3.0, size=(31, 13, len(labels))).astype("float32")
    for layer, broken in ((free, True), (bound, False)):
        rows = np.array(labels)[np.asarray(layer(scores, decode=True))]
        assert bool(check_tags(rows.tolist(), scheme).broken) is broken


def test_what_breaks_is_counted_and_shown():
    rows = [["O", "B-A"], ["O", "I-A", "I-A"], ["B-A", "I-B"]]
    report = check_tags(rows, "bio")
    assert report.broken == 2
    assert "sentence 1, where 'I-A' at position 1 is read as 'B-A'" in str(report)
    assert "none of them breaks" in str(check_tags(rows[:1]))
    unended = check_tags([["B-A", "I-A", "O"], ["S-A", "O", "O"]])
    assert unended.scheme == "bioes" and unended.example == (
        0, 1, ["B-A", "I-A", "O"], ["B-A", "E-A", "O"],
    )  # fmt: skip
    assert check_tags([["B-A", "M-A", "E-A"]]).broken == 0


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match=r"scheme to be one of .*Did you mean 'bioes'"):
        write_tags([], 3, "biose")
