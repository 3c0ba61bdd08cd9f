"""Run a learner's function safely: in a child process, with a time limit, and errors explained.

The child is a fork, so functions written in a notebook need no pickling; whatever the function does
to the library, to its arguments or to the memory ends with it, and nothing that it computes can
outlive the time limit. Where there is no fork (Windows) a thread stands in, which code in C, such
as `sum(range(10**9))`, keeps from ending in time.
"""

import contextlib
import contextvars
import copy
import inspect
import io
import linecache
import multiprocessing
import os
import queue
import signal
import threading
import traceback
import warnings
from typing import NamedTuple

import numpy as np
from threadpoolctl import ThreadpoolController

from kerasllm.exercises.outputs import Problem, outputs_of
from kerasllm.exercises.words import say


class Run(NamedTuple):
    """What came out of one call: arrays by name, what was printed, or why there is nothing."""

    outputs: dict
    printed: str = ""
    problem: str = ""


def run_all(call, function, trials, names, time_limit):
    """Yield a `Run` of each trial, up to the first with a problem.

    Args:
        call: called with (function, args, kwargs).
        function: the learner's.
        trials: with `args` and `kwargs`.
        names: of the outputs.
        time_limit: seconds for each trial; None calls the function in this process, where a
            debugger can follow it.
    """
    answers = _answers(lambda: (_run(call, function, t, names) for t in trials), time_limit)
    with contextlib.closing(answers):  # which ends the child
        for _ in trials:
            got = next(answers)
            yield got
            if got.problem:
                return


def _answers(work, time_limit):
    """Yield what `work()` yields, each within the time limit."""
    if time_limit is None:
        yield from work()
    elif "fork" in multiprocessing.get_all_start_methods():
        yield from _from_child(work, time_limit)
    else:
        yield from _from_thread(work, time_limit)


def _from_child(work, time_limit):
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_send_all, args=(work, there), daemon=True)
    with warnings.catch_warnings():
        # JAX and Python warn of threads, which a fork lacks: only the learner's code runs in it.
        warnings.simplefilter("ignore")
        child.start()
    _start_threads_again()
    there.close()
    try:
        while True:
            if not here.poll(time_limit):
                yield Run({}, problem=_too_long(time_limit))
                return
            yield here.recv()
    except EOFError:
        child.join(1)
        yield Run({}, problem=say("ended_python", status=child.exitcode))
    finally:
        child.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # and what it has started
        child.join()
        here.close()


def _start_threads_again():
    """Start the threads of OpenBLAS, which ends them where a process forks.

    Left to itself it starts them when they are next needed, and where that is an LU decomposition
    (`getrf_parallel`) it waits for its own lock for ever.
    """
    libraries = ThreadpoolController().select(internal_api="openblas").lib_controllers
    for library in libraries:
        library.set_num_threads(library.num_threads)


def _send_all(work, connection):
    os.setsid()
    for answer in work():
        connection.send(answer)


def _from_thread(work, time_limit):
    answers = queue.Queue()
    run = contextvars.copy_context().run  # a thread would not know the language
    thread = threading.Thread(target=run, args=(_put_all, work, answers), daemon=True)
    thread.start()
    while True:
        try:
            yield answers.get(timeout=time_limit)
        except queue.Empty:
            yield Run({}, problem=_too_long(time_limit))
            return


def _put_all(work, answers):
    for answer in work():
        answers.put(answer)


def _too_long(time_limit):
    return say("not_ended", limit=time_limit)


def _run(call, function, trial, names):
    """Call the function on copies of a trial's arguments, and return a `Run`."""
    given, printed = copy.deepcopy((trial.args, trial.kwargs)), io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), np.errstate(all="ignore"):
            value = call(function, *given)
        if value is None:
            raise Problem(say("none"))
        changed = _changed((trial.args, trial.kwargs), given, parameter_names(function))
        if changed:
            raise Problem(say("in_place", name=changed))
        return Run(outputs_of(value, names), printed.getvalue())
    except Problem as problem:
        return Run({}, printed.getvalue(), str(problem))
    except BaseException as error:
        return Run({}, printed.getvalue(), explained(error, function))


def explained(error, function):
    """Return the error, and the line of the learner's code in which it arose."""
    name = type(error).__name__
    message = say("raised", error=f"{name}: {error}".rstrip(": "))
    code = getattr(function, "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if code is not None and f.filename == code.co_filename]
    if not own:
        return message
    line = own[-1].line or linecache.getline(own[-1].filename, own[-1].lineno).strip()
    place = {"line": own[-1].lineno, "function": own[-1].name, "code": line}
    return say("in_line", message=message, **place)


def parameter_names(function):
    """Return the names of a function's positional parameters, () if Python cannot tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return ()
    return tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)


def unexpected(function, args, kwargs):
    """Return why the function cannot be called like this, and the keywords that it lacks."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return "", ()
    anything = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    missing = () if anything else tuple(k for k in kwargs if k not in signature.parameters)
    try:
        signature.bind(*args, **{k: v for k, v in kwargs.items() if k not in missing})
    except TypeError as error:
        return say("own_signature", error=error, signature=signature), missing
    return "", missing


def _changed(before, after, names):
    """Return the name of an argument that is not what it was, or ""."""
    (args, kwargs), (new_args, new_kwargs) = before, after
    labels = [
        *names[: len(args)],
        *(say("argument_number", k=k + 1) for k in range(len(names), len(args))),
    ]
    for label, old, new in zip(labels, args, new_args, strict=True):
        if not same(old, new):
            return label
    return next((k for k in kwargs if not same(kwargs[k], new_kwargs[k])), "")


def same(a, b):
    """Whether two nests of arrays hold the same numbers."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return True
