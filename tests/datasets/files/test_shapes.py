"""What people have: no header, labels in front, a file a class or a language, files as splits."""

import json

import pytest

from kerasllm.cli import app
from kerasllm.datasets import Labelled, Pair, load, task_of
from kerasllm.datasets.files.reading import read_file
from kerasllm.datasets.show import describe
from kerasllm.datasets.sources import read_source
from kerasllm.utils.errors import at_terminal


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_text(content, "utf-8")
        return path

    return write


ROWS = [Labelled("a good film", "pos"), Labelled("a bad film", "neg")]

# Tables without a header -----------------------------------------------------


def test_a_table_without_a_header(write):
    path = write("a.csv", "pos,a good film\nneg,a bad film\n")
    assert list(read_file(path, header="label,text")) == ROWS
    assert list(load(f"{path}?header=label,text", "all")) == ROWS
    assert list(read_file(path, header=False, text="2", label="1")) == ROWS
    assert list(load(f"{path}?header=false&text=2&label=1", "all")) == ROWS
    tabs = write("a.tsv", "pos\t9\ta good film\nneg\t7\ta bad film\n")
    assert list(read_file(tabs, header="label,id,text")) == ROWS


def test_the_advice_for_a_missing_column_loses_no_row(write):
    path = write("a.csv", "pos,a good film\nneg,a bad film\n")
    with pytest.raises(ValueError, match=r"no header but a row.*header='label,text'"):
        load(path)
    with at_terminal(), pytest.raises(ValueError) as error:
        load(path)
    advised = str(error.value).split("name the columns: '")[1].removesuffix("'.")
    assert list(load(advised, "all")) == ROWS


@pytest.mark.parametrize("header", ["text", "label,text,more", "text,text"])
def test_a_header_must_fit(write, header):
    with pytest.raises(ValueError, match=r"fields as in the header|more than once"):
        read_file(write("a.csv", "pos,a good film\nneg,a bad film\n"), header=header)


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n"])
def test_a_delimiter_is_one_character(write, delimiter):
    path = write("a.csv", "text;label\na;b\nc;d\n")
    if delimiter:
        with pytest.raises(ValueError, match="delimiter to be one character"):
            read_file(path, delimiter=delimiter)


@pytest.mark.parametrize("written", ["tab", "\\t", "%09"])
def test_a_tab_can_be_typed(write, written):
    path = write("a.csv", "text\tlabel\na\tx\nb\ty\n")
    assert len(load(f"{path}?delimiter={written}", "all")) == 2


# Labels in front -------------------------------------------------------------


def test_labels_as_fasttext_writes_them(write):
    path = write("a.txt", "__label__pos a good film\n\n__label__neg  a bad film\n")
    assert list(read_file(path)) == ROWS
    many = write("d.txt", "".join(f"__label__{i % 2} text {i}\n" for i in range(40)))
    assert task_of(many) == task_of(str(many)) == "classification"
    assert not any("__label__" in text for text in read_source(many).train)
    assert read_file(write("cooking.train", path.read_text())).task == "classification"
    several = "__label__a __label__b both\n__label__a one\nnone at all\n"
    assert read_file(write("b.txt", several)).label_sets == [("a", "b"), ("a",), ()]


def test_labels_as_first_words(write):
    path = write("a.txt", "NUM:date When was it ?\nHUM:ind Who was it ?\nNUM:count How many ?\n")
    data = load(f"{path}?format=labelled", "all")
    assert data[0] == Labelled("When was it ?", "NUM:date")
    assert load(f"{path}?format=labelled&sublabels=false", "all").labels == ("HUM", "NUM")
    assert read_file(write("b.txt", "pos: a good film\nneg\ta bad film\n"), format="labelled")[
        :
    ].examples == tuple(ROWS)
    with pytest.raises(TypeError, match="begins with its label: pass format='labelled'"):
        read_file(path).labels_of  # noqa: B018


def test_a_line_without_its_label_is_named(write):
    path = write("a.txt", "__label__pos a\nb\n__label__neg c\n")
    with pytest.raises(ValueError, match=r"1 of 3 rows have no label .* in line 2"):
        read_file(path)
    assert len(read_file(path, drop_unlabelled=True)) == 2


# A file a class, a file a language -------------------------------------------


def test_a_file_a_class(write):
    path = write("reviews.pos", "a good film\n")
    with pytest.raises(ValueError, match="format must be one of"):
        read_file(path)
    write("reviews.neg", "\na bad film\n")
    write("reviews.py", "print()\n")
    assert sorted(read_file(path), key=str) == sorted(ROWS, key=str)


PAIRS = [Pair("eins", "one"), Pair("zwei", "two")]


def test_a_file_a_language(write):
    german, english = write("a.de", "eins\nzwei\n"), write("a.en", "one\ntwo\n")
    assert list(read_file(german)) == PAIRS
    assert list(read_file(english)) == [Pair(p.target, p.source) for p in PAIRS]
    write("a.fr", "un\ndeux\n")
    with pytest.raises(ValueError, match=r"found 'en, fr'.*target='en'"):
        read_file(german)
    assert read_file(german, target="fr")[1] == Pair("zwei", "deux")
    assert load(f"{german}?target=fr", "all")[1] == Pair("zwei", "deux")
    assert read_file(german, source="en", target="fr")[0] == Pair("one", "un")
    with pytest.raises(FileNotFoundError, match=r"no file .*a\.xx"):
        read_file(german, target="xx")
    with pytest.raises(ValueError, match="expected one file of another language"):
        read_file(german, target="de")


def test_sides_of_different_lengths_and_empty_lines(write):
    path = write("a.de", "eins\nzwei\n")
    write("a.en", "one\n")
    with pytest.raises(ValueError, match=r"received 2 in a\.de and 1 in a\.en"):
        read_file(path)
    write("a.en", "one\n\n")
    with pytest.raises(ValueError, match=r"a\.en: 1 lines are empty.* line 2\."):
        read_file(path)
    assert list(read_file(path, drop_empty=True)) == PAIRS[:1]


def test_several_references_a_row(write):
    rows = [{"source": "a", "target": ["b", "c"]}, {"source": "d", "target": "e"}]
    expected = [Pair("a", "b", ("c",)), Pair("d", "e")]
    path = write("a.jsonl", "\n".join(map(json.dumps, rows)))
    assert list(read_file(path)) == expected
    table = write("a.csv", "source,one,two\na,b,c\nd,e,\n")
    assert list(read_file(table, target="one,two")) == expected
    with pytest.raises(ValueError, match="'target' is empty in 1 of 2 rows, in line 2"):
        read_file(
            write("b.jsonl", '{"source": "a", "target": ["b"]}\n{"source": "c", "target": []}')
        )
    with pytest.raises(ValueError, match="no column 'tow'"):
        read_file(table, target="one,tow")
    assert expected[0].references == ("b", "c") and expected[1].references == ("e",)


def test_references_of_a_row_keep_their_rows_and_blank_ones_are_left_out(write):
    # A list on one line: rows are not told apart by their lines.
    rows = [{"source": "a", "target": [" ", "b", None, "c", ""]}, {"source": "d", "target": ["e"]}]
    assert list(read_file(write("a.jsonl", json.dumps(rows)))) == [
        Pair("a", "b", ("c",)), Pair("d", "e")
    ]  # fmt: skip
    wrong = write("b.jsonl", json.dumps({"source": "a", "target": ["b", ["c"]]}))
    with pytest.raises(ValueError, match=r"line 1: expected text, received \['c'\]"):
        read_file(wrong)
    both = write("c.jsonl", json.dumps({"source": "a", "target": [" ", ""]}))
    with pytest.raises(ValueError, match="'target' is empty in 1 of 1 rows"):
        read_file(both)


# Other suffixes and files as splits ------------------------------------------


def test_any_suffix_with_its_format(write):
    path = write("a.dat", "text,label\na good film,pos\na bad film,neg\n")
    with pytest.raises(ValueError, match="pass format='txt'"):
        load(path)
    with at_terminal(), pytest.raises(ValueError) as error:
        load(path)
    assert f"pass '{path}?format=txt'" in str(error.value)
    assert list(load(f"{path}?format=csv", "all")) == ROWS
    assert task_of(f"{write('b.dat', rows('x'))}?format=csv") == "classification"


def test_advice_is_for_the_terminal_only_inside_of_a_command(write, monkeypatch):
    from typer.testing import CliRunner

    path = write("a.dat", "one\n")
    result = CliRunner().invoke(app, ["data", "show", str(path)])
    assert f"'{path}?format=txt'" in str(result.exception)
    with pytest.raises(ValueError, match="format='txt'"):
        load(path)


def rows(kind, n=20):
    return "text,label\n" + "".join(f"{kind} {i},{'ab'[i % 2]}\n" for i in range(n))


def test_files_named_as_splits(write):
    path = write("mine.csv", rows("one"))
    write("dev.csv", rows("two"))
    write("late.csv", rows("three"))
    named = f"{path}?validation=dev.csv&test=late.csv"
    parts = [load(named, split) for split in ("train", "validation", "test")]
    assert [part.texts[0] for part in parts] == ["one 0", "two 0", "three 0"]
    assert [len(part) for part in parts] == [20, 20, 20]
    assert {part.name for part in parts} == {"mine"}
    with pytest.raises(FileNotFoundError, match="no file for the split 'test': name one, such as"):
        load(path, "test", validation="dev.csv")
    with pytest.raises(FileNotFoundError, match=r"no file .*gone\.csv"):
        load(path, "test", test="gone.csv")
    assert "test: 20 examples" in describe(named)


@pytest.mark.parametrize("as_folder", [True, False])
def test_train_and_test_without_validation(write, tmp_path, as_folder):
    path = write("train.csv", rows("one"))
    write("test.csv", rows("two"))
    data, options = (tmp_path, {}) if as_folder else (path, {"test": "test.csv"})
    parts = [load(data, split, **options) for split in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [18, 2, 20]
    assert not set(parts[0].texts) & set(parts[1].texts)
    assert set(parts[2].texts) == {f"two {i}" for i in range(20)}


def test_a_folder_with_a_training_file_alone(write, tmp_path):
    write("train.csv", rows("one", 100))
    assert [len(load(tmp_path, s)) for s in ("train", "validation", "test")] == [80, 10, 10]
    with pytest.raises(FileNotFoundError, match="no file for the split 'all'"):
        load(tmp_path, "all")


def test_no_file_of_a_folder_is_left_out_in_silence(write, tmp_path):
    write("Train.csv", rows("one"))
    write("TEST.csv", rows("two"))
    assert load(tmp_path, "test").texts[0] == "two 0"
    assert {len(load(tmp_path, s)) for s in ("train", "validation")} == {18, 2}
    (tmp_path / "TEST.csv").rename(tmp_path / "testset.csv")
    with pytest.raises(ValueError, match=r"beside Train.csv \['testset.csv'\] belong to no split"):
        load(tmp_path, "train")


@pytest.mark.parametrize(
    ("start", "kind"), [(b"\x1f\x8b", "gzip"), (b"PAR1", "Parquet"), (b"PK\3\4", "zip or Excel")]
)
def test_packed_files_are_called_what_they_are(tmp_path, start, kind):
    path = tmp_path / "train.xyz"
    path.write_bytes(start + b"...")
    with pytest.raises(ValueError, match=f"is a {kind}"):
        load(path)


def test_a_folder_of_languages(write, tmp_path):
    for split in ("train", "dev", "test"):
        write(f"{split}.de", f"{split} eins\n")
        write(f"{split}.en", f"{split} one\n")
    with pytest.raises(ValueError, match=r"in 2 languages.*source='de'"):
        load(tmp_path, "train")
    assert load(f"{tmp_path}?source=en", "validation")[0] == Pair("dev one", "dev eins")
    (tmp_path / "sides").mkdir()
    for side in ("tgt", "src"):
        (tmp_path / "sides" / f"test.{side}").write_text(f"{side}\n")
    assert load(tmp_path / "sides", "test")[0] == Pair("src", "tgt")


def test_a_folder_of_classes_and_one_of_a_format(write, tmp_path):
    for split in ("train", "dev"):
        write(f"{split}.pos", "good\n")
        write(f"{split}.neg", "bad\n")
    assert len(load(tmp_path, "validation")) == 2
    inner = tmp_path / "inner"
    inner.mkdir()
    for split in ("train", "valid", "test"):
        (inner / f"{split}.data").write_text(rows(split), "utf-8")
    assert load(f"{inner}?format=csv", "validation").texts[0] == "valid 0"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("drop_empty", "yes", "drop_empty to be true or false"),
        ("header", 3, "header to be the names of the columns"),
        ("text", 3, "text to be a text"),
        ("validation", 3, "validation to be the name of a file"),
        ("seed", "x", "seed must be a whole number from 0"),
        ("seed", -1, "seed must be a whole number from 0"),
        ("fractions", "a,b", "fractions must be two or three numbers"),
        ("fractions", (0.5, float("nan"), 0.5), "fractions must be two or three numbers"),
        ("encoding", "hex", "no encoding 'hex' of text"),
    ],
)
def test_options_of_another_kind_are_refused(write, option, value, message):
    with pytest.raises((TypeError, ValueError), match=message):
        load(write("a.csv", rows("one")), "train", **{option: value})


def test_fractions_can_be_typed(write):
    path = write("a.csv", rows("one"))
    assert len(load(f"{path}?fractions=0.5,0.5", "train")) == 10
    with pytest.raises(ValueError, match="no test part"):
        load(f"{path}?fractions=0.5,0.5", "test")
