"""Texts to learn language from: named sets, data sets, lists, files, and what validates."""

from pathlib import Path

import pytest

from kerasllm import datasets
from kerasllm.datasets.sources import found_again, read_source

TEXTS = [f"the {word} is here" for word in ("cat", "dog", "cow", "hen", "fox", "owl")] * 4


def test_a_named_set_brings_its_own_validation():
    source = read_source("topic_zh")
    assert source.language == "zh" and source.train and source.validation
    assert not set(source.train) & set(source.validation)
    assert source.fingerprint == datasets.load("topic_zh").fingerprint


def test_a_list_holds_out_its_end():
    source = read_source(TEXTS)
    assert source.train == TEXTS[:-2] and source.validation == TEXTS[-2:]
    assert read_source(source) is source


def test_a_data_set_is_split():
    whole = datasets.load("topic_en", split="all")
    source = read_source(whole)
    assert len(source.train) > len(source.validation) > 0
    assert not set(source.train) & set(source.validation)


def test_the_fingerprint_changes_with_the_text(tmp_path):
    path = tmp_path / "a.txt"
    found = set()
    for text in ("one text", "two text"):
        path.write_text(text)
        found |= {read_source(path).fingerprint, read_source([text, "b"]).fingerprint}
    assert len(found) == 4 and all(found)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("topic_eng", ValueError, "Did you mean 'topic_en'"),
        ("nowhere/own.txt", FileNotFoundError, "own.txt"),
        (["one text"], ValueError, "at least 2 texts, one of them to validate on, received 1"),
        ([], ValueError, "received 0"),
    ],
)
def test_refuses(source, error, message):
    with pytest.raises(error, match=message):
        read_source(source)


def test_data_is_found_again_by_name_or_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.txt").write_text("x")
    assert found_again("own.txt") == found_again(Path("own.txt")) == str(tmp_path / "own.txt")
    Path("markov").mkdir()
    assert found_again("markov") == "markov"  # a name comes first, as in datasets.load
    assert found_again(TEXTS) is found_again(datasets.load("topic_en")) is None
