"""Labels that look equal are one class, or are refused; headers repeated; `sep=`; is_impossible."""

import json

import pytest

from kerasllm.datasets import Labelled, load
from kerasllm.datasets.files.labels import clean_labels, joined_labels
from kerasllm.datasets.files.reading import read_file
from kerasllm.metrics import span_metrics


@pytest.fixture
def read(tmp_path):
    def read(name, content, **options):
        path = tmp_path / name
        path.write_text(content, "utf-8")
        return read_file(path, **options)

    return read


@pytest.mark.parametrize(
    "other",
    ["café\u200b", "\ufeffcafé", "cafe\u0301", "ca\u00adfé", "\u00a0café\u3000", "caf\u2060é"],
)
def test_what_nobody_sees_makes_no_class(read, other):
    assert clean_labels([(2, "café"), (3, other), (4, "bar")], "a") == ["café", "café", "bar"]
    assert joined_labels([(2, "café"), (3, other)], "a", "|") == ["café", "café"]
    for name, content in {
        "a.csv": f"text,label\nx,café\ny,{other}\nz,bar\n",
        "a.jsonl": "\n".join(json.dumps({"text": "x", "label": v}) for v in ("café", other, "bar")),
        "a.txt": f"__label__café x\n__label__{other.strip()} y\n__label__bar z\n",
        "a.conll": f"x B-café\ny B-{other.strip()}\nz\tO\n".replace(" ", "\t"),
    }.items():
        assert len(read(name, content).labels) == 2, name


def test_blanks_inside_of_a_label_are_one():
    labels = [(2, "very  good"), (3, "very\u00a0good"), (4, "bad")]
    assert clean_labels(labels, "a") == ["very good", "very good", "bad"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("spam", "Spam"), ("1", "01"), ("1", "+1"), ("1.0", "1.00"), ("spam", '"spam"'),
     ("don't", "don’t"), ("“a”", '"a"'), ("ＡＢ", "AB"), ("می\u200cخ", "میخ"), ("-7", "-007")],
)  # fmt: skip
def test_labels_that_look_alike_are_refused_with_their_lines(one, other):
    rows = [(2, one), (3, "x"), (5, other)]
    rows = [(line, label) for line, label in rows if label != "x" or not one[-1].isdigit()]
    with pytest.raises(ValueError, match=r"labels .* in line \d.* look alike") as error:
        clean_labels(rows, "a.csv")
    assert "in line 2" in str(error.value) and "in line 5" in str(error.value)
    assert str(error.value).isascii() or "\u200c" not in str(error.value)
    assert set(clean_labels(rows, "a.csv", labels_as_text=True)) >= {one, other}
    with pytest.raises(ValueError, match="look alike"):
        joined_labels(rows, "a.csv", "|")


@pytest.mark.parametrize(
    "labels", [["1", "10"], ["-1", "1"], ["0", "00x"], ["1.5", "15.0"], ["a'", "b'"], ["0", "-0.5"]]
)
def test_labels_that_differ_are_left_alone(labels):
    rows = list(enumerate(labels, 2))
    assert clean_labels(rows, "a.csv", labels_as_text=True) == labels
    kinds = [(2, "x1"), *((line + 1, f"x{label}") for line, label in rows)]
    assert len(set(clean_labels(kinds, "a.csv"))) > 1


def test_a_label_of_five_thousand_digits_is_a_label(read):
    long = "7" * 5000
    assert read("a.csv", f"text,label\nx,{long}\ny,{long[:-1]}8\n").labels == (
        long,
        long[:-1] + "8",
    )


def test_a_header_in_mid_file_is_no_row(read):
    data = read("a.csv", "text,label\na,x\n text ,label\nb,y\ntext,label\nc,x\n")
    assert list(data) == [Labelled("a", "x"), Labelled("b", "y"), Labelled("c", "x")]
    assert data.info["headers_repeated"] == 2


@pytest.mark.parametrize("mark", ["sep=;\n", "SEP=;\r\n", '"sep=;"\n', "\ufeffsep=;\n"])
def test_the_line_by_which_spreadsheets_name_the_delimiter(read, mark):
    data = read("a.csv", mark + "text;label\na, b;x\nc;y\n")
    assert list(data) == [Labelled("a, b", "x"), Labelled("c", "y")]
    with pytest.raises(ValueError, match="line 3: expected 2 fields"):
        read("a.csv", mark + "text;label\na;b;x\n")


def squad(**question):
    qas = [{"id": "1", "question": "Who?", **question}]
    return json.dumps({"data": [{"paragraphs": [{"context": "Ada came.", "qas": qas}]}]})


ADA = [{"text": "Ada", "answer_start": 0}]


def test_a_question_that_is_said_to_be_impossible_has_no_answer(read):
    assert read("a.json", squad(is_impossible=True, answers=ADA))[0].answers == ()
    assert read("a.json", squad(is_impossible=True))[0].answers == ()
    nowhere = [{"text": "Bob", "answer_start": 0}]
    assert read("a.json", squad(is_impossible=True, answers=nowhere))[0].answers == ()
    assert read("a.json", squad(is_impossible=False, answers=ADA))[0].answers == (("Ada", 0),)
    with pytest.raises(ValueError, match=r"qas\[0\] has no answers, and says that it is not"):
        read("a.json", squad(is_impossible=False, answers=[]))
    with pytest.raises(ValueError, match="'is_impossible' with true or false"):
        read("a.json", squad(is_impossible="no", answers=ADA))


def test_a_reference_of_which_nothing_is_left_is_no_answer(read):
    articles = [{"text": "the", "answer_start": 0}]
    text = squad(answers=articles).replace("Ada came.", "the end.")
    data = read("a.json", text)
    assert data[0].answers == (("the", 0),)
    right = {"exact": 100.0, "f1": 100.0, "no_answer": 100.0}
    assert span_metrics(data, [""]) == right
    assert span_metrics(data, ["end"]) == dict.fromkeys(right, 0.0)


def test_folders_whose_splits_write_labels_in_two_forms(tmp_path):
    for name, label in (("train", "café"), ("dev", "cafe\u0301")):
        rows = f"text,label\nx,{label}\ny,bar\n"
        (tmp_path / f"{name}.csv").write_text(rows, "utf-8")
    assert load(tmp_path, "train").labels == load(tmp_path, "validation").labels
