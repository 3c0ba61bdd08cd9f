"""Write the two sets of instructions with short answers from the material beside this script.

    python data/instructions.py            # rewrites both files, byte for byte
    python data/instructions.py --check    # prints how many of each kind there are

A row is {"kind", "instruction", "input", "output"}. Answers were written by hand, or are computed
here: sums, order, letters, days. Everything that is random comes from `SEED`.
"""

import argparse
import json
import runpy
from collections import Counter
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
SEED = 20261130
LANGUAGES = ("en", "zh")
COMPUTED = 18  # rows of each kind whose answers are computed
READ = runpy.run_path(str(HERE / "generate.py"))["read_material"]
MATERIAL = {language: READ(f"instructions_{language}") for language in LANGUAGES}
DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "zh": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
}
SIGNS = (("+", lambda a, b: a + b), ("-", lambda a, b: a - b), ("×", lambda a, b: a * b))
# kind: its asks in each language; what is drawn for {x} and the answer, `DRAWN` says.
ASKS = {
    "sum": {
        "en": ("What is {x}?", "Work out {x}.", "{x} = ? Give the number alone."),
        "zh": ("{x}等于多少？", "算一算：{x}", "{x} = ？只写数字。"),
    },
    "order": {
        "en": ("Sort these numbers from small to large: {x}", "Put {x} in rising order."),
        "zh": ("把这些数从小到大排列：{x}", "按从小到大的顺序写：{x}"),
    },
    "largest": {
        "en": ("Which of these is the largest: {x}?", "Name the largest number: {x}"),
        "zh": ("哪个数最大：{x}？", "找出最大的数：{x}"),
    },
    "day": {
        "en": ("Which day comes {x}?", "Name the day that is {x}."),
        "zh": ("{x}是星期几？", "{x}是哪一天？写星期几。"),
    },
    "letters": {
        "en": ("How many letters has the word {x}?", "Count the letters of {x}."),
        "zh": ("“{x}”有几个字？", "数一数“{x}”有多少个字。"),
    },
    "backwards": {
        "en": ("Write {x} backwards.", "Spell {x} from its last letter to its first."),
        "zh": ("把“{x}”倒过来写。", "把“{x}”从最后一个字写到第一个字。"),
    },
}


def _sum(rng, language):  # noqa: ARG001
    sign, work_out = SIGNS[rng.integers(3)]
    a, b = (int(n) for n in rng.integers(2, 13 if sign == "×" else 60, 2))
    return f"{a} {sign} {b}", str(work_out(a, b))


def _numbers(rng, count):
    return [int(n) for n in rng.choice(np.arange(2, 100), count, replace=False)]


def _listed(numbers, language):
    return (", " if language == "en" else "、").join(map(str, numbers))


def _order(rng, language):
    numbers = _numbers(rng, int(rng.integers(3, 6)))
    return _listed(numbers, language), _listed(sorted(numbers), language)


def _largest(rng, language):
    numbers = _numbers(rng, int(rng.integers(3, 6)))
    return _listed(numbers, language), str(max(numbers))


def _day(rng, language):
    day, far = int(rng.integers(7)), int(rng.integers(1, 6))
    name, then = DAYS[language][day], DAYS[language][(day + far) % 7]
    after = f"{far} day{'s' * (far > 1)} after {name}" if language == "en" else f"{name}过{far}天"
    return after, then


def _text(rng, language):
    words = MATERIAL[language]["words"][0].split()
    count = 1 if language == "en" else int(rng.integers(1, 4))
    return "".join(words[i] for i in rng.choice(len(words), count, replace=False))


def _letters(rng, language):
    text = _text(rng, language)
    return text, str(len(text))


def _backwards(rng, language):
    text = _text(rng, language)
    return text, text[::-1]


DRAWN = {
    "sum": _sum, "order": _order, "largest": _largest, "day": _day, "letters": _letters,
    "backwards": _backwards,
}  # fmt: skip


def rows(language):
    """Return the rows of a language, shuffled, no instruction with its input twice."""
    rng = np.random.default_rng((SEED, LANGUAGES.index(language)))
    found = [*_written(language, rng), *_computed(language, rng)]
    return [found[place] for place in rng.permutation(len(found))]


def _written(language, rng):
    """Yield the rows whose answers were written by hand."""
    material = MATERIAL[language]
    for kind in (kind for kind in material if f"{kind}.asks" in material):
        asks = material[f"{kind}.asks"]
        for line in material[kind]:
            about, answer = (part.strip() for part in line.split("|"))
            ask = asks[rng.integers(len(asks))]
            yield _row(kind, ask, about, answer)
    for line in material["free"]:
        instruction, given, answer = (part.strip() for part in line.split("|"))
        yield {"kind": "free", "instruction": instruction, "input": given, "output": answer}


def _computed(language, rng):
    """Yield the rows whose answers are computed."""
    for kind, asks in ASKS.items():
        seen = set()
        while len(seen) < COMPUTED:
            about, answer = DRAWN[kind](rng, language)
            if about not in seen:
                seen.add(about)
                yield _row(kind, asks[language][rng.integers(len(asks[language]))], about, answer)


def _row(kind, ask, about, answer):
    """Return a row; an ask that names nothing has what it is about as its input."""
    inside = "{x}" in ask
    written = ask.replace("{x}", about) if inside else ask
    written = written[0].upper() + written[1:]
    return {"kind": kind, "instruction": written, "input": "" if inside else about,
            "output": answer}  # fmt: skip


def jsonl(language):
    """Return the whole file of a language."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(language))


def main():
    """Write the files, or print how many rows of each kind there are."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="print how many of each kind")
    check = parser.parse_args().check
    for language in LANGUAGES:
        if check:
            counts = Counter(row["kind"] for row in rows(language))
            print(language, sum(counts.values()), dict(counts))
        else:
            path = HERE / f"instructions_{language}.jsonl"
            path.write_text(jsonl(language), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
