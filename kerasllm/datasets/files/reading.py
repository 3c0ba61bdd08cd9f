"""The user's own files, of all formats; a folder, a file a split; or several files by name."""

import os
import reprlib
from pathlib import Path

from kerasllm.datasets.examples import Dataset, main_text
from kerasllm.datasets.files.columns import examples_of_table
from kerasllm.datasets.files.lines import (
    SIDES,
    SIGNS,
    format_of_lines,
    is_labelled,
    read_classes,
    read_labelled_lines,
    read_lines,
    read_parallel,
)
from kerasllm.datasets.files.squad import is_squad, read_squad
from kerasllm.datasets.files.tables import delimited, json_rows, read_text, refuse_other_kinds
from kerasllm.datasets.files.tags import read_tags
from kerasllm.datasets.options import option_to_pass
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
_THREE = (0.8, 0.1, 0.1)


def load_files(path, split="train", *, seed=0, fractions=None, **options):
    """Load a file, several files, or a folder with a file a split, as a data set.

    Args:
        path: a file, or a folder with one file a split.
        split: "train", "validation", "test", or "all" for a file as it is.
        seed: seed of the split of a single file.
        fractions: parts of a single file for train, validation and test; 0.8, 0.1 and 0.1 if left
            out. Of a training file with a test file beside it a tenth validates.
        **options: `validation` and `test`, the names of further files; else see `read_file`.

    Returns:
        A `Dataset`; `.info["how_split"]` says where the split comes from.

    Raises:
        FileNotFoundError: if the path or the split's file does not exist.
        ValueError: for a file that cannot be used, saying why.
    """
    path = Path(path)
    files, options = _files(path, split, options)
    options.setdefault("name", path.name if os.path.isdir(path) else path.stem)
    cut, usual = _cut_from_train(files)
    if split in files and split not in cut:
        return read_file(files[split], split=split, **options)
    is_whole = split == "all" and not os.path.isdir(path)
    if split not in cut and not is_whole:
        if split not in SPLIT_NAMES and not os.path.isdir(path):
            check_choice("split", split, (*SPLIT_NAMES, "all"))
        raise FileNotFoundError(_no_split(path, split, files))
    whole, groups = _read(files["train"], split="all", **options)
    return whole if is_whole else _part(whole, split, seed, fractions or usual, groups)


def validates_by_training_rows(path, **options):
    """Return whether files have a test part of their own, but none to validate on.

    Args:
        path: as for `load_files`.
        **options: likewise.
    """
    return _cut_from_train(_files(Path(path), "train", options)[0])[0] == ("train", "validation")


def _cut_from_train(files):
    """Return the splits that the training file is cut into, and the usual parts of each."""
    if "validation" in files:
        return (), None
    return (("train", "validation"), (0.9, 0.1)) if "test" in files else (SPLIT_NAMES, _THREE)


def _files(path, split, options):
    """Return the files of the splits that there are, and the options of their reader."""
    if os.path.isdir(path):
        found = {name: _split_file(path, name, options) for name in {*SPLIT_NAMES, split}}
        files = {name: file for name, file in found.items() if file}
        if "train" not in files and split not in files:
            raise FileNotFoundError(_no_split(path, "train", files))
        _check_left_over(path, files)
        return files, options
    files = {"train": path}
    for name in ("validation", "test"):
        if given := options.get(name):
            if not isinstance(given, str | Path):
                raise TypeError(f"expected {name} to be the name of a file, received {given!r}.")
            own = path.parent / given
            files[name] = own if os.path.exists(own) else Path(given)
    return files, {key: value for key, value in options.items() if key not in files}


def _check_left_over(folder, files):
    """Refuse to cut up a training file beside files that are none of the splits: they may be."""
    kind = files["train"].suffix if set(files) == {"train"} else None
    if other := sorted(f.name for f in folder.glob(f"*{kind}") if kind and f != files["train"]):
        raise ValueError(
            f"{folder}: beside {files['train'].name} {reprlib.repr(other)} belong to no split: "
            "call them validation and test, or give the file alone."
        )


def _split_file(folder, split, options):
    """Return the file of a split in a folder, None if there is none."""
    stems = _SPLIT_STEMS.get(split, (split,))
    named = sorted(f for f in folder.iterdir() if f.stem.lower() in stems and f.is_file())
    source = options.get("source")
    found = [f for f in named if f.suffix.lower() in FORMATS]
    if not found and any(f.suffix[1:] == source for f in named):
        found = [f for f in named if f.suffix[1:] == source]
    if not found:
        several = [f for f in named if format_of_lines(f)]
        one_is_clear = several and several[0].suffix[1:] in (*SIGNS, *SIDES)
        found = several[:1] if one_is_clear else several
        found = found or (named if "format" in options else [])
    names = reprlib.repr([f.name for f in found])
    if len(found) > 1 and all(format_of_lines(f) == "parallel" for f in found):
        ends = [f.suffix[1:] for f in found]
        raise ValueError(
            f"{folder}: {names} are in {len(ends)} languages; name the one to "
            f"translate from, such as {option_to_pass(folder, 'source', ends[0])}."
        )
    if len(found) > 1:
        raise ValueError(f"{folder}: {names} could all be {split}; keep one.")
    return found[0] if found else None


def _no_split(path, split, files):
    stem, here = _SPLIT_STEMS.get(split, (split,))[0], sorted(f.name for f in files.values())
    if os.path.isdir(path):
        here = sorted(entry.name for entry in path.iterdir())
        how = f"expected {stem}.csv (or .txt, .tsv, .jsonl, .conll), found"
    else:
        how = f"name one, such as {option_to_pass(path, split, f'{stem}{path.suffix}')}, beside"
    return f"{path} has no file for the split {split!r}: {how} {reprlib.repr(here)}."


def _part(whole, wanted, seed, fractions, groups):
    if whole.task == "language_model" and len(whole) < _FEW_TEXTS:
        parts = split_contiguous(whole, fractions)
    else:
        parts = split(whole, fractions, seed=seed, groups=groups)
    if SPLIT_NAMES.index(wanted) >= len(parts):
        raise ValueError(f"{whole.name} has no {wanted} part: fractions={fractions} names two.")
    return parts[SPLIT_NAMES.index(wanted)]


def read_file(path, *, split="all", name=None, format=None, encoding=None, **options):
    """Read one file as a data set, whole and in its order.

    Args:
        path: file path.
        split: what the data set is called.
        name: name of the data set; left out: the file's stem.
        format: "txt", "labelled", "classes", "parallel", "csv", "tsv", "jsonl", "conll" or "squad";
            left out: by the suffix, and by what stands in the file and beside it.
        encoding: name of the encoding; left out: UTF-8.
        **options: `documents` ("line", "blank-line" or "auto") for txt; the names of the columns
            `text`, `text_b` (the second of two texts with one label), `label`, `source`, `target`
            (of several references a row: their columns,
            "first,second"), and `drop_unlabelled`, `labels_as_text` for csv, tsv and jsonl;
            `label_separator`, such as "|", for texts with several labels (lists in jsonl need
            none); `drop_empty` for pairs and conversations; `delimiter` for csv; `header` (the
            names of the columns, such as "label,text", or False) for tables without one;
            `sublabels` for labelled; `source` and `target` (suffixes) for parallel; `token_column`,
            `tag_column`, `scheme` (see `tag_schemes`) for conll; `unfound` ("error" or
            "drop") for answers that are not in their context; `language`.

    Raises:
        ValueError: for an unknown format, a file that cannot be read, or labels that cannot be
            learned from.
        TypeError: for an option that the format does not have.
    """
    return _read(path, split, name, format, encoding, **options)[0]


def _read(path, split="all", name=None, format=None, encoding=None, **options):
    """Return the data set of a file, and what must stay on one side of a split, or None."""
    path = Path(path)
    if not os.path.isfile(path):
        read_text(path)  # which says what it is
    format = format or _format_of(path, encoding)
    if format not in _OPTIONS:
        refuse_other_kinds(path)
        raise ValueError(
            f"{path}: format must be one of {sorted(_OPTIONS)}, received "
            f"{format or path.suffix!r}. For plain text pass "
            f"{option_to_pass(path, 'format', 'txt')}."
        )
    language = options.pop("language", None)
    task, examples, facts = _READERS[format](path, encoding, **_checked(options, format))
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
    if path.suffix.lower() == ".json" and is_squad(path, encoding):
        return "squad"
    if format in ("txt", None) and os.path.isfile(path) and is_labelled(path):
        return "labelled"
    return format or format_of_lines(path)


def _checked(options, format):
    known = _OPTIONS[format]
    for key, value in options.items():
        if key not in known:
            raise TypeError(
                f"A {format} file has no option {key!r}; it has {sorted(known)}."
                + nearest(key, known)
            )
        kinds, wanted = _KINDS.get(key, (str, "a text"))
        fits = isinstance(value, kinds) and (kinds is not int or not isinstance(value, bool))
        if value is not None and not fits:
            raise TypeError(f"expected {key} to be {wanted}, received {value!r}.")
    return {**known, **options}


def _language(examples):
    """Return "zh" if most letters of the first texts are Chinese, else "en"."""
    sample = "".join(main_text(example) for example in examples[:100])
    chinese = sum("\u4e00" <= character <= "\u9fff" for character in sample)
    latin = sum("a" <= character <= "z" for character in sample.lower())
    return "zh" if 2 * chinese > latin else "en"


def _table(read_rows):
    """Return the reader of tables whose rows a function reads."""

    def read(path, encoding, **options):
        return examples_of_table(path, encoding, read_rows, options)

    return read


def _squad(path, encoding, unfound):
    examples, facts = read_squad(path, encoding, unfound)
    return "span", examples, facts


_READERS = {
    "txt": read_lines,
    "labelled": read_labelled_lines,
    "classes": read_classes,
    "parallel": read_parallel,
    "conll": read_tags,
    "squad": _squad,
    **dict.fromkeys(("csv", "tsv"), _table(delimited)),
    "jsonl": _table(json_rows),
}
_LABELS = {"drop_unlabelled": False, "labels_as_text": False}
_COLUMNS = {
    "text": "text", "text_b": None, "label": None, "source": None, "target": None,
    "label_separator": None, "drop_empty": False, **_LABELS,
}  # fmt: skip
_OPTIONS = {
    "txt": {"documents": "auto"},
    "labelled": {"sublabels": True, **_LABELS},
    "classes": {},
    "parallel": {"source": None, "target": None, "drop_empty": False},
    "conll": {"token_column": None, "tag_column": None, "scheme": "auto"},
    "squad": {"unfound": "error"},
    "csv": {**_COLUMNS, "delimiter": None, "header": True},
    "tsv": {**_COLUMNS, "delimiter": "\t", "header": True},
    "jsonl": _COLUMNS,
}
_SWITCH = (bool, "true or false")
_KINDS = {
    "token_column": (int, "a whole number, the first column being 0"),
    "tag_column": (int, "a whole number, the first column being 0, the last -1"),
    **dict.fromkeys(("drop_unlabelled", "labels_as_text", "drop_empty", "sublabels"), _SWITCH),
    "header": ((bool, str), "the names of the columns, such as 'label,text', or false"),
}
