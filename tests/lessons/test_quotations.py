"""Passages are quoted from the right edition, or in short; what is kept is true and short."""

import hashlib
import shutil

import pytest

from kerasllm import lessons
from kerasllm.lessons import DOCUMENTS, quotations


@pytest.fixture
def unset(monkeypatch):
    monkeypatch.delenv("KERASLLM_DOCUMENTS", raising=False)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Return a folder with a document of three lines, which the package knows as 004."""
    text = "# 题目\n\n第三行 `x`\n"
    (tmp_path / "004.md").write_bytes(text.encode())
    known = {
        "lines": 3, "sections": {"1": 2}, "quotations": {3: "第三"},
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }  # fmt: skip
    monkeypatch.setitem(DOCUMENTS, "004", known)
    monkeypatch.setenv("KERASLLM_DOCUMENTS", str(tmp_path))
    return tmp_path


def test_passage_of_the_document_with_its_place(made):
    quotation = lessons.quote(4, (2, 3))
    assert quotation.whole and quotation.text == "\n第三行 `x`"
    assert str(quotation) == "Document 004 §1, lines 2 to 3\n\n第三行 `x`"
    assert quotation._repr_markdown_() == "*Document 004 §1, lines 2 to 3*\n\n>\n> 第三行 `x`"
    assert str(lessons.quote("004", 1)) == "Document 004, line 1\n# 题目"  # before any section


def test_without_the_documents_a_line_and_a_short_quotation(made, unset):
    quotation = lessons.quote("004", (1, 3))
    place, words = str(quotation).split("\n")
    assert place.startswith("Document 004, lines 1 to 3 (set KERASLLM_DOCUMENTS to")
    assert words == "第三" and not quotation.whole
    assert quotation._repr_markdown_().endswith("*\n\n> `` 第三 ``")
    assert "\n" not in str(lessons.quote("004", 1))  # nothing is kept of this line


def test_another_edition_is_refused(made):
    (made / "004.md").write_text("# 题目\n\n第三行 `y`\n", "utf-8")
    with pytest.raises(ValueError, match=r"another edition of document 004: expected \w+"):
        lessons.quote("004", 3)
    (made / "004.md").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected document 004 in .*there is none: set"):
        lessons.quote("004", 3)


@pytest.mark.parametrize(
    ("document", "lines", "message"),
    [
        ("005", 1, "expected document to be one of .*received '005'"),
        ("errata", 1, "expected document to be one of"),
        ("001", 0, "lines from 1 to 108, the first before the last, received 0"),
        ("001", (9, 3), r"the first before the last, received \(9, 3\)"),
        ("001", 109, "document 001 has 108 lines"),
        ("001", "1-3", r"expected lines as a number or \(first, last\), received '1-3'"),
        ("001", None, "received None"),
    ],
)
def test_what_is_not_there_is_named(unset, document, lines, message):
    with pytest.raises(ValueError, match=message):
        lessons.quote(document, lines)


def test_an_empty_variable_is_as_if_not_set(monkeypatch):
    monkeypatch.setenv("KERASLLM_DOCUMENTS", "")
    assert lessons.quote("001", 45).text == "K为密集向量"


def test_a_notebook_keeps_short_quotations_only():
    from kerasllm.lessons.execution import OFFLINE

    assert OFFLINE[quotations.VARIABLE] == ""


@pytest.mark.parametrize("number", DOCUMENTS)
def test_what_is_kept_is_short(number):
    kept = DOCUMENTS[number]["quotations"].values()
    assert all(len(words) <= 60 and "\n" not in words for words in kept)
    assert sum(map(len, kept)) < 600


@pytest.mark.parametrize("number", DOCUMENTS)
def test_what_is_kept_is_what_the_document_says(number, documents):
    known = DOCUMENTS[number]
    whole = lessons.quote(number, (1, known["lines"]))
    lines = whole.text.split("\n")
    assert whole.whole and len(lines) == known["lines"]
    for line, words in known["quotations"].items():
        assert words in lines[int(line) - 1]
    for section, line in known["sections"].items():
        assert lines[line - 1].lstrip("#").strip().startswith(section)


def test_a_copy_elsewhere_does_as_well(documents, tmp_path, monkeypatch):
    shutil.copy(documents / "001.md", tmp_path)
    monkeypatch.setenv("KERASLLM_DOCUMENTS", str(tmp_path))
    assert "K为密集向量" in lessons.quote(1, 45).text
