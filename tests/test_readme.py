"""README.md and README.zh.md say the same: sections, commands, code, names, links."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGLISH, CHINESE = (ROOT / name for name in ("README.md", "README.zh.md"))


def parts(page):
    """Return what both languages share: levels of headings, code without comments, names, links."""
    text = page.read_text("utf-8")
    fenced = re.findall(r"^```.*?^```$", text, re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    commands = re.findall(r"^    .+$", prose, re.MULTILINE)
    prose = re.sub(r"^    .+$", "", prose, flags=re.MULTILINE)
    sections = re.split(r"^#+ ", prose, flags=re.MULTILINE)[1:]
    return {
        "headings": re.findall(r"^#+(?= )", prose, re.MULTILINE),
        "code": ["\n".join(map(without_comment, block.splitlines())) for block in fenced],
        "commands": [without_comment(line) for line in commands],
        "names": [Counter(re.sub(r"\s+", " ", n) for n in re.findall(r"`([^`]+)`", section))
                  for section in sections],
        "links": [sorted(re.findall(r"\]\(([^)]+)\)", section.replace("/zh/", "/")))
                  for section in sections[1:]],
    }  # fmt: skip


def without_comment(line):
    return re.sub(r"\s+# .*$", "", line)


@pytest.mark.parametrize("part", ["headings", "code", "commands", "names", "links"])
def test_both_languages_have_the_same(part):
    assert parts(ENGLISH)[part] == parts(CHINESE)[part]


def test_each_names_the_other():
    assert "](README.zh.md)" in ENGLISH.read_text("utf-8")
    assert "](README.md)" in CHINESE.read_text("utf-8")


@pytest.mark.parametrize("page", [ENGLISH, CHINESE], ids=lambda page: page.name)
def test_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))
    assert len(links) > 8
    assert all((ROOT / link).exists() for link in links if "://" not in link)
