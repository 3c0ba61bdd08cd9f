"""Tag files of all kinds: comments, numbered words, other letters, blanks, and the one odd line."""

import pytest

from kerasllm.datasets import Tagged
from kerasllm.datasets.files.reading import read_file


@pytest.fixture
def read(tmp_path):
    def read(content, name="a.conll", **options):
        path = tmp_path / name
        path.write_text(content, "utf-8")
        return read_file(path, **options)

    return read


ROME = [Tagged(("In", "Rome"), ("O", "B-LOC")), Tagged(("Rome",), ("B-LOC",))]


@pytest.mark.parametrize(
    "comments",
    [("# id 1a", "# id 2b"), ("# id", "# id"), ("#id=1", "#id=2"), ("#\thttp://a.b\t[1]", "# x")],
)
def test_comments_in_front_of_a_sentence_are_no_tokens(read, comments):
    first, second = comments
    data = read(f"{first}\nIn O\nRome B-LOC\n\n{second}\nRome B-LOC\n")
    assert list(data) == ROME
    assert data.info["comments_skipped"] == 2


def test_a_hash_is_a_token_where_it_has_a_tag(read):
    data = read("# O\n#rome B-LOC\n\nin O\n# O\n")
    assert [e.tokens for e in data] == [("#", "#rome"), ("in", "#")]
    with pytest.raises(ValueError, match="line 2: expected a token and its tag in 2 columns"):
        read("in O\n# id 1a\nRome B-LOC\n")  # a comment stands in front of a sentence, not in it


UNIVERSAL = """\
# sent_id = 1
1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\t_
1\tVamos\tir\tVERB\tV\t_\t0\troot\t_\t_
2\tnos\tnosotros\tPRON\tP\t_\t1\tobj\t_\t_
2.1\tya\t_\tADV\t_\t_\t_\t_\t_\t_
3\t2020\t2020\tNUM\tN\t_\t1\tobl\t_\t_
"""


def test_universal_dependencies(read):
    data = read(UNIVERSAL, "a.conllu")
    assert list(data) == [Tagged(("Vamos", "nos", "2020"), ("VERB", "PRON", "NUM"))]
    assert data.info["numbers_skipped"] == 2
    assert read(UNIVERSAL, tag_column=7)[0].tags == ("root", "obj", "obl")
    assert read(UNIVERSAL, token_column=2)[0].tokens == ("ir", "nosotros", "2020")


def test_numbered_words_with_a_tag_at_the_end(read):
    data = read("1\tIn\tO\n2\tRome\tB-LOC\n\n1\tRome\tB-LOC\n")
    assert list(data) == ROME
    words = read("1 CD\n2 CD\n3 CD\n")  # with two columns the numbers are the words
    assert words[0].tokens == ("1", "2", "3")
    years = read("1999 x O\n2000 x O\n")
    assert years[0].tokens == ("1999", "2000")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("U-A B-A I-A L-A O", "S-A B-A I-A E-A O"),  # BILOU
        ("W-A B-A M-A E-A O", "S-A B-A I-A E-A O"),  # BMEWO
        ("S-A B-A M-A E-A O", "S-A B-A I-A E-A O"),  # BMES
        ("B_A I_A O B_A O", "B-A I-A O B-A O"),
        ("U_A B_A L_A O", "S-A B-A E-A O"),
        ("I-A I-A B-A O I-B", "B-A I-A B-A O B-B"),  # IOB1
        ("B-A I-A O B-A O", "B-A I-A O B-A O"),
    ],
)
def test_every_scheme_becomes_one_of_two(read, tags, expected):
    content = "".join(f"w {tag}\n" for tag in tags.split())
    data = read(content)
    assert data[0].tags == tuple(expected.split())
    assert data.info["scheme"] == ("bioes" if "E-A" in expected else "bio")


BIO = "In O\nNew B-LOC\nYork I-LOC\n\nAda B-PER\nsaw O\n\nRome B-LOC\n\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("in o", "'o' is no tag of BIO: expected O or B-, I-"),
        ("in 0", "'0' is no tag of BIO"),
        ("Bob N-PER", "'N-PER' is no tag of BIO"),
        ("Bob PER", "'PER' is no tag of BIO"),
        ("Bob B_PER", "'B_PER' is written otherwise than most tags are: expected 'B-PER'"),
        ("Bob U-PER", "'U-PER' is no tag of BIO"),
        ("Bob I-PER", "I-PER follows O; a name begins with B-: expected 'B-PER'"),
    ],
)
@pytest.mark.parametrize("before", [0, 3])
def test_the_line_that_breaks_the_scheme_of_all_others_is_named(read, line, message, before):
    content = BIO * before + f"{line}\n\n" + BIO
    with pytest.raises(ValueError) as error:
        read(content)
    assert f"line {before * 9 + 1} (" in str(error.value)
    assert message in str(error.value)
    assert "scheme='none' takes tags as they are" in str(error.value)
    assert read(content, scheme="none").info["scheme"] == "none"


def test_tags_that_mark_no_names_stay_what_they_are(read):
    for tags in ("NN VB NN", "S-N V-V N-N N-N V-V", "O O", "b i o"):
        data = read("".join(f"w {tag}\n" for tag in tags.split()))
        assert (data[0].tags, data.info["scheme"]) == (tuple(tags.split()), "none")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [("B I O B", "B-SPAN I-SPAN O B-SPAN"), ("B M E S S", "B-SPAN I-SPAN E-SPAN S-SPAN S-SPAN")],
)
def test_letters_alone_mark_spans_of_one_kind(read, tags, expected):
    content = "".join(f"w {tag}\n" for tag in tags.split()) + "\n"
    data = read(content)
    assert data[0].tags == tuple(expected.split())
    assert "letters alone to" in data.info["tags_converted"]
    with pytest.raises(ValueError, match=r"line 57 \('w'\): 'o' is no tag of BIO"):
        read("w B\nw I\nw O\n\n" * 14 + "w o\n")
    with pytest.raises(ValueError, match=r"line 1 \('w'\): I follows O; a name begins with B-"):
        read("w I\n\n" + "w B\nw I\nw O\n\n" * 9)
    assert read(content, scheme="none")[0].tags == tuple(tags.split())
    nouns = "w S\nw B\nw E\nw I\nw N\nw V\n"  # parts of speech that are letters too
    assert read(nouns).info["scheme"] == "none"


def test_blanks_that_are_text_stay_tokens(read):
    expected = [Tagged(("\u3000", "10\u00a0000", "x"), ("O", "B-N", "O"))]
    assert list(read("\u3000 O\n10\u00a0000  B-N \nx O\n")) == expected
    assert list(read("\u3000\tO\n10\u00a0000\tB-N\u00a0\nx\tO\n")) == expected


@pytest.mark.parametrize(("line", "what"), [("\tO", "token"), ("  \tO", "token"), ("x\t", "tag")])
def test_an_empty_token_or_tag_is_named(read, line, what):
    with pytest.raises(ValueError, match=rf"line 2: the {what} is empty"):
        read(f"a\tO\n{line}\n")


def test_columns_that_are_no_numbers_are_refused(read):
    for column in ("tag", 2, -3, True):
        with pytest.raises((ValueError, TypeError), match="tag_column"):
            read("a O\n", tag_column=column)
