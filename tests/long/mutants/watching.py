"""Plugins for pytest that watch a run of the tests, and a recorder of what functions return."""

import ast
import sys
import time

import numpy as np
import pytest

TOLERANCE = {"float64": 1e-12, "float32": 1e-6}  # relative to the largest entry
DEEPEST, MOST = 6, 1000  # levels and items of a nest that are looked at


class Mapper:
    """Note which test runs which line, and how much processor time each takes."""

    def __init__(self, folders):
        import coverage

        include = [f"{folder}/*" for folder in folders]
        self.coverage = coverage.Coverage(data_file=None, include=include, config_file=False)
        self.seconds, self.failed = {}, set()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item):
        """Count everything until the next test as this test's."""
        self.coverage.switch_context(item.nodeid)
        began = time.process_time()
        yield
        self.seconds[item.nodeid] = time.process_time() - began

    def pytest_runtest_logreport(self, report):
        """Note what does not pass."""
        if report.outcome != "passed":
            self.failed.add(report.nodeid)

    def lines(self, root):
        """Return {file: {line: tests that pass and run it}}; "" stands for what is no test."""
        data, found = self.coverage.get_data(), {}
        for path in data.measured_files():
            contexts = data.contexts_by_lineno(path)
            found[path.removeprefix(f"{root}/")] = {
                line: [test for test in tests if test not in self.failed]
                for line, tests in contexts.items()
            }
        return found


class Loop:
    """Hand the collected tests to a function in the place of running them."""

    def __init__(self, function):
        self.function = function

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        """Call the function; it returns when all is done."""
        self.function(session)
        return True


class Chosen:
    """Run the chosen tests only, the quick ones first, and note the first that fails."""

    def __init__(self, seconds):
        self.seconds, self.first = seconds, ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        """Keep the tests that cover the mutant's line; files stay together."""
        files = list(dict.fromkeys(item.nodeid.split("::")[0] for item in items))
        items[:] = sorted(
            (item for item in items if item.nodeid in self.seconds),
            key=lambda i: (files.index(i.nodeid.split("::")[0]), self.seconds[i.nodeid]),
        )

    def pytest_runtest_logreport(self, report):
        """Note a failure."""
        if report.failed and not self.first:
            self.first = report.nodeid

    def pytest_collectreport(self, report):
        """Note a test file that cannot even be imported."""
        if report.failed and not self.first:
            self.first = f"{report.nodeid} (cannot be imported)"


class Recorder:
    """Keep a summary of all values that leave a file, test by test.

    A value leaves a file where a function of it returns to a caller in another file.
    """

    def __init__(self, path):
        self.path, self.records, self.test = path, {}, ""

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item):
        """Count every value until the next test as this test's."""
        self.test = item.nodeid
        yield

    def __call__(self, name, value):
        """Note a value, and return it."""
        if sys._getframe(2).f_code.co_filename != self.path:
            self.records.setdefault(self.test, []).append((name, summary(value)))
        return value


def recorded(source, path):
    """Return a file's source so that each function hands what it returns to `__seen__`."""
    return ast.unparse(ast.fix_missing_locations(_Returns().visit(ast.parse(source, path))))


class _Returns(ast.NodeTransformer):
    """Wrap what is returned or yielded."""

    def __init__(self):
        self.names = []

    def visit_FunctionDef(self, node):
        """Go into a function."""
        self.names.append(node.name)
        self.generic_visit(node)
        self.names.pop()
        return node

    visit_ClassDef = visit_FunctionDef

    def visit_Return(self, node):
        """Wrap a value."""
        self.generic_visit(node)
        if node.value is not None:
            node.value = self._wrapped(node.value)
        return node

    def visit_Yield(self, node):
        """Wrap a value."""
        return self.visit_Return(node)

    def visit_Lambda(self, node):
        """Wrap what a lambda computes."""
        self.generic_visit(node)
        node.body = self._wrapped(node.body)
        return node

    def _wrapped(self, value):
        name = ast.Constant(".".join(self.names))
        return ast.Call(ast.Name("__seen__", ast.Load()), [name, value], [])


def summary(value, depth=0):
    """Return what two equal values have in common, small enough to keep."""
    if value is None or isinstance(value, (bool, int, float, str)):
        unstable = isinstance(value, str) and ("/" in value or " at 0x" in value)
        return "a text with a path" if unstable else value
    if depth > DEEPEST:
        return type(value).__name__
    if isinstance(value, dict):
        pairs = list(value.items())[:MOST]
        return ("dict", *((str(k), summary(v, depth + 1)) for k, v in pairs))
    if isinstance(value, (tuple, list)):
        return (type(value).__name__, *(summary(item, depth + 1) for item in value[:MOST]))
    return _of_array(value) or _of_object(value, depth)


def _of_array(value):
    if not hasattr(value, "dtype") or not hasattr(value, "shape"):
        return None
    try:
        array = np.asarray(value)
    except Exception:  # a tensor without numbers
        return ("symbol", str(value.dtype), str(value.shape))
    if array.dtype.kind not in "fiub":
        return ("array", array.dtype.name, array.shape, repr(array.tolist()))
    flat = np.ravel(array).astype("float64")
    finite = np.where(np.isfinite(flat), flat, 0.0)
    weights = np.random.default_rng(0).standard_normal((3, flat.size))
    counts = tuple(int(f(flat).sum()) for f in (np.isnan, np.isposinf, np.isneginf))
    largest = float(np.abs(finite).max(initial=0.0)) * max(flat.size, 1) ** 0.5
    sums = tuple(map(float, weights @ finite))
    return ("array", array.dtype.name, array.shape, counts, Sums((largest, *sums)))


class Sums(tuple):
    """Three random sums of an array, and the size that they are compared by."""


def _of_object(value, depth):
    name = type(value).__name__
    ours = type(value).__module__.startswith("kerasllm")
    fields = getattr(value, "__dict__", None)
    if not ours or not isinstance(fields, dict) or hasattr(value, "trainable_weights"):
        return name
    return (name, summary(fields, depth + 1))


def differ(a, b, tolerance=1e-12):
    """Whether two summaries are of different values."""
    if isinstance(a, Sums) and isinstance(b, Sums):
        size = max(a[0], b[0])
        return any(abs(x - y) > tolerance * size for x, y in zip(a, b, strict=True))
    if isinstance(a, tuple) and isinstance(b, tuple):
        if a[:1] == ("array",) and len(a) > 1:
            tolerance = TOLERANCE.get(a[1], 1e-12)
        return len(a) != len(b) or any(differ(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if type(a) is float and type(b) is float:
        return not (a == b or (a != a and b != b) or abs(a - b) <= tolerance * max(abs(a), abs(b)))
    return type(a) is not type(b) or a != b
