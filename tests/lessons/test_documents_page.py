"""docs/documents.md: what it names exists, and it leaves no part of a document out."""

import importlib
import re

import pytest

import kerasllm
from kerasllm.lessons import DOCUMENTS
from kerasllm.lessons.catalogue import FOLDER
from kerasllm.recipes.shared.listing import recipes

PAGE = FOLDER.parent / "docs" / "documents.md"
TEXT = PAGE.read_text("utf-8")
PACKAGES = (
    "reference", "layers", "models", "text", "datasets", "metrics", "baselines", "verify", "audit",
)  # fmt: skip


def rows(number):
    """Return [(section, first line, last line, whole row)] of a document's table."""
    part = re.search(rf"^## {number}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)[1]
    found = []
    for line in part.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if span := len(cells) == 5 and re.fullmatch(r"(\d+)(?:-(\d+))?", cells[1]):
            found.append((cells[0], int(span[1]), int(span[2] or span[1]), line))
    return found


def spans(text, opening):
    """Return (first, last) of the blocks that a sign opens and closes, both lines included."""
    found, start = [], None
    for number, line in enumerate(text.split("\n"), 1):
        signs = line.count(opening)
        if signs == 2:
            found.append((number, number))
        elif signs == 1:
            found += [(start, number)] if start else []
            start = None if start else number
    return found


def test_names_exist():
    names = set(re.findall(r"`(\w+)\.(\w+)`", TEXT)) - {("lessons", "quote")}
    assert len(names) > 60
    for package, name in sorted(names):
        assert package in ("kerasllm", *PACKAGES), package
        home = kerasllm if package == "kerasllm" else importlib.import_module(f"kerasllm.{package}")
        assert hasattr(home, name), f"{package}.{name}"


def test_recipes_exist():
    named = set(re.findall(r"`recipe (\w+)`", TEXT))
    assert len(named) > 10 and named <= set(recipes())


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    files = [PAGE.parent / link for link in links if not link.startswith("#")]
    assert len(files) > 40 and all(path.exists() for path in files)
    assert {path.resolve() for path in files} >= set((FOLDER / "listings").glob("*.py"))
    headings = {f"#{name.lower()}" for name in re.findall(r"^## (\S+)$", TEXT, re.MULTILINE)}
    assert {link for link in links if link.startswith("#")} <= headings


def test_lessons_are_linked_by_their_numbers():
    for number, target in re.findall(r"\[(\d\d)\]\(\.\./notebooks/([^)]+)\)", TEXT):
        assert target.startswith(number)


@pytest.mark.parametrize("number", DOCUMENTS)
def test_the_first_table_introduces_each_document(number):
    known = DOCUMENTS[number]
    line = re.search(rf"^\| \[{number}\]\(#{number}\) \|.*$", TEXT, re.MULTILINE)[0]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1] == known["title"] and cells[4] == str(known["lines"])
    top = [name for name in known["sections"] if "." not in name]
    assert cells[3].split(",")[0] == str(len(top))


@pytest.mark.parametrize("number", DOCUMENTS)
def test_rows_are_in_order_and_in_their_sections(number):
    found, known = rows(number), DOCUMENTS[number]
    assert [first for _, first, _, _ in found] == sorted(first for _, first, _, _ in found)
    for section, first, last, line in found:
        assert first <= last <= known["lines"], line
        start = known["sections"].get(section)
        assert section == "appendix" or start <= first, line
    covered = {section.split(".")[0] for section, *_ in found}
    assert covered >= {name.split(".")[0] for name in known["sections"]}


@pytest.mark.parametrize("number", DOCUMENTS)
def test_no_listing_and_no_equation_is_left_out(number, documents):
    text = (documents / f"{number}.md").read_text("utf-8")
    listings = [(a + 1, b - 1) for a, b in spans(text, "```")]
    for first, last in listings + spans(text, "$$"):
        assert any(a <= first and last <= b for _, a, b, _ in rows(number)), (first, last)


@pytest.mark.parametrize("promised", ["多模态", "个性化"])
def test_what_is_only_promised_is_named(promised):
    assert promised in TEXT.split("## Out of scope")[1]
