"""Answers to files: what is read of each form, and what is written."""

import csv
import io
import json
from pathlib import Path

import pytest

from kerasllm import cli
from kerasllm.datasets.files.inputs import read_inputs
from kerasllm.training import predict
from kerasllm.training.answer_files import as_text, save_answers


@pytest.fixture
def file(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_every_form_gives_an_input_a_row(file):
    assert read_inputs(file("a.txt", "one\n\n第二\n")) == ["one", "", "第二"]
    assert read_inputs(file("a.csv", 'id,text\n1,"a, b"\n2,c\n')) == ["a, b", "c"]
    assert read_inputs(file("a.tsv", "text\tid\na\t1\n")) == ["a"]
    assert read_inputs(file("a.jsonl", '{"text": "a"}\n{"text": ["b", "c"]}\n')) == [
        "a",
        ["b", "c"],
    ]
    assert read_inputs(file("a.json", '[{"text": "a"}]')) == ["a"]
    words = [["In", "Rome"], ["北", "京"]]
    assert read_inputs(file("a.conll", "In O\nRome B-LOC\n\n北 B-LOC\n京 I-LOC\n")) == words
    assert read_inputs(f"{file('b.txt', 'In Rome' + chr(10))}?format=tokens") == words[:1]


def test_columns_are_those_of_the_task_or_named(file):
    path = file("q.csv", "frage,context\nWer?,Ada.\n")
    assert read_inputs(f"{path}?question=frage", ("question", "context")) == [("Wer?", "Ada.")]
    with pytest.raises(ValueError, match=r"q.csv has no column 'question'; it has .*frage"):
        read_inputs(path, ("question", "context"))
    with pytest.raises(ValueError, match="which txt does not have: use csv or jsonl"):
        read_inputs(file("q.txt", "Wer?"), ("question", "context"))
    with pytest.raises(TypeError, match=r"no option 'txet'.*Did you mean 'text'"):
        read_inputs(f"{path}?txet=frage")
    with pytest.raises(ValueError, match=r"n.jsonl, line 2: expected text, received 7"):
        read_inputs(file("n.jsonl", '{"text": "a"}\n{"text": 7}\n'))
    with pytest.raises(FileNotFoundError, match=r"nowhere.csv"):
        read_inputs("nowhere.csv")


ROWS = [
    {"text": "a", "label": "x", "probabilities": {"x": 0.75, "y": 0.25}, "warning": None},
    {"text": 'b, "c"', "label": "y", "probabilities": {"x": 0.5, "y": 0.5}, "warning": "cut"},
]


def test_csv_has_a_column_for_every_probability():
    rows = list(csv.DictReader(io.StringIO(as_text(ROWS, "csv"))))
    assert rows[0] == {"text": "a", "label": "x", "p_x": "0.75", "p_y": "0.25", "warning": ""}
    assert rows[1]["text"] == 'b, "c"' and rows[1]["warning"] == "cut"
    odd = [{"labels": ["x", "y"], "tags": ["O", "O"], "entities": [{"type": "LOC"}], "start": 3}]
    assert as_text(odd, "csv").splitlines()[1] == 'x|y,O O,"[{""type"": ""LOC""}]",3'


def test_json_is_whole(tmp_path):
    assert json.loads(as_text(ROWS, "json")) == ROWS
    assert list(map(json.loads, as_text(ROWS, "jsonl").splitlines())) == ROWS
    save_answers(ROWS, tmp_path / "new" / "answers.jsonl")
    assert (tmp_path / "new" / "answers.jsonl").read_text() == as_text(ROWS, "jsonl")
    with pytest.raises(ValueError, match=r"ends in one of .json, .jsonl, .csv, received"):
        save_answers(ROWS, tmp_path / "answers.xlsx")


def test_a_run_answers_a_file(classifier, file):
    path = file("a.csv", "remark\nthe recipe of the day\nmy team won\n")
    rows = predict(classifier, Path(f"{path}?text=remark"))
    assert rows == predict(classifier, ["the recipe of the day", "my team won"])


def test_the_command_writes_what_the_function_returns(classifier, file, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    monkeypatch.setattr("kerasllm.cli.flags.load_keras", lambda: None)
    path, output = file("a.txt", "the recipe of the day\nmy team won\n"), tmp_path / "out.json"
    call = ["predict", str(classifier.path), "--file", str(path)]
    done = CliRunner().invoke(cli.app, [*call, "--output", str(output)])
    assert done.exit_code == 0, done.output
    rows = json.loads(output.read_text())
    assert [row["text"] for row in rows] == ["the recipe of the day", "my team won"]
    printed = CliRunner().invoke(cli.app, [*call, "--format", "jsonl"]).stdout
    assert list(map(json.loads, printed.splitlines())) == rows
