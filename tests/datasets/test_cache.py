"""What the cache holds is shown and freed, and nothing else that lies there."""

import os

import pytest

from kerasllm.datasets import cache, info
from kerasllm.datasets.cache import clean, forget_old_corpora, parts
from kerasllm.utils.files import part_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a cache with one thing of each kind, and things of the user's own."""
    monkeypatch.setenv("KERASLLM_CACHE", str(tmp_path))
    spam = info("sms_spam").files[0].path
    for name in (
        "corpora/corpus-1/info.json", "corpora/corpus-1/tokens.bin", "corpora/corpus-2/info.json",
        "corpora/.partial-3/tokens.bin", "corpora/4.7@elsewhere.part/tokens.bin",
        "docstrings-5.json", f"sms_spam/{spam}", f"sms_spam/{spam}.sha256",
        f"sms_spam/{spam}.part", "sms_spam/notes.txt", "thesis.txt", "corpora/mine.txt",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("0123456789")
    return tmp_path


def names(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


MINE = {"sms_spam/notes.txt", "thesis.txt", "corpora/mine.txt"}
MADE_AGAIN = [
    ("tokenised text", ".partial-3", 10),
    ("tokenised text", "4.7@elsewhere.part", 10),
    ("tokenised text", "corpus-1", 20),
    ("tokenised text", "corpus-2", 10),
    ("docstrings", "docstrings-5.json", 10),
    ("broken download", "sms_spam", 10),
]


def test_what_is_there_is_shown_with_its_size(folder):
    found = [(part.kind, part.name, part.bytes) for part in parts()]
    assert found == [*MADE_AGAIN, ("data set", "sms_spam", 20)]


def test_what_can_be_made_again_is_freed(folder):
    before = names(folder)
    assert len(clean(dry_run=True)) == len(MADE_AGAIN) and names(folder) == before
    assert [(part.kind, part.name, part.bytes) for part in clean()] == MADE_AGAIN
    spam = f"sms_spam/{info('sms_spam').files[0].path}"
    assert names(folder) == {*MINE, spam, f"{spam}.sha256"}
    assert [part.kind for part in clean(downloads=True)] == ["data set"]
    assert names(folder) == MINE and parts() == []


def test_what_is_being_written_stays(folder):
    busy = [part_of(folder / name) for name in ("corpora/4", "sms_spam/a.zip")]
    busy[0].mkdir()
    busy[1].write_text("0123456789")
    assert [(part.kind, part.name, part.bytes) for part in clean()] == MADE_AGAIN
    assert all(path.exists() for path in busy)
    for path in busy:  # a day old: nobody's
        os.utime(path, (0, 0))
    assert len(clean()) == 2 and not any(path.exists() for path in busy)


def test_a_corpus_that_is_read_stays_and_an_old_one_goes(folder):
    os.utime(folder / "corpora/corpus-2/info.json", (0, 0))
    os.utime(folder / "corpora/.partial-3", (0, 0))
    os.utime(folder / "corpora/4.7@elsewhere.part", (0, 0))
    forget_old_corpora()
    assert {path.name for path in (folder / "corpora").iterdir()} == {"corpus-1", "mine.txt"}


def test_reading_a_corpus_keeps_it(tmp_path, monkeypatch):
    from kerasllm.models.language.corpora import token_corpus
    from kerasllm.text import train_tokenizer

    monkeypatch.setenv("KERASLLM_CACHE", str(tmp_path))
    texts, tokenizer = ["ab", "c"], train_tokenizer(["ab", "c"], "character")
    first, second = (token_corpus(part, tokenizer) for part in (texts, texts[:1]))
    for corpus in (first, second):
        os.utime(corpus.path / "info.json", (0, 0))
    monkeypatch.setattr(cache, "forget_old_corpora", lambda: None)
    type(first).build(texts, tokenizer, first.path.parent, unit="file", progress=False)
    forget_old_corpora()
    assert first.path.is_dir() and not second.path.exists()


def test_a_cache_that_cannot_be_written_names_the_variable(tmp_path, monkeypatch):
    from kerasllm.models.language.corpora import token_corpus
    from kerasllm.text import train_tokenizer

    (tmp_path / "file").touch()
    monkeypatch.setenv("KERASLLM_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"the tokenised text in .* set KERASLLM_CACHE to a folder"):
        token_corpus(["ab"], train_tokenizer(["ab"], "character"))
