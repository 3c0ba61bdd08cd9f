"""Run a learner's function safely: with a time limit, on copies, and with errors explained.

It runs in a thread of this process, so that functions written in a notebook need no pickling and
the debugger works. At the time limit an exception is raised inside of that thread; code that
swallows even that goes on as a daemon and ends with Python.
"""

import contextlib
import copy
import ctypes
import inspect
import io
import linecache
import threading
import traceback
from typing import Any, NamedTuple

import numpy as np


class Problem(Exception):
    """Why a function could not be run or compared, in a learner's words."""


class Run(NamedTuple):
    """What came out of one call."""

    value: Any
    printed: str


class _TimeIsUp(BaseException):
    """Raised inside of a function that does not end; no Exception, so that few catch it."""


def run(call, function, args, kwargs, time_limit):
    """Call `call(function, args, kwargs)` on copies of the arguments, within the time limit.

    Raises:
        Problem: it raised, did not end, returned None, or changed its arguments.
    """
    given = copy.deepcopy((args, kwargs))
    printed = io.StringIO()
    value = _limited(lambda: call(function, *given), printed, time_limit, function)
    if value is None:
        raise Problem("Your function returned None. Does it end with a return statement?")
    changed = _changed((args, kwargs), given, parameter_names(function))
    if changed:
        raise Problem(
            f"Your function changes its argument {changed} in place, which the caller still needs. "
            f"Work on a copy: {changed}.copy(), or write a = a + b in the place of a += b."
        )
    return Run(value, printed.getvalue())


def _limited(call, printed, time_limit, function):
    answer = {}

    def work():
        try:
            with np.errstate(all="ignore"):
                answer["value"] = call()
        except BaseException as error:
            answer["error"] = error

    thread = threading.Thread(target=work, daemon=True)
    with contextlib.redirect_stdout(printed):
        thread.start()
        thread.join(time_limit)
        if thread.is_alive():
            _interrupt(thread)
            raise Problem(
                f"Your function did not end within {time_limit:g} seconds. Look for a while loop "
                "whose condition never becomes false, or a recursion that never ends; if it is "
                "only slow, call check(..., time_limit=60)."
            )
    if isinstance(answer.get("error"), Problem):
        raise answer["error"]
    if "error" in answer:
        raise Problem(explained(answer["error"], function))
    return answer["value"]


def _interrupt(thread):
    """Ask a thread to end, and give it a moment to do so."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(_TimeIsUp)
    )
    thread.join(0.2)


def explained(error, function):
    """Return the error, and the line of the learner's code in which it arose."""
    name = type(error).__name__
    message = f"Your function raised {name}: {error}".rstrip(": ")
    code = getattr(function, "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if code is not None and f.filename == code.co_filename]
    if not own:
        return message
    line = own[-1].line or linecache.getline(own[-1].filename, own[-1].lineno).strip()
    return f"{message}\n  in line {own[-1].lineno} of {own[-1].name}:\n    {line}"


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
        return f"{error}; the signature of yours is {signature}", missing
    return "", missing


def _changed(before, after, names):
    """Return the name of an argument that is not what it was, or ""."""
    (args, kwargs), (new_args, new_kwargs) = before, after
    labels = [*names[: len(args)], *(f"number {k + 1}" for k in range(len(names), len(args)))]
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
