"""One table in every form: text, colour, Markdown, HTML."""

import io

import numpy as np
import pytest
from rich.console import Console

from kerasllm.utils.tables import Shown, Table

NASTY = "<b>|&"


@pytest.fixture
def table():
    rows = [("part", "", ""), ("天气 a", 1234, 0.5), (NASTY, np.int64(7), None)]
    return Table(("name", "rows", "score"), rows, "A <title>", ["heading", "", "bad"])


def test_text_is_aligned_by_what_a_terminal_shows():
    table = Table(("name", "n"), [("天气", 1234), ("b", 7)], "Title")
    assert str(table).splitlines() == [
        "Title",
        "name      n",
        "----  -----",
        "天气  1,234",
        "b         7",
    ]
    assert repr(table) == str(table)


def test_numbers_stand_to_the_right_and_a_score_has_four_decimals():
    table = Table(("a", "b", "c"), [(0.25, 1234.5, "1"), (None, 2, "2")])
    assert table.cells() == [("0.2500", "1,234.50", "1"), ("–", "2", "2")]
    assert table.right == {0, 1}
    assert Table(("a",), [("1",)], right=[0]).right == {0}


def test_markdown_escapes_what_would_end_a_cell(table):
    head, rule, *rows = table.markdown()
    assert (head, rule) == ("| name | rows | score |", "|---|---|---|")
    assert rows[-1] == r"| &lt;b>\|& | 7 | – |"
    assert Table(("a", "b"), [("x", 1)]).markdown()[1] == "|---|---:|"


def test_html_escapes_marks_and_spans(table):
    page = table._repr_html_()
    assert "<caption>A &lt;title&gt;</caption>" in page and "&lt;b&gt;|&amp;" in page
    assert '<tr><th colspan="3">part</th></tr>' in page
    assert page.count("<tr style=") == 1 and "#c62828" in page
    assert '<td class="number">7</td>' in Table(("n",), [(7,)])._repr_html_()


def test_a_table_without_a_head():
    table = Table((), [("a", "b"), ("cc", "d")])
    assert str(table) == "a   b\ncc  d"
    assert "<thead>" not in table._repr_html_()
    assert str(Table((), [])) == ""


def test_colours_at_a_terminal(table):
    stream = io.StringIO()
    table.print(Console(file=stream, width=60, force_terminal=True, color_system="standard"))
    text = stream.getvalue()
    assert "A <title>" in text and NASTY in text and "\x1b[1;31m" in text


def test_columns_that_do_not_fit_are_counted():
    table = Table("abcd", [["long cell"] * 4], right=[1, 3])
    narrow = table.fitting(26)
    assert narrow.columns == ("a", "b") and narrow.right == {1}
    assert narrow.title == "  (2 more columns in a wider terminal)"
    assert table.fitting(200).columns == table.columns


def test_ragged_rows_are_refused():
    for columns, rows in ((("a", "b"), [[1]]), ((), [[1, 2], [3]])):
        with pytest.raises(ValueError, match="rows of 2 cells"):
            Table(columns, rows)


def test_what_has_a_table_shows_itself_by_it():
    class Thing(Shown):
        table = Table(("a",), [("x",)])

    assert str(Thing()) == repr(Thing()) == str(Thing.table)
    assert Thing()._repr_html_() == Thing.table._repr_html_()
