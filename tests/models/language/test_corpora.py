"""Texts as rows of tokens on disk: nothing is lost, and what validates is held out."""

import numpy as np
import pytest

from kerasllm.datasets.sources import read_source
from kerasllm.models.language.corpora import document_rows, token_rows
from kerasllm.text import train_tokenizer

TEXTS = [f"the {word} is here" for word in ("cat", "dog", "cow", "hen", "fox", "owl")] * 4


@pytest.fixture(scope="module")
def words():
    return train_tokenizer(TEXTS, kind="word")


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a text file and reads it as a source."""

    def written(text):
        (tmp_path / "own.txt").write_text(text)
        return read_source(tmp_path / "own.txt")

    return written


def test_rows_of_tokens_hold_every_text(words):
    source = read_source(TEXTS)
    train, validation = token_rows(source, words, quiet=True)
    for row, texts in ((train, source.train), (validation, source.validation)):
        expected = [i for text in texts for i in words.encode(text, eos=True)]
        assert np.asarray(row).tolist() == expected


def test_a_text_file_holds_out_its_last_tenth(file):
    tokenizer = train_tokenizer(["\n".join(TEXTS)], kind="character", min_frequency=1)
    train, validation = token_rows(file("\n".join(TEXTS)), tokenizer, quiet=True)
    total = len(train) + len(validation)
    assert len(validation) == pytest.approx(total / 10, abs=1)
    assert "".join(tokenizer.decode(np.concatenate([train, validation]).tolist())).startswith("the")


@pytest.mark.parametrize("kind", ["texts", "file"])
def test_documents_are_read_from_disk_and_cut_at_the_context(words, file, kind):
    texts = [f"the {word} is here" + " the cat" * (n % 5) for n, word in enumerate(TEXTS)]
    source = read_source(texts) if kind == "texts" else file("\n\n".join(texts))
    parts = document_rows(source, words, 7, quiet=True)
    expected = [ids[:7] for ids in words.encode_batch(texts, eos=True)]
    assert [row.tolist() for part in parts for row in part] == expected
    assert [n for part in parts for n in part.lengths] == [len(ids) for ids in expected]
    assert len(parts[1]) == max(1, len(texts) // 10)
    assert isinstance(parts[0].tokens, np.memmap) and isinstance(parts[0][0], np.memmap)

    short = parts[0][parts[0].lengths < 7]
    assert [row.tolist() for row in short] == [i for i in expected[: len(parts[0])] if len(i) < 7]


def test_a_file_of_one_line_has_nothing_to_validate_on(words, file):
    source = file("all of it on one line")
    with pytest.raises(ValueError, match=r"at least 2 lines in own.txt, .*write one text a line"):
        document_rows(source, words, 7, quiet=True)
