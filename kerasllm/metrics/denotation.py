"""What queries return: SQL is right where it finds in the database what the true query finds.

- Rows are compared as a multiset, in the order of a query only where the true one has ORDER BY; 7
  and 7.0 are equal, as they are in SQL.
- A query that does not run, runs for too long or would change the database is wrong.
"""

import re
import sqlite3
import time
from collections import Counter
from typing import NamedTuple

from kerasllm.metrics.counts import check_rows

SECONDS = 2.0  # for one query
MOST = 100_000  # rows of an answer at most
_BLOCK = re.compile(
    r"^CREATE TABLE .*?;$|^INSERT INTO .*?;$", re.MULTILINE | re.DOTALL | re.IGNORECASE
)
_STRING = re.compile(r"'((?:[^'\\]|\\.|'')*)'", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "Z": "\x1a"}


class Denotation(NamedTuple):
    """What a query returned.

    Attributes:
        rows: list of tuples; None where it did not run.
        error: why it did not run, or None.
    """

    rows: list | None
    error: str | None = None


def database_of_dump(path):
    """Return an SQLite database in memory with the tables of a MySQL dump.

    `CREATE TABLE` and `INSERT INTO` are taken over: MySQL's options behind a table and its indexes
    are left out, and its escapes in strings are written as SQLite reads them.

    Args:
        path: dump of `mysqldump`.

    Raises:
        ValueError: the dump holds no table, or SQLite cannot read one.
    """
    statements = _BLOCK.findall(path.read_text("utf-8"))
    if not statements:
        raise ValueError(f"{path}: expected a dump with CREATE TABLE, found none.")
    database = sqlite3.connect(":memory:")
    for statement in statements:
        try:
            database.execute(sqlite_of_mysql(statement))
        except sqlite3.Error as error:
            raise ValueError(f"{path}: {error} in {statement[:80]!r}.") from None
    database.commit()
    return database


def sqlite_of_mysql(statement):
    r"""Return a `CREATE TABLE` or `INSERT INTO` of MySQL as SQLite reads it.

    Text compares without regard to case, as MySQL's usual collations do.

    Example:
        >>> print(sqlite_of_mysql("CREATE TABLE `a` (\n  `x` text,\n  KEY `k` (`x`)\n) ENGINE=X;"))
        CREATE TABLE `a` (
          `x` text COLLATE NOCASE
        )
        >>> sqlite_of_mysql(r"INSERT INTO `a` VALUES ('O\'Hare');")
        "INSERT INTO `a` VALUES ('O''Hare')"
    """
    if statement.lstrip()[:6].upper() == "INSERT":
        return _STRING.sub(lambda found: f"'{_unescaped(found[1])}'", statement.rstrip("; \n"))
    first, *columns = statement.split("\n")
    columns = [line.rstrip().rstrip(",") for line in columns if line.lstrip().startswith("`")]
    typed = r"(`\s+(?:text|\w*char)\S*).*"
    columns = [re.sub(typed, r"\1 COLLATE NOCASE", line, flags=re.I) for line in columns]
    columns = [re.sub(r"\b(int|double|float)\(\d+(,\d+)?\)", r"\1", line) for line in columns]
    return "\n".join([first, ",\n".join(columns), ")"])


def _unescaped(text):
    plain = re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text, flags=re.DOTALL)
    return plain.replace("''", "'").replace("'", "''")


def denotation(database, query, seconds=SECONDS):
    """Run a query and return its `Denotation`; nothing is changed, and it ends in time.

    Args:
        database: `sqlite3.Connection`.
        query: one statement that reads.
        seconds: after which it is broken off.

    Example:
        >>> base = sqlite3.connect(":memory:")
        >>> denotation(base, "SELECT 1 + 1"), denotation(base, "SELEC 1").error
        (Denotation(rows=[(2,)], error=None), 'near "SELEC": syntax error')
    """
    end = time.monotonic() + seconds
    database.set_progress_handler(lambda: time.monotonic() > end, 1000)
    database.set_authorizer(_reads_only)
    try:
        rows = database.execute(query).fetchmany(MOST)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        return Denotation(None, "took too long" if "interrupted" in str(error) else str(error))
    finally:
        database.set_progress_handler(None, 0)
        database.set_authorizer(None)
    return Denotation(rows)


_READS = {
    sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE
}  # fmt: skip


def _reads_only(action, *_):
    return sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY


def same_denotation(true, said, ordered=False):
    """Return whether two denotations are equal.

    Args:
        true: `Denotation` of the true query.
        said: of the one that is scored; one that did not run is wrong.
        ordered: whether the order of the rows counts.

    Example:
        >>> same_denotation(Denotation([(1,), (2,)]), Denotation([(2.0,), (1,)]))
        True
    """
    if true.rows is None or said.rows is None:
        return False
    return true.rows == said.rows if ordered else Counter(true.rows) == Counter(said.rows)


def denotation_metrics(database, true, predicted):
    """Score queries by what they return, and name those that do not run.

    Args:
        database: `sqlite3.Connection`.
        true: queries.
        predicted: likewise.

    Returns:
        {"denotation": share that return what the true one does; "runs": share that run; "unfair":
        how many true queries do not run, which count as wrong; "errors": a list of (query, why)}.

    Raises:
        ValueError: no queries, or unequal numbers of them.

    Example:
        >>> scores = denotation_metrics(sqlite3.connect(":memory:"), ["SELECT 2"], ["SELECT 1 + 1"])
        >>> scores["denotation"], scores["runs"]
        (1.0, 1.0)
    """
    check_rows(true, predicted)
    right, errors, unfair = 0, [], 0
    for wanted, said in zip(true, predicted, strict=True):
        found, gold = denotation(database, said), denotation(database, wanted)
        right += same_denotation(gold, found, "order by" in wanted.lower())
        unfair += gold.rows is None
        if found.rows is None:
            errors.append((said, found.error))
    total = len(true)
    runs = 1 - len(errors) / total
    return {"denotation": right / total, "runs": runs, "unfair": unfair, "errors": errors}
