"""The user's own files: txt, csv, tsv, jsonl and CoNLL, or a folder with one file a split."""

from pathlib import Path

from kerasllm.datasets.examples import Dataset, Labelled, Pair, Tagged, Text
from kerasllm.datasets.labels import clean_labels, is_missing
from kerasllm.datasets.splits import SPLIT_NAMES, split, split_contiguous
from kerasllm.datasets.tables import delimited, json_rows, read_text, tagged_sentences
from kerasllm.text.errors import nearest

FORMATS = {
    ".txt": "txt", ".md": "txt", ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl",
    ".ndjson": "jsonl", ".json": "jsonl", ".conll": "conll", ".bio": "conll", ".iob": "conll",
}  # fmt: skip
_SPLIT_STEMS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
# Fewer texts than this are cut up themselves: one book still has a validation part.
_FEW_TEXTS = 20


def load_files(path, split="train", *, seed=0, fractions=(0.8, 0.1, 0.1), **options):
    """Load a file, or a folder with the files train, validation and test, as a data set.

    Args:
        path: a file, or a folder with one file a split.
        split: "train", "validation", "test", or "all" for a file as it is.
        seed: seed of the split of a single file.
        fractions: parts of a single file for train, validation and test.
        **options: see `read_file`.

    Returns:
        A `Dataset`; `.info["how_split"]` says where the split comes from.

    Raises:
        FileNotFoundError: if the path or the split's file does not exist.
        ValueError: for a file that cannot be used, saying why.
    """
    path = Path(path)
    if path.is_dir():
        return read_file(_split_file(path, split), split=split, name=path.name, **options)
    whole = read_file(path, split="all", **options)
    if split == "all":
        return whole
    return _part(whole, split, seed, fractions)


def _split_file(folder, split):
    stems = _SPLIT_STEMS.get(split, (split,))
    found = sorted(f for f in folder.iterdir() if f.stem in stems and f.suffix.lower() in FORMATS)
    if len(found) == 1:
        return found[0]
    here = sorted(entry.name for entry in folder.iterdir())
    if found:
        raise ValueError(f"{folder}: {[f.name for f in found]} could all be {split}; keep one.")
    raise FileNotFoundError(
        f"{folder} has no file for the split {split!r}: expected {stems[0]}.csv (or .txt, .tsv, "
        f".jsonl, .conll), found {here}."
    )


def _part(whole, wanted, seed, fractions):
    if wanted not in SPLIT_NAMES:
        raise ValueError(
            f"split must be one of {[*SPLIT_NAMES, 'all']}, received {wanted!r}."
            + nearest(wanted, SPLIT_NAMES)
        )
    if whole.task == "language_model" and len(whole) < _FEW_TEXTS:
        parts = split_contiguous(whole, fractions)
    else:
        parts = split(whole, fractions, seed=seed)
    return parts[SPLIT_NAMES.index(wanted)]


def read_file(path, *, split="all", name=None, format=None, encoding=None, **options):
    """Read one file as a data set, whole and in its order.

    Args:
        path: file path.
        split: what the data set is called.
        name: name of the data set; left out: the file's stem.
        format: "txt", "csv", "tsv", "jsonl" or "conll"; left out: by the suffix.
        encoding: name of the encoding; left out: UTF-8.
        **options: `documents` ("line", "blank-line" or "auto") for txt; the names of the columns
            `text`, `label`, `source`, `target`, and `drop_unlabelled`, `labels_as_text` for csv,
            tsv and jsonl; `delimiter` for csv; `token_column`, `tag_column` for conll; `language`.

    Raises:
        ValueError: for an unknown format, a file that cannot be read, or labels that cannot be
            learned from.
        TypeError: for an option that the format does not have.
    """
    path = Path(path)
    format = format or FORMATS.get(path.suffix.lower())
    if format not in _OPTIONS:
        raise ValueError(
            f"{path}: format must be one of {sorted(_OPTIONS)}, received "
            f"{format or path.suffix!r}. Pass format='txt' for plain text."
        )
    language = options.pop("language", None)
    options = _checked(options, format)
    if format in _ROWS:
        task, examples, facts = _table(path, encoding, _ROWS[format], options)
    else:
        task, examples, facts = _READERS[format](path, encoding, **options)
    if not examples:
        raise ValueError(f"{path}: no text was found in it; expected at least one.")
    info = {"source": str(path), "how_split": "a file of its own", **facts}
    language = language or _language(examples)
    name = name or path.stem
    return Dataset(examples, name=name, split=split, task=task, language=language, info=info)


def _checked(options, format):
    known = _OPTIONS[format]
    for key in options:
        if key not in known:
            raise TypeError(
                f"A {format} file has no option {key!r}; it has {sorted(known)}."
                + nearest(key, known)
            )
    return {**known, **options}


def _language(examples):
    """Return "zh" if most letters of the first texts are Chinese, else "en"."""
    sample = "".join(str(example) for example in examples[:100])
    chinese = sum("\u4e00" <= character <= "\u9fff" for character in sample)
    latin = sum("a" <= character <= "z" for character in sample.lower())
    return "zh" if 2 * chinese > latin else "en"


def _txt(path, encoding, documents):
    if documents not in ("line", "blank-line", "auto"):
        raise ValueError(
            f"documents must be 'line', 'blank-line' or 'auto', received {documents!r}."
        )
    lines = [line.rstrip() for line in read_text(path, encoding).strip().split("\n")]
    if documents == "auto":
        documents = "line" if all(lines) else "blank-line"
    if documents == "blank-line":
        lines = "\n".join(lines).split("\n\n")
    examples = [Text(line.strip("\n")) for line in lines if line.strip()]
    return "language_model", examples, {"documents": documents}


def _conll(path, encoding, token_column, tag_column):
    sentences = tagged_sentences(path, encoding, token_column, tag_column)
    return "tagging", [Tagged(tokens, tags) for tokens, tags in sentences], {}


_READERS = {"txt": _txt, "conll": _conll}
_ROWS = {"csv": delimited, "tsv": delimited, "jsonl": json_rows}
_COLUMNS = {
    "text": "text", "label": None, "source": None, "target": None,
    "drop_unlabelled": False, "labels_as_text": False,
}  # fmt: skip
_OPTIONS = {
    "txt": {"documents": "auto"},
    "conll": {"token_column": 0, "tag_column": -1},
    "csv": {**_COLUMNS, "delimiter": ","},
    "tsv": {**_COLUMNS, "delimiter": "\t"},
    "jsonl": _COLUMNS,
}


def _table(path, encoding, read_rows, options):
    """Turn rows of named columns into pairs, labelled texts or plain texts."""
    delimiter = {"delimiter": options["delimiter"]} if "delimiter" in options else {}
    rows = read_rows(path, encoding=encoding, **delimiter)
    if not rows:
        raise ValueError(f"{path} is empty apart from its header; expected rows of data.")
    found = list(dict.fromkeys(name for _, row in rows for name in row))
    text, label = options["text"], options["label"]
    if options["source"] or options["target"]:
        names = options["source"] or "source", options["target"] or "target"
        return "seq2seq", *_texts(rows, path, found, names, Pair)
    if label or "label" in found:
        return _labelled(rows, path, found, options)
    others = [name for name in found if name != text]
    hint = {"hint": f"Name the column of the labels: label={others[0]!r}."} if others else {}
    examples, facts = _texts(rows, path, found, (text,), Text)
    return "language_model", examples, {**facts, "columns": found, **hint}


def _labelled(rows, path, found, options):
    label, total = options["label"] or "label", len(rows)
    _check_column(path, found, label)
    if options["drop_unlabelled"]:
        rows = [(line, row) for line, row in rows if not is_missing(row.get(label))]
    labels = clean_labels(
        [(line, row.get(label)) for line, row in rows],
        path,
        labels_as_text=options["labels_as_text"],
    )
    rows = [(line, {**row, label: name}) for (line, row), name in zip(rows, labels, strict=True)]
    examples, facts = _texts(rows, path, found, (options["text"], label), Labelled)
    return "classification", examples, {**facts, "unlabelled_dropped": total - len(rows)}


def _texts(rows, path, found, names, example_type):
    """Return the examples of the rows whose columns all hold text, and how many did not."""
    for name in names:
        _check_column(path, found, name)
    examples = []
    for line, row in rows:
        values = ["" if row.get(name) is None else row[name] for name in names]
        if wrong := [value for value in values if not isinstance(value, str)]:
            raise ValueError(f"{path}, line {line}: expected text, received {wrong[0]!r}.")
        if all(value.strip() for value in values):
            examples.append(example_type(*values))
    return examples, {"empty_texts_dropped": len(rows) - len(examples)}


def _check_column(path, found, name):
    if name in found:
        return
    advice = f"Pass its name, such as text={found[0]!r}."
    for delimiter in ";\t|":
        if len(found) == 1 and delimiter in found[0]:
            advice = f"Fields seem to be separated otherwise: pass delimiter={delimiter!r}."
    raise ValueError(
        f"{path} has no column {name!r}; it has {found}.{nearest(name, found)} {advice}"
    )
