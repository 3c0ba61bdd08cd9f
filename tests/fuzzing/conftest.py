"""Files as nobody should write them, and what may come of it.

A reader reads right examples, or raises by a statement of this package an error that names the file
or the option: no IndexError, no sentence of a library. `python -m tests.long readers` tries far
more than the suite does.
"""

import json
import linecache
import os
import traceback
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

import kerasllm

INPUTS = int(os.environ.get("KERASLLM_INPUTS", "200"))  # for each reader
OURS = str(Path(kerasllm.__file__).parent)
TRIED = Counter()  # (reader, how it ended): how often
NASTY = [
    b"\xff\xfe", b"\0", b"\xed\xa0\x80", b"\xff", b"\xef\xbb\xbf", b"\x1a", b"\x0c", b"\r", b"\r\n",
    b"\n", b"\n\n", b"\t", b" ", b",", b";", b'"', b'""', b"'", b"|", b"{", b"}", b"[", b"]", b":",
    b"{}", b"[]", b"null", b"NaN", b"1e999", b"-0", b"true", b"7" * 5000, b"[" * 3000,
    b'{"a":' * 2000, b"\\ud800", b"\\", b"#", b"# x", b"-DOCSTART- O\n", b"__label__", b"1-2\t",
    b"2.1\t", b"B-X", b"I-", b"O", b"o", b"sep=;\n", b"text,label\n", b'"label"', b'"text"',
    b"PK\3\4",
    *(c.encode() for c in "\u3000\u00a0\u200b\u2028\u0085\ufeff\u0301éé好👩‍👧"),
]  # fmt: skip

EDITS = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 12), st.sampled_from(NASTY)), max_size=4
)


def edited(seed, edits):
    """Return bytes in which pieces are cut out and others put in."""
    for place, removed, added in edits:
        place %= len(seed) + 1
        seed = seed[:place] + added + seed[place + removed :]
    return seed


def is_ours(error, names):
    """Return whether an error was raised by a statement of this package, and names the cause."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    line = linecache.getline(last.filename, last.lineno).strip()
    kind = type(error)
    plain = kind in (ValueError, TypeError, FileNotFoundError) or "kerasllm" in kind.__module__
    raised = last.filename.startswith(OURS) and line.startswith("raise")
    return plain and raised and any(name in str(error) for name in names) and len(str(error)) < 2000


def tried(reader, read, names):
    """Read, and count how it ended."""
    try:
        read()
    except Exception as error:
        if not is_ours(error, names):
            raise
        TRIED[reader, "refused"] += 1
        TRIED[reader, "with its line"] += "line " in str(error)
    else:
        TRIED[reader, "read"] += 1


def many(count):
    """Return settings for so many inputs, the same ones in each run."""
    return settings(
        max_examples=count, derandomize=True, database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@pytest.fixture(scope="session")
def fuzz():
    """Return the helpers, and write down how often each reader was tried where asked to."""
    yield SimpleNamespace(
        inputs=INPUTS, tried=tried, counts=TRIED, edits=EDITS, edited=edited, many=many
    )
    if file := os.environ.get("KERASLLM_RECORD"):
        found = {}
        for (reader, ending), count in sorted(TRIED.items()):
            found.setdefault(reader, {})[ending] = count
        Path(file).write_text(json.dumps(found))
