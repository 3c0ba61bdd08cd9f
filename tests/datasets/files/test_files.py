import csv
import json

import pytest

from kerasllm.datasets import Labelled, Pair, Tagged, load
from kerasllm.datasets.files.labels import clean_labels, joined_labels
from kerasllm.datasets.files.reading import read_file

MAIL = "text,label\nwin a prize,spam\nsee you at 8,ham\n"


@pytest.fixture
def write(tmp_path):
    def write(name, content, encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


# Good input ------------------------------------------------------------------


def test_lines_of_a_text_file(write):
    data = read_file(write("a.txt", "one\ntwo\nthree\n"))
    assert (data.task, data.texts, data.name) == ("language_model", ["one", "two", "three"], "a")


def test_blank_lines_separate_documents(write):
    path = write("a.txt", "one\ntwo\r\n\r\n\r\nthree\n")
    assert read_file(path).texts == ["one\ntwo", "three"]
    assert read_file(path, documents="line").texts == ["one", "two", "three"]
    assert read_file(path).info["documents"] == "blank-line"


def test_csv_with_quotes_commas_and_line_ends_in_a_field(write, tmp_path):
    rows = [('He said "no", twice,\nand left\u2028again', "a"), ("plain", "b"), (" x ", "b")]
    with open(tmp_path / "q.csv", "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("text", "label"), *rows])
    assert list(read_file(tmp_path / "q.csv")) == [Labelled(*row) for row in rows]


def test_very_long_field_is_read_and_the_limit_restored(write):
    before = csv.field_size_limit()
    path = write("long.csv", f"text,label\n{'x' * 200_000},a\ny,b\n")
    assert len(read_file(path).texts[0]) == 200_000
    assert csv.field_size_limit() == before


def test_tsv_takes_quotes_as_characters(write):
    path = write("a.tsv", 'label\ttext\nham\the said "hi" and 5" more\nspam\t"a ""b"""\n')
    assert read_file(path).texts == ['he said "hi" and 5" more', 'a "b"']


def test_named_columns_and_a_pair(write):
    path = write("r.csv", "id,review,stars\n1,good,5\n2,bad,1\n")
    data = read_file(path, text="review", label="stars")
    assert list(data) == [Labelled("good", "5"), Labelled("bad", "1")]
    assert list(read_file(path, source="review", target="stars")) == [
        Pair("good", "5"),
        Pair("bad", "1"),
    ]


def test_without_a_label_column_a_table_is_text_and_says_so(write):
    data = read_file(write("r.csv", "text,category\na,x\nb,y\n"))
    assert data.task == "language_model"
    with pytest.raises(TypeError, match="label='category'"):
        data.label_ids  # noqa: B018


def test_jsonl_and_json_list(write):
    rows = [{"text": 'a "quoted"\n', "label": 1}, {"text": "b", "label": 0}]
    lines = write("a.jsonl", "\n".join(map(json.dumps, rows)) + "\n\n")
    assert list(read_file(lines)) == [Labelled(rows[0]["text"], "1"), Labelled("b", "0")]
    assert list(read_file(write("a.json", json.dumps(rows)))) == list(read_file(lines))


def test_conll(write):
    content = "-DOCSTART- O\n\nNew NNP B-LOC\nYork NNP I-LOC\n\n\n好 x O\n"
    data = read_file(write("a.conll", content))
    assert list(data) == [Tagged(("New", "York"), ("B-LOC", "I-LOC")), Tagged(("好",), ("O",))]
    assert data.labels == ("B-LOC", "I-LOC", "O")
    middle = read_file(
        write("a.txt", content[len("-DOCSTART- O\n") :]), format="conll", tag_column=1
    )
    assert middle[0].tags == ("NNP", "NNP")


def test_byte_order_mark_is_no_part_of_the_first_column(write):
    assert read_file(write("a.csv", MAIL, "utf-8-sig")).labels == ("ham", "spam")
    assert read_file(write("b.csv", MAIL, "utf-16"), encoding="utf-16").labels == ("ham", "spam")


def test_language_is_guessed_and_can_be_given(write):
    path = write("a.txt", "今天天气很好\n我们去公园 walk\n")
    assert read_file(path).language == "zh"
    assert read_file(path, language="yue").language == "yue"


def test_a_file_is_split_in_the_same_way_each_time(write):
    rows = "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(100)) + "text 0,a\n"
    path = write("a.csv", "text,label\n" + rows)
    parts = [load(path, name) for name in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [80, 10, 10]
    assert parts[0].fingerprint == load(str(path)).fingerprint
    assert len(load(path, "all")) == 101
    assert not set(parts[0].texts) & set(parts[2].texts)


def test_one_book_is_cut_in_order(write):
    book = "abcdefghij" * 100
    path = write("book.txt", book)
    assert "".join(load(path, name).texts[0] for name in ("train", "validation", "test")) == book


def test_folder_with_one_file_a_split(write, tmp_path):
    write("train.csv", MAIL)
    write("dev.csv", MAIL.replace("prize", "medal"))
    assert load(tmp_path, "validation").texts[0] == "win a medal"
    assert load(tmp_path).name == tmp_path.name
    with pytest.raises(FileNotFoundError, match=r"no file for the split 'test'.*dev\.csv"):
        load(tmp_path, "test")
    write("train.tsv", MAIL)
    with pytest.raises(ValueError, match="could all be train"):
        load(tmp_path, "train")


# Bad input -------------------------------------------------------------------


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        load(tmp_path / "none.csv")
    with pytest.raises(FileNotFoundError, match="looked in"):
        load("nowhere/none.txt")


@pytest.mark.parametrize("content", ["", " \n\n ", "\ufeff"])
def test_empty_file(write, content):
    with pytest.raises(ValueError, match=r"empty|no text"):
        load(write("a.txt", content))


def test_header_only_and_blank_texts_only(write):
    with pytest.raises(ValueError, match="empty apart from its header"):
        load(write("a.csv", "text,label\n"))
    with pytest.raises(ValueError, match="no text was found"):
        load(write("b.csv", "text,label\n ,a\n,b\n"))


def test_blank_texts_are_dropped_and_counted(write):
    data = read_file(write("a.csv", MAIL + ",ham\n"))
    assert (len(data), data.info["empty_texts_dropped"]) == (2, 1)


def test_file_of_another_kind(write, tmp_path):
    with pytest.raises(ValueError, match="zip or Excel"):
        load(write("a.csv", b"PK\x03\x04..."))
    with pytest.raises(ValueError, match="format must be one of"):
        load(write("a.xyz", "text"))
    with pytest.raises(ValueError, match="is a folder"):
        read_file(tmp_path, format="txt")


def test_missing_column_lists_those_found_and_the_nearest(write):
    path = write("a.csv", "texts,lable\na,b\n")
    with pytest.raises(
        ValueError, match=r"no column 'text'; it has \['texts', 'lable'\]. Did you mean 'texts'"
    ):
        load(path)
    with pytest.raises(ValueError, match=r"no column 'label'.*Did you mean 'lable'"):
        load(path, text="texts", label="label")
    with pytest.raises(ValueError, match="no column 'target'"):
        load(path, source="texts")


def test_semicolons_and_tabs_are_noticed(write):
    path = write("a.csv", MAIL.replace(",", ";"))
    with pytest.raises(ValueError, match="pass delimiter=';'"):
        load(path)
    assert len(read_file(path, delimiter=";")) == 2


def test_broken_rows_name_their_line(write):
    with pytest.raises(ValueError, match=r"line 3: expected 2 fields.*received 3"):
        load(write("a.csv", "text,label\na,x\na, b,x\n"))
    with pytest.raises(ValueError, match="from line 2 on cannot be read"):
        load(write("b.csv", 'text,label\n"a,x\nb,y\n'))
    with pytest.raises(ValueError, match="more than once"):
        load(write("c.csv", "text,text\na,x\n"))
    with pytest.raises(ValueError, match="line 2: not valid JSON at column 2"):
        load(write("a.jsonl", '{"text": "a"}\n{text: "b"}\n'))
    with pytest.raises(ValueError, match="line 1: expected a JSON object"):
        load(write("b.jsonl", '"a"\n'))
    with pytest.raises(ValueError, match="line 2: expected text, received 5"):
        load(write("c.jsonl", '{"text": "a"}\n{"text": 5}\n'))
    with pytest.raises(ValueError, match="line 3: expected a token and its tag"):
        load(write("d.conll", "a B\nb O\nc\n"))


def test_one_class_only(write):
    with pytest.raises(ValueError, match="all 2 rows have the same label 'spam'"):
        load(write("a.csv", MAIL.replace("ham", "spam")))


@pytest.mark.parametrize("label", ["", "NaN", "nan", "null", "N/A"])
def test_missing_labels(write, label):
    path = write("a.csv", MAIL + f"text,{label}\n")
    with pytest.raises(ValueError, match=r"1 of 3 rows have no label .* in line 4"):
        load(path)
    data = read_file(path, drop_unlabelled=True)
    assert (len(data), data.info["unlabelled_dropped"]) == (2, 1)


def test_missing_labels_in_json(write):
    rows = ['{"text": "a", "label": 1}', '{"text": "b", "label": NaN}', '{"text": "c"}']
    with pytest.raises(ValueError, match=r"2 of 3 rows have no label .* in line 2, 3"):
        load(write("a.jsonl", "\n".join(rows)))


@pytest.mark.parametrize(
    "labels",
    [["1", "positive"], [1, "1"], [1, 2.5], ["1", "1.0"], [True, 1], [True, "yes"]],
)
def test_labels_of_mixed_types(labels):
    rows = list(enumerate(labels, 2))
    with pytest.raises(ValueError, match=r"mixed types: .* in line 2 .* in line 3"):
        clean_labels(rows, "a.csv")
    if len(set(map(str, labels))) > 1:
        assert clean_labels(rows, "a.csv", labels_as_text=True) == [str(label) for label in labels]


def test_labels_in_a_list_or_differing_in_case():
    with pytest.raises(ValueError, match="line 3: expected a label, received"):
        clean_labels([(2, "a"), (3, {"a": "b"})], "a.jsonl")
    with pytest.raises(ValueError, match="'Spam' in line 3, 'spam' in line 2 look alike"):
        clean_labels([(2, "spam"), (3, "Spam"), (4, "ham")], "a.csv")


def test_several_labels_a_text(write):
    rows = "text,label\nwheat is up,wheat; grain\nfog,\nsteel,metal\n"
    data = load(f"{write('a.csv', rows)}?label_separator=;", "all")
    assert data.label_sets == [("grain", "wheat"), (), ("metal",)]
    rows = [{"text": "wheat", "label": ["wheat", "grain"]}, {"text": "fog", "label": []}]
    data = read_file(write("a.jsonl", "\n".join(map(json.dumps, rows))))
    assert data.label_sets == [("grain", "wheat"), ()]
    assert data.info["label_separator"] == "|"


def test_a_rare_combination_of_labels_is_not_kept_from_the_test(write):
    rows = [f"text {i},{i}|{i + 1}" for i in range(40)]
    path = write("a.csv", "text,label\n" + "\n".join(rows))
    sizes = [len(load(path, name, label_separator="|")) for name in ("train", "validation", "test")]
    assert sizes == [32, 4, 4]


@pytest.mark.parametrize("labels", ["a||b", ["a|b"], ["a", ""], ["a", ["b"]], ["a", None]])
def test_several_labels_that_cannot_be_told_apart(labels):
    with pytest.raises(ValueError, match=r"line 3: expected labels such as 'grain\|wheat'"):
        joined_labels([(2, "a"), (3, labels)], "a.csv", "|")


def test_several_labels_in_capitals_or_none_at_all():
    with pytest.raises(ValueError, match="look alike"):
        joined_labels([(2, "Spam|a"), (3, "spam")], "a.csv", "|")
    with pytest.raises(ValueError, match="none of the 2 rows has a label"):
        joined_labels([(2, ""), (3, [])], "a.csv", "|")


def test_unknown_options_and_splits(write):
    path = write("a.csv", MAIL)
    with pytest.raises(TypeError, match=r"no option 'lable'.*Did you mean 'label'"):
        load(path, lable="x")
    with pytest.raises(ValueError, match="split to be one of"):
        load(path, "dev")
    with pytest.raises(ValueError, match="documents to be one of"):
        load(write("a.txt", "a\nb"), documents="lines")
