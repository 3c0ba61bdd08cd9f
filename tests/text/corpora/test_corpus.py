"""A corpus on disk holds the same tokens as memory would, is made once, and never half."""

import numpy as np
import pytest

from kerasllm.text import (  # fmt: skip
    EOS,
    Cleaner,
    TokenCorpus,
    read_pieces,
    sample_texts,
    train_tokenizer,
)
from kerasllm.text.corpora import streaming
from kerasllm.text.corpora import writer as corpus_writer  # fmt: skip

LINES = ["The fox runs.", "", "我爱语言", "  indented, and  more &amp; more", "last line 👍"] * 7


@pytest.fixture(scope="module")
def bpe():
    return train_tokenizer(LINES, "bpe", 300)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(LINES), "utf-8")
    return path


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(streaming, "PIECE", 23)
    monkeypatch.setattr(streaming, "LONGEST", 41)
    monkeypatch.setattr(corpus_writer, "BATCH", 37)


def build(source, tokenizer, tmp_path, **options):
    return TokenCorpus.build(source, tokenizer, tmp_path / "cache", progress=False, **options)


def flat(rows):
    return [token for row in rows for token in row]


def test_texts(bpe, tmp_path):
    rows = bpe.encode_batch(LINES, bos=True, eos=True)
    corpus = build(LINES, bpe, tmp_path, bos=True)
    assert corpus.tokens.tolist() == flat(rows) and corpus.tokens.dtype == "uint16"
    assert corpus.starts.tolist() == np.cumsum([0, *map(len, rows)])[:-1].tolist()
    assert len(corpus) == len(flat(rows)) and corpus.document(2).tolist() == rows[2]
    assert corpus.document(-1).tolist() == corpus.document(len(LINES) - 1).tolist() == rows[-1]
    with pytest.raises(IndexError, match="document below 35"):
        corpus.document(35)


def test_lines_of_a_file(bpe, file, tmp_path, small_pieces):
    corpus = build(file, bpe, tmp_path)
    rows = bpe.encode_batch([line for line in LINES if line], eos=True)
    assert [corpus.document(i).tolist() for i in range(len(corpus.starts))] == rows


def test_documents_of_a_file(bpe, file, tmp_path, small_pieces):
    corpus = build(str(file), bpe, tmp_path, unit="document")
    documents = "\n".join(LINES).split("\n\n")
    assert len(corpus.starts) == len(documents) == 8
    for i, document in enumerate(documents):
        assert corpus.document(i)[-1] == EOS
        assert bpe.decode(corpus.document(i)) == document


@pytest.mark.parametrize("kind", ["bpe", "character", "word", "wordpiece"])
def test_a_file_as_one_stream_in_pieces_equals_the_whole(kind, file, tmp_path, small_pieces):
    tokenizer = train_tokenizer(LINES, kind, 500, word_splitter="tweet")
    corpus = build(file, tokenizer, tmp_path, unit="file", eos=False)
    assert len(list(read_pieces(file, "file"))) > 3
    assert corpus.tokens.tolist() == tokenizer.encode("\n".join(LINES))
    assert corpus.starts.tolist() == [0]
    long_text = build(["\n".join(LINES)], tokenizer, tmp_path, eos=False)
    assert long_text.tokens.tolist() == corpus.tokens.tolist()


@pytest.mark.parametrize("length", [40, 41, 42, 82, 150])
def test_lines_longer_than_a_piece(length, bpe, tmp_path, small_pieces):
    lines = ["a" * length, "short", "b" * length]
    (tmp_path / "long").write_text("\n\n".join(lines), "utf-8")  # no line end at the end
    for unit in ("line", "document"):
        corpus = build(tmp_path / "long", bpe, tmp_path, unit=unit)
        assert [bpe.decode(corpus.document(i)) for i in range(len(corpus.starts))] == lines
        assert (corpus.tokens == EOS).sum() == 3 and corpus.tokens[-1] == EOS


def test_generator_and_list_share_a_corpus(bpe, tmp_path):
    first = build((line for line in LINES), bpe, tmp_path)
    second = build(LINES, bpe, tmp_path)
    third = build((line for line in LINES), bpe, tmp_path)
    assert first.path == second.path == third.path
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [first.path.name]


def test_second_build_tokenises_nothing(bpe, file, tmp_path, monkeypatch):
    first = build(file, bpe, tmp_path)
    monkeypatch.setattr(type(bpe), "encode_batch", lambda *_: pytest.fail("tokenised again"))
    again = build(file, bpe, tmp_path)
    assert again.tokens.tolist() == first.tokens.tolist()
    loaded = TokenCorpus.load(first.path)
    assert loaded.tokens.tolist() == first.tokens.tolist() and loaded.info == first.info
    with pytest.raises(ValueError, match="read-only"):
        loaded.tokens[0] = 1


def test_every_change_makes_another_corpus(bpe, file, tmp_path):
    other = train_tokenizer(LINES, "bpe", 299)
    made = [
        build(file, bpe, tmp_path),
        build(file, other, tmp_path),
        build(file, bpe, tmp_path, bos=True),
        build(file, bpe, tmp_path, eos=False),
        build(file, bpe, tmp_path, unit="document"),
        build(file, bpe, tmp_path, cleaner=Cleaner()),
        build(LINES[:-1], bpe, tmp_path),
        build(["".join(LINES[:2]), *LINES[2:-1]], bpe, tmp_path),
    ]
    file.write_text("changed", "utf-8")
    made.append(build(file, bpe, tmp_path))
    assert len({corpus.path for corpus in made}) == len(made)


def test_cleaner_is_applied(bpe, file, tmp_path):
    corpus = build(file, bpe, tmp_path, cleaner=Cleaner())
    assert bpe.decode(corpus.document(2)) == "indented, and more & more"
    with pytest.raises(ValueError, match="no cleaner with unit='file'"):
        build(file, bpe, tmp_path, unit="file", cleaner=Cleaner())


def test_a_killed_run_leaves_nothing(bpe, tmp_path, small_pieces):
    def dying():
        yield from LINES
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(dying(), bpe, tmp_path)
    assert list((tmp_path / "cache").iterdir()) == []


def test_many_ids_need_four_bytes(tmp_path):
    characters = "".join(map(chr, range(0x4E00, 0x4E00 + 70000)))
    characters = characters.encode("utf-8", "ignore").decode()
    tokenizer = train_tokenizer([characters], "character", 80000)
    corpus = build([characters], tokenizer, tmp_path, eos=False)
    assert corpus.tokens.dtype == "uint32" and corpus.tokens.max() == tokenizer.vocabulary_size - 1


def test_two_processes_may_finish_the_same_corpus(bpe, tmp_path, monkeypatch):
    first = build(LINES, bpe, tmp_path)
    again = build(iter(LINES), bpe, tmp_path)  # tokenised again, then finds the other's folder
    assert again.path == first.path and again.tokens.tolist() == first.tokens.tolist()


def test_damaged_corpus_is_refused(bpe, tmp_path):
    corpus = build(LINES, bpe, tmp_path)
    (corpus.path / "tokens.bin").write_bytes(b"12")
    with pytest.raises(ValueError, match="delete that folder"):
        TokenCorpus.load(corpus.path)
    (corpus.path / "info.json").write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        TokenCorpus.load(corpus.path)
    with pytest.raises(FileNotFoundError, match=r"TokenCorpus\.build"):
        TokenCorpus.load(tmp_path)


def test_bad_sources(bpe, file, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Did you mean 'text\.txt'"):
        build(tmp_path / "txt.txt", bpe, tmp_path)
    with pytest.raises(ValueError, match="Did you mean 'line'"):
        build(file, bpe, tmp_path, unit="lines")
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match="empty"):
        build(tmp_path / "empty", bpe, tmp_path)
    (tmp_path / "latin").write_bytes("café crème".encode("cp1252"))
    with pytest.raises(ValueError, match=r"UTF-8, received byte 0xe9.*iconv"):
        build(tmp_path / "latin", bpe, tmp_path)
    with pytest.raises(ValueError, match="received none"):
        build([""], bpe, tmp_path, eos=False)
    with pytest.raises(TypeError, match="position 1"):
        build(["a", None], bpe, tmp_path)
    with pytest.raises(TypeError, match="list of strings"):
        build(None, bpe, tmp_path)
    assert not any(path.name.startswith(".partial") for path in (tmp_path / "cache").iterdir())


def test_progress_bar_is_drawn_when_asked(bpe, file, tmp_path, capsys):
    TokenCorpus.build(file, bpe, tmp_path / "cache", progress=True)
    build(LINES[:3], bpe, tmp_path)
    assert capsys.readouterr().out.count("Tokenising") <= 1


def test_sample_reads_all_parts_of_a_large_file(tmp_path):
    path = tmp_path / "large"
    path.write_text("".join(f"{i:05} 语言\n" for i in range(20000)), "utf-8")
    lines = list(sample_texts(path, 20000, blocks=8))
    assert 18000 < len("".join(lines).encode()) < 22000
    numbers = [int(line[:5]) for line in lines]
    assert numbers == sorted(set(numbers)) and numbers[0] == 0 and numbers[-1] > 17000
    assert all(line.endswith(" 语言\n") for line in lines)
    assert "".join(sample_texts(path, 10**9)) == path.read_text("utf-8")
