"""The corrected listings run, say what they correct, and correct all that the documents have."""

import re
import runpy

import pytest

from kerasllm.lessons import DOCUMENTS
from kerasllm.lessons.catalogue import FOLDER

LISTINGS = sorted((FOLDER / "listings").glob("*.py"))
LONGEST = 40  # lines of code: the longest listing has 37, and defines less


def corrected(path):
    """Yield (document, first line, last line) that the head of a script claims."""
    head = path.read_text("utf-8").split('"""')[1]
    for number, spans in re.findall(r"(?:Corrects|Completes) (\d{3}): ([\d, -]+)\.", head):
        for span in spans.split(","):
            first, _, last = span.strip().partition("-")
            yield number, int(first), int(last or first)


def fenced(text):
    """Return (first, last) of the lines inside of each fenced block."""
    fences = [n for n, line in enumerate(text.split("\n"), 1) if line.strip().startswith("```")]
    return [(a + 1, b - 1) for a, b in zip(fences[::2], fences[1::2], strict=True)]


@pytest.mark.parametrize("path", LISTINGS, ids=lambda path: path.stem)
def test_listing_runs_in_seconds(path, capsys):
    runpy.run_path(str(path), run_name="__main__")  # its assertions are the test
    said = capsys.readouterr()
    assert said.out.strip() and not said.err


@pytest.mark.parametrize("path", LISTINGS, ids=lambda path: path.stem)
def test_head_says_what_is_corrected_and_the_code_is_short(path):
    text = path.read_text("utf-8")
    _, head, code = text.split('"""', 2)
    assert re.search(r"\n(Wrong|Missing) there: ", head) and "assert " in code
    claimed = list(corrected(path))
    assert claimed and all(1 <= a <= b <= DOCUMENTS[n]["lines"] for n, a, b in claimed)
    lines = [line for line in code.splitlines() if line.strip() and line.strip()[0] != "#"]
    assert len(lines) <= LONGEST


@pytest.mark.parametrize("number", DOCUMENTS)
def test_each_listing_of_a_document_is_corrected_once(number, documents):
    claimed = [(a, b) for path in LISTINGS for n, a, b in corrected(path) if n == number]
    for span in fenced((documents / f"{number}.md").read_text("utf-8")):
        assert claimed.count(span) == 1, span
