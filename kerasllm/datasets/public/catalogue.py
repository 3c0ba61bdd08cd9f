"""The registry of public sets: the TOML files in `catalogues/`, one entry a set.

Whoever adds a data set writes an entry like this one, and nothing else:

    [weather]                                   # the name that `load` takes
    title = "Weather reports"
    task = "classification"                     # one of `kerasllm.datasets.TASKS`
    language = "en"
    licence = "CC BY 4.0"                       # or "not stated"
    homepage = "https://example.org/weather"
    base = "https://example.org/data/"          # a file's address is this and the file's path
    reader = "table"                            # one of `READERS`
    options = { text = 1, label = 0 }           # what the reader has to know
    splits = { train = "train-*.csv", test = "test.csv" }  # paths, patterns, lists of them
    note = "Reports of one year."
    faults = ["May stands there twice."]        # known ones; leave it out where there are none
    field = [                                   # what others reached, with where it is printed
        { measure = "accuracy", figure = 0.9, model = "BERT-base", source = "Ann 2020, table 2" },
    ]

    [weather.files]
    "train-a.csv" = { bytes = 720_259, sha256 = "ec192f833a64da08f475..." }
    "train-b.csv" = { bytes = 692_057, sha256 = "eddea6b39e601dd4e7a6..." }
    "test.csv" = { bytes = 188_749, sha256 = "831169c7e2e429d6026e..." }

- Instead of `base`, `archive` is the address of an archive that holds the files, and
  `files_of` names an earlier set that has the same files in the same folder.
- `fractions`, `contiguous`, `missing`, `nltk`, `documents` and `folder` are those of
  `DatasetInfo`. A set with `options` leaves none to the user.
- A file may have the `git_blob`, `note` and `sample` of `File`; a `url`, itself or from `base` on,
  where it differs from the path; a `member`, where its path in the archive does.
- A file of which no hash is known has a note that says so.
"""

import re
import tomllib
from fnmatch import fnmatchcase
from functools import cache, partial
from inspect import signature
from pathlib import Path
from urllib.parse import quote, urljoin

from kerasllm.datasets.examples import TASKS
from kerasllm.datasets.files.squad import read_squad
from kerasllm.datasets.public.readers import dialogue, pairs, tagging, texts
from kerasllm.datasets.public.registry import DatasetInfo, File
from kerasllm.datasets.splits import SPLIT_NAMES
from kerasllm.utils.errors import check_choice, nearest

FOLDER = Path(__file__).parent / "catalogues"
TOPICS = (  # in the order in which the sets are listed; a set may use the files of an earlier one
    "language", "classification", "reviews", "tagging", "translation", "meaning", "spans",
    "summaries", "dialogue", "nltk",
)  # fmt: skip

READERS = {
    "articles": texts.articles,
    "babi_answers": dialogue.babi_answers,
    "babi_replies": dialogue.babi_replies,
    "columns": pairs.columns,
    "conll": tagging.conll,
    "daily_acts": dialogue.daily_acts,
    "daily_emotions": dialogue.daily_emotions,
    "daily_replies": dialogue.daily_replies,
    "geography": pairs.geography,
    "intents": tagging.intents,
    "kdconv_replies": dialogue.kdconv_replies,
    "lambda_forms": pairs.lambda_forms,
    "line_texts": texts.line_texts,
    "multi30k": pairs.multi30k,
    "nltk_categories": texts.nltk_categories,
    "nltk_chat_acts": texts.nltk_chat_acts,
    "nltk_languages": texts.nltk_languages,
    "nltk_sentence_categories": texts.nltk_sentence_categories,
    "nltk_sentences": texts.nltk_sentences,
    "nltk_tagged": tagging.nltk_tagged,
    "nltk_texts": texts.nltk_texts,
    "nltk_topics": texts.nltk_topics,
    "poems": texts.poems,
    "product_reviews": texts.product_reviews,
    "read_squad": read_squad,
    "scan": pairs.scan,
    "sentence_pairs": pairs.sentence_pairs,
    "shopping_reviews": texts.shopping_reviews,
    "slots": tagging.slots,
    "summaries": pairs.summaries,
    "table": texts.table,
    "titles": pairs.titles,
    "whole_texts": texts.whole_texts,
}

_REQUIRED = {  # each with an example
    "title": '"Weather reports"',
    "task": '"classification"',
    "language": '"en"',
    "licence": '"CC BY 4.0", or "not stated"',
    "homepage": '"https://example.org/weather"',
    "reader": '"table"',
    "splits": '{ train = "train.csv", test = "test.csv" }',
}
_ENTRY = {
    **dict.fromkeys((*_REQUIRED, "note", "base", "archive", "files_of", "folder", "nltk"), str),
    **dict.fromkeys(("splits", "files", "options", "documents", "missing"), dict),
    **dict.fromkeys(("fractions", "faults", "field"), list),
    "contiguous": bool,
}
_AS_WRITTEN = (
    "title", "task", "language", "licence", "homepage", "note", "nltk", "missing", "contiguous",
    "fractions", "faults", "field",
)  # fmt: skip
_FIGURE = {"measure": str, "figure": float, "model": str, "source": str}
_FILE = {"bytes": int, "sha256": str, "git_blob": str, "note": str}
_KINDS = {
    str: 'a text in quotes, "..."',
    int: "a whole number",
    float: "a number with a point, 92.0",
    bool: "true or false",
    list: "a list, [...]",
    dict: "a table, { key = value }",
}


@cache
def entries():
    """Return the `DatasetInfo` of every public set, in the order of `TOPICS`.

    Example:
        >>> [entry.name for entry in entries()][:3]
        ['tinyshakespeare', 'ptb', 'wikitext-2']
    """
    found = ()
    for topic in TOPICS:
        found += read_catalogue(FOLDER / f"{topic}.toml", before=found)
    return found


def read_catalogue(path, before=()):
    """Read the entries of one file; the head of this module shows how they are written.

    Args:
        path: TOML file, as a `pathlib.Path`.
        before: the `DatasetInfo`s of other files, to which `files_of` may refer.

    Returns:
        A tuple of `DatasetInfo`, in the order of the file.

    Raises:
        ValueError: for what is missing, unknown or of the wrong kind, with the file, the entry and
            what to write.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name} is not valid TOML; mend this place: {error}.") from None
    known = {entry.name: entry for entry in before}
    for name, table in tables.items():
        try:
            known[name] = _entry(name, table, known)
        except ValueError as error:
            raise ValueError(f"{path.name}, [{name}]: {error}") from None
    return tuple(known.values())[len(before) :]


def _entry(name, table, known):
    """Return the `DatasetInfo` that one table describes."""
    _check_entry(name, table, known)
    _check_addresses(table)
    files, folder = _files(table, known)
    reader = READERS[table["reader"]]
    options = {key: _frozen(value) for key, value in table.get("options", {}).items()}
    info = DatasetInfo(
        name=name,
        files=files,
        folder=folder,
        splits={split: _matching(wanted, files) for split, wanted in table["splits"].items()},
        documents={split: _several(given) for split, given in table.get("documents", {}).items()},
        reader=partial(reader, **options) if options else reader,
        **{key: _frozen(table[key]) for key in _AS_WRITTEN if key in table},
    )
    _check_calls(info, reader, options)
    return info


def _files(table, known):
    """Return the files of an entry, and the name of their folder where it is not the set's."""
    if "files_of" in table:
        check_choice("files_of", table["files_of"], known)
        owner = known[table["files_of"]]
        return owner.files, owner.folder_name
    files = tuple(_file(path, row, table) for path, row in table.get("files", {}).items())
    return files, table.get("folder", "")


def _file(path, row, table):
    """Return the `File` at a path, from its row in the entry."""
    packed = "archive" in table
    try:
        _check_file(row, {"member" if packed else "url": str, "sample": dict})
        if "sample" in row:
            _check_file(row["sample"], {"path": str}, required={"path": '"part.csv"'})
            row = {**row, "sample": File(**row["sample"])}
    except ValueError as error:
        raise ValueError(f"file {path!r}: {error}") from None
    if packed:
        return File(path, **{"member": path, **row, "url": table["archive"]})
    return File(path, **{**row, "url": urljoin(table["base"], row.get("url", quote(path)))})


def _matching(wanted, files):
    """Return the paths of the files of a split: those named or matching a pattern, in order."""
    paths = [file.path for file in files]
    found = []
    for pattern in _several(wanted):
        matches = [path for path in paths if fnmatchcase(path, pattern)]
        if not matches:
            raise ValueError(
                f"splits: no file matches {pattern!r}; the files are {paths}."
                + nearest(pattern, paths)
            )
        found += matches
    return tuple(found)


def _several(value):
    """Return a text, or a list of texts, as a tuple."""
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in values):
        raise ValueError(f"expected {_KINDS[str]}, or a list of such, received {value!r}.")
    return tuple(values)


def _frozen(value):
    return tuple(value) if isinstance(value, list) else value


# Checks ----------------------------------------------------------------------


def _check_entry(name, table, known):
    if name in known:
        raise ValueError("another catalogue has a set of this name; choose a new one.")
    if not isinstance(table, dict):
        raise ValueError("this line stands outside of an entry; write [its name] above it.")
    _check_keys(table, _ENTRY, _REQUIRED)
    check_choice("task", table["task"], TASKS)
    check_choice("reader", table["reader"], READERS)
    for row in table.get("field", ()):
        _check_keys(row, _FIGURE, {key: "…" for key in _FIGURE})
    for key in ("splits", "documents", "missing"):
        for split in table.get(key, {}):
            check_choice(f"a split in {key}", split, (*SPLIT_NAMES, "all"))


def _check_addresses(table):
    for key in ("homepage", "base", "archive"):
        if not table.get(key, "https://").startswith("https://"):
            raise ValueError(f'{key} must begin with "https://", received {table[key]!r}.')
    if not table.get("base", "/").endswith("/"):
        raise ValueError(f'base must end in "/", received {table["base"]!r}.')
    sources = [key for key in ("base", "archive", "files_of") if key in table]
    if len(sources) != 1:
        raise ValueError(
            f"expected one of base, archive and files_of, received {sources or 'none'}. base is "
            "the address that its files have in common, archive that of the archive that holds "
            "them, files_of the name of a set with the same files."
        )
    if "files_of" in table and table.keys() & {"files", "folder"}:
        raise ValueError("files_of brings the files and their folder along: leave yours out.")


def _check_keys(table, kinds, required=()):
    """Refuse a table with an unknown key, a value of another kind, or a key too few."""
    if not isinstance(table, dict):
        raise ValueError(f"expected {_KINDS[dict]}, received {table!r}.")
    for key, value in table.items():
        if key not in kinds:
            raise ValueError(
                f"unknown key {key!r}.{nearest(key, kinds)} The keys are {', '.join(kinds)}."
            )
        if type(value) is not kinds[key]:
            raise ValueError(f"{key} must be {_KINDS[kinds[key]]}, received {value!r}.")
    for key in required:
        if key not in table:
            raise ValueError(f"{key} is missing: write a line such as {key} = {required[key]}.")


def _check_file(row, more, required=()):
    _check_keys(row, {**_FILE, **more}, required)
    if "sha256" in row and not re.fullmatch("[0-9a-f]{64}", row["sha256"]):
        raise ValueError(f"sha256 must be 64 of 0-9 and a-f, received {row['sha256']!r}.")
    if not row.keys() & {"sha256", "git_blob", "note"}:
        raise ValueError("sha256 is missing. Where no hash is known, write a note that says so.")


def _check_calls(info, reader, options):
    """Refuse options, or a number of files, that the reader does not take."""
    for split, paths in info.splits.items():
        given = (info.nltk,) if info.nltk else paths
        try:
            signature(reader).bind(*given, *info.documents.get(split, ()), **options)
        except TypeError as error:
            raise ValueError(
                f"the reader does not take the options, or the files of {split!r}: {error}. It is "
                f"{reader.__name__}{signature(reader)}."
            ) from None
