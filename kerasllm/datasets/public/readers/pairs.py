"""Readers of public sets of pairs: translation, meaning representations, titles, summaries."""

import csv
import gzip
import io
import json
import re
import zipfile
from pathlib import Path

from kerasllm.datasets.examples import Pair
from kerasllm.datasets.public.readers.texts import _lines, one_of

LANGUAGES = ("de", "en", "fr")
TESTS = ("2016_flickr", "2017_flickr", "2017_mscoco", "2018_flickr")


def multi30k(*paths, source="de", target="en", tokenised=False, test="2016_flickr"):
    """Read two parallel files, a sentence a line.

    Args:
        *paths: files of one split in all languages.
        source: language to translate from, one of `LANGUAGES`.
        target: language to translate to.
        tokenised: read the files that are lower-cased and in tokens.
        test: which test set, one of `TESTS`.
    """
    one_of("source", source, LANGUAGES)
    one_of("target", target, [language for language in LANGUAGES if language != source])
    one_of("test", test, TESTS)
    kind = "tok" if tokenised else "raw"
    sides = []
    for language in (source, target):
        chosen = [
            path
            for path in map(Path, paths)
            if path.parent.name == kind
            and path.name.removesuffix(".gz").endswith(f".{language}")
            and (test in path.name or not path.name.startswith("test"))
        ]
        sides.append([line for path in chosen for line in _unpacked(path)])
    return [Pair(a.strip(), b.strip()) for a, b in zip(*sides, strict=True)]


def _unpacked(path):
    if path.suffix != ".gz":
        return _lines(path)
    return gzip.decompress(path.read_bytes()).decode("utf-8").removesuffix("\n").split("\n")


def sentence_pairs(path, *, from_english=True):
    """Read Tatoeba's lines: English, the other language, and more columns that are left out.

    A sentence with its translations, and with their translations back, stays on one side of a
    split.

    Args:
        path: text file, or zip with one.
        from_english: False translates into English.
    """
    pairs = [tuple(line.split("\t")[:2]) for line in _inner_lines(path) if "\t" in line]
    examples = [Pair(*(pair if from_english else pair[::-1])) for pair in pairs]
    return examples, {"groups": linked(pairs)}


def _inner_lines(path, ending=".txt"):
    if Path(path).suffix != ".zip":
        return _lines(path)
    with zipfile.ZipFile(path) as archive:
        found = [name for name in archive.namelist() if name.endswith(ending)]
        name = next(name for name in found if "_about" not in name)
        return archive.read(name).decode("utf-8").removesuffix("\n").split("\n")


def linked(pairs):
    """Return a number for each pair, equal where pairs share a side, directly or by other pairs.

    Example:
        >>> linked([("Hi", "嗨"), ("Hello", "你好"), ("Hello", "嗨"), ("Run", "跑")])
        [0, 0, 0, 3]
    """
    parent = list(range(len(pairs)))

    def root(row):
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    first = {}
    for row, pair in enumerate(pairs):
        for key in enumerate(side.strip() for side in pair):
            a, b = sorted((root(first.setdefault(key, row)), root(row)))
            parent[b] = a
    return [root(row) for row in range(len(pairs))]


SCAN_PARTS = {
    "simple": "simple", "length": "length", "jump": "addprim_jump", "left": "addprim_turn_left",
}  # fmt: skip


def scan(*paths, part="simple"):
    """Read lines `IN: command OUT: actions`.

    Args:
        *paths: files of one split, in every part.
        part: one of `SCAN_PARTS`: at random; longer actions in the test; or one verb that is seen
            only alone in training.
    """
    one_of("part", part, SCAN_PARTS)
    (path,) = (path for path in paths if Path(path).stem.endswith(SCAN_PARTS[part]))
    line_form = re.compile(r"IN: (.*) OUT: (.*)")
    return [Pair(*line_form.fullmatch(line.strip()).groups()) for line in _lines(path)]


def columns(*paths, source=0, target=1):
    """Read two columns that are separated by tabs."""
    rows = [line.split("\t") for path in paths for line in _lines(path)]
    return [Pair(row[source].strip(), row[target].strip()) for row in rows]


def lambda_forms(*paths):
    """Read questions and lambda forms: variables named $0, $1, every bracket closed.

    In the published test set variables are $v0, and half of the forms lack their last bracket.
    """
    examples, completed = [], 0
    for pair in columns(*paths):
        form = pair.target.replace("$v", "$")
        missing = form.count("(") - form.count(")")
        completed += missing > 0
        examples.append(Pair(pair.source, form + " )" * missing))
    return examples, {"forms_completed": completed}


def geography(path, part, *, by="question"):
    """Read questions on US geography and their SQL, the names of places filled in.

    Args:
        path: json file.
        part: "train", "dev" or "test".
        by: "question" splits questions at random; "query" keeps all questions with one form of
            query on one side.
    """
    one_of("by", by, ("question", "query"))
    examples = []
    for entry in json.loads(Path(path).read_text("utf-8")):
        for sentence in entry["sentences"]:
            if part == (entry["query-split"] if by == "query" else sentence["question-split"]):
                values = sentence["variables"]
                texts = (sentence["text"], entry["sql"][0])
                examples.append(Pair(*(_filled(text, values) for text in texts)))
    return examples


def _filled(text, values):
    if not values:
        return text
    names = sorted(values, key=len, reverse=True)  # name10 before name1
    return re.sub("|".join(map(re.escape, names)), lambda found: values[found[0]], text)


def titles(*paths):
    """Read AG News rows (class, title, description): from the description to the title."""
    examples = []
    for path in paths:
        for _, title, description in csv.reader(io.StringIO(Path(path).read_text("utf-8"))):
            if title.strip() and description.strip():
                examples.append(Pair(description.strip(), title.strip()))
    return examples


def summaries(path, *, references="first"):
    """Read abstracts in sentences, with one or several summaries in a sentence.

    Args:
        path: jsonl file.
        references: "first" pairs an abstract with its first summary, "all" with all of them.
    """
    one_of("references", references, ("first", "all"))
    examples = []
    for line in _lines(path):
        row = json.loads(line)
        targets = row["target"][: 1 if references == "first" else None]
        source = " ".join(sentence.strip() for sentence in row["source"])
        if kept := [target.strip() for target in targets if target.strip()]:
            examples.append(Pair(source, kept[0], tuple(kept[1:])))
    return examples
