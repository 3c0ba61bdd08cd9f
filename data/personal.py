"""Measure how much personal data `kerasllm.text.find_personal_data` finds, and its false hits.

    python data/personal.py            # recall and false hits, by language and part
    python data/personal.py --errors   # and each line that went wrong

A hit is right where its kind and both its ends are; a false hit is any other.
"""

import argparse
import re
from collections import Counter
from pathlib import Path

from kerasllm.text.privacy import find_personal_data

HERE = Path(__file__).resolve().parent
MARK = re.compile(r"\[\[([A-Z]+):(.+?)\]\](?!\])")


def read_lines(language):
    """Yield (part, text, spans): the text without its marks, and (start, end, kind) of each."""
    part = ""
    for line in (HERE / f"personal_{language}.txt").read_text("utf-8").splitlines():
        if heading := re.fullmatch(r"\[(\w+)\]", line):
            part = heading[1]
        elif line and not line.startswith("#"):
            yield (part, *_unmarked(line))


def _unmarked(line):
    text, spans, place = "", [], 0
    for match in MARK.finditer(line):
        text += line[place : match.start()]
        spans.append((len(text), len(text) + len(match[2]), match[1]))
        text, place = text + match[2], match.end()
    return text + line[place:], spans


def measure(find=find_personal_data):
    """Return {(language, part): counts of lines, there, found, false}, and what failed."""
    counts, errors = {}, []
    for language in ("en", "zh"):
        for part, text, spans in read_lines(language):
            said, row = find(text), counts.setdefault((language, part), Counter())
            right = set(said) & set(spans)
            row.update(lines=1, there=len(spans), found=len(right), false=len(said) - len(right))
            if set(said) != set(spans):
                errors.append((language, part, text, said))
    return counts, errors


def main():
    """Print the table, and on request the lines that went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--errors", action="store_true", help="print the lines that went wrong")
    options = parser.parse_args()
    counts, errors = measure()
    print(
        "| language | part | lines | there | recall | false hits |\n|---|---|---:|---:|---:|---:|"
    )
    for (language, part), row in counts.items():
        recall = f"{row['found'] / row['there']:.3f}"
        print(
            f"| {language} | {part} | {row['lines']} | {row['there']} | {recall} | {row['false']} |"
        )
    for error in errors if options.errors else ():
        print(*error)


if __name__ == "__main__":
    main()
