"""Download a file so that it either is complete and right, or is not there at all.

- Bytes go into a part that only this process writes, which is renamed after its hash was checked.
- A connection that stalls, breaks or ends early is taken up again where it ended (HTTP `Range`).
- So is the part of a process that is gone: one of those who want it takes it over, by renaming it.
- Of an archive only the named members are unpacked, each to a path that this project chose.
"""

import errno
import shutil
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from kerasllm.datasets.public.registry import HashMismatchError, check
from kerasllm.utils.files import left_of, part_of, whole_file
from kerasllm.utils.terminal import console

_CHUNK = 1 << 16
MOST = 2**30  # bytes of a file of which no size is known


class DownloadError(OSError):
    """A file could not be downloaded; the message says why and what to do."""


class _Interrupted(Exception):
    """The connection stalled or broke; worth another try."""


def fetch(file, target, *, timeout=30, attempts=3, progress=True):
    """Download one file of a data set, resuming what an earlier try left behind.

    Args:
        file: the `File`: address, size and hash.
        target: where to put it.
        timeout: seconds without a byte after which a connection counts as stalled.
        attempts: how often to connect.
        progress: show a progress bar.

    Returns:
        `target`, as a path.

    Raises:
        DownloadError: if the server cannot be reached, stalls, breaks off or has no such file, or
            the disk is full or not writable.
        HashMismatchError: if the content is not the one that the registry names.
    """
    target = Path(target)
    with _explained(target):
        _received(file, target, timeout, attempts, progress).replace(target)
    return target


def _received(file, target, timeout=30, attempts=3, progress=True):
    """Return the path of what is to be at `target`, whole and checked, which is ours alone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(target)
    resumed = _taken_over(target, part)
    _fetch_part(file, part, timeout, attempts, progress)
    try:
        check(part, file, allow_unverified=True)
    except HashMismatchError:
        part.unlink()
        if not resumed:
            raise
        # The old piece may be of another version of the file: once more, from its start.
        _fetch_part(file, part, timeout, attempts, progress)
        _check_and_delete(part, file)
    return part


def _taken_over(target, part):
    """Make the largest piece that is left of a file our part, delete the others; return if any."""
    of_before = target.with_name(f"{target.name}.part")  # the name that all processes shared once
    for left in (*left_of(target), of_before):
        with suppress(FileNotFoundError):  # another process was first
            if part.exists():
                left.unlink()
            else:
                left.replace(part)
    return part.exists() and part.stat().st_size > 0


def _check_and_delete(part, file):
    try:
        check(part, file, allow_unverified=True)
    except HashMismatchError:
        part.unlink()
        raise


@contextmanager
def _explained(target):
    """Say of a failure to write what cures it."""
    try:
        yield
    except DownloadError:
        raise
    except OSError as error:
        cure = f"({error}). Set KERASLLM_CACHE to a folder that you may write to."
        if error.errno == errno.ENOSPC:
            cure = "because the disk is full. Free some space, or set KERASLLM_CACHE to a folder "
            cure += "on another disk."
        raise DownloadError(f"{target} could not be written {cure}") from error


def _fetch_part(file, part, timeout, attempts, progress):
    if urlsplit(file.url).scheme not in ("http", "https"):
        raise DownloadError(f"Only http and https addresses are downloaded, received {file.url!r}.")
    with _bar(progress) as bar:
        task = bar.add_task(Path(file.path).name, total=file.bytes or None)
        for attempt in range(1, attempts + 1):
            try:
                return _receive(file, part, timeout, lambda done: bar.update(task, completed=done))
            except _Interrupted as error:
                if attempt == attempts:
                    raise DownloadError(
                        f"{file.url} could not be downloaded in {attempts} tries: {error}. "
                        "Run the same command again to go on from there; without a network, use a "
                        "set that is here (`kerasllm data list`) or set KERASLLM_DATA."
                    ) from None
                time.sleep(min(0.1 * 2**attempt, 5))


def _bar(progress):
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(),
        TransferSpeedColumn(),
    )  # fmt: skip
    screen = console(error=True)  # stdout belongs to the data
    return Progress(*columns, console=screen, disable=not progress, transient=True)


def _receive(file, part, timeout, report):
    """Append to `part` what is still missing of the file."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "kerasllm", **({"Range": f"bytes={have}-"} if have else {})}
    request = urllib.request.Request(file.url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            if response.status != 206:  # the server sends the file from its start
                have = 0
            total = have + (response.length or 0)
            with open(part, "ab" if have else "wb") as out:
                _copy(response, out, have, file, report)
    except urllib.error.HTTPError as error:
        with error:  # it holds the connection
            return _refuse(error, file, part, have)
    except TimeoutError:
        raise _Interrupted(f"no byte came for {timeout} seconds") from None
    except (urllib.error.URLError, ConnectionError, HTTPException) as error:
        raise _Interrupted(f"{urlsplit(file.url).netloc} cannot be reached ({error})") from None
    received = part.stat().st_size
    if not file.bytes and received > MOST:
        part.unlink()
        raise DownloadError(_too_much(file))
    if received < min(total, file.bytes or total):
        raise _Interrupted(f"the connection ended after {received:,} of {total:,} bytes")


def _copy(response, out, have, file, report):
    limit = file.bytes or MOST
    while chunk := response.read1(_CHUNK):
        out.write(chunk)
        have += len(chunk)
        report(have)
        if have > limit:
            return  # more than the file has: the hash check will name both


def _refuse(error, file, part, have):
    """Say what an HTTP error means."""
    if error.code == 416 and have:  # nothing is left to send: complete, or another file
        if have != file.bytes:
            part.unlink()
            raise _Interrupted("what an earlier try left did not belong to this file") from None
        return
    if error.code in (408, 429, 500, 502, 503, 504):
        raise _Interrupted(f"the server answered {error.code} {error.reason}") from None
    raise DownloadError(
        f"{file.url} answered {error.code} {error.reason}: the file is not there any more, or not "
        f"for you. If you have it from elsewhere, put it into $KERASLLM_DATA as shown by "
        "`kerasllm data show`."
    ) from None


def fetch_members(files, folder, **options):
    """Download one archive and unpack the files that are its members.

    Args:
        files: `File`s with the same url, each with its `member`.
        folder: the data set's folder.
        **options: see `fetch`.

    Raises:
        DownloadError: if the archive cannot be downloaded or read, or lacks a member.
        HashMismatchError: if a member is not the one that the registry names.
    """
    folder = Path(folder)
    name = Path(urlsplit(files[0].url).path).name
    archive = replace(files[0], path=name, bytes=0, sha256="", git_blob="")
    with _explained(folder / name):
        path = _received(archive, folder / name, **options)
        try:
            for file in files:
                _unpack(path, file, folder / file.path)
        except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
            raise DownloadError(f"{files[0].url} is not a readable archive ({error}).") from None
        finally:
            path.unlink()


def _unpack(archive, file, target):
    """Write one member to the target; its own path and kind in the archive have no say."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(target, "wb") as out:
        with _open_member(archive, file) as source:
            # One byte more than expected tells a wrong file; a bomb is never unpacked whole.
            shutil.copyfileobj(_Limited(source, (file.bytes or MOST) + 1), out)
        if not file.bytes and out.tell() > MOST:
            raise DownloadError(_too_much(file))
        out.flush()
        check(out.name, file, allow_unverified=True)


def _too_much(file):
    return (
        f"{file.path} of {file.url} is larger than {MOST:,} bytes, and no size of it is known: no "
        "more is taken. If it is right, fetch it by other means and put it into $KERASLLM_DATA as "
        "shown by `kerasllm data show`."
    )


class _Limited:
    """A stream of at most so many bytes."""

    def __init__(self, stream, limit):
        self.stream, self.left = stream, limit

    def read(self, size):
        size = min(size, self.left)
        self.left -= size
        return self.stream.read(size) if size else b""


@contextmanager
def _open_member(archive, file):
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            if file.member in opened.namelist():
                with opened.open(file.member) as source:
                    yield source
                return
            names = opened.namelist()
    else:
        with tarfile.open(archive) as opened:
            names = opened.getnames()
            # A link in an archive could lead anywhere on the disk: plain files only.
            if file.member in names and opened.getmember(file.member).isreg():
                yield opened.extractfile(file.member)
                return
    raise DownloadError(f"{file.url} holds no file {file.member!r}; it holds {names[:10]}.")
