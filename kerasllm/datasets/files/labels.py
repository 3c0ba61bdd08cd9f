"""Labels from a user's file: checked, because a wrong one trains a wrong model in silence."""

import math
import re
from collections import defaultdict

from kerasllm.datasets.options import option_to_pass

_MISSING = {"", "nan", "null", "n/a", "<na>", "#n/a"}
_WHOLE = re.compile(r"[+-]?\d+")
_DECIMAL = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+)([eE][+-]?\d+)?")


def is_missing(label):
    """Return whether a label is absent: empty, null or not a number.

    Example:
        >>> [is_missing(label) for label in ("", None, float("nan"), "NaN", "none", 0)]
        [True, True, True, True, False, False]
    """
    if label is None or (isinstance(label, float) and math.isnan(label)):
        return True
    return isinstance(label, str) and label.strip().lower() in _MISSING


def clean_labels(rows, path, *, labels_as_text=False):
    """Return the labels as text, after the checks that a file needs.

    Args:
        rows: list of (line number, label) pairs.
        path: the file, for the messages.
        labels_as_text: accept labels of mixed types, such as "3" beside "more than 3".

    Returns:
        A list of str.

    Raises:
        ValueError: for missing labels, labels of mixed types, labels that differ only in case, a
            list of labels, or a single class.

    Example:
        >>> clean_labels([(2, "spam "), (3, "ham")], "mail.csv")
        ['spam', 'ham']
    """
    _refuse_missing(rows, path)
    kinds = defaultdict(list)
    for line, label in rows:
        kinds[_kind(label)].append((line, label))
    if several := [kind for kind in kinds if kind in ("list", "object")]:
        line, label = kinds[several[0]][0]
        raise ValueError(f"{path}, line {line}: expected a label, received {label!r}.")
    if len(kinds) > 1 and not labels_as_text:
        found = "; ".join(
            f"{kind} such as {seen[0][1]!r} in line {seen[0][0]} ({len(seen)} rows)"
            for kind, seen in kinds.items()
        )
        raise ValueError(
            f"{path}: labels of mixed types: {found}. Write each class in one way, or pass "
            f"{option_to_pass(path, 'labels_as_text', True)} if they are meant."
        )
    names = [str(label).strip() for _, label in rows]
    if not labels_as_text:
        _refuse_same_but_for_case(names, path)
    if len(set(names)) == 1:
        raise ValueError(
            f"{path}: all {len(names)} rows have the same label {names[0]!r}; a classifier needs "
            "at least two classes. Is it the right column?"
        )
    return names


def joined_labels(rows, path, separator, *, labels_as_text=False):
    """Return the labels of texts that may have several, or none, with a separator between them.

    Args:
        rows: list of (line number, labels) pairs; labels are text such as "grain|wheat", or a list.
        path: the file, for the messages.
        separator: what stands between two labels, such as "|".
        labels_as_text: accept labels that differ only in capitals.

    Returns:
        A list of str, "" for a text without a label.

    Raises:
        ValueError: for an empty label beside others, a label that holds the separator, labels that
            differ only in case, or no label at all.

    Example:
        >>> joined_labels([(1, "wheat | grain"), (2, ["gas"]), (3, "")], "news.csv", "|")
        ['grain|wheat', 'gas', '']
    """
    joined = []
    for line, own in rows:
        if not isinstance(own, list):
            own = [] if is_missing(own) else str(own).split(separator)
        names = {"" if isinstance(one, list | dict | None) else str(one).strip() for one in own}
        if wrong := [one for one in names if not one or separator in one]:
            raise ValueError(
                f"{path}, line {line}: expected labels such as 'grain{separator}wheat' or "
                f'["grain", "wheat"], received {own!r}, with the label {wrong[0]!r}. Correct the '
                f"row, or pass {option_to_pass(path, 'label_separator', ';')} if another sign "
                "stands between them."
            )
        joined.append(separator.join(sorted(names)))
    every = sorted({name for names in joined for name in names.split(separator) if name})
    if not every:
        raise ValueError(f"{path}: none of the {len(joined)} rows has a label.")
    if not labels_as_text:
        _refuse_same_but_for_case(every, path)
    return joined


def _refuse_missing(rows, path):
    missing = [line for line, label in rows if is_missing(label)]
    if missing:
        raise ValueError(
            f"{path}: {len(missing)} of {len(rows)} rows have no label (empty or NaN), in line "
            f"{first_lines(missing)}. Fill them in, delete them, or pass "
            f"{option_to_pass(path, 'drop_unlabelled', True)}."
        )


def first_lines(lines):
    """Return the first few line numbers as text."""
    return ", ".join(map(str, lines[:5])) + (", …" if len(lines) > 5 else "")


def _kind(label):
    if isinstance(label, bool):
        return "true/false"
    if isinstance(label, list):
        return "list"
    if isinstance(label, dict):
        return "object"
    written_as = "" if isinstance(label, str) else "JSON "
    text = str(label).strip()
    if _WHOLE.fullmatch(text):
        return written_as + "whole number"
    if _DECIMAL.fullmatch(text):
        return written_as + "decimal number"
    return "word"


def _refuse_same_but_for_case(names, path):
    spellings = defaultdict(set)
    for name in names:
        spellings[name.casefold()].add(name)
    for variants in spellings.values():
        if len(variants) > 1:
            raise ValueError(
                f"{path}: the labels {sorted(variants)} differ only in capitals; write each class "
                f"in one way, or pass {option_to_pass(path, 'labels_as_text', True)} if they are "
                "meant."
            )
