"""Files that are written whole or not at all, and what is left of those that were not.

A file is written beside its place under a name that says who writes it (process, thread and
machine), so that two who write the same one are not in each other's way. It is brought to the disk,
and only then put in its place: whoever is killed, at any moment, leaves the file that was there
before, and a part that is known to be nobody's.
"""

import contextlib
import glob
import hashlib
import os
import platform
import re
import shutil
import threading
import time
from pathlib import Path

DAY = 24 * 60 * 60
HOST = platform.node() or "localhost"
_PART = re.compile(r"\.(\d+)(?:-\d+)?(?:@(.+))?\.part(\.\w+)?$")


@contextlib.contextmanager
def whole_path(path):
    r"""Give a path to write to, whose file takes the place of `path` if the block ends well.

    Args:
        path: where the file is to be.

    Raises:
        OSError: when it cannot be written; the old file stays.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_path(f"{folder}/a.txt") as part:
        ...         _ = part.write_text("first")
        ...     Path(folder, "a.txt").read_text()
        'first'
    """
    path = Path(path)
    part = part_of(path)
    try:
        yield part
        to_disk(part)
        os.replace(part, path)
        to_disk(path.parent)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_file(path, mode="w"):
    r"""Open a file that takes the place of `path` if the block ends well; see `whole_path`.

    The new one may be read by whomever the umask allows, which files of `tempfile` may not.

    Args:
        path: where the file is to be.
        mode: "w" for UTF-8 text, "wb" for bytes.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_file(f"{folder}/a.txt") as file:
        ...         print("first", file=file)
        ...     Path(folder, "a.txt").read_text()
        'first\n'
    """
    with (
        whole_path(path) as part,
        open(part, mode, encoding=None if "b" in mode else "utf-8") as file,
    ):
        yield file


def check_regular(path):
    """Raise where something else has the name of a file: a pipe or a device, read without end.

    Raises:
        ValueError: it is one of these.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f"{path} is a folder, a pipe or a device: expected a file.")


def sha256(path):
    """Return the sha256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def part_of(path):
    """Return the name under which this thread writes what is to be at `path`."""
    who = f"{os.getpid()}-{threading.get_native_id()}@{HOST}"
    return path.with_name(f"{path.stem}.{who}.part{path.suffix}")


def left_of(path):
    """Return what writers that are gone left of what was to be at `path`, the largest first."""
    parts = path.parent.glob(f"{glob.escape(path.stem)}.*.part{glob.escape(path.suffix)}")
    left = [p for p in parts if is_left(p) and _PART.sub("", p.name) == path.stem]
    return sorted(left, key=_size, reverse=True)


def _size(path):
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def to_disk(path):
    """Wait until a file, or the names in a folder, would outlive a loss of power."""
    if os.name == "nt":  # pragma: no cover - Windows syncs no folder, and no file opened to read
        return
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def sweep(folder):
    """Delete the parts that writers left in a folder who are gone.

    Returns:
        list of the paths that are gone. A part that is a day old is nobody's; so is one of a
        process of this machine that has ended.
    """
    gone = [path for path in Path(folder).glob("*.part*") if is_left(path)]
    for path in gone:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return gone


def is_left(path):
    """Return whether a file is a part of a writer that is gone."""
    found = _PART.search(path.name)
    if not found:
        return False
    return (_is_of_here(found) and not is_alive(int(found[1]))) or age(path) > DAY


def is_written(path):
    """Return whether a file is a part that a process of this machine is writing."""
    found = _PART.search(path.name)
    return bool(found) and _is_of_here(found) and not is_left(path)


def _is_of_here(found):
    return found[2] in (HOST, None)


def age(path):
    """Return the seconds since a file was last written; 0 where there is none."""
    with contextlib.suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime
    return 0.0


def is_alive(pid):
    """Return whether a process of this machine runs; True where that cannot be known."""
    if os.name == "nt":  # pragma: no cover - there `kill` would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
