"""Files as nobody should write them: every reader reads right examples, or says what is wrong.

What is refused is refused by a `raise` of this package, with a message that names the file or the
option: no IndexError, no sentence of a library. `python -m tests.long readers` tries far more.
"""

import csv
import io
import json
import linecache
import os
import traceback
import zipfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kerasllm
from kerasllm.datasets import load
from kerasllm.datasets.files.labels import canonical, clean_labels
from kerasllm.datasets.files.reading import read_file
from kerasllm.datasets.public.loading import _read_files
from kerasllm.datasets.public.readers import dialogue, pairs, tagging, texts
from kerasllm.text.entities import breaks, write_tags

INPUTS = int(os.environ.get("KERASLLM_INPUTS", "200"))  # for each reader
OURS = str(Path(kerasllm.__file__).parent)
TRIED = Counter()  # (reader, how it ended): how often

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
NASTY = [
    b"\xff\xfe", b"\0", b"\xed\xa0\x80", b"\xff", b"\xef\xbb\xbf", b"\x1a", b"\x0c", b"\r", b"\r\n",
    b"\n", b"\n\n", b"\t", b" ", b",", b";", b'"', b'""', b"'", b"|", b"{", b"}", b"[", b"]", b":",
    b"{}", b"[]", b"null", b"NaN", b"1e999", b"-0", b"true", b"7" * 5000, b"[" * 3000,
    b'{"a":' * 2000, b"\\ud800", b"\\", b"#", b"# x", b"-DOCSTART- O\n", b"__label__", b"1-2\t",
    b"2.1\t", b"B-X", b"I-", b"O", b"o", b"sep=;\n", b"text,label\n", b'"label"', b'"text"',
    b"PK\3\4",
    *(c.encode() for c in "\u3000\u00a0\u200b\u2028\u0085\ufeff\u0301éé好👩‍👧"),
]  # fmt: skip

EDITS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 12), st.sampled_from(NASTY)), max_size=4
)


def edited(seed, edits):
    """Return bytes in which pieces are cut out and others put in."""
    for place, removed, added in edits:
        place %= len(seed) + 1
        seed = seed[:place] + added + seed[place + removed :]
    return seed


def content_of(name):
    """Return a strategy of the bytes of a file: a right one in disorder, or noise."""
    right = st.builds(edited, st.sampled_from([s.encode() for s in SEEDS[name]]), EDITS)
    noise = st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode))
    return st.one_of(right, right, right, right, noise)


def options_of(name):
    """Return a strategy of options: most of the time none, now and then ones that make no sense."""
    known = {key: st.sampled_from(values) for key, values in OPTIONS.get(name, {}).items()}
    some = st.fixed_dictionaries({}, optional=known) if known else st.just({})
    return st.one_of(st.just({}), st.just({}), st.just({}), some)


def is_ours(error, names):
    """Return whether an error was raised by a statement of this package, and names the cause."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(last.filename, last.lineno).strip()
    plain = type(error) in (ValueError, TypeError, FileNotFoundError)
    raised = last.filename.startswith(OURS) and line.startswith("raise")
    return plain and raised and any(name in str(error) for name in names) and len(str(error)) < 2000


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


def tried(reader, read, names, options=None):
    """Read, and count how it ended."""
    try:
        data = read()
    except Exception as error:
        if not is_ours(error, names):
            raise
        TRIED[reader, "refused"] += 1
        TRIED[reader, "with its line"] += "line " in str(error)
    else:
        if hasattr(data, "task"):
            check(data, options or {})
        TRIED[reader, "read"] += 1


def many(count):
    return settings(
        max_examples=count, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@pytest.mark.parametrize("name", SEEDS)
def test_files_of_ones_own(name, tmp_path):
    path = tmp_path / name
    for other, text in BESIDE.get(name, {}).items():
        (tmp_path / other).write_text(text)
    format = {"format": "labelled"} if name == "c.txt" else {}

    @many(INPUTS)
    @given(content_of(name), options_of(name), st.sampled_from(ENCODINGS))
    def run(content, options, encoding):
        path.write_bytes(content)
        given = {**format, **options}
        names = [str(path), *(str(tmp_path / other) for other in BESIDE.get(name, {})), *options]
        names += ["option", "format", "encoding", "There is no file"]
        tried(name, lambda: read_file(path, encoding=encoding, **given), names, options)

    run()
    assert min(TRIED[name, "read"], TRIED[name, "refused"]) > INPUTS / 50


TYPED = st.lists(
    st.sampled_from(
        ["text=", "label=", "seed=", "fractions=", "format=", "encoding=", "header=", "validation=",
         "test=", "language=", "name=", "split=", "path=", "a", "label", "csv", "txt", "conll",
         "false", "0", "1", "-1", "0.5,0.5", "7" * 400, "a.csv", "\0", "%00", "%ff", "&", "&", "=",
         "?", "/", "é", "../", "x" * 300]
    ),
    max_size=6,
).map("".join)  # fmt: skip


def test_names_and_options_as_they_may_be_typed(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "".join(f"t{i},{i % 2}\n" for i in range(20)))
    splits = st.sampled_from(["train", "validation", "test", "all", "x"])

    @many(INPUTS)
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
        tried("typed", lambda: load(name, split), words)

    run()
    assert TRIED["typed", "read"] > INPUTS / 50 and TRIED["typed", "refused"] > INPUTS / 4


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/"), content)
    return file.getvalue()


DAILY = zipped(**{"train__dialogues_train.txt": "Hi __eou__ Hello __eou__\n",
                  "train__dialogues_act_train.txt": "1 2 \n"})  # fmt: skip
PUBLIC = {
    "line_texts": (texts.line_texts, {"a": b"one\ntwo\n"}, {}),
    "articles": (texts.articles, {"a": b" = A = \n\ntext\n\n = B = \n\nmore\n"}, {}),
    "table": (texts.table, {"a": b'a,"b c"\nd,e\n'}, {"text": 1, "label": 0, "names": {"a": "x"}}),
    "product_reviews": (texts.product_reviews, {"positive.review": (
        b"<review><title>a</title><review_text>b</review_text></review>")}, {}),
    "poems": (texts.poems, {"poet.tang.0": b'[{"title": "a", "paragraphs": ["b"]}]'}, {}),
    "shopping_reviews": (texts.shopping_reviews, {
        "a": zipped(a="cat,label,review\nx,1,good\n")}, {}),
    "multi30k": (pairs.multi30k, {"raw/train.de": b"eins\n", "raw/train.en": b"one\n"}, {}),
    "sentence_pairs": (pairs.sentence_pairs, {"a.txt": b"Hi\tSalut\tx\nGo\tVa\n"}, {}),
    "scan": (pairs.scan, {"tasks_train_simple.txt": b"IN: walk OUT: WALK\n"}, {}),
    "lambda_forms": (pairs.lambda_forms, {"a": b"who\t( lambda $0 e ( x $0 ) )\n"}, {}),
    "geography": (pairs.geography, {"a": json.dumps([{"sql": ["S"], "query-split": "train",
        "sentences": [{"text": "q", "question-split": "train", "variables": {}}]}]).encode()},
        {"part": "train"}),
    "titles": (pairs.titles, {"a": b'"1","title","description"\n'}, {}),
    "summaries": (pairs.summaries, {"a": b'{"source": ["a", "b"], "target": ["c"]}'}, {}),
    "conll": (tagging.conll, {"a": b"EU I-ORG\nsays O\n\n"}, {"scheme": "iob1"}),
    "slots": (tagging.slots, {"a": b"to Rome\n", "b": b"O B-city\n"}, {}),
    "intents": (tagging.intents, {"a": b"to Rome\n", "b": b"flight\n"}, {}),
    "daily_replies": (dialogue.daily_replies, {"train.zip": DAILY}, {}),
    "daily_acts": (dialogue.daily_acts, {"train.zip": DAILY}, {}),
    "babi_replies": (dialogue.babi_replies, {
        "dialog-babi-task1-trn.txt": b"1 hi\thello\n2 x\ty\n"}, {}),
    "kdconv_replies": (dialogue.kdconv_replies, {"film/train.json": (
        b'[{"messages": [{"message": "a"}, {"message": "b"}]}]')}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLIC)
def test_files_of_public_sets(name, tmp_path):
    reader, files, options = PUBLIC[name]
    info = SimpleNamespace(name="that set", reader=reader)
    paths = [tmp_path / file for file in files]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
    part = [options.pop("part")] if "part" in options else []
    chosen = st.sampled_from(range(len(paths)))

    @many(max(INPUTS // 8, 20))
    @given(chosen, EDITS)
    def run(which, edits):
        for i, (path, content) in enumerate(zip(paths, files.values(), strict=True)):
            path.write_bytes(edited(content, edits) if i == which else content)
        read = [*paths, *part]
        tried(f"public {name}", lambda: _read_files(info, read, options), [str(paths[0])])

    run()
    assert TRIED[f"public {name}", "read"] > 0


# What is right is never refused, and nothing of it is lost -----------------------------------

WORD = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co", "Zl", "Zp", "Zs", "Cf")), min_size=1,
    max_size=8,
)  # fmt: skip
TEXT = st.lists(WORD, min_size=1, max_size=4).map(" ".join)
LABELLED = st.lists(
    st.tuples(TEXT, st.sampled_from(["yes", "no", "may be"])), min_size=3, max_size=9
)


@many(INPUTS)
@given(LABELLED)
def test_right_tables_are_read_as_they_are(tmp_path_factory, rows):
    rows = [*rows, ("x", "yes"), ("y", "no")]
    folder = tmp_path_factory.getbasetemp()
    with open(folder / "right.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    (folder / "right.jsonl").write_text("\n".join(lines), "utf-8")
    for name in ("right.csv", "right.jsonl"):
        data = read_file(folder / name)
        assert [(e.text, e.label) for e in data] == rows
    TRIED["right tables", "read"] += 2


SPANS = st.lists(st.tuples(st.sampled_from(["PER", "LOC"]), st.integers(0, 2), st.integers(1, 3)))
TOKEN = WORD.filter(lambda word: not word.startswith(("#", "-DOCSTART-")))


@many(INPUTS)
@given(
    st.lists(SPANS, min_size=1, max_size=3), st.sampled_from(["bio", "bioes", "iob1"]), st.data()
)
def test_right_tags_are_read_as_they_are(tmp_path_factory, drawn, scheme, data):
    sentences = []
    for spans in [*drawn, [("LOC", 0, 3)]]:
        places, at = [], 0
        for kind, gap, length in spans:
            places.append((kind, at + gap, at + gap + length))
            at += gap + length
        words = data.draw(st.lists(TOKEN, min_size=at + 1, max_size=at + 1))
        sentences.append((words, write_tags(places, len(words), scheme), places))
    text = "\n\n".join("\n".join(map("\t".join, zip(w, t, strict=True))) for w, t, _ in sentences)
    path = tmp_path_factory.getbasetemp() / "right.conll"
    path.write_text(text, "utf-8")
    found = read_file(path)
    assert [list(e.tokens) for e in found] == [words for words, _, _ in sentences]
    written = {"iob1": "bio"}.get(found.info["scheme"], found.info["scheme"])
    expected = [write_tags(places, len(words), written) for words, _, places in sentences]
    assert [list(e.tags) for e in found] == expected
    TRIED["right tags", "read"] += 1


@pytest.fixture(scope="module", autouse=True)
def record():
    """Write down how often each reader was tried, where the long command asks for it."""
    yield
    if file := os.environ.get("KERASLLM_RECORD"):
        counts = {}
        for (reader, ending), count in sorted(TRIED.items()):
            counts.setdefault(reader, {})[ending] = count
        Path(file).write_text(json.dumps(counts))
