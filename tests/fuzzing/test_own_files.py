"""Files of one's own, in disorder: read as what a model can learn from, or refused by name."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasllm.datasets import load
from kerasllm.datasets.files.labels import canonical, clean_labels
from kerasllm.datasets.files.reading import read_file
from kerasllm.text.entities import breaks

SQUAD = json.dumps(
    {"data": [{"paragraphs": [{"context": "Ada came to Rome.", "qas": [
        {"id": "1", "question": "Who?", "answers": [{"text": "Ada", "answer_start": 0}]},
        {"id": "2", "question": "Why?", "is_impossible": True, "answers": []},
    ]}]}]}, indent=1,
)  # fmt: skip
SEEDS = {
    "a.txt": ["one\ntwo\nthree\n", "one\ntwo\n\nthree\n\n\nfour"],
    "a.csv": ["text,label\nwin a prize,spam\n\"see, you\",ham\n", "sep=;\ntext;label\na;b\nc;d\n",
              "source,target\none,eins\ntwo,zwei\n", "text,label\na,x|y\nb,\nc,y\n"],
    "a.tsv": ["label\ttext\nham\tsee \"you\"\nspam\twin\n", "a\tb\n"],
    "a.jsonl": ['{"text": "win", "label": 1}\n{"text": "see", "label": 0}\n',
                '{"source": "a", "target": ["b", "c"]}\n', '[{"text": "x"}, {"text": "y"}]'],
    "a.json": [SQUAD, '[{"text": "x", "label": ["a", "b"]},\n {"text": "y", "label": []}]'],
    "a.conll": ["# id 1a\nIn O\nRome B-LOC\n\nAda B-PER\nLee I-PER\n", "a U-X\nb B-X\nc L-X\n",
                "1-2\tdu\t_\t_\n1\tde\tADP\tO\n2\tle\tDET\tO\n", "dogs NNS\nbark VBP\n"],
    "b.txt": ["__label__spam win\n__label__ham see you\n",
              "__label__a __label__b x\n__label__a y\n"],
    "c.txt": ["NUM:date When ?\nHUM:ind Who ?\nNUM:count How many ?\n"],
    "a.pos": ["good\nfine\n"],
    "a.de": ["eins\nzwei\n", "eins\n\nzwei"],
}  # fmt: skip
BESIDE = {"a.pos": {"a.neg": "bad\n"}, "a.de": {"a.en": "one\ntwo\n"}}
OPTIONS = {
    "a.txt": {"documents": ["line", "blank-line", "x"]},
    "a.csv": {"text": ["label", "1", ""], "label": ["text", "2", "none"],
              "delimiter": [";", "", "ab"], "header": [True, False, "label,text", "a", ","],
              "label_separator": ["|", ";", ""],
              "drop_unlabelled": [True], "labels_as_text": [True, "yes"], "source": ["text"],
              "target": ["label", "text,label"], "drop_empty": [True]},
    "a.conll": {"token_column": [0, 1, -5, "x"], "tag_column": [0, 1, 9], "scheme": [
        "auto", "bio", "iob1", "bioes", "bmes", "bilou", "bmewo", "none", "x"]},
    "a.json": {"unfound": ["drop", "error", "x"]},
    "b.txt": {"sublabels": [True, False], "drop_unlabelled": [True], "labels_as_text": [True]},
    "a.de": {"source": ["en", "de", "x/y"], "target": ["en", "de", ".."], "drop_empty": [True]},
}  # fmt: skip
OPTIONS |= {"a.tsv": OPTIONS["a.csv"], "a.jsonl": OPTIONS["a.csv"], "c.txt": OPTIONS["b.txt"]}
ENCODINGS = [*[None] * 20, "utf-8", "gb18030", "utf-16", "latin-1", "utf-7", "hex", "idna",
             "a\0b", "raw_unicode_escape", 7]  # fmt: skip


def content_of(fuzz, name):
    """Return a strategy of the bytes of a file: a right one in disorder, or noise."""
    right = st.builds(fuzz.edited, st.sampled_from([s.encode() for s in SEEDS[name]]), fuzz.edits)
    noise = st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode))
    return st.one_of(right, right, right, right, noise)


def options_of(name):
    """Return a strategy of options: most of the time none, now and then ones that make no sense."""
    known = {key: st.sampled_from(values) for key, values in OPTIONS.get(name, {}).items()}
    some = st.fixed_dictionaries({}, optional=known) if known else st.just({})
    return st.one_of(st.just({}), st.just({}), st.just({}), some)


def check(data, options):
    """Fail unless the examples are such as a model can learn from."""
    assert len(data) and data.fingerprint and data.language
    for example in data:
        if data.task == "tagging":
            assert len(example.tokens) == len(example.tags) > 0
            assert all(example.tokens) and all(tag.strip() for tag in example.tags)
            scheme = data.info["scheme"]
            assert scheme == "none" or not list(breaks(example.tags, scheme))
        elif data.task == "span":
            assert all(example.context.startswith(*answer) for answer in example.answers)
        elif data.task == "seq2seq":
            assert example.source.strip() and example.target.strip()
        else:
            assert example.text.strip()
    if data.task == "classification" and "label_separator" not in data.info:
        assert all(label and canonical(label) == label for label in data.labels)
        if not options.get("labels_as_text") and len(data.labels) > 1:
            clean_labels(list(enumerate(data.labels)), "a")  # no two look alike


@pytest.mark.parametrize("name", SEEDS)
def test_files_of_ones_own(name, tmp_path, fuzz):
    path = tmp_path / name
    for other, text in BESIDE.get(name, {}).items():
        (tmp_path / other).write_text(text)
    format = {"format": "labelled"} if name == "c.txt" else {}

    @fuzz.many(fuzz.inputs)
    @given(content_of(fuzz, name), options_of(name), st.sampled_from(ENCODINGS))
    def run(content, options, encoding):
        path.write_bytes(content)
        given = {**format, **options}
        names = [str(path), *(str(tmp_path / other) for other in BESIDE.get(name, {})), *options]
        names += ["option", "format", "encoding", "There is no file"]
        fuzz.tried(name, lambda: check(read_file(path, encoding=encoding, **given), options), names)

    run()
    assert min(fuzz.counts[name, "read"], fuzz.counts[name, "refused"]) > fuzz.inputs / 50


TYPED = st.lists(
    st.sampled_from(
        ["text=", "label=", "seed=", "fractions=", "format=", "encoding=", "header=", "validation=",
         "test=", "language=", "name=", "split=", "path=", "a", "label", "csv", "txt", "conll",
         "false", "0", "1", "-1", "0.5,0.5", "7" * 400, "a.csv", "\0", "%00", "%ff", "&", "&", "=",
         "?", "/", "é", "../", "x" * 300]
    ),
    max_size=6,
).map("".join)  # fmt: skip


def test_names_and_options_as_they_may_be_typed(tmp_path, fuzz, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "".join(f"t{i},{i % 2}\n" for i in range(20)))
    splits = st.sampled_from(["train", "validation", "test", "all", "x"])

    @fuzz.many(fuzz.inputs)
    @given(TYPED, splits, st.booleans())
    def run(typed, split, known):
        name = f"{path}?{typed}" if known else typed or "x"
        words = [
            "option",
            "There is no",
            "expected",
            "must be",
            "no file",
            str(path),
            "name",
            "part",
        ]
        fuzz.tried("typed", lambda: load(name, split), words)

    run()
    assert (
        fuzz.counts["typed", "read"] > fuzz.inputs / 50
        and fuzz.counts["typed", "refused"] > fuzz.inputs / 4
    )
