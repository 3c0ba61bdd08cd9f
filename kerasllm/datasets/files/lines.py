"""Texts a line each: plain, with their labels in front, in a file a class, or in two languages."""

import os
import re
from pathlib import Path

from kerasllm.datasets.examples import Labelled, Pair, Text
from kerasllm.datasets.files.labels import clean_labels, first_lines, joined_labels
from kerasllm.datasets.files.tables import read_text
from kerasllm.datasets.options import option_to_pass
from kerasllm.utils.errors import check_choice, short

LABEL = "__label__"  # how fastText marks the labels in front of a text
SIGNS = ("pos", "neg", "neu", "positive", "negative", "neutral")  # suffixes that are classes
_LANGUAGE = re.compile(r"[a-z]{2}([-_][A-Za-z]{2,4})?|src|tgt|trg|source|target")
SIDES = {"src": ("tgt", "trg"), "source": ("target",)}  # suffixes that say the direction


def read_lines(path, encoding=None, documents="auto"):
    """Read texts, a line each, or separated by empty lines.

    Args:
        path: file path.
        encoding: of the file; left out: UTF-8.
        documents: "line", "blank-line", or "auto": by empty lines where there are some.

    Returns:
        A triple: "language_model", list of `Text`, dict of facts.
    """
    check_choice("documents", documents, ("line", "blank-line", "auto"))
    lines = [line.rstrip() for line in read_text(path, encoding).strip().split("\n")]
    if documents == "auto":
        documents = "line" if all(lines) else "blank-line"
    if documents == "blank-line":
        lines = "\n".join(lines).split("\n\n")
    examples = [Text(line.strip("\n")) for line in lines if line.strip()]
    hint = f"If each line begins with its label: pass {option_to_pass(path, 'format', 'labelled')}."
    return "language_model", examples, {"documents": documents, "hint": hint}


def is_plain_text(path):
    """Return whether a path is that of a text file, without labels in front of its lines."""
    path = Path(path)
    return path.suffix.lower() == ".txt" and os.path.isfile(path) and not is_labelled(path)


def is_labelled(path):
    """Return whether a file begins with a label as fastText writes it."""
    with open(path, "rb") as file:
        return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(LABEL.encode())


def read_labelled_lines(path, encoding=None, sublabels=True, **options):
    """Read lines that begin with a label: `__label__spam text`, `spam text` or `NUM:date text`.

    Of words that begin with `__label__` a line may have several in front: a text with several
    labels, or with none.

    Args:
        path: file path.
        encoding: of the file; left out: UTF-8.
        sublabels: whether `NUM:date` stays whole; else the label is `NUM`.
        **options: `drop_unlabelled` and `labels_as_text`.

    Returns:
        A triple: "classification", list of `Labelled`, dict of facts.

    Raises:
        ValueError: for labels that cannot be learned from; see `clean_labels`.
    """
    text = read_text(path, encoding)
    divide = _marked if text.lstrip().startswith(LABEL) else _first_word
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1)]
    rows = [(number, *divide(line)) for number, line in lines if line]
    if not sublabels:
        rows = [(n, [label.split(":")[0] for label in own], text) for n, own, text in rows]
    total = len(rows)
    if options["drop_unlabelled"]:
        rows = [row for row in rows if row[1]]
    as_text = options["labels_as_text"]
    if any(len(own) > 1 for _, own, _ in rows):
        labels = joined_labels([row[:2] for row in rows], path, "|", labels_as_text=as_text)
        facts = {"label_separator": "|"}
    else:
        given = [(number, "".join(own)) for number, own, _ in rows]
        labels, facts = clean_labels(given, path, labels_as_text=as_text), {}
    pairs = zip((text for *_, text in rows), labels, strict=True)
    examples = [Labelled(text, label) for text, label in pairs if text]
    facts |= {"unlabelled_dropped": total - len(rows)}
    return "classification", examples, facts | {"empty_texts_dropped": len(rows) - len(examples)}


def _marked(line):
    """Return (labels, text) of a line with `__label__` in front of each label."""
    labels = []
    while line.startswith(LABEL):
        word, *rest = line.split(maxsplit=1)
        labels.append(word.removeprefix(LABEL))
        line = "".join(rest)
    return labels, line


def _first_word(line):
    """Return (labels, text) of a line whose first word is its label."""
    word, *rest = line.split(maxsplit=1)
    return [word.rstrip(":")], "".join(rest)


def beside(path):
    """Return the files that have the stem of this one, by suffix: parts of one set."""
    others = path.parent.glob("*") if os.path.isdir(path.parent) else ()
    found = {f.suffix[1:]: f for f in sorted(others) if f.stem == path.stem and f.is_file()}
    return {suffix: file for suffix, file in found.items() if suffix}


def format_of_lines(path):
    """Return "classes" or "parallel" for a file whose suffix is a class or a language, or None.

    There must be another one of its kind beside it.
    """
    suffix, others = path.suffix[1:], beside(path)
    if suffix in SIGNS and sum(other in SIGNS for other in others) > 1:
        return "classes"
    languages = [other for other in others if _LANGUAGE.fullmatch(other)]
    return "parallel" if suffix in languages and len(languages) > 1 else None


def read_classes(path, encoding=None):
    """Read files such as `reviews.pos` and `reviews.neg`: a text a line, the suffix is its label.

    Returns:
        A triple: "classification", list of `Labelled`, dict of facts.
    """
    examples = []
    for suffix, file in beside(path).items():
        if suffix in SIGNS:
            lines = map(str.strip, read_text(file, encoding).split("\n"))
            examples += [Labelled(line, suffix) for line in lines if line]
    return "classification", examples, {}


def read_parallel(path, encoding=None, source=None, target=None, drop_empty=False):
    """Read files such as `train.de` and `train.en`: a sentence a line, and its translation.

    Args:
        path: one of the files; it is the source, unless `source` says otherwise.
        encoding: of the files; left out: UTF-8.
        source: suffix of the one file, such as "de".
        target: suffix of the other; left out: the only other language beside it.
        drop_empty: leave out pairs of which a side is empty.

    Returns:
        A triple: "seq2seq", list of `Pair`, dict of facts.

    Raises:
        ValueError: for files of different lengths, empty sides, or where the target is not clear.
    """
    source, target = _direction(path, source or path.suffix[1:], target)
    files = [path.parent / f"{path.stem}.{suffix}" for suffix in (source, target)]
    sides = [read_text(file, encoding).removesuffix("\n").split("\n") for file in files]
    if len(sides[0]) != len(sides[1]):
        counts = " and ".join(
            f"{len(side):,} in {file.name}" for side, file in zip(sides, files, strict=True)
        )
        raise ValueError(f"{path}: expected as many lines in both files, received {counts}.")
    pairs = [tuple(map(str.strip, pair)) for pair in zip(*sides, strict=True)]
    for side, file in enumerate(files):
        empty = [n for n, pair in enumerate(pairs, 1) if not pair[side] and any(pair)]
        if empty and not drop_empty:
            raise ValueError(
                f"{file}: {len(empty)} lines are empty, whose translations are not: line "
                f"{first_lines(empty)}. Fill them in, or pass "
                f"{option_to_pass(path, 'drop_empty', True)}."
            )
    examples = [Pair(*pair) for pair in pairs if all(pair)]
    return "seq2seq", examples, {"empty_texts_dropped": len(pairs) - len(examples)}


def _direction(path, source, target):
    """Return the suffixes of source and target."""
    found = [other for other in beside(path) if other != source and _LANGUAGE.fullmatch(other)]
    known = [other for other in SIDES.get(source, ()) if other in found]
    if target is None and len(known or found) == 1:
        return source, (known or found)[0]
    if target is None or target == source:
        advice = option_to_pass(path, "target", (found or ["en"])[0])
        raise ValueError(
            f"{path}: expected one file of another language beside it, found "
            f"{short(', '.join(found)) if found else 'none.'} Name its suffix, such as {advice}."
        )
    return source, target
