"""The sets of instructions in data/: reproducible, varied, and their computed answers are right."""

import json
import re
import runpy
from collections import Counter
from pathlib import Path

import pytest

from kerasllm.datasets import duplicates, info, load

DATA = Path(__file__).resolve().parents[2] / "data"
if not (DATA / "instructions.py").is_file():
    pytest.skip("needs the repository's data/ folder", allow_module_level=True)
WRITE = runpy.run_path(str(DATA / "instructions.py"))
DAYS = {"en": "Mon Tues Wednes Thurs Fri Satur Sun".split(), "zh": "一二三四五六日"}  # noqa: SIM905


@pytest.fixture(params=["en", "zh"])
def language(request):
    return request.param


@pytest.fixture
def rows(language):
    text = (DATA / f"instructions_{language}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_the_script_writes_the_files_byte_for_byte(language):
    path = DATA / f"instructions_{language}.jsonl"
    assert WRITE["jsonl"](language).encode() == path.read_bytes()


def test_a_few_hundred_varied_instructions_have_short_answers(rows):
    assert 280 <= len(rows) <= 400
    asked = [(row["instruction"], row["input"]) for row in rows]
    assert len(set(asked)) == len(rows)
    counts = Counter(row["kind"] for row in rows)
    assert len(counts) >= 13 and max(counts.values()) <= 0.15 * len(rows)
    assert all(row["output"] and len(row["output"]) <= 70 for row in rows)
    assert not any("{" in text or "|" in text for row in rows for text in row.values())


def numbers(text):
    return [int(found) for found in re.findall(r"\d+", text)]


def right(row, language):
    """Return the answer of a row as a reader would work it out, None of what is not computed."""
    text = row["instruction"]
    if row["kind"] == "sum":
        a, sign, b = re.search(r"(\d+) ([-+×]) (\d+)", text).groups()
        return str(eval(f"{a} {sign.replace('×', '*')} {b}"))
    if row["kind"] == "order":
        return (", " if language == "en" else "、").join(map(str, sorted(numbers(text))))
    if row["kind"] == "largest":
        return str(max(numbers(text)))
    if row["kind"] == "day":
        days = DAYS[language]
        (from_day,) = [n for n, day in enumerate(days) if re.search(f"{day}(day|过)", text)]
        found = days[(from_day + numbers(text)[0]) % 7]
        return f"{found}day" if language == "en" else f"星期{found}"
    if row["kind"] in ("letters", "backwards"):
        known = WRITE["MATERIAL"][language]["words"][0].split()
        word = re.search("“(.+)”", text)[1] if language == "zh" else None
        word = word or next(w for w in known if re.search(rf"\b{w}\b", text))
        return str(len(word)) if row["kind"] == "letters" else word[::-1]
    return None


def test_what_is_computed_is_right(rows, language):
    computed = [row for row in rows if right(row, language) is not None]
    assert len(computed) == 6 * WRITE["COMPUTED"]
    for row in computed:
        assert row["output"] == right(row, language), row
    assert len({row["output"] for row in computed if row["kind"] == "letters"}) >= 3


def test_they_are_loaded_by_name_in_three_parts(rows, language):
    name = f"instructions_{language}"
    parts = [load(name, split=split) for split in ("train", "validation", "test")]
    assert sum(map(len, parts)) == len(rows)
    assert [part.task for part in parts] == ["chat"] * 3
    assert {part.language for part in parts} == {language}
    assert all(duplicates(parts[0], part).share == 0 for part in parts[1:])
    assert info(name).task == "chat" and info(name).language == language
