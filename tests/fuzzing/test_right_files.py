"""What is right is never refused, and nothing of it is lost."""

import csv
import json

from hypothesis import given
from hypothesis import strategies as st

from kerasllm.datasets.files.reading import read_file
from kerasllm.text.entities import write_tags

WORD = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co", "Zl", "Zp", "Zs", "Cf")), min_size=1,
    max_size=8,
)  # fmt: skip
TEXT = st.lists(WORD, min_size=1, max_size=4).map(" ".join)
LABELLED = st.lists(st.tuples(TEXT, st.sampled_from(["yes", "no", "may be"])), max_size=9)
SPANS = st.lists(st.tuples(st.sampled_from(["PER", "LOC"]), st.integers(0, 2), st.integers(1, 3)))
TOKEN = WORD.filter(lambda word: not word.startswith(("#", "-DOCSTART-")))


def test_right_tables_are_read_as_they_are(tmp_path, fuzz):
    @fuzz.many(fuzz.inputs // 2)
    @given(LABELLED)
    def run(rows):
        rows = [*rows, ("x", "yes"), ("y", "no")]
        with open(tmp_path / "right.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
        lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
        (tmp_path / "right.jsonl").write_text("\n".join(lines), "utf-8")
        for name in ("right.csv", "right.jsonl"):
            data = read_file(tmp_path / name)
            assert [(e.text, e.label) for e in data] == rows
            fuzz.counts["right tables", "read"] += 1

    run()


def test_right_tags_are_read_as_they_are(tmp_path, fuzz):
    path = tmp_path / "right.conll"

    @fuzz.many(fuzz.inputs // 2)
    @given(
        st.lists(SPANS, min_size=1, max_size=3), st.sampled_from(["bio", "bioes", "iob1"]),
        st.data(),
    )  # fmt: skip
    def run(drawn, scheme, data):
        sentences = [_sentence(spans, scheme, data) for spans in [*drawn, [("LOC", 0, 3)]]]
        lines = (map("\t".join, zip(words, tags, strict=True)) for words, tags, _ in sentences)
        path.write_text("\n\n".join(map("\n".join, lines)), "utf-8")
        found = read_file(path)
        assert [list(e.tokens) for e in found] == [words for words, _, _ in sentences]
        expected = [
            write_tags(places, len(words), found.info["scheme"]) for words, _, places in sentences
        ]
        assert [list(e.tags) for e in found] == expected
        fuzz.counts["right tags", "read"] += 1

    run()


def _sentence(spans, scheme, data):
    """Return (words, tags, entities) of a sentence with entities of these kinds and lengths."""
    places, at = [], 0
    for kind, gap, length in spans:
        places.append((kind, at + gap, at + gap + length))
        at += gap + length
    words = data.draw(st.lists(TOKEN, min_size=at + 1, max_size=at + 1))
    return words, write_tags(places, len(words), scheme), places
