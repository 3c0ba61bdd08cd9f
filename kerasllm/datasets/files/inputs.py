"""Files of texts without answers, as a trained model reads them: an input for every row or line."""

import reprlib
from pathlib import Path

from kerasllm.datasets.files.reading import FORMATS
from kerasllm.datasets.files.tables import delimited, json_rows, read_text
from kerasllm.datasets.options import option_to_pass, with_options
from kerasllm.utils.errors import check_choice, nearest

KINDS = ("csv", "tsv", "jsonl", "txt", "tokens", "conll")


def read_inputs(file, columns=("text",)):
    r"""Return the raw inputs in a file, in its order; an empty row is one too.

    csv, tsv, json and jsonl hold them in columns, txt a text a line. Sentences that are words
    already: `tokens`, a sentence a line with blanks between its words; `conll`, a word a line and
    an empty line between sentences; or a list in jsonl.

    Args:
        file: path, with options behind a question mark: another name of a column
            (`reviews.csv?text=review`), `format` (one of `KINDS`), `encoding`, `delimiter`,
            `header`.
        columns: names of what the model reads, such as ("text", "text_b").

    Returns:
        A list of texts, lists of words, or tuples of texts where there are several columns.

    Raises:
        FileNotFoundError, ValueError: the file cannot be read, or lacks a column.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "questions.csv"
        ...     _ = path.write_text("question,context\\nWho came?,Ada came.\n", encoding="utf-8")
        ...     read_inputs(path, ("question", "context"))
        [('Who came?', 'Ada came.')]
    """
    path, options = with_options(str(file))
    path = Path(path)
    kind = options.pop("format", FORMATS.get(path.suffix.lower(), "txt"))
    check_choice("format", kind, KINDS)
    encoding = options.pop("encoding", None)
    names = [str(options.pop(name, name)) for name in columns]
    own = {key: options.pop(key) for key in ("delimiter", "header") if key in options}
    if options:
        known = (*columns, "format", "encoding", "delimiter", "header")
        raise TypeError(
            f"{path}: there is no option {min(options)!r}; there are {sorted(known)}."
            + nearest(min(options), known)
        )
    if kind in ("csv", "tsv", "jsonl"):
        return _of_columns(path, kind, encoding, names, own)
    if len(names) > 1:
        raise ValueError(
            f"{path}: expected the columns {names}, which {kind} does not have: use csv or jsonl."
        )
    return _of_lines(read_text(path, encoding), kind)


def _of_columns(path, kind, encoding, names, options):
    if kind == "jsonl":
        rows, _ = json_rows(path, encoding)
    else:
        rows, _ = delimited(
            path, encoding, **{"delimiter": "\t"} if kind == "tsv" else {}, **options
        )
    found = list(dict.fromkeys(name for _, row in rows for name in row))
    for name in names:
        if name not in found:
            raise ValueError(
                f"{path} has no column {name!r}; it has {reprlib.repr(found)}."
                f"{nearest(name, found)} Pass its name: "
                f"{option_to_pass(path, name, found[0] if found else 'NAME')}."
            )
    inputs = [tuple(_checked(path, line, row.get(name)) for name in names) for line, row in rows]
    return [row[0] for row in inputs] if len(names) == 1 else inputs


def _checked(path, line, value):
    """Return a cell, after a check that it is a text, or a sentence in words."""
    if value is None:
        return ""
    if isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(v, str) for v in value)
    ):
        return value
    raise ValueError(f"{path}, line {line}: expected text, received {reprlib.repr(value)}.")


def _of_lines(text, kind):
    lines = text.removesuffix("\n").split("\n")
    if kind == "txt":
        return lines
    if kind == "tokens":
        return [line.split() for line in lines]
    sentences = [[]]
    for line in lines:
        if line.strip():
            sentences[-1].append(line.split()[0])
        elif sentences[-1]:
            sentences.append([])
    return sentences if sentences[-1] else sentences[:-1]
