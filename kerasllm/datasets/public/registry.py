"""What a public data set is: its files, their hashes, where they may lie and who reads them.

A file is used only if its content is the one that the registry names. It is looked for in
`$KERASLLM_DATA/<name>/`, then in the user's cache, then at its address.
"""

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kerasllm.utils.cache import cache_folder
from kerasllm.utils.files import sha256, whole_file


class HashMismatchError(ValueError):
    """A file is not the one that the registry names."""


class UnverifiedError(ValueError):
    """A file cannot be checked, because no hash of it is known."""


@dataclass(frozen=True)
class File:
    """One file of a data set.

    Attributes:
        path: where it lies in the data set's folder.
        bytes: size; 0 if it is not known.
        sha256: hash of the content; empty if it is not known.
        url: address of the file, or of the archive that holds it.
        member: the file's path inside the archive.
        git_blob: git's hash (sha1) of the content, where no sha256 is known.
        sample: a part of this file that is used instead, where it lies on this machine.
        note: what to know about it.
    """

    path: str
    bytes: int = 0
    sha256: str = ""
    url: str = ""
    member: str = ""
    git_blob: str = ""
    sample: "File | None" = None
    note: str = ""


@dataclass(frozen=True)
class DatasetInfo:
    """One public data set.

    Attributes:
        name: what `load` takes.
        title: what others call it.
        task: one of `kerasllm.datasets.TASKS`.
        language: "en", "zh" and so on.
        licence: what its source says about its use.
        homepage: where it comes from.
        files: its files.
        splits: paths of the files of each official split; "all" where there is none.
        reader: function of the paths of one split (and options) that returns examples, or a pair of
            them and a dict of facts; the fact "groups" says for each example what must stay on one
            side when the set is split here.
        fractions: how "all" is split into train, validation and test.
        contiguous: cut "all" in order instead of drawing texts at random.
        missing: splits that do not exist, each with the reason.
        nltk: name of the NLTK corpus, for a set that is read through `nltk.corpus`.
        documents: for each official split what the reader is given besides the files: the NLTK
            documents, or the name of the split where one file holds all.
        folder: name of the folder of its files, where it is not the name of the set.
        make: function of the split (and options) that returns the data set, for one without files.
        note: what to know about it.
        faults: known ones, a sentence each.
        field: what others reached on it: dicts of measure, figure, model and source.
    """

    name: str
    title: str
    task: str
    language: str
    licence: str
    homepage: str
    files: tuple[File, ...] = ()
    splits: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    reader: Callable | None = None
    fractions: tuple[float, ...] = (0.8, 0.1, 0.1)
    contiguous: bool = False
    missing: Mapping[str, str] = dataclasses.field(default_factory=dict)
    nltk: str = ""
    documents: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    folder: str = ""
    make: Callable | None = None
    note: str = ""
    faults: tuple[str, ...] = ()
    field: tuple[Mapping, ...] = ()

    def __repr__(self):
        size = f"{self.bytes / 1e6:.1f} MB"
        return f"<DatasetInfo {self.name}: {self.title}, {self.task}, {self.language}, {size}>"

    @property
    def split_names(self):
        """The splits that `load` gives: official ones and those made here."""
        if "all" in self.splits:
            return (*("train", "validation", "test")[: len(self.fractions)], "all")
        if "train" not in self.splits:  # a set for evaluation
            return tuple(self.splits)
        return ("train", "validation", *(name for name in ("test",) if name in self.splits))

    @property
    def folder_name(self):
        """The name of the folder in which its files lie."""
        return self.folder or self.name

    @property
    def bytes(self):
        """Size of all files."""
        return sum(file.bytes for file in self.files)

    def file(self, path):
        """Return the `File` at this path."""
        return next(file for file in self.files if file.path == path)


def folders(name):
    """Return the folders in which a data set may lie, in the order of the search."""
    root, found = os.environ.get("KERASLLM_DATA"), []
    if root:
        found.append(Path(root).expanduser() / name)
    with contextlib.suppress(OSError):  # without a home folder there is no cache to look into
        found.append(cache_folder() / name)
    return found


def place(info, file):
    """Return where a file lies on this machine, its content unchecked: see `find`."""
    for candidate in (file, file.sample):
        for folder in folders(info.folder_name) if candidate else ():
            if (folder / candidate.path).is_file():
                return folder / candidate.path, candidate
    return None


def find(info, file, *, allow_unverified=False):
    """Return where a file of a data set lies on this machine, verified, or None.

    The whole file is preferred to a sample of it, wherever they lie.

    Args:
        info: a `DatasetInfo`.
        file: one of its files.
        allow_unverified: accept a file of which no hash is known.

    Returns:
        A pair (path, the `File` that it is: `file` or its sample), or None.

    Raises:
        HashMismatchError: if a file of that name has another content.
        UnverifiedError: if no hash of the file is known.
    """
    found = place(info, file)
    if found:
        check(*found, allow_unverified=allow_unverified)
    return found


def check(path, file, *, allow_unverified=False):
    """Compare the content of a file with the registry.

    Raises:
        HashMismatchError: if they differ, with both hashes.
        UnverifiedError: if no hash of the file is known, and that is not allowed.
    """
    expected = file.sha256 or file.git_blob or _accepted(path)
    if not expected:
        if allow_unverified:
            return
        raise UnverifiedError(
            f"{file.path} cannot be checked: {file.note or 'no hash of it is known'}. Pass "
            "allow_unverified=True (`kerasllm data get --allow-unverified`) to accept it."
        )
    by_git = file.git_blob and not file.sha256
    received = git_blob(path) if by_git else sha256(path)
    if received != expected:
        kind = "git blob id" if by_git else "sha256"
        size = f" ({file.bytes:,} bytes)" if file.bytes else ""
        raise HashMismatchError(
            f"{path} is not the file that the registry names, and is refused.\n"
            f"  expected {kind} {expected}{size}\n"
            f"  received {kind} {received} ({Path(path).stat().st_size:,} bytes)\n"
            "Delete it and get it again. To read another version of the data on purpose, give its "
            "path instead of the name of the set."
        )


def accept(path):
    """Record the hash of a file that was accepted unverified, so that later changes are seen."""
    with whole_file(f"{path}.sha256") as record:
        record.write(sha256(path))


def _accepted(path):
    record = Path(f"{path}.sha256")
    return record.read_text("ascii").strip() if record.is_file() else ""


def is_verifiable(file):
    """Return whether the registry knows a hash of the file."""
    return bool(file.sha256 or file.git_blob)


def git_blob(path):
    """Return git's name of a content: sha1 of "blob", its size and itself."""
    header = hashlib.sha1(b"blob %d\0" % Path(path).stat().st_size, usedforsecurity=False)
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, header.copy).hexdigest()
