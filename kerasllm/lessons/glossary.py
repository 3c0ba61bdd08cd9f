"""The glossary: every term of the lessons and the docs, in English and in Chinese.

    python -m kerasllm.lessons glossary         # writes docs/glossary.md

The terms stand in `glossary.toml`, whose head says what each field is.
"""

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from kerasllm.utils.tables import Table

SOURCE = Path(__file__).with_name("glossary.toml")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "glossary.md"

HEAD = """# Glossary · 术语表

The terms of the lessons and the docs. The Chinese ones follow the usage of
邱锡鹏《神经网络与深度学习》 and of 《动手学深度学习》 (d2l-zh), where the term is known there. The
last column says where one of the five articles that the lessons start from uses another word (000
to 004 are their numbers).

课程与文档中的术语。译名遵循邱锡鹏《神经网络与深度学习》和《动手学深度学习》的习惯（书中有的词）。
课程以五篇文章为起点，编号 000 到 004；哪一篇用了别的词，见最后一列。

Made by `python -m kerasllm.lessons glossary` from `kerasllm/lessons/glossary.toml`.
"""
NOTES = """## What else the articles say · 关于文章的说明
"""


@dataclass(frozen=True)
class Term:
    """A term, as in `glossary.toml`."""

    english: str
    chinese: str
    says: tuple
    symbol: str = ""
    articles: dict = field(default_factory=dict)
    note: tuple = ()
    avoid: tuple = ()


@cache
def terms():
    """Return the terms, in the order of the alphabet.

    Example:
        >>> [term.chinese for term in terms() if term.english == "forget gate"]
        ['遗忘门']
    """
    entries = tomllib.loads(SOURCE.read_text("utf-8"))
    return tuple(Term(english, **fields) for english, fields in entries.items())


def glossary_page():
    """Return docs/glossary.md as text."""
    columns = ("English", "中文", "symbol · 记号", "meaning", "释义", "articles · 文章")
    rows = [(t.english, t.chinese, t.symbol, *t.says, _in_articles(t)) for t in terms()]
    notes = [f"- {t.english} · {t.chinese}: {' '.join(t.note)}" for t in terms() if t.note]
    return "\n".join([HEAD, *Table(columns, rows).markdown(), "", NOTES, *notes, ""])


def _in_articles(term):
    return "; ".join(f"{number}: {word}" for number, word in term.articles.items())


def write_glossary(path=PAGE):
    """Write the page of the glossary, and return its path.

    Raises:
        FileNotFoundError: there is no such folder, as in an installed wheel.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"expected the folder {path.parent}, found none: clone the repository, or print "
            "kerasllm.lessons.glossary_page()"
        )
    path.write_text(glossary_page(), "utf-8")
    return path
