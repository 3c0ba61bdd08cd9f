"""The length report counts what a reader would count by hand."""

import numpy as np
import pytest

from kerasllm.text import length_report, train_tokenizer


@pytest.fixture(scope="module")
def words():
    return train_tokenizer(["a b c d e"] * 2, "word", word_splitter="space")


def test_counts_by_hand(words):
    texts = ["a b", "a b c d e", "x y", "", "a x a b c d"]
    report = length_report(iter(texts), words, max_length=4)
    assert report.lengths.tolist() == [2, 5, 2, 0, 6]
    assert report.percentiles[50] == 2 and report.percentiles[100] == 6
    assert report.truncated == pytest.approx(2 / 5)
    assert report.tokens_lost == pytest.approx(3 / 15)
    assert report.unknown == pytest.approx(3 / 15)
    assert (report.all_unknown, report.empty) == (1, 1)
    assert report.cut == ((1, "a b c d ", "e"), (4, "a x a b ", "c d"))
    assert report.unknown_pieces == (("x", 2), ("y", 1))


def test_the_text_says_it_all(words):
    text = str(length_report(["a b c d e", "q q", ""], words, 3))
    for part in ("3 texts, 7 tokens", "longer than 3: 33.3%", "unknown tokens: 28.57%"):
        assert part in text
    for part in ("cut in text 0", "'q' (2)", "1 of 3 texts have only unknown tokens", "empty"):
        assert part in text


def test_nothing_to_complain_about(words):
    report = length_report(["a b"] * 3, words, 8)
    assert report.warnings == [] and report.cut == () and report.unknown_pieces == ()


def test_percentiles_are_lengths_that_occur(words, rng):
    texts = [" ".join("a" * n) for n in rng.integers(1, 50, 101)]
    report = length_report(texts, words, 10)
    assert set(report.percentiles.values()) <= set(report.lengths.tolist())
    assert report.truncated == np.mean(report.lengths > 10)


def test_bad_input(words):
    with pytest.raises(TypeError, match="letter by letter"):
        length_report("a b", words, 4)
    with pytest.raises(ValueError, match="received 0 texts"):
        length_report([], words, 4)
    with pytest.raises(ValueError, match="max_length=0"):
        length_report(["a"], words, 0)
