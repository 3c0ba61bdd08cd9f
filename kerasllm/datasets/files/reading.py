"""The user's own files: txt, csv, tsv, jsonl, CoNLL, SQuAD's json; or a folder, a file a split."""

from pathlib import Path

from kerasllm.datasets.examples import Dataset, Text, main_text
from kerasllm.datasets.files.columns import examples_of_table
from kerasllm.datasets.files.squad import is_squad, read_squad
from kerasllm.datasets.files.tables import delimited, json_rows, read_text
from kerasllm.datasets.files.tags import read_tags
from kerasllm.datasets.splits import SPLIT_NAMES, split, split_contiguous
from kerasllm.utils.errors import check_choice, nearest

FORMATS = {
    ".txt": "txt", ".md": "txt", ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl",
    ".ndjson": "jsonl", ".json": "jsonl", ".conll": "conll", ".bio": "conll", ".iob": "conll",
    ".conllu": "conll", ".iob2": "conll",
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
    whole, groups = _read(path, split="all", **options)
    if split == "all":
        return whole
    return _part(whole, split, seed, fractions, groups)


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


def _part(whole, wanted, seed, fractions, groups):
    check_choice("split", wanted, (*SPLIT_NAMES, "all"))
    if whole.task == "language_model" and len(whole) < _FEW_TEXTS:
        parts = split_contiguous(whole, fractions)
    else:
        parts = split(whole, fractions, seed=seed, groups=groups)
    return parts[SPLIT_NAMES.index(wanted)]


def read_file(path, *, split="all", name=None, format=None, encoding=None, **options):
    """Read one file as a data set, whole and in its order.

    Args:
        path: file path.
        split: what the data set is called.
        name: name of the data set; left out: the file's stem.
        format: "txt", "csv", "tsv", "jsonl", "conll" or "squad"; left out: by the suffix.
        encoding: name of the encoding; left out: UTF-8.
        **options: `documents` ("line", "blank-line" or "auto") for txt; the names of the columns
            `text`, `label`, `source`, `target`, and `drop_unlabelled`, `labels_as_text` for csv,
            tsv and jsonl; `label_separator`, such as "|", for texts with several labels (lists in
            jsonl need none); `drop_empty` for pairs; `delimiter` for csv; `token_column`,
            `tag_column`, `scheme` (see `tag_schemes`) for conll; `unfound` ("error" or "drop") for
            answers that are not in their context; `language`.

    Raises:
        ValueError: for an unknown format, a file that cannot be read, or labels that cannot be
            learned from.
        TypeError: for an option that the format does not have.
    """
    return _read(path, split, name, format, encoding, **options)[0]


def _read(path, split="all", name=None, format=None, encoding=None, **options):
    """Return the data set of a file, and what must stay on one side of a split, or None."""
    path = Path(path)
    format = format or _format_of(path, encoding)
    if format not in _OPTIONS:
        raise ValueError(
            f"{path}: format must be one of {sorted(_OPTIONS)}, received "
            f"{format or path.suffix!r}. Pass format='txt' for plain text."
        )
    language = options.pop("language", None)
    options = _checked(options, format)
    if format in _ROWS:
        task, examples, facts = examples_of_table(path, encoding, _ROWS[format], options)
    else:
        task, examples, facts = _READERS[format](path, encoding, **options)
    if not examples:
        raise ValueError(f"{path}: no text was found in it; expected at least one.")
    groups = facts.pop("groups", None)
    info = {"source": str(path), "how_split": "a file of its own", **facts}
    language = language or _language(examples)
    name = name or path.stem
    data = Dataset(examples, name=name, split=split, task=task, language=language, info=info)
    return data, groups


def _format_of(path, encoding):
    format = FORMATS.get(path.suffix.lower())
    return "squad" if path.suffix.lower() == ".json" and is_squad(path, encoding) else format


def _checked(options, format):
    known = _OPTIONS[format]
    for key, value in options.items():
        if key not in known:
            raise TypeError(
                f"A {format} file has no option {key!r}; it has {sorted(known)}."
                + nearest(key, known)
            )
        kinds, wanted = _KINDS.get(key, (str, "a text"))
        fits = isinstance(value, kinds) and isinstance(value, bool) == (kinds is bool)
        if value is not None and not fits:
            raise TypeError(f"expected {key} to be {wanted}, received {value!r}.")
    return {**known, **options}


def _language(examples):
    """Return "zh" if most letters of the first texts are Chinese, else "en"."""
    sample = "".join(main_text(example) for example in examples[:100])
    chinese = sum("\u4e00" <= character <= "\u9fff" for character in sample)
    latin = sum("a" <= character <= "z" for character in sample.lower())
    return "zh" if 2 * chinese > latin else "en"


def _txt(path, encoding, documents):
    check_choice("documents", documents, ("line", "blank-line", "auto"))
    lines = [line.rstrip() for line in read_text(path, encoding).strip().split("\n")]
    if documents == "auto":
        documents = "line" if all(lines) else "blank-line"
    if documents == "blank-line":
        lines = "\n".join(lines).split("\n\n")
    examples = [Text(line.strip("\n")) for line in lines if line.strip()]
    return "language_model", examples, {"documents": documents}


def _squad(path, encoding, unfound):
    examples, facts = read_squad(path, encoding, unfound)
    return "span", examples, facts


_READERS = {"txt": _txt, "conll": read_tags, "squad": _squad}
_ROWS = {"csv": delimited, "tsv": delimited, "jsonl": json_rows}
_COLUMNS = {
    "text": "text", "label": None, "source": None, "target": None,
    "drop_unlabelled": False, "labels_as_text": False, "label_separator": None, "drop_empty": False,
}  # fmt: skip
_KINDS = {
    "token_column": (int, "a whole number, the first column being 0"),
    "tag_column": (int, "a whole number, the first column being 0, the last -1"),
    **dict.fromkeys(("drop_unlabelled", "labels_as_text", "drop_empty"), (bool, "true or false")),
}
_OPTIONS = {
    "txt": {"documents": "auto"},
    "conll": {"token_column": None, "tag_column": None, "scheme": "auto"},
    "squad": {"unfound": "error"},
    "csv": {**_COLUMNS, "delimiter": ","},
    "tsv": {**_COLUMNS, "delimiter": "\t"},
    "jsonl": _COLUMNS,
}
