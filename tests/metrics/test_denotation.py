"""Queries by what they return: a dump of MySQL in SQLite, and who is right."""

import sqlite3

import pytest

from kerasllm import datasets
from kerasllm.metrics.denotation import (
    Denotation,
    database_of_dump,
    denotation,
    denotation_metrics,
    same_denotation,
)

DUMP = r"""-- MySQL dump 10.13
/*!40101 SET NAMES utf8 */;
DROP TABLE IF EXISTS `city`;
CREATE TABLE `city` (
  `name` varchar(40) NOT NULL DEFAULT 'x',
  `people` int(11) DEFAULT NULL,
  `area` decimal(8,2),
  PRIMARY KEY (`name`),
  KEY `by` (`people`)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;
LOCK TABLES `city` WRITE;
INSERT INTO `city` VALUES ('Rome',7,1.5),('O\'Hare; (x)',NULL,2),('a\\b\nc',3,NULL);
INSERT INTO `city` VALUES ('it''s',11,0.5);
UNLOCK TABLES;
"""


@pytest.fixture
def base(tmp_path):
    (tmp_path / "dump.sql").write_text(DUMP, encoding="utf-8")
    return database_of_dump(tmp_path / "dump.sql")


def test_a_dump_becomes_tables_with_its_rows(base):
    rows = base.execute("SELECT name, people, area FROM city").fetchall()
    assert rows == [("Rome", 7, 1.5), ("O'Hare; (x)", None, 2), ("a\\b\nc", 3, None),
                    ("it's", 11, 0.5)]  # fmt: skip
    assert denotation(base, "SELECT people FROM CITY WHERE name = 'rome'").rows == [(7,)]


def test_a_file_without_tables_is_refused(tmp_path):
    (tmp_path / "a.sql").write_text("SELECT 1;")
    with pytest.raises(ValueError, match="a dump with CREATE TABLE, found none"):
        database_of_dump(tmp_path / "a.sql")


def test_a_query_that_does_not_run_says_why(base):
    assert denotation(base, "SELECT absent FROM city").error == "no such column: absent"
    assert denotation(base, "SELECT name FROM").error == "incomplete input"
    assert denotation(base, "").rows == []
    assert denotation(base, "SELECT 1; SELECT 2").rows is None


@pytest.mark.parametrize(
    "query",
    ["DROP TABLE city", "DELETE FROM city", "INSERT INTO city VALUES ('x', 1, 1)",
     "UPDATE city SET people = 0", "ATTACH 'x.db' AS x", "PRAGMA user_version = 3"],
)  # fmt: skip
def test_nothing_is_changed(base, query):
    assert denotation(base, query).rows is None
    assert base.execute("SELECT count(*), sum(people) FROM city").fetchall() == [(4, 21)]


def test_a_query_without_end_is_broken_off(base):
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    assert denotation(base, endless, seconds=0.1) == Denotation(None, "took too long")
    assert denotation(base, "SELECT 1").rows == [(1,)]


def test_rows_are_a_multiset_unless_they_are_ordered():
    a, b = Denotation([(1,), (2,), (2,)]), Denotation([(2,), (1,), (2,)])
    assert same_denotation(a, b) and not same_denotation(a, b, ordered=True)
    assert not same_denotation(a, Denotation([(1,), (2,)]))
    assert same_denotation(Denotation([(7,)]), Denotation([(7.0,)]))
    assert not same_denotation(Denotation([]), Denotation(None, "why"))
    assert not same_denotation(Denotation(None, "why"), Denotation(None, "why"))


def test_queries_are_right_by_what_they_find(base):
    true = ["SELECT name FROM city WHERE people > 5", "SELECT name FROM city ORDER BY people",
            "SELECT 1", "SELECT wrong FROM city"]  # fmt: skip
    said = ["SELECT name FROM city WHERE people > 6", "SELECT name FROM city ORDER BY area",
            "SELEC 1", "SELECT 1"]  # fmt: skip
    scores = denotation_metrics(base, true, said)
    assert scores["denotation"] == 0.25 and scores["runs"] == 0.75 and scores["unfair"] == 1
    assert scores["errors"] == [("SELEC 1", 'near "SELEC": syntax error')]


def test_geoquery_runs_in_sqlite(data_root):
    base = database_of_dump(datasets.get("geoquery_sql") / "geography-db.sql")
    sizes = [base.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("state", "city")]
    assert sizes == [51, 386]
    queries = [pair.target for pair in datasets.load("geoquery_sql", split="test")]
    scores = denotation_metrics(base, queries, queries)
    assert scores["unfair"] == 2 and scores["denotation"] == 277 / 279
    assert isinstance(base, sqlite3.Connection)
