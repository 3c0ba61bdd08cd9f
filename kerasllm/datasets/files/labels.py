"""Labels from a user's file: checked, because a wrong one trains a wrong model in silence."""

import math
import re
import reprlib
import unicodedata
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
    return isinstance(label, str) and canonical(label).lower() in _MISSING


# Signs that nobody sees, and that spell nothing: zero width, byte-order mark, soft hyphen.
_UNSEEN = str.maketrans("", "", "\u200b\u2060\ufeff\u00ad")
_QUOTES = str.maketrans({**dict.fromkeys("‘’‚′´`", "'"), **dict.fromkeys("“”„″«»", '"')})
_JOINERS = str.maketrans("", "", "\u200c\u200d\ufe0e\ufe0f")  # these do spell something


def canonical(label):
    r"""Return a label without what cannot be seen: one form of accents, one blank between words.

    Example:
        >>> canonical("cafe\u0301 \u00a0 noir\u200b ") == "café noir"
        True
    """
    return " ".join(unicodedata.normalize("NFC", str(label)).translate(_UNSEEN).split())


def _looks(label):
    """Return what two labels have in common that a reader takes for the same."""
    plain = unicodedata.normalize("NFKC", label).translate(_QUOTES).translate(_JOINERS)
    plain = plain.strip("'\" ").casefold()
    if _DECIMAL.fullmatch(plain):
        plain = re.sub(r"^([+-]?)0+(?=\d)", r"\1", plain).removeprefix("+")
        plain = re.sub(r"\.?0+$", "", plain) if "." in plain and "e" not in plain else plain
    return plain


def clean_labels(rows, path, *, labels_as_text=False):
    """Return the labels as text, after the checks that a file needs.

    Args:
        rows: list of (line number, label) pairs.
        path: the file, for the messages.
        labels_as_text: accept labels of mixed types, such as "3" beside "more than 3".

    Returns:
        A list of str.

    Raises:
        ValueError: for missing labels, labels of mixed types, labels that look alike (they differ
            in case, quotes, leading zeros or width), a list of labels, or a single class.

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
        raise ValueError(f"{path}, line {line}: expected a label, received {reprlib.repr(label)}.")
    if len(kinds) > 1 and not labels_as_text:
        raise ValueError(_mixed(kinds, path))
    names = [canonical(label) for _, label in rows]
    if not labels_as_text:
        lines = {}
        for name, (line, _) in zip(names, rows, strict=True):
            lines.setdefault(name, line)
        _refuse_alike(lines, path)
    if len(set(names)) == 1:
        raise ValueError(
            f"{path}: all {len(names)} rows have the same label {names[0]!r:.60}; a classifier "
            "needs at least two classes. Is it the right column?"
        )
    return names


def _mixed(kinds, path):
    found = "; ".join(
        f"{kind} such as {reprlib.repr(seen[0][1])} in line {seen[0][0]} ({len(seen)} rows)"
        for kind, seen in kinds.items()
    )
    return (
        f"{path}: labels of mixed types: {found}. Write each class in one way, or pass "
        f"{option_to_pass(path, 'labels_as_text', True)} if they are meant."
    )


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
    joined, lines = [], {}
    for line, own in rows:
        if not isinstance(own, list):
            own = [] if is_missing(own) else str(own).split(separator)
        names = {"" if isinstance(one, list | dict | None) else canonical(one) for one in own}
        if wrong := [one for one in names if not one or separator in one]:
            other = option_to_pass(path, "label_separator", ";")
            raise ValueError(
                f"{path}, line {line}: expected labels such as 'grain{separator}wheat' or "
                f'["grain", "wheat"], received {reprlib.repr(own)}, with the label '
                f"{wrong[0]!r:.60}. Correct the row, or pass {other} if another sign stands "
                "between them."
            )
        joined.append(separator.join(sorted(names)))
        lines |= dict.fromkeys(names, line)
    if not lines:
        raise ValueError(f"{path}: none of the {len(joined)} rows has a label.")
    if not labels_as_text:
        _refuse_alike(lines, path)
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


def _refuse_alike(lines, path):
    """Refuse labels that a reader takes for the same: {label: a line on which it stands}."""
    spellings = defaultdict(list)
    for name in lines:
        spellings[_looks(name)].append(name)
    for variants in spellings.values():
        if len(variants) > 1:
            odd = any(name.translate(_JOINERS) != name for name in variants)
            shown = ascii if odd else repr  # as codes where the letters show less than they are
            listed = ", ".join(
                f"{shown(name):.60} in line {lines[name]}" for name in sorted(variants)
            )
            raise ValueError(
                f"{path}: the labels {listed} look alike: write each class in one way, or pass "
                f"{option_to_pass(path, 'labels_as_text', True)} if they are meant."
            )
