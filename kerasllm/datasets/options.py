"""Options of a data set in one string with its name: `reviews.csv?text=review&label=stars`.

At a terminal, and in a run's config.json, a data set is one string; this is how it says which
columns, encoding or domain are meant.
"""

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, quote

from kerasllm.utils.errors import is_at_terminal

# Taken as they are: columns may be called 1 or true.
_TEXT = {
    "text", "text_b", "label", "source", "target", "delimiter", "label_separator", "encoding",
    "name", "validation", "test", "format", "language",
}  # fmt: skip
_RESERVED = set("%&+#'\t\n")
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_RESERVED_NAMES = ("split", "path", "name_or_path")  # said otherwise
_WORDS = {"true": True, "false": False}


def with_options(name_or_path):
    """Return (name or path, dict of options) of what the user wrote.

    Raises:
        ValueError: for an empty name, or an option without a value.

    Example:
        >>> with_options("reviews.csv?text=review&encoding=gb18030&drop_unlabelled=true")
        ('reviews.csv', {'text': 'review', 'encoding': 'gb18030', 'drop_unlabelled': True})
    """
    if isinstance(name_or_path, str) and not name_or_path.strip():
        raise ValueError(
            "expected the name of a data set (`kerasllm data list`) or the path of a file, "
            f"received {name_or_path!r}."
        )
    if not isinstance(name_or_path, str | Path) or os.path.exists(name_or_path):
        return name_or_path, {}
    name, mark, query = str(name_or_path).partition("?")
    if not mark:
        return name_or_path, {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise ValueError(
            f"expected options such as {name}?text=review&label=stars, received {query!r} behind "
            "the question mark."
        ) from None
    if wrong := [key for key, _ in pairs if key in _RESERVED_NAMES]:
        raise ValueError(f"{wrong[0]!r} is no option of {name}: leave it out.")
    names = [key for key, _ in pairs]
    if twice := {key for key in names if names.count(key) > 1}:
        raise ValueError(f"{name} has the option {min(twice)!r} twice: leave one of them out.")
    return name, {key: value if key in _TEXT else _value(value) for key, value in pairs}


def _value(text):
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    return int(text) if _WHOLE.fullmatch(text) else text


def option_to_pass(path, name, value):
    r"""Return how an option is passed: in Python, or at a terminal where the user is there.

    Example:
        >>> print(option_to_pass("a.csv", "delimiter", "\t"))
        delimiter='\t'
        >>> from kerasllm.utils.errors import at_terminal
        >>> with at_terminal():
        ...     print(option_to_pass("a.csv", "delimiter", "\t"))
        'a.csv?delimiter=%09'
    """
    if not is_at_terminal():
        return f"{name}={value!r}"
    written = value if isinstance(value, str) else str(value).lower()
    written = "".join(quote(c) if c in _RESERVED else c for c in written)
    return f"'{path}?{name}={written}'"
