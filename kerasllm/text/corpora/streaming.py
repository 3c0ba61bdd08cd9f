"""Reading text that does not fit into memory: files, in pieces of bounded size.

A *piece* is `(text, ends)`: `ends` tells whether a document ends with it. A long document comes in
several pieces, so memory does not grow with the file.
"""

import io
from pathlib import Path

from kerasllm.text.tokenizers.special import check_text
from kerasllm.utils.errors import check_choice, nearest

UNITS = ("line", "document", "file")
PIECE = 1 << 15  # characters: from this size on a document is cut where that changes no token
LONGEST = 1 << 18  # and at this size anywhere


def check_file(path, unit="line"):
    """Return the path of a text file that can be read, or say what is wrong.

    Raises:
        FileNotFoundError: there is no such file (the nearest name is suggested).
        ValueError: the file is empty, or `unit` is unknown.
    """
    path = Path(path)
    check_choice("unit", unit, UNITS)
    if not path.is_file():
        beside = [file.name for file in path.parent.glob("*")] if path.parent.is_dir() else []
        raise FileNotFoundError(
            f"expected a text file at '{path}', found none.{nearest(path.name, beside)}"
        )
    if path.stat().st_size == 0:
        raise ValueError(f"expected text in '{path}', the file is empty; check how it was made")
    return path


def read_pieces(path, unit="line"):
    r"""Read a UTF-8 file piece by piece.

    Args:
        path: a text file.
        unit: what a document is: `line` (empty ones are skipped), `document` (separated by empty
            lines) or `file` (all of it, line ends kept).

    Raises:
        ValueError: the file is not UTF-8; names the byte.
    """
    path = check_file(path, unit)
    try:
        with path.open(encoding="utf-8", newline="\n" if unit == "file" else None) as file:
            lines = iter(lambda: file.readline(LONGEST), "")
            yield from {"line": _lines, "document": _documents, "file": _file}[unit](lines)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"expected '{path}' in UTF-8, received byte {error.object[error.start]:#04x}, which "
            f"is none; convert it, for example with `iconv -f GB18030 -t UTF-8 FILE` (Chinese) or "
            f"`iconv -f CP1252 -t UTF-8 FILE` (Western Europe)"
        ) from None


def _lines(lines):
    inside = False  # of a line that came without its end: it is longer than LONGEST
    for line in lines:
        ends = line.endswith("\n") or len(line) < LONGEST
        if inside or line.strip():
            yield line.rstrip("\n"), ends
            inside = not ends
    if inside:  # the last line is as long as LONGEST and has no line end
        yield "", True


def _documents(lines):
    held, size, inside = [], 0, False  # inside: a part of this document has been given out
    for line in lines:
        if not line.strip():
            if held or inside:
                yield "".join(held).rstrip("\n"), True
            held, size, inside = [], 0, False
            continue
        if _may_cut(held, line, size):
            yield "".join(held), False
            held, size, inside = [], 0, True
        held.append(line)
        size += len(line)
    if held or inside:
        yield "".join(held).rstrip("\n"), True


def _file(lines):
    held, size = [], 0
    for line in lines:
        if _may_cut(held, line, size):
            yield "".join(held), False
            held, size = [], 0
        held.append(line)
        size += len(line)
    yield "".join(held), True


def _may_cut(held, line, size):
    r"""Tell whether a cut before this line is due and changes no token.

    Between "x\n" and "y" no tokenizer has a token that spans the cut.
    """
    harmless = held and held[-1][-2:-1].strip() and line[:1].strip()
    return size >= LONGEST or bool(size >= PIECE and harmless)


def text_pieces(texts):
    """Cut texts longer than `PIECE` characters; each text is a document."""
    for number, text in enumerate(texts):
        check_text(text, f" at position {number}")
        if len(text) <= PIECE:
            yield text, True
        else:
            lines = io.StringIO(text)
            yield from _file(iter(lambda lines=lines: lines.readline(LONGEST), ""))


def sample_texts(path, characters=10_000_000, blocks=64):
    """Read evenly spaced parts of a large file, enough to train a tokenizer on.

    Args:
        path: a UTF-8 text file.
        characters: about so many are read; a smaller file is read completely.
        blocks: number of places that are looked at.

    Returns:
        Iterator over lines, with their line ends.
    """
    path = check_file(path)
    size = path.stat().st_size
    if size <= characters:
        yield from (text for text, _ in read_pieces(path, "file"))
        return
    share = characters // blocks
    with path.open("rb") as file:
        for block in range(blocks):
            file.seek(block * size // blocks)
            if block:
                file.readline(LONGEST)  # the rest of a line, perhaps of a character
            end = file.tell() + share
            while file.tell() < end and (line := file.readline(LONGEST)):
                yield line.decode("utf-8", "ignore")
