"""Files as rows: decoding and parsing, with an error that says where a file is broken."""

import csv
import io
import json
import os
import re
import reprlib
from pathlib import Path

from kerasllm.datasets.files.encodings import encoding_hint
from kerasllm.utils.errors import short
from kerasllm.utils.json_text import parsed_json

_OTHER_KINDS = {
    b"PK\x03\x04": "a zip or Excel file",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a SQLite database",
    b"PAR1": "a Parquet file",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
}
_MAX_FIELD = 2**31 - 1


def read_text(path, encoding=None):
    """Return the content of a text file, without a byte-order mark, with one kind of line end.

    Args:
        path: file path.
        encoding: name of the encoding; left out: UTF-8.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is a folder, empty, not text, or not in this encoding.
    """
    path = Path(path)
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder; expected a file.")
    data = _bytes_of(path)
    if not data.strip():
        raise ValueError(f"{path} is empty; expected a text file with at least one text.")
    refuse_other_kinds(path, data)
    text = _decode(data, encoding, path)
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def refuse_other_kinds(path, data=None):
    """Raise for a file that is packed, or another program's."""
    if data is None and not os.path.isfile(path):
        return
    data = _bytes_of(path) if data is None else data
    for start, kind in _OTHER_KINDS.items():
        if data.startswith(start):
            raise ValueError(f"{path} is {kind}, not text: unpack it or export it as csv or txt.")


def _bytes_of(path):
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f"{path} is no file that can be read twice: save it as one.")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        where = path.absolute().parent
        raise FileNotFoundError(f"There is no file {path} (looked in {where}).") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise ValueError(f"{str(path)!r} is no name of a file.") from None


def _decode(data, encoding, path):
    try:
        text = data.decode(encoding or "utf-8")
        text.encode("utf-8")  # some encodings give halves of characters
        return text
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = data[error.start : error.start + 4].hex(" ")
        raise ValueError(
            f"{path} is not {encoding or 'UTF-8'}: byte {error.start} in line {line} starts "
            f"{found}. {encoding_hint(data, error.start, path)}"
        ) from None
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise ValueError(
            f"{path}, line {line}: {encoding!r} gives half of a character there: it is another "
            "encoding, or the file is damaged."
        ) from None
    except (LookupError, TypeError, ValueError):
        raise ValueError(
            f"There is no encoding {encoding!r} of text, or {path} is not in it; common ones are "
            "'utf-8', 'gb18030', 'utf-16' and 'cp1252'."
        ) from None


def delimited(path, encoding=None, delimiter=None, header=True):
    """Return the rows of a csv or tsv file as (line number, dict) pairs, and facts.

    Quotes follow RFC 4180: `"` around a field that holds the delimiter or a line end, doubled
    inside. In a tab-separated file a `"` is a character like any other, unless it opens a field
    that closes with one. A first line `sep=;`, which spreadsheets write, names the delimiter.

    Args:
        path: file path.
        encoding: of the file; left out: UTF-8.
        delimiter: a character; left out: that of the line `sep=`, else a comma.
        header: whether the first line names the columns; else their names, such as "label,text",
            or False to call them "1", "2" and so on.

    Raises:
        ValueError: for a doubled column name, a row of another length, or an unclosed quote.
    """
    text, first = read_text(path, encoding), 1
    if marked := _MARKED.match(text):
        text, first, delimiter = text[marked.end() :], 2, delimiter or marked[1]
    delimiter = _checked_delimiter(delimiter or ",")
    rows = _tsv_rows(text, first) if delimiter == "\t" else _csv_rows(text, first, delimiter, path)
    if not rows:
        raise ValueError(f"{path} holds blanks alone; expected rows of texts.")
    names = _names(rows[0][1], header)
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{path}: the header names {reprlib.repr(repeated)} more than once.")
    _check_lengths(rows, names, delimiter, path)
    body = rows[1:] if header is True else rows
    kept = [row for row in body if header is not True or [f.strip() for f in row[1]] != names]
    facts = {"headers_repeated": len(body) - len(kept)}
    return [(line, dict(zip(names, row, strict=True))) for line, row in kept], facts


_MARKED = re.compile(r'"?sep=(.)"?\n', re.IGNORECASE)


def _checked_delimiter(delimiter):
    delimiter = {"\\t": "\t", "tab": "\t"}.get(delimiter, delimiter)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ValueError(
            f"expected delimiter to be one character, such as ';' or 'tab', received {delimiter!r}."
        )
    return delimiter


def _names(first, header):
    """Return the names of the columns: of the first row, as given, or their numbers."""
    if header is True:
        return [name.strip() for name in first]
    if header is False:
        return [str(number) for number in range(1, len(first) + 1)]
    return [name.strip() for name in header.split(",")]


def _check_lengths(rows, names, delimiter, path):
    header = reprlib.repr(names)
    for line, row in rows:
        if len(row) != len(names):
            raise ValueError(
                f"{path}, line {line}: expected {len(names)} fields as in the header {header}, "
                f"received {len(row)}: {short(delimiter.join(row))} Put quotes around a field "
                f"that holds {delimiter!r}, and a header line first."
            )


def _tsv_rows(text, first):
    lines = enumerate(text.split("\n"), first)
    return [(n, [_unquoted(f) for f in line.split("\t")]) for n, line in lines if line.strip()]


def _unquoted(field):
    if len(field) >= 2 and field[0] == field[-1] == '"':
        return field[1:-1].replace('""', '"')
    return field


def _csv_rows(text, first, delimiter, path):
    old_limit = csv.field_size_limit(_MAX_FIELD)  # the default refuses a text of 131,072 letters
    try:
        reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter, strict=True)
        rows, line = [], first
        for row in reader:
            if any(field.strip() for field in row):
                rows.append((line, row))
            line = reader.line_num + first
        return rows
    except csv.Error as error:
        raise ValueError(
            f"{path}: the row from line {line} on cannot be read ({error}). A quote that opens a "
            'field must close it; write a quote inside a quoted field twice: "".'
        ) from None
    finally:
        csv.field_size_limit(old_limit)


def json_rows(path, encoding=None):
    """Return the objects of a jsonl file (or of a json list) as (line number, dict) pairs.

    Raises:
        ValueError: for a line that is not a JSON object.
    """
    text = read_text(path, encoding)
    if text.lstrip().startswith("["):
        rows = list(zip(_item_lines(text), parsed_json(text, path), strict=False))
    else:
        lines = enumerate(text.split("\n"), 1)
        rows = [(number, parsed_json(line, path, number)) for number, line in lines if line.strip()]
    for number, row in rows:
        if not isinstance(row, dict):
            raise ValueError(
                f"{path}, line {number}: expected a JSON object such as "
                f'{{"text": "...", "label": "..."}}, received {reprlib.repr(row)}.'
            )
    return rows, {}


_GAP = re.compile(r"[\s,]*")


def _item_lines(text):
    """Yield the line on which each item of a JSON list begins."""
    decode, place, line = json.JSONDecoder().raw_decode, text.index("[") + 1, 1
    line += text.count("\n", 0, place)
    while True:
        start = _GAP.match(text, place).end()
        line += text.count("\n", place, start)
        if text[start] == "]":
            return
        yield line
        place = decode(text, start)[1]
        line += text.count("\n", start, place)
