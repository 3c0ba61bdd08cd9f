"""The generator of mutants and the rule that judges survivors; `tests/long` runs them."""

import runpy
import tempfile
from pathlib import Path

import numpy as np
import pytest

TOOL = Path(__file__).parent / "long" / "mutants"
SITES = runpy.run_path(str(TOOL / "sites.py"))
WATCHING = runpy.run_path(str(TOOL / "watching.py"))
TMP = tempfile.gettempdir()
summary, differ = WATCHING["summary"], WATCHING["differ"]


def changes(tmp_path, source, kind=None):
    """Return the lines that mutants of a one-line file make of it."""
    (tmp_path / "x.py").write_text(source, "utf-8")
    found = SITES["sites"](tmp_path, "x.py")
    return [s.planted(source.encode()).decode() for s in found if kind in (None, s.kind)]


@pytest.mark.parametrize(
    ("source", "kind", "expected"),
    [
        ("y = a - b", "operator", ["y = ((a) + (b))"]),
        ("y = a - b", "term", ["y = (a)"]),
        ("y = a @ b", "term", ["y = (a)"]),
        ("y = a * b", "term", ["y = (a)", "y = (b)"]),
        ("y = 'a' + b", None, []),
        ("y = a < b", "operator", ["y = (a) <= (b)"]),
        ("y = a is not None", "operator", ["y = (a) is (None)"]),
        ("y = -x", None, ["y = (x)"]),
        ("y += x", "operator", ["y -= x"]),
        ("y = max(a, b)", None, ["y = min(a, b)"]),
        ("y = np.minimum(a, b)", None, ["y = np.maximum(a, b)"]),
        ("y = a and b", None, ["y = ((a) or (b))", "y = ((b))", "y = ((a))"]),
        ("y = a if c else b", None, ["y = (a)", "y = (b)"]),
        ("y = f(x, axis=-1)", "axis", ["y = f(x, axis=0)"]),
        ("y = f(x, axis=0)", "axis", ["y = f(x, axis=-1)"]),
        ("y = f(x, mask=m, b=c)", "argument", ["y = f(x,  b=c)", "y = f(x, mask=m, )"]),
        ("y = x.T", None, ["y = (x)"]),
        ("y = x.swapaxes(a, b)", "transpose", ["y = (x)"]),
        ("y = ops.transpose(x, p)", "transpose", ["y = (x)"]),
        ("y = x[a:]", "slice", ["y = x[:]"]),
        ("y = x[a:b:c]", "slice", ["y = x[:b:c]", "y = x[a::c]", "y = x[a:b]"]),
        ("y = 7", None, ["y = 8"]),
        ("y = 0.5", None, ["y = 1.0"]),
        ("y = True", None, ["y = False"]),
        ("__all__ = [1]", None, []),
        ("raise ValueError(a + b)", None, []),
        ("y: int = 1", None, ["y: int = 2"]),
        ("y = zip(a, b, strict=True)", None, []),
        ("y = '变' * 1 or x * z", "operator", ["y = (('变' * 1) and (x * z))",
                                              "y = '变' * 1 or ((x) / (z))"]),
    ],
)  # fmt: skip
def test_a_line_becomes(tmp_path, source, kind, expected):
    assert changes(tmp_path, source, kind) == expected


SOURCE = '''"""Doc 1 + 1."""
A = 3


def f(x, n=2):
    """Add 1 + 1."""
    y = x + n
    return y * x
'''


def test_a_site_knows_its_function_and_the_lines_that_tests_must_run(tmp_path):
    (tmp_path / "x.py").write_text(SOURCE, "utf-8")
    found = SITES["sites"](tmp_path, "x.py")
    places = {(s.old, s.kind): (s.function, s.first, s.last) for s in found}
    assert places["3", "constant"] == ("", 1, 8)  # anything in the file
    assert places["2", "constant"] == ("", 6, 8)  # the body of f
    assert places["x + n", "operator"] == ("f", 7, 7)
    assert places["y * x", "operator"] == ("f", 8, 8)
    assert len({s.key for s in found}) == len(found)


def test_a_draw_outlives_changes_elsewhere(tmp_path):
    (tmp_path / "x.py").write_text(SOURCE, "utf-8")
    first = [s.key for s in SITES["draw"](SITES["sites"](tmp_path, "x.py"), seed=1)]
    (tmp_path / "x.py").write_text(SOURCE.replace("A = 3", "\n\nA = 3\nB = 4 * A"), "utf-8")
    second = [s.key for s in SITES["draw"](SITES["sites"](tmp_path, "x.py"), seed=1)]
    assert [key for key in second if key in first] == first and len(second) > len(first)
    other = [s.key for s in SITES["draw"](SITES["sites"](tmp_path, "x.py"), seed=2)]
    assert sorted(other) == sorted(second) and other != second


@pytest.mark.parametrize(
    ("a", "b", "changed"),
    [
        (np.ones(3), np.ones(3) * (1 + 1e-15), False),
        (np.ones(3), np.ones(3) * (1 + 1e-9), True),
        (np.ones(3, "float32"), np.ones(3, "float32") * np.float32(1 + 3e-7), False),
        (np.arange(3), np.arange(3)[::-1], True),
        (np.array([1.0, 0.0]), np.array([0.0, 1.0]), True),
        (np.array([np.nan, 1.0]), np.array([1.0, 1.0]), True),
        (np.array([np.inf]), np.array([-np.inf]), True),
        (np.ones(3), np.ones((3, 1)), True),
        (np.ones(3), np.ones(3, "float32"), True),
        ({"a": (1, "x")}, {"a": (1, "x")}, False),
        ({"a": (1, "x")}, {"a": (1, "y")}, True),
        (1, True, True),
        (0.1 + 0.2, 0.3, False),
        (float("nan"), float("nan"), False),
        (None, 0, True),
        (f"{TMP}/a", f"{TMP}/b", False),
    ],
)
def test_a_value_has_changed(a, b, changed):
    assert differ(summary(a), summary(b)) is changed


def test_what_leaves_a_file_is_seen(tmp_path):
    source = "def f(x):\n    return g(x) + 1\n\n\ndef g(x):\n    return (lambda y: 2 * y)(x)\n"
    recorder = WATCHING["Recorder"]("there.py")
    namespace = {"__seen__": recorder}
    exec(compile(WATCHING["recorded"](source, "there.py"), "there.py", "exec"), namespace)
    assert namespace["f"](3) == 7 and namespace["g"](3) == 6
    assert recorder.records == {"": [("f", 7), ("g", 6)]}  # not g inside of f
