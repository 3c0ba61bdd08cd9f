"""Reports: the verdict of a row, and its four forms."""

import io
import json
import math

import numpy as np
import pytest
from rich.console import Console

from kerasllm.verify.comparison.report import Report, Row, compare_arrays


def test_a_row_measures_the_largest_difference_against_the_largest_value():
    row = compare_arrays("layer", "output", [1.0, 2.0, 4.0], [1.0, 2.5, 5.0], bar=0.25)
    assert row.max_abs == 1.0
    assert row.max_rel == 0.2
    assert row.ok
    assert not compare_arrays("layer", "output", [4.0], [5.0], bar=0.1).ok


def test_digits_count_the_decimals_that_agree():
    assert compare_arrays("", "", [1.001], [1.0], bar=1).digits == pytest.approx(3, abs=0.01)
    assert compare_arrays("", "", [1.0], [1.0], bar=0).digits == 16
    assert compare_arrays("", "", [5.0], [1.0], bar=1).digits == 0


def test_rounding_noise_agrees_with_zero():
    assert compare_arrays("", "", [1e-16, 0.0], [0.0, 0.0], bar=1e-10).ok
    assert not compare_arrays("", "", [1e-3, 0.0], [0.0, 0.0], bar=1e-10).ok


@pytest.mark.parametrize(
    ("ours", "expected", "note"),
    [
        (np.ones(3), np.ones(4), "shape (3,), expected (4,)"),
        ([1.0, np.nan], [1.0, 2.0], "NaN or infinity differs"),
        ([1.0, 2.0], [1.0, np.inf], "NaN or infinity differs"),
    ],
)
def test_what_cannot_be_compared_fails_and_says_why(ours, expected, note):
    row = compare_arrays("layer", "output", ours, expected, bar=1.0)
    assert not row.ok
    assert row.note == note
    assert row.max_rel == math.inf


def test_infinities_at_the_same_places_agree():
    assert compare_arrays("", "", [-np.inf, 1.0], [-np.inf, 1.0], bar=0).ok


def test_a_report_passes_only_if_every_row_does():
    good = compare_arrays("good", "output", [1.0], [1.0], bar=0)
    bad = compare_arrays("bad", "output", [1.0], [2.0], bar=0)
    assert Report([good]).ok
    assert not Report([good, bad]).ok
    assert Report([good, bad]).failures == (bad,)
    assert not Report([]).ok  # nothing was proven
    assert "1 of 2 rows pass" in Report([good, bad]).summary()


@pytest.fixture
def report():
    rows = [
        Row("a [bold]<b>", "output", 1e-7, 2e-7, 6.7, 1e-5, True, "a note"),
        compare_arrays("b", "d_kernel", [1.0], [np.nan], bar=1e-4),
    ]
    return Report(rows, title="Two <rows>")


def test_text_has_one_line_a_row(report):
    lines = str(report).splitlines()
    assert lines[0] == "Two <rows>"
    assert lines[3].split()[-4:] == ["1e-05", "pass", "a", "note"]
    assert "FAIL" in lines[4]


def test_html_escapes_names_and_marks_failures(report):
    page = report._repr_html_()
    assert "a [bold]&lt;b&gt;" in page
    assert "Two &lt;rows&gt;" in page
    assert page.count("<tr style=") == 1


def test_json_is_strict(report):
    content = json.loads(report.to_json(), parse_constant=lambda text: pytest.fail(text))
    assert content["ok"] is False
    assert content["rows"][0]["max_abs"] == 1e-7
    assert content["rows"][1]["max_abs"] is None


def test_rich_prints_names_as_they_are(report):
    stream = io.StringIO()
    report.print(Console(file=stream, width=200))
    assert "a [bold]<b>" in stream.getvalue()
    assert "1 of 2 rows pass" in stream.getvalue()


def test_a_prompt_shows_a_short_report_whole_and_of_a_long_one_what_fails():
    good = compare_arrays("good", "output", [1.0], [1.0], bar=0)
    bad = compare_arrays("bad", "output", [1.0], [2.0], bar=0)
    assert repr(Report([good, bad], "Two")) == str(Report([good, bad], "Two"))
    long = repr(Report([good] * 100, "Many"))
    assert "100 of 100 rows pass" in long and len(long.splitlines()) == 3
    failing = repr(Report([good] * 100 + [bad], "Many"))
    assert "bad" in failing and "FAIL" in failing and "good  " not in failing


def test_warnings_stand_below_the_table_and_change_no_verdict():
    good = compare_arrays("good", "output", [1.0], [1.0], bar=0)
    report = Report([good], "One", warnings=["lstm <1> loses [bold] the mask"])
    assert report.ok and not Report([good]).warnings
    said = "Warning: lstm <1> loses [bold] the mask"
    assert str(report).splitlines()[-1] == said
    assert said in repr(Report([good] * 100, "Many", report.warnings))
    assert "Warning: lstm &lt;1&gt; loses [bold] the mask</p>" in report._repr_html_()
    assert json.loads(report.to_json())["warnings"] == list(report.warnings)
    stream = io.StringIO()
    report.print(Console(file=stream, width=200))
    assert said in stream.getvalue()


# Entry by entry --------------------------------------------------------------


def test_ulps_are_counted_from_the_expected_number():
    step = 2.0**-52
    assert compare_arrays("", "", [1 + step, 2.0], [1.0, 2 + 6 * step], bar=1).ulps == 3
    assert compare_arrays("", "", np.float32([1.5]), np.float32([1 + 2**-23]), bar=1).ulps == (
        2**22 - 1
    )
    # The coarser of both dtypes counts.
    assert compare_arrays("", "", np.array([1 + 2**-23]), np.float32([1.0]), bar=1).ulps == 1
    assert compare_arrays("", "", [0.0], [0.0], bar=0).ulps == 0


def test_a_lost_tail_fails_by_ulps_alone():
    expected = np.array([1.0, 1e-5])
    ours = expected * [1, 1 + 1e-7]  # seven digits of this entry are not enough: 2^29 steps
    assert compare_arrays("", "", ours, expected, bar=1e-11).ok
    row = compare_arrays("", "", ours, expected, bar=1e-11, ulps_bars={"float64": 2.0**24})
    assert not row.ok and "an entry is 5.9e+08 ulps off" in row.note and "1.68e+07 pass" in row.note
    assert compare_arrays("", "", ours, expected, bar=1e-11, ulps_bars={"float32": 0.0}).ok


def test_the_rounding_of_a_sum_is_no_error_of_its_small_entries():
    expected = np.array([1.0, 2.0**-40])
    assert (
        compare_arrays("", "", expected + np.array([0, 2.0**-53]), expected, bar=1).ulps == 2.0**19
    )
    single = np.float32([1.0, 2.0**-20])
    assert compare_arrays("", "", single + np.float32([0, 2.0**-24]), single, bar=1).ulps == 2**6
