from pathlib import Path

import numpy as np
import pytest

from kerasllm import datasets
from kerasllm.training.data import (
    Reading,
    Source,
    document_rows,
    found_again,
    make_tokenizer,
    read_source,
    token_rows,
)
from kerasllm.training.settings.pretraining import PretrainSettings

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


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00bad \x80\x81 bytes"])
def test_an_empty_file_and_a_wrong_encoding_are_refused(tmp_path, content):
    path = tmp_path / "own.txt"
    path.write_bytes(content)
    settings = PretrainSettings(tokenizer="word")
    with pytest.raises(ValueError, match=r"own.txt.*(empty|UTF-8|encoding|utf-8)"):
        make_tokenizer(read_source(path), settings)


def test_the_tokenizer_is_trained_on_training_texts_alone():
    source = Source("x", ["aab", "aba"], ["xyz"])
    tokenizer = make_tokenizer(source, PretrainSettings(tokenizer="character"))
    assert tokenizer.unk_id in tokenizer.encode("x") and tokenizer.unk_id not in tokenizer.encode(
        "b"
    )


def test_a_vocabulary_smaller_than_the_character_set_is_refused():
    settings = PretrainSettings(tokenizer="character", vocabulary_size=9)
    with pytest.raises(ValueError, match="9"):
        make_tokenizer(read_source(TEXTS), settings)


def test_an_unknown_tokenizer_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'wordpiece'"):
        make_tokenizer(read_source(TEXTS), PretrainSettings(tokenizer="wordpeice"))


def test_rows_of_tokens_hold_every_text(tmp_path):
    source = read_source(TEXTS)
    tokenizer = make_tokenizer(source, PretrainSettings(tokenizer="word"))
    train, validation = token_rows(source, tokenizer, quiet=True)
    for row, texts in ((train, source.train), (validation, source.validation)):
        expected = [i for text in texts for i in tokenizer.encode(text, eos=True)]
        assert np.asarray(row).tolist() == expected


def test_a_text_file_holds_out_its_last_tenth(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("\n".join(TEXTS))
    source = read_source(path)
    tokenizer = make_tokenizer(source, PretrainSettings(tokenizer="character"))
    train, validation = token_rows(source, tokenizer, quiet=True)
    total = len(train) + len(validation)
    assert len(validation) == pytest.approx(total / 10, abs=1)
    assert "".join(tokenizer.decode(np.concatenate([train, validation]).tolist())).startswith("the")


@pytest.mark.parametrize("kind", ["texts", "file"])
def test_documents_are_read_from_disk_and_cut_at_the_context(tmp_path, kind):
    texts = [f"the {word} is here" + " the cat" * (n % 5) for n, word in enumerate(TEXTS)]
    (tmp_path / "own.txt").write_text("\n\n".join(texts))
    source = read_source(texts if kind == "texts" else tmp_path / "own.txt")
    tokenizer = make_tokenizer(source, PretrainSettings(tokenizer="word"))
    parts = document_rows(source, tokenizer, 7, quiet=True)
    expected = [ids[:7] for ids in tokenizer.encode_batch(texts, eos=True)]
    assert [row.tolist() for part in parts for row in part] == expected
    assert [n for part in parts for n in part.lengths] == [len(ids) for ids in expected]
    assert len(parts[1]) == max(1, len(texts) // 10)
    assert isinstance(parts[0].tokens, np.memmap) and isinstance(parts[0][0], np.memmap)

    short = parts[0][parts[0].lengths < 7]
    assert [row.tolist() for row in short] == [i for i in expected[: len(parts[0])] if len(i) < 7]


def test_a_file_of_one_line_has_nothing_to_validate_on(tmp_path):
    (tmp_path / "own.txt").write_text("all of it on one line")
    source = read_source(tmp_path / "own.txt")
    tokenizer = make_tokenizer(source, PretrainSettings(tokenizer="character"))
    with pytest.raises(ValueError, match=r"at least 2 lines in own.txt, .*write one text a line"):
        document_rows(source, tokenizer, 7, quiet=True)


def test_windows_keep_all_of_a_long_text():
    tokenizer = make_tokenizer(read_source(TEXTS), PretrainSettings(tokenizer="word"))
    texts = ["the cat is here the cat", "the cat"]
    rows, owners = Reading(4, "windows").rows(texts, tokenizer)
    whole = tokenizer.encode_batch(texts, eos=True)
    assert list(owners) == [0] * (len(rows) - 1) + [1] and len(rows) > 2
    assert rows[0] == whole[0][:4] and rows[-2][-1] == tokenizer.eos_id and rows[-1] == whole[1]


def test_cleaning_reads_a_dirty_text_like_a_clean_one():
    tokenizer = make_tokenizer(read_source(TEXTS), PretrainSettings(tokenizer="word"))
    dirty, clean = ["the\x00   cat"], ["the cat"]
    assert Reading(9, clean=True).rows(dirty, tokenizer) == Reading(9).rows(clean, tokenizer)


def test_reading_follows_the_settings():
    assert Reading.of({"length": 7, "clean": None, "epochs": 3}) == Reading(7)
    with pytest.raises(ValueError, match="Did you mean 'windows'"):
        Reading(7, "window").rows(["a"], None)


def test_data_is_found_again_by_name_or_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.txt").write_text("x")
    assert found_again("own.txt") == found_again(Path("own.txt")) == str(tmp_path / "own.txt")
    Path("markov").mkdir()
    assert found_again("markov") == "markov"  # a name comes first, as in datasets.load
    assert found_again(TEXTS) is found_again(datasets.load("topic_en")) is None
