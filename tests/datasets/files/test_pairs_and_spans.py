"""Pairs and spans in files of your own: what is read, and what is refused."""

import json

import pytest

from kerasllm.datasets import Pair, Span, load
from kerasllm.datasets.files.reading import read_file
from kerasllm.datasets.files.squad import read_squad

CONTEXT = "Ada was born in London in 1815. She died in London."


def squad(*answers, context=CONTEXT, **more):
    question = {"id": "q7", "question": "Where was Ada born?", **more}
    question["answers"] = [{"text": text, "answer_start": start} for text, start in answers]
    return {"version": "1.1", "data": [{"paragraphs": [{"context": context, "qas": [question]}]}]}


@pytest.fixture
def write(tmp_path):
    def write(content, name="a.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return path

    return write


# Pairs -----------------------------------------------------------------------


def test_columns_source_and_target_make_pairs(write):
    expected = [Pair("one", "eins"), Pair("two", "zwei")]
    for name, content in {
        "a.csv": "source,target\none,eins\ntwo,zwei\n",
        "a.tsv": "target\tsource\neins\tone\nzwei\ttwo\n",
        "a.jsonl": '{"source": "one", "target": "eins"}\n{"source": "two", "target": "zwei"}\n',
    }.items():
        data = read_file(write(content, name))
        assert (data.task, list(data)) == ("seq2seq", expected)
    labelled = read_file(write("source,target,label\na,b,x\nc,d,y\n", "b.csv"), text="source")
    assert labelled.task == "classification"


def test_an_empty_side_names_its_row(write):
    path = write("source,target\none,eins\ntwo,\nthree, \n", "a.csv")
    with pytest.raises(ValueError, match=r"'target' is empty in 2 of 3 rows, in line 3, 4"):
        load(path)
    data = read_file(path, drop_empty=True)
    assert (list(data), data.info["empty_texts_dropped"]) == ([Pair("one", "eins")], 2)
    with pytest.raises(ValueError, match=r"'source' is empty in 1 of 2 rows, in line 2"):
        load(write("source,target\n,eins\na,b\n", "b.csv"))
    rows = '{"source": "one", "target": "eins"}\n{"source": "two"}\n'
    with pytest.raises(ValueError, match=r"'target' is empty in 1 of 2 rows, in line 2"):
        load(write(rows, "c.jsonl"))


# Spans -----------------------------------------------------------------------


def test_a_squad_file_is_recognised(write):
    data = read_file(write(squad(("London", 16), ("in London", 13))))
    answers = (("London", 16), ("in London", 13))
    assert (data.task, list(data)) == ("span", [Span(CONTEXT, "Where was Ada born?", answers)])
    assert read_file(write(squad(("London", 16)), "b.txt"), format="squad").task == "span"


def test_a_question_without_an_answer_stays(write):
    assert read_file(write(squad(is_impossible=True)))[0].answers == ()


@pytest.mark.parametrize(("stated", "found"), [(14, 16), (0, 16), (43, 44), (400, 44), (-3, 16)])
def test_an_answer_that_is_out_of_place_is_found_again(write, stated, found):
    (example,), facts = read_squad(write(squad(("London", stated))))
    assert example.answers == (("London", found),)
    assert facts["answers_moved"] == 1


def test_an_answer_that_is_not_in_its_context_is_named(write):
    path = write(squad(("Paris", 16)))
    with pytest.raises(ValueError, match=r"'Paris' to question 'q7' .*unfound='drop'"):
        load(path)
    examples, facts = read_squad(path, unfound="drop")
    assert (examples, facts["answers_dropped"], facts["questions_dropped"]) == ([], 1, 1)
    (example,), facts = read_squad(write(squad(("Paris", 0), ("London", 16))), unfound="drop")
    assert example.answers == (("London", 16),)
    assert (facts["answers_dropped"], "questions_dropped" in facts) == (1, False)
    with pytest.raises(ValueError, match="'' to question 'q7'"):
        load(write(squad(("", 0))))
    with pytest.raises(ValueError, match="unfound to be one of"):
        load(path, unfound="skip")


def without(document, *path):
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return document


QAS = ("data", 0, "paragraphs", 0, "qas", 0)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            ("data", 0, "paragraphs"),
            r"'paragraphs' with a list in data\[0\], received the keys \[\]",
        ),
        (
            ("data", 0, "paragraphs", 0, "context"),
            r"'context' with a text in data\[0\].paragraphs\[0\]",
        ),
        ((*QAS, "question"), r"'question' with a text in data\[0\].paragraphs\[0\].qas\[0\]"),
        ((*QAS, "answers"), "'answers' with a list"),
        ((*QAS, "answers", 0, "text"), "'text' with a text in the answers of question 'q7'"),
        ((*QAS, "answers", 0, "answer_start"), "'answer_start' with a whole number"),
    ],
)
def test_json_of_another_shape(write, path, message):
    with pytest.raises(ValueError, match=message) as error:
        load(write(without(squad(("London", 16)), *path)))
    assert 'The form of SQuAD is {"data"' in str(error.value)


def test_json_that_is_not_squad_at_all(write):
    with pytest.raises(ValueError, match="'data' with a list in the file, 'data' is str"):
        load(write({"data": "x"}))
    with pytest.raises(ValueError, match="'data' with a list in the file, received list"):
        load(write([1]), format="squad")
    with pytest.raises(ValueError, match="line 2: not valid JSON at column 1"):
        load(write('{"data":\n', "b.txt"), format="squad")


def test_a_file_is_split_by_article(write):
    articles = [
        squad(("London", 16), context=f"{CONTEXT} {i} {k}")["data"][0]["paragraphs"][0]
        for i in range(10)
        for k in range(3)
    ]
    data = [{"paragraphs": articles[3 * i : 3 * i + 3]} for i in range(10)]
    path = write({"data": data})
    parts = [load(path, split) for split in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [24, 3, 3]
    assert len({example.context.split()[-2] for example in parts[2]}) == 1
    assert "whole groups" in parts[0].info["how_split"]
