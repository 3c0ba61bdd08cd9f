"""A folder that one process has for itself, and who that is."""

import contextlib
import json
import os
import time
from pathlib import Path

from kerasllm.utils import ranks
from kerasllm.utils.files import HOST, check_regular, is_alive

NAME = "lock.json"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class InUseError(RuntimeError):
    """Another process works in the folder; the message says which."""


@contextlib.contextmanager
def lock(folder):
    """Have a folder alone while the block runs; `FOLDER/lock.json` says who has it.

    The system holds the lock, so that it ends with the process, however that ends: what a process
    left that was killed is taken over. Where the system cannot tell, because the file is of
    another machine or the disk knows no locks, the file's word counts.

    Args:
        folder: one that exists.

    Raises:
        InUseError: another process, or another thread of this one, has it.
        OSError: the folder cannot be written.
    """
    path = Path(folder) / NAME
    file = _taken(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            file.truncate(0)  # nobody's, even where it cannot be deleted
            path.unlink(missing_ok=True)  # before it is let go: the next one makes its own
        file.close()


def holder(folder):
    """Return who has a folder: {"process", "host", "since", "boot"}; {} for nobody."""
    with contextlib.suppress(OSError, ValueError):
        check_regular(Path(folder) / NAME)
        found = json.loads((Path(folder) / NAME).read_text("utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def _taken(path):
    """Return the open file of a lock that is ours now."""
    while True:
        opened = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        file = os.fdopen(opened, "r+", encoding="utf-8")  # it stays open as long as the lock
        try:
            if _is_held(file, holder(path.parent)):
                raise InUseError(_who(path))
            if _is_there(file, path):
                _sign(file, path)
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # whoever had it has deleted it meanwhile: once more


def _sign(file, path):
    """Write who we are into a lock that is ours."""
    me = {"process": os.getpid(), "host": HOST, "boot": _boot()}
    if (count := ranks.place().count) > 1:
        me["processes"] = count
    try:
        file.truncate(0)
        json.dump({**me, "since": time.strftime("%Y-%m-%d %H:%M:%S")}, file)
        file.flush()
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _is_held(file, other):
    """Lock an open file, and return whether another has it."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):  # Windows, or a disk without locks
        return bool(other) and (not _is_of_here(other) or is_alive(other.get("process", 0)))
    return bool(other) and not _is_of_here(other)


def _is_of_here(other):
    """Return whether a process is, or was, of this machine; a container has its own name."""
    return other.get("host") == HOST or (_boot() != "" and other.get("boot") == _boot())


def _boot():
    """Return what names this start of the machine, where the system says it."""
    with contextlib.suppress(OSError):
        return _BOOT.read_text("ascii").strip()
    return ""


def _is_there(file, path):
    """Return whether an open file is still the one of that name."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


def _who(path):
    other = holder(path.parent)
    who = f"process {other.get('process', '?')} on {other.get('host', '?')}"
    if count := other.get("processes"):
        who += f", the first of {count},"
    return (
        f"{path.parent} is in use: {who} writes there since {other.get('since', '?')}. Wait until "
        f"it has ended, stop it, or choose another --output. If it is gone, delete {path}."
    )
