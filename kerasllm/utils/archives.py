"""Archives from elsewhere: what they claim is compared with what they hold before a byte is read.

- What this project writes (`.keras`, `.npz`) is stored, not compressed: a member that claims more
  bytes than the archive has cannot be one of ours, and no bomb can unfold.
"""

import contextlib
import errno
import math
import os
import zipfile
from pathlib import Path

import numpy as np

from kerasllm.utils.json_text import parsed_json


class DamagedError(ValueError):
    """A file is not what it should be; the message is a clause that says why."""


@contextlib.contextmanager
def opened_archive(path, names=None):
    """Open a zip whose members are stored as they are.

    Args:
        path: of the file.
        names: the members that it must have, no other; None for any.

    Raises:
        DamagedError: it is no such archive.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise DamagedError("it is no file")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, Path(path).stat().st_size, names)
            yield archive
    except (zipfile.BadZipFile, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise DamagedError(f"it is no whole zip archive: {error}") from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise DamagedError("it is no whole zip archive: a member begins before it") from error


def _check_members(archive, size, names):
    members = archive.infolist()
    found = [member.filename for member in members]
    if names is not None and sorted(found) != sorted(names):
        raise DamagedError(f"it should hold {sorted(names)}, it holds {sorted(found)!s:.200}")
    if len(set(found)) != len(found):
        raise DamagedError("a name stands in it twice")
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise DamagedError(f"{member.filename!r:.80} is compressed or encrypted")
        if member.file_size != member.compress_size:
            raise DamagedError(f"{member.filename!r:.80} claims two sizes")
    claimed = sum(member.file_size for member in members)
    if claimed > size:
        raise DamagedError(f"its members claim {claimed:,} bytes, the file has {size:,}")


def read_arrays(path, wanted=None):
    """Return ({name: array}, meta) of a `.npz` file with a member `meta`, which is JSON.

    Args:
        path: of the file.
        wanted: which names of arrays to read; None for all.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or holds something else than plain arrays.
    """
    with opened_archive(path) as archive:
        members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}
        arrays = {
            name: _array(archive, member)
            for name, member in members.items()
            if name == "meta" or wanted is None or wanted(name)
        }
    try:
        meta = arrays.pop("meta")
    except KeyError:
        raise DamagedError("it holds no description, 'meta'") from None
    return arrays, parsed_json(str(meta), path)


def _array(archive, member):
    """Return one array, after comparing its header with the bytes that follow."""
    try:
        with archive.open(member) as file:
            major, minor = np.lib.format.read_magic(file)
            read = getattr(np.lib.format, f"read_array_header_{major}_{minor}")
            shape, _, kind = read(file)
            left = member.file_size - file.tell()
        if kind.hasobject or math.prod(shape) * kind.itemsize != left:
            raise DamagedError(f"{member.filename!r} claims {shape} of {kind}, it has {left} bytes")
        with archive.open(member) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, DamagedError):
            raise
        raise DamagedError(f"{member.filename!r} is no array: {error}") from error


def plain_name(name):
    """Return a name that another file gives, if it names a file beside that one.

    Raises:
        DamagedError: it leads elsewhere.

    Example:
        >>> plain_name("model-00001.safetensors")
        'model-00001.safetensors'
        >>> plain_name("../model.safetensors")
        Traceback (most recent call last):
        ...
        kerasllm.utils.archives.DamagedError: '../model.safetensors' is not the name of a file ...
    """
    if not isinstance(name, str) or not name or name in (".", "..") or set(name) & set("/\\:\0"):
        raise DamagedError(f"{name!r:.80} is not the name of a file beside it")
    return name
