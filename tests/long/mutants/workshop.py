"""A copy of the repository in which mutants are planted, and processes that run tests in it.

- The working tree is never touched.
- No process that forks may have computed anything with TensorFlow, whose threads do not survive a
  fork: nothing may compute where it is imported.
- A first process imports what others wrote (Keras, TensorFlow, torch). A fork of it, the `Zygote`,
  imports kerasllm too and collects the tests. A mutant in the body of a function is planted in a
  fork of that, by exchanging code, so that it costs no more than its tests.
- A mutant that works at import (a constant, a default) needs a fork of the first process, in which
  kerasllm is imported with the mutant in its file.
"""

import builtins
import contextlib
import gc
import importlib
import multiprocessing
import os
import pickle
import resource
import shutil
import signal
import sys
import tempfile
import time
import types
from pathlib import Path

from tests.long.mutants.watching import Chosen, Loop, Mapper, Recorder, recorded

HEAVY = (
    "numpy", "scipy.special", "matplotlib.pyplot", "pytest", "hypothesis", "tokenizers", "keras",
    "sklearn.linear_model", "rich.console", "typer.testing", "torch", "onnx.reference", "coverage",
)  # fmt: skip
SUBJECTS = ("kerasllm/reference", "kerasllm/layers", "kerasllm/verify")
TESTS = (
    "tests/reference", "tests/layers", "tests/verify/comparison", "tests/verify/proofs",
    "tests/verify/masks", "tests/verify/traces", "tests/verify/twins", "tests/verify/interventions",
)  # fmt: skip
QUICK = 3.0  # seconds of tests that are run at once; longer files come one by one
MEMORY, STUCK = 16 << 30, 3600  # bytes; seconds after which one that does nothing is ended
LEFT_OUT = shutil.ignore_patterns(".git", "__pycache__", "build", "runs", ".*_cache", "notebooks")


@contextlib.contextmanager
def workshop(root):
    """Yield a copy of the repository in a temporary folder; this process moves there."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder).resolve() / "copy"
        shutil.copytree(root, copy, ignore=LEFT_OUT)
        for name in HEAVY:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        os.chdir(copy)
        sys.path.insert(0, str(copy))
        os.environ["PYTHONPATH"] = str(copy)
        yield copy


@contextlib.contextmanager
def planted(copy, file, source):
    """Let a file of the copy be another while the block lasts."""
    path, cached = copy / file, importlib.util.cache_from_source(str(copy / file))
    kept = path.read_bytes()
    try:
        path.write_bytes(source)
        Path(cached).unlink(missing_ok=True)
        yield path
    finally:
        path.write_bytes(kept)
        Path(cached).unlink(missing_ok=True)


def in_child(copy, work, seconds):
    """Return what `work()` returns in a forked child, or None if it took more processor time."""
    answer = copy.parent / f"answer-{os.getpid()}"
    answer.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _live(copy, work, answer, int(seconds))
    until = time.monotonic() + STUCK
    while not os.waitpid(child, os.WNOHANG)[0]:
        if time.monotonic() > until:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.02)
    return pickle.loads(answer.read_bytes()) if answer.exists() else None


def _live(copy, work, answer, seconds):
    """Be the child: work, write the answer, and end without the parent's farewells."""
    status = 1
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        _into_log(copy.parent / "log")
        sys.dont_write_bytecode = True
        part = answer.with_suffix(".part")
        part.write_bytes(pickle.dumps(work()))
        part.rename(answer)
        status = 0
    finally:
        os._exit(status)


def _into_log(path):
    log = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)


class Zygote:
    """A process that has imported kerasllm and collected the tests, and forks for each question."""

    def __init__(self, copy):
        context = multiprocessing.get_context("fork")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(copy, there))
        self._process.start()
        there.close()  # else the end of the other side would never be seen
        try:
            self.at_import = self._here.recv()
        except EOFError as error:
            log = (copy.parent / "zygote-log").read_text("utf-8", "replace")
            raise RuntimeError(f"the tests could not be collected: {log[-2000:]}") from error

    def ask(self, name, *arguments):
        """Return what one of the functions in `ANSWERS` says."""
        self._here.send((name, arguments))
        return self._here.recv()

    def close(self):
        """End the process."""
        self._here.send(None)
        self._process.join()


def _serve(copy, connection):
    """Be the zygote: collect, tell which lines ran at import, then answer until None comes."""
    _into_log(copy.parent / "zygote-log")
    mapper = Mapper([copy / folder for folder in SUBJECTS])
    mapper.coverage.start()

    def answer(session):
        mapper.coverage.stop()
        _assert_nothing_was_computed()
        connection.send({file: sorted(lines) for file, lines in mapper.lines(copy).items()})
        while (question := connection.recv()) is not None:
            name, arguments = question
            connection.send(ANSWERS[name](copy, session, *arguments))

    _pytest([*TESTS, *SUBJECTS], [Loop(answer)])


def _assert_nothing_was_computed():
    from tensorflow.python.eager import context

    if context.context()._initialized:
        raise RuntimeError("a module computes with TensorFlow where it is imported: a fork hangs")


def _map_file(copy, session, file):
    """Return {"seconds": …, "lines": …, "failed": …} of the tests in a file, in a child."""
    items = [item for item in session.items if item.nodeid.split("::")[0] == file]

    def work():
        mapper = Mapper([copy / folder for folder in SUBJECTS])
        session.config.pluginmanager.register(mapper)
        mapper.coverage.start()
        _run(session, items)
        mapper.coverage.stop()
        lines = mapper.lines(copy)
        return {"seconds": mapper.seconds, "lines": lines, "failed": sorted(mapper.failed)}

    return in_child(copy, work, 3600)


def _first_failure(copy, session, file, source, tests):
    """Plant a mutant in functions, run tests, and return the first that fails, "" if none does."""
    chosen = Chosen(tests)
    items = sorted((i for i in session.items if i.nodeid in tests), key=lambda i: tests[i.nodeid])

    def work():
        exchange(str(copy / file), (copy / file).read_bytes(), source)
        session.config.pluginmanager.register(chosen)
        signal.signal(signal.SIGPROF, _too_long)
        _run(session, items, lambda: chosen.first, tests)
        return chosen.first

    found = in_child(copy, work, 60 + 8 * sum(tests.values()))
    return "never ends" if found is None else found


ANSWERS = {
    "files": lambda _, session: sorted({i.nodeid.split("::")[0] for i in session.items}),
    "map": _map_file,
    "first failure": _first_failure,
}


def _too_long(*_):
    raise TimeoutError("never ends")


def _run(session, items, ended=lambda: "", seconds=None):
    for item, following in zip(items, [*items[1:], None], strict=True):
        if seconds:  # of the processor: a loop that never ends is a failure of its test
            signal.setitimer(signal.ITIMER_PROF, 10 + 10 * seconds[item.nodeid])
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if ended():
            return


def exchange(path, old, new):
    """Give all functions of a file that are there the code that a changed source has."""
    pairs = list(zip(_codes(old, path), _codes(new, path), strict=True))
    changed = [(a, b) for a, b in pairs if a != b]
    for function in [f for f in gc.get_objects() if type(f) is types.FunctionType]:
        if function.__code__.co_filename == path:
            for a, b in changed:
                if function.__code__ == a:
                    function.__code__ = b
                    break


def _codes(source, path):
    """Return the code of all functions in a source, outer ones first."""
    found, left = [], [compile(source, path, "exec", dont_inherit=True)]
    while left:
        inner = [c for c in left.pop(0).co_consts if isinstance(c, types.CodeType)]
        found += inner
        left += inner
    return found


def first_failure_at_import(copy, tests):
    """Import kerasllm from the files as they are and run tests; return the first that fails."""

    def work():
        for paths, part in groups(tests):
            chosen = Chosen(part)
            status = _pytest([*paths, "-x"], [chosen])
            if chosen.first or status not in (0, 5):
                return chosen.first or f"pytest ended with {status}"
        return ""

    found = in_child(copy, work, 120 + 8 * sum(tests.values()))
    return "never ends" if found is None else found


def values(copy, file, tests):
    """Return {test: summaries of all values that leave a file while the tests run}."""

    def work():
        import tensorflow as tf

        tf.config.run_functions_eagerly(True)  # in a graph there is no value to look at
        path = copy / file
        path.write_text(recorded(path.read_bytes(), str(path)), encoding="utf-8")
        recorder = builtins.__seen__ = Recorder(str(path))
        for paths, part in groups(tests):
            _pytest(paths, [Chosen(part), recorder])
        return recorder.records

    return in_child(copy, work, 180 + 20 * sum(tests.values()))


def groups(tests):
    """Return (files, {test: seconds}) to be run after one another, the quick ones together."""
    files = {}
    for test, seconds in tests.items():
        files.setdefault(test.split("::")[0], {})[test] = seconds
    quick, rest, spent = {}, [], 0.0
    for file, part in sorted(files.items(), key=lambda pair: sum(pair[1].values())):
        spent += sum(part.values())
        if spent <= QUICK:
            quick |= part
        else:
            rest.append(([file], part))
    names = list(dict.fromkeys(test.split("::")[0] for test in quick))
    return ([(names, quick)] if quick else []) + rest


def _pytest(options, plugins):
    import hypothesis
    import pytest

    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    hypothesis.settings.register_profile(
        "mutants", phases=phases, database=None, derandomize=True, deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    hypothesis.settings.load_profile("mutants")
    quiet = [
        "-q",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "--tb=line",
        "-s",
        "--timeout=0",
    ]  # a busy machine is no reason to fail
    ignored = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # pytest has run here before
    return int(pytest.main([*options, *quiet, *ignored], plugins=plugins))
