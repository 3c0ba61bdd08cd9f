"""Tables of agreement: what was compared, how far apart it is, and whether that passes.

A `Row` compares two arrays. `max_rel` is norm-relative: the largest difference divided by the
largest expected value, so that an entry which happens to be near zero cannot fail a whole array.
`digits` is how many decimal digits agree by that measure.

`ulps` is entrywise: the largest distance of an entry from the expected one, counted in the steps
from that number to the next one of its dtype. Sums cancel, and what is left of their rounding is no
error of the small entry: one below `SMALL` of the largest is counted in the steps of that size.
"""

import json
import math
from typing import NamedTuple

import numpy as np

from kerasllm.utils.pages import AS_WRITTEN, Markup, element
from kerasllm.utils.tables import Shown, Table
from kerasllm.utils.terminal import console as terminal

# Below this size an expected array counts as zero: a gradient that is zero on paper comes out as
# rounding noise, and noise divided by noise says nothing.
ZERO = 1e-3
SMALL = {"float64": 2.0**-20, "float32": 2.0**-7}  # half the digits, less those of a sum's rounding
SHOWN = 60  # rows up to which a report is shown whole where nobody asked to print it
COLUMNS = ("name", "quantity", "max abs", "max rel", "digits", "bar", "ok", "note")


class Row(NamedTuple):
    """One comparison: `ok` where `max_rel <= bar`, and `ulps <= ulps_bar` where there is one."""

    name: str
    quantity: str
    max_abs: float
    max_rel: float
    digits: float
    bar: float
    ok: bool
    note: str = ""
    ulps: float = 0.0
    ulps_bar: float = math.inf

    def cells(self):
        """Return the row as short strings, one for each of `COLUMNS`."""
        numbers = (f"{self.max_abs:.1e}", f"{self.max_rel:.1e}", f"{self.digits:.1f}")
        verdict = "pass" if self.ok else "FAIL"
        return (self.name, self.quantity, *numbers, f"{self.bar:.0e}", verdict, self.note)


def compare_arrays(name, quantity, ours, expected, bar, note="", ulps_bars=None):
    """Compare two arrays and return a `Row`; `ulps_bars` is {dtype: bar}, of the coarser of both.

    Different shapes or a NaN on one side only are a failed row, never an exception: a report
    should show everything that is wrong.

    Example:
        >>> row = compare_arrays("dense", "output", np.ones(3), np.full(3, 1 + 1e-6), bar=1e-5)
        >>> row.ok, round(row.digits)
        (True, 6)
    """
    ours, expected = np.asarray(ours), np.asarray(expected)
    if ours.shape != expected.shape:
        note = f"shape {ours.shape}, expected {expected.shape}"
        return Row(name, quantity, math.inf, math.inf, 0.0, bar, False, note)
    if not np.array_equal(np.isfinite(ours), np.isfinite(expected)):
        return Row(name, quantity, math.inf, math.inf, 0.0, bar, False, "NaN or infinity differs")
    dtype = "float32" if "float32" in (ours.dtype, expected.dtype) else "float64"
    finite = np.isfinite(expected)
    ours, expected = (np.where(finite, a, 0).astype("float64") for a in (ours, expected))
    max_abs = float(np.max(np.abs(ours - expected), initial=0.0))
    max_rel = max_abs / max(float(np.max(np.abs(expected), initial=0.0)), ZERO)
    digits = 16.0 if max_rel == 0 else min(16.0, max(0.0, -math.log10(max_rel)))
    ulps, ulps_bar = ulps_apart(ours, expected, dtype), (ulps_bars or {}).get(dtype, math.inf)
    if ulps > ulps_bar:
        note = f"an entry is {ulps:.3g} ulps off, {ulps_bar:.3g} pass"
    ok = max_rel <= bar and ulps <= ulps_bar
    return Row(name, quantity, max_abs, max_rel, digits, bar, ok, note, ulps, ulps_bar)


def ulps_apart(ours, expected, dtype="float64"):
    """Return the largest distance of an entry, in steps of the expected number; see `SMALL`.

    Args:
        ours: float64 array.
        expected: float64 array of that shape.
        dtype: "float64" or "float32", whose steps are counted.

    Example:
        >>> ulps_apart(np.array([1.0, 2.0 + 2**-51]), np.array([1.0, 2.0]))
        1.0
    """
    largest = max(float(np.max(np.abs(expected), initial=0.0)), ZERO)
    sizes = np.maximum(np.abs(expected), SMALL[dtype] * largest)
    steps = np.spacing(sizes.astype(dtype)).astype("float64")
    return float(np.max(np.abs(ours - expected) / steps, initial=0.0))


class Report(Shown):
    """A titled table of rows; true agreement is `report.ok`.

    Args:
        rows: the comparisons, in the order in which they are shown.
        title: a heading.
        warnings: sentences on what the rows do not show, such as a mask that a layer ignores in
            Keras and NumPy alike. They stand below the table, and leave `ok` as it is.

    Example:
        >>> row = compare_arrays("dense", "output", np.ones(3), np.ones(3), bar=1e-12)
        >>> report = Report([row], title="One layer")
        >>> report.ok, len(report.rows)
        (True, 1)
    """

    def __init__(self, rows, title="", warnings=()):
        self.rows = tuple(rows)
        self.title = title
        self.warnings = tuple(warnings)

    @property
    def ok(self):
        """Whether there is at least one row and every row passes."""
        return bool(self.rows) and all(row.ok for row in self.rows)

    @property
    def failures(self):
        """The rows that do not pass."""
        return tuple(row for row in self.rows if not row.ok)

    def summary(self):
        """Return one sentence: how many rows pass, and the worst agreement."""
        if not self.rows:
            return "Nothing was compared."
        passed = len(self.rows) - len(self.failures)
        worst = min(self.rows, key=lambda row: row.digits)
        return (
            f"{passed} of {len(self.rows)} rows pass; worst agreement {worst.digits:.1f} digits "
            f"({worst.name}, {worst.quantity})."
        )

    @property
    def table(self):
        """The rows as a `Table`."""
        marks = ["" if row.ok else "bad" for row in self.rows]
        cells = (row.cells() for row in self.rows)
        return Table(COLUMNS, cells, self.title, marks, right=(2, 3, 4, 5))

    def __str__(self):
        return "\n".join([str(self.table), self.summary(), *self._warned()])

    def _warned(self):
        return [f"Warning: {warning}" for warning in self.warnings]

    def __repr__(self):
        if len(self.rows) <= SHOWN:
            return str(self)
        failed = [str(Report(self.failures[:SHOWN], "Those that fail:"))] if self.failures else []
        lines = [self.title, self.summary(), *self._warned(), *failed, "All rows: print(report)"]
        return "\n".join(lines).strip()

    def _repr_html_(self):
        summary = element("p", self.summary(), class_=AS_WRITTEN)
        return Markup(self.table._repr_html_() + summary + self.warned_html())

    def warned_html(self):
        """Return the warnings as paragraphs of HTML, "" if there are none."""
        style = "color:#b26a00;font-weight:bold"
        lines = (element("p", line, style=style, class_=AS_WRITTEN) for line in self._warned())
        return Markup("".join(lines))

    def to_json(self, indent=None):
        """Return the report as JSON text (infinity becomes null: JSON has none)."""
        rows = [
            {k: None if v in (math.inf, -math.inf) else v for k, v in row._asdict().items()}
            for row in self.rows
        ]
        content = {"title": self.title, "ok": self.ok, "warnings": self.warnings, "rows": rows}
        return json.dumps(content, indent=indent, ensure_ascii=False)

    def print(self, console=None):
        """Print the table in colour (rich), to `console` or to the terminal."""
        console = console or terminal()
        self.table.print(console)
        console.print(self.summary(), style="green" if self.ok else "bold red", markup=False)
        for line in self._warned():
            console.print(line, style="bold yellow", markup=False, highlight=False)
