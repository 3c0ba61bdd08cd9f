"""The CRF baseline: it knows what follows what."""

import pytest

from kerasllm.baselines import crf, crf_tags
from kerasllm.datasets.examples import Dataset, Tagged


def data(rows):
    return Dataset(rows, name="own", split="train", task="tagging")


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(crf, "is_installed", lambda: False)
    with pytest.raises(ImportError, match=r"pip install 'kerasllm\[crf\]'"):
        crf_tags(data([Tagged(("a",), ("O",))]), data([Tagged(("a",), ("O",))]))


def test_a_name_goes_on_as_it_began():
    pytest.importorskip("pycrfsuite", reason="needs the extra crf")
    rows = [
        Tagged(("in", "New", "York", "now"), ("O", "B-LOC", "I-LOC", "O")),
        Tagged(("with", "Ann", "Lee", "now"), ("O", "B-PER", "I-PER", "O")),
    ] * 9
    asked = [Tagged(("in", "Old", "Town", "now"), ("O", "B-LOC", "I-LOC", "O"))]
    found = crf_tags(data(rows), data(asked))
    assert found.predicted == [["O", "B-LOC", "I-LOC", "O"]]
    assert found.metrics["f1"] == 1.0 and found.name == "crf"
