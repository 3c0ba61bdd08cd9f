"""Tag schemes: found, converted, checked; bad tags named with their line."""

import pytest

from kerasllm.datasets import load
from kerasllm.datasets.files.reading import read_file
from kerasllm.text.entities import breaks
from kerasllm.text.tag_schemes import (
    BrokenTagsError,
    bio_from_iob1,
    mended_bmes,
    scheme_of,
    unified,
)


def first_break(tags, scheme):
    return next(breaks(tags, scheme), None)


def names_in(tags):
    """Spans of names by definition: maximal runs, cut where a tag begins one or a kind changes."""
    spans = []
    for i, tag in enumerate(tags):
        goes_on = (
            i and tag[0] in "IME" and tags[i - 1][2:] == tag[2:] and tags[i - 1][0] not in "ES"
        )
        if tag != "O" and goes_on:
            spans[-1] = (*spans[-1][:2], i + 1)
        elif tag != "O":
            spans.append((tag[2:], i, i + 1))
    return spans


def random_tags(rng, letters, length=11):
    tags = [f"{letter}-{kind}" for letter in letters for kind in "XY"] + ["O"]
    return tuple(rng.choice(tags, length).tolist())


def test_conversions_keep_the_names(rng):
    for _ in range(300):
        broken = random_tags(rng, "BI")
        assert names_in(bio_from_iob1(broken)) == names_in(broken)
        assert first_break(bio_from_iob1(broken), "bio") is None
        broken = random_tags(rng, "BMES")
        assert names_in(mended_bmes(broken)) == names_in(broken)
        ((mended,), facts) = unified([mended_bmes(broken)], "bmes")
        assert first_break(mended, "bioes") is None
        assert facts == {"scheme": "bioes", "tags_converted": "bmes to bioes"}


def test_every_break_is_found(rng):
    for _ in range(300):
        for letters, scheme, mend in (("BI", "bio", bio_from_iob1), ("BMES", "bioes", mended_bmes)):
            tags = random_tags(rng, letters, 5)
            mended = tuple(tag.replace("M-", "I-") for tag in mend(tags))
            tags = tuple(tag.replace("M-", "I-") for tag in tags)
            assert (first_break(tags, scheme) is None) == (tags == mended)


def test_breaks_are_explained():
    assert first_break(["B-X", "I-Y"], "bio") == (
        1,
        "I-Y follows B-X; a name begins with B-: expected 'B-Y'",
    )
    assert first_break(["S-X", "B-X", "I-X", "O"], "bioes") == (
        3,
        "I-X is not ended: expected 'E-X' as its last tag",
    )
    assert first_break(["B-X", "I-X"], "bioes")[0] == 2
    assert first_break(["S-X", "E-X"], "bioes")[0] == 1


def test_schemes_are_told_apart():
    assert scheme_of([["O", "O"]]) == scheme_of([["NN", "VB"]]) == "none"
    assert scheme_of([["I-X", "B-X"]]) == "iob1"
    assert scheme_of([["B-X", "O"]]) == "bio"
    assert scheme_of([["B-X", "E-X"], ["O"]]) == "bioes"


def test_unified_says_where():
    with pytest.raises(BrokenTagsError, match="sentence 2, token 3: I-Y follows O"):
        unified([["B-X"], ["B-X", "O", "I-Y"]])
    with pytest.raises(BrokenTagsError, match="'E-X' is no tag of BIO: expected O or B-, I-"):
        unified([["B-X", "E-X"]], "bio")
    with pytest.raises(ValueError, match="Did you mean 'iob1'"):
        unified([["O"]], "iob")


# Files of your own -----------------------------------------------------------


@pytest.fixture
def write(tmp_path):
    def write(content, name="a.conll"):
        path = tmp_path / name
        path.write_text(content, "utf-8")
        return path

    return write


def test_a_file_in_iob1_becomes_bio_and_says_so(write):
    data = read_file(
        write("-DOCSTART- O\n\nEU I-ORG\nsays O\n\nNew I-LOC\nYork I-LOC\nRome B-LOC\n")
    )
    assert [example.tags for example in data] == [("B-ORG", "O"), ("B-LOC", "I-LOC", "B-LOC")]
    assert data.info["tags_converted"] == "iob1 to bio"


def test_bmes_and_tags_that_mark_no_names(write):
    data = read_file(write("常\tB-NAME\n建\tM-NAME\n良\tE-NAME\n，\tO\n"))
    assert data[0].tags == ("B-NAME", "I-NAME", "E-NAME", "O")
    assert read_file(write("dogs NNS\nbark VBP\n")).info["scheme"] == "none"


def test_tags_that_break_bio_name_their_line(write):
    path = write("a B-X\n\nb B-Y\nc O\nd I-Y\n")
    with pytest.raises(ValueError, match=r"line 5 \('d'\): I-Y follows O.*scheme='iob1'"):
        load(path)
    assert read_file(path, scheme="iob1")[1].tags == ("B-Y", "O", "B-Y")
    assert read_file(path, scheme="none")[1].tags == ("B-Y", "O", "I-Y")
    with pytest.raises(ValueError, match=r"line 3 \('end of the sentence'\): B-X is not ended"):
        load(write("a S-X\nb B-X\n\nc O\n"))


def test_a_missing_column_names_its_line(write):
    with pytest.raises(ValueError, match=r"line 3: expected a token and its tag in 3 columns"):
        load(write("a NN O\nb NN O\nc O\n"))
    with pytest.raises(ValueError, match=r"line 1: expected a token and its tag in 2 columns"):
        load(write("a\n"))
    with pytest.raises(ValueError, match="has 2 columns, received tag_column=3"):
        load(write("a O\n"), tag_column=3)


def test_a_token_may_hold_a_blank_in_a_file_with_tabs(write):
    assert read_file(write("New York\tB-LOC\nis\tO\n"))[0].tokens == ("New York", "is")
