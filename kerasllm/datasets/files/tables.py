"""Files as rows: decoding and parsing, with an error that says where a file is broken."""

import csv
import io
import json
from pathlib import Path

from kerasllm.datasets.files.encodings import encoding_hint

_OTHER_KINDS = {
    b"PK\x03\x04": "a zip or Excel file",
    b"\x1f\x8b": "a gzip file",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a SQLite database",
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
    if path.is_dir():
        raise ValueError(f"{path} is a folder; expected a file.")
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path} (looked in {path.absolute().parent}).")
    data = path.read_bytes()
    if not data.strip():
        raise ValueError(f"{path} is empty; expected a text file with at least one text.")
    for start, kind in _OTHER_KINDS.items():
        if data.startswith(start):
            raise ValueError(f"{path} is {kind}, not text: unpack it or export it as csv or txt.")
    text = _decode(data, encoding, path)
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _decode(data, encoding, path):
    try:
        return data.decode(encoding or "utf-8")
    except LookupError:
        raise ValueError(
            f"There is no encoding {encoding!r}; common ones are 'utf-8', 'gb18030', 'utf-16' and "
            "'latin-1'."
        ) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = data[error.start : error.start + 4].hex(" ")
        raise ValueError(
            f"{path} is not {encoding or 'UTF-8'}: byte {error.start} in line {line} starts "
            f"{found}. {encoding_hint(data, error.start, path)}"
        ) from None


def delimited(path, delimiter=",", encoding=None):
    """Return the rows of a csv or tsv file with a header line, as (line number, dict) pairs.

    Quotes follow RFC 4180: `"` around a field that holds the delimiter or a line end, doubled
    inside. In a tab-separated file a `"` is a character like any other, unless it opens a field
    that closes with one.

    Raises:
        ValueError: for a doubled column name, a row of another length, or an unclosed quote.
    """
    text = read_text(path, encoding)
    if delimiter == "\t":
        lines = enumerate(text.split("\n"), 1)
        rows = [(n, [_unquoted(f) for f in line.split("\t")]) for n, line in lines if line.strip()]
    else:
        rows = _csv_rows(text, delimiter, path)
    header = [name.strip() for name in rows[0][1]]
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise ValueError(f"{path}: the header names {repeated} more than once: {header}.")
    for line, row in rows:
        if len(row) != len(header):
            raise ValueError(
                f"{path}, line {line}: expected {len(header)} fields as in the header {header}, "
                f"received {len(row)}: {short(delimiter.join(row))} Put quotes around a field "
                f"that holds {delimiter!r}, and a header line first."
            )
    return [(line, dict(zip(header, row, strict=True))) for line, row in rows[1:]]


def _unquoted(field):
    if len(field) >= 2 and field[0] == field[-1] == '"':
        return field[1:-1].replace('""', '"')
    return field


def _csv_rows(text, delimiter, path):
    old_limit = csv.field_size_limit(_MAX_FIELD)  # the default refuses a text of 131,072 letters
    try:
        reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter, strict=True)
        rows, line = [], 1
        for row in reader:
            if any(field.strip() for field in row):
                rows.append((line, row))
            line = reader.line_num + 1
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
        rows = [(n, row) for n, row in enumerate(_json(text, path, 1), 1)]
    else:
        lines = enumerate(text.split("\n"), 1)
        rows = [(number, _json(line, path, number)) for number, line in lines if line.strip()]
    for number, row in rows:
        if not isinstance(row, dict):
            raise ValueError(
                f"{path}, line {number}: expected a JSON object such as "
                f'{{"text": "...", "label": "..."}}, received {short(json.dumps(row))}'
            )
    return rows


def _json(line, path, number):
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}, line {number}: not valid JSON at column {error.colno} ({error.msg}): "
            f"{short(line)} Expected one JSON object a line."
        ) from None


def short(text, length=60):
    """Return a text, or its beginning, as it stands in a message."""
    return repr(text if len(text) <= length else text[:length] + "…") + "."
