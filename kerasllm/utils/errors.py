"""Messages for a learner: what was expected, what was received, what to do."""

import difflib
import errno
import os
from contextlib import contextmanager
from contextvars import ContextVar

_TERMINAL = ContextVar("terminal", default=False)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
TOO_MANY_FILES = (errno.EMFILE, errno.ENFILE)
_MEMORY = ("memoryerror", "out of memory", "outofmemory", "resource_exhausted",
           "resourceexhausted", "unable to allocate", "can't allocate memory")  # fmt: skip
IN_THE_CACHE = "set KERASLLM_CACHE to a folder on a disk with room that you may write to"


@contextmanager
def at_terminal():
    """Let messages give their advice as it is typed at a terminal, not as it is written in Python.

    Example:
        >>> with at_terminal():
        ...     is_at_terminal()
        True
    """
    token = _TERMINAL.set(True)
    try:
        yield
    finally:
        _TERMINAL.reset(token)


def is_at_terminal():
    """Return whether a message is shown at a terminal: inside `at_terminal`."""
    return _TERMINAL.get()


def nearest(name, choices):
    """Suggest the choice that looks most like a mistyped name.

    Args:
        name: what the user wrote.
        choices: the names that exist.

    Returns:
        A sentence with a leading space, to be appended to an error; empty if nothing is near.

    Example:
        >>> nearest("wordpeice", ["word", "wordpiece", "bpe"])
        " Did you mean 'wordpiece'?"
        >>> nearest("zzz", ["word", "bpe"])
        ''
    """
    by_lower = {str(choice).lower(): str(choice) for choice in choices}
    match = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.5)
    return f" Did you mean '{by_lower[match[0]]}'?" if match else ""


def check_choice(name, value, choices):
    """Raise with the choices and the nearest one unless `value` is among them.

    Example:
        >>> check_choice("kind", "wrod", ("word", "bpe"))
        Traceback (most recent call last):
        ...
        ValueError: expected kind to be one of ['bpe', 'word'], received 'wrod'. Did you mean
        'word'?
    """
    if value not in choices:
        raise ValueError(
            f"expected {name} to be one of {sorted(choices)}, received {value!r}."
            + nearest(value, choices)
        )


def short(text, length=60):
    """Return a text, or its beginning, as it stands in a message."""
    return repr(text if len(text) <= length else text[:length] + "…") + "."


def cure_of(error, place):
    """Return what to do about an `OSError` that a disk, or the system, gave.

    Args:
        error: the `OSError`.
        place: how another place is chosen, such as "choose another --output".

    Example:
        >>> cure_of(OSError(28, "No space left on device"), "choose another --output")
        'free some space, or choose another --output'
    """
    if error.errno in NO_ROOM:
        return f"free some space, or {place}"
    if error.errno in NOT_ALLOWED:
        return f"mend the permissions, or {place}"
    if error.errno in TOO_MANY_FILES:
        return "allow more open files, `ulimit -n 4096`, or close some"
    return place


@contextmanager
def writing(what, place="choose another --output"):
    """Say what could not be written, and the cure, where the block raises an `OSError`."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # said already
            raise
        known = error.filename is None or str(error.filename) in str(what)
        where = "" if known else f": {error.filename}"
        raise OSError(
            f"{what} cannot be written ({error.strerror}{where}): {cure_of(error, place)}."
        ) from error


def refused(error):
    """Return what to say of an error by which the system refuses memory, files or room, else None.

    Example:
        >>> refused(ImportError("libx.so: Too many open files"))
        'libx.so: Too many open files: allow more open files, `ulimit -n 4096`, or close some'
    """
    text, place = str(error), "set TMPDIR to a folder on another disk"
    if is_out_of_memory(error):
        known = text.startswith(NO_MEMORY)
        return text if known else f"{NO_MEMORY} ({_in_short(error)}): {LESS_MEMORY}."
    for number in (*TOO_MANY_FILES, *NO_ROOM):
        if os.strerror(number) in text and "`ulimit" not in text and "free some space" not in text:
            return f"{text}: {cure_of(OSError(number, text), place)}"
    return None


NO_MEMORY = "the memory does not suffice"
LESS_MEMORY = "lower --batch-size or --length, choose a smaller --size, or end other programs"


def is_out_of_memory(error):
    """Return whether an error of Python, NumPy or a backend says that memory ran out."""
    said = f"{type(error).__name__} {error}".lower()
    return isinstance(error, MemoryError) or any(words in said for words in _MEMORY)


@contextmanager
def enough_memory(cure=LESS_MEMORY):
    """Say what to do where the block finds too little memory, whatever backend says so.

    Raises:
        MemoryError: with the cure.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error) or str(error).startswith(NO_MEMORY):
            raise
        raise MemoryError(f"{NO_MEMORY} ({_in_short(error)}): {cure}.") from error


def _in_short(error):
    """Return the line of an error's message that speaks of memory."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    found = [line for line in lines if any(words in line.lower() for words in _MEMORY)]
    return (found or lines or [type(error).__name__])[0][:200]


@contextmanager
def home_known():
    """Say what to set where NLTK, which looks for its data when imported, finds no home folder."""
    try:
        yield
    except ValueError as error:
        if "download directory" not in str(error):
            raise
        raise OSError(
            "NLTK finds no folder for its data, because there is no home folder: set NLTK_DATA, or "
            "HOME, to a folder that you may write to."
        ) from error
