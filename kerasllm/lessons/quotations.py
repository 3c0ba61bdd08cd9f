"""Passages of the five documents that the lessons come from.

    export KERASLLM_DOCUMENTS=FOLDER        # where 000.md … 004.md lie
    lessons.quote("004", (323, 361))        # the passage; of another edition: an error

- The documents are no part of the project. Without the variable a quotation says where its passage
  stands, and shows the short part of it that `documents.toml` keeps, if it keeps one.
"""

import hashlib
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from kerasllm.utils.errors import check_choice

VARIABLE = "KERASLLM_DOCUMENTS"
DOCUMENTS = tomllib.loads(Path(__file__).with_name("documents.toml").read_text("utf-8"))


@dataclass(frozen=True)
class Quotation:
    """A passage of a document, or a short part of it; printed as text, in a notebook as Markdown.

    Attributes:
        document: its number, such as "004".
        section: in which the passage begins, such as "5.2"; "" before the first.
        first: its first line, from 1.
        last: its last line.
        text: the passage; where it could not be read, what is kept of it, or nothing.
        whole: whether the text was read from the document.
    """

    document: str
    section: str
    first: int
    last: int
    text: str
    whole: bool

    @property
    def place(self):
        """Where the passage stands, as a line."""
        one = self.first == self.last
        lines = f"line {self.first}" if one else f"lines {self.first} to {self.last}"
        section = f" §{self.section}" if self.section else ""
        how = "" if self.whole else f" (set {VARIABLE} to the documents' folder to see all of it)"
        return f"Document {self.document}{section}, {lines}{how}"

    def __str__(self):
        return f"{self.place}\n{self.text}".rstrip()

    def _repr_markdown_(self):
        # What is kept may hold signs of Markdown; a passage is Markdown itself.
        parts = self.text.split("\n") if self.text else []
        text = self.text if self.whole else "\n\n".join(f"`` {part} ``" for part in parts)
        quoted = "\n".join(f"> {line}".rstrip() for line in text.split("\n") if text)
        return f"*{self.place}*\n\n{quoted}".rstrip()


def quote(document, lines):
    """Return a passage of one of the five documents.

    Args:
        document: its number, such as "004" or 4.
        lines: number of a line, or (first, last), from 1.

    Returns:
        A `Quotation`: of the document in the folder that KERASLLM_DOCUMENTS names; else the short
        part of it that the package keeps.

    Raises:
        ValueError: there is no such document, or no such line; or the file is of another edition.
        FileNotFoundError: the folder does not hold the document.

    Example, where the variable is not set:
        >>> print(quote("001", 45))  # doctest: +SKIP
        Document 001 §4, line 45 (set KERASLLM_DOCUMENTS to the documents' folder to see all of it)
        K为密集向量
    """
    number = str(document).zfill(3)
    check_choice("document", number, tuple(DOCUMENTS))
    known = DOCUMENTS[number]
    first, last = _span(number, lines, known["lines"])
    section = [name for name, line in known["sections"].items() if line <= first][-1:]
    folder = os.environ.get(VARIABLE)
    if folder:
        text = "\n".join(_read(Path(folder), number, known)[first - 1 : last])
    else:
        kept = {int(line): words for line, words in known["quotations"].items()}
        text = "\n".join(words for line, words in kept.items() if first <= line <= last)
    return Quotation(number, "".join(section), first, last, text, bool(folder))


def _span(number, lines, count):
    """Return the first and the last line that are wanted, or raise."""
    pair = (lines, lines) if isinstance(lines, int) else lines
    try:
        first, last = map(int, pair)
    except (TypeError, ValueError):
        raise ValueError(
            f"expected lines as a number or (first, last), received {lines!r}: such as 45 or "
            "(323, 361)."
        ) from None
    if not 1 <= first <= last <= count:
        raise ValueError(
            f"expected lines from 1 to {count}, the first before the last, received {lines!r}: "
            f"document {number} has {count} lines."
        )
    return first, last


def _read(folder, number, known):
    """Return the lines of a document, or raise unless it is the edition that the package knows."""
    path = folder / f"{number}.md"
    if not path.is_file():
        raise FileNotFoundError(
            f"expected document {number} in {path}, there is none: set {VARIABLE} to the folder of "
            "the documents, or leave it unset for short quotations."
        )
    raw = path.read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if found != known["sha256"]:
        raise ValueError(
            f"{path} is another edition of document {number}: expected sha256 "
            f"{known['sha256'][:12]}…, received {found[:12]}…. Lines would not be those that are "
            f"quoted: get the edition of the project, or leave {VARIABLE} unset."
        )
    return raw.decode("utf-8").split("\n")
