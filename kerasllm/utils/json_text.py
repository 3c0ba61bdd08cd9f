"""JSON that comes from a file: what it stands for, or an error that says where it is broken."""

import json
import re
from pathlib import Path

from kerasllm.utils.errors import short
from kerasllm.utils.files import check_regular

_HALVES = re.compile(r"\\(?:u(d[89ab]..)(\\ud[c-f]..)?|u(d[c-f]..)|.)", re.IGNORECASE | re.DOTALL)
_LONG_NUMBER = re.compile(r"\d{4301,}")  # Python reads no longer one


def parsed_json(text, path, first=1):
    """Return what a JSON text stands for.

    Args:
        text: the text.
        path: the file, for the messages.
        first: the line of the file on which the text begins.

    Raises:
        ValueError: for text that is no JSON, or that cannot be read: a number of more than 4,300
            digits, half of a character, lists in lists without end.

    Example:
        >>> parsed_json('{"a": 1,}', "a.json")
        Traceback (most recent call last):
        ...
        ValueError: a.json, line 1: not valid JSON at column 9 (...): '{"a": 1,}'.
    """
    halves = (m for m in _HALVES.finditer(text) if m[3] or (m[1] and not m[2]))
    if half := next(halves, None):
        raise ValueError(
            f"{_at(path, first, text, half.start())}: {half[0]} is half of a character: write "
            "both halves, or the character itself."
        )
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = text.split("\n")[error.lineno - 1]
        raise ValueError(
            f"{_at(path, first, text, error.pos)}: not valid JSON at column {error.colno} "
            f"({error.msg}): {short(line)}"
        ) from None
    except RecursionError:
        where = _at(path, first, text, _deepest(text))
        raise ValueError(f"{where}: lists or objects are nested too deeply to be read.") from None
    except ValueError:
        found = _LONG_NUMBER.search(text)
        where = _at(path, first, text, found.start() if found else 0)
        raise ValueError(
            f"{where}: a number has more than 4,300 digits: write it in quotes."
        ) from None


def _at(path, first, text, place):
    return f"{path}, line {first + text.count(chr(10), 0, place)}"


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def _deepest(text):
    """Return where lists and objects are nested most deeply."""
    depth, most, place = 0, 0, 0
    for token in _TOKEN.finditer(text):
        depth += (token[0] in "[{") - (token[0] in "]}")
        if depth > most:
            most, place = depth, token.start()
    return place


def read_object(path):
    """Return the object that a JSON file in UTF-8 holds.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or holds something else.
    """
    check_regular(path)
    try:
        content = parsed_json(Path(path).read_text("utf-8"), path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not valid JSON: byte {error.start} is no UTF-8.") from None
    if not isinstance(content, dict):
        raise ValueError(f"expected a JSON object in {path}, received {content!r:.60}.")
    return content
