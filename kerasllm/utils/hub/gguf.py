"""GGUF files: what their header says, checked against the file, and their tensors as float32.

A GGUF file is: a header of fixed size, named values, a table of tensors (name, shape, type, where
it begins), and the bytes of the tensors, each at a multiple of the alignment.

- Everything is checked before any tensor is read: a count, a length, an offset or a size that the
  file cannot hold is refused, and so are tensors that lie over one another.
- Tensors are read one at a time, or some rows of one.
"""

import itertools
import math
import mmap
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasllm.utils.archives import DamagedError

MAGIC, VERSIONS, ALIGNMENT = b"GGUF", (2, 3), 32
# type of a tensor's values: (its number in the file, values of a block, bytes of a block)
KINDS = {
    "F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q4_1": (3, 32, 20),
    "Q8_0": (8, 32, 34), "Q6_K": (14, 256, 210),
}  # fmt: skip
_KIND_OF = {number: kind for kind, (number, _, _) in KINDS.items()}
_PLAIN = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}
# type of a named value: how `struct` reads it; 8 is a text, 9 a list of another type
_NUMBERS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_TEXT, _LIST = 8, 9
_LEAST_VALUE, _LEAST_TENSOR = 8 + 1 + 4 + 1, 8 + 1 + 4 + 8 + 4 + 8  # bytes of an entry at least
_AXES = 4


class Tensor(NamedTuple):
    """Where a tensor lies: its shape as NumPy has it, the type of its values, its first byte."""

    shape: tuple
    kind: str
    start: int


class GGUF:
    """A GGUF file whose header fits the file.

    Args:
        path: of the file.

    Attributes:
        values: {name: value}, the named values; numbers, texts, or lists of them.
        tensors: {name: `Tensor`}.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no GGUF file, or its header claims what the file does not hold, or a
            tensor is of a type that is not supported.
    """

    def __init__(self, path):
        self.path = Path(path)
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            if size < 24 or file.read(4) != MAGIC:
                raise ValueError(
                    f"{path} is no GGUF file: it does not begin with GGUF and a header. A file of "
                    'Git LFS that was not fetched is a short text that begins with "version".'
                )
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            with mapped:
                self.values, self.tensors = _Header(mapped, size).read()
        except DamagedError as lie:
            raise ValueError(
                f"{path} is no whole GGUF file: {lie}. Download or copy it again."
            ) from None

    def read(self, name, start=0, stop=None):
        """Return the rows from `start` to `stop` of a tensor as a float32 array.

        Raises:
            ImportError: its values are quantised, and the package gguf is not installed.
        """
        shape, kind, first = self.tensors[name]
        rows, columns = (1, *shape)[-2:] if len(shape) < 2 else (shape[0], math.prod(shape[1:]))
        start, stop, _ = slice(start, stop).indices(rows)
        _, values, width = KINDS[kind]
        of_row = columns // values * width
        raw = np.fromfile(self.path, "u1", (stop - start) * of_row, offset=first + start * of_row)
        raw = raw.reshape(stop - start, of_row)
        array = raw.view(_PLAIN[kind]).astype("float32") if kind in _PLAIN else _expand(raw, kind)
        return array.reshape(shape if len(shape) < 2 else (stop - start, *shape[1:]))


def _expand(raw, kind):
    try:
        import gguf
    except ImportError:
        raise ImportError(
            f"reading tensors of the type {kind} needs gguf: pip install 'kerasllm[gguf]'"
        ) from None
    with np.errstate(all="ignore"):  # of a scale that is no number, which the reader will find
        return gguf.quants.dequantize(raw, gguf.GGMLQuantizationType[kind])


class _Header:
    """Reads the header of a GGUF file from its beginning on, and never behind its end."""

    def __init__(self, data, size):
        self.data, self.size, self.at = data, size, len(MAGIC)

    def read(self):
        """Return ({name: value}, {name: `Tensor`})."""
        version = self.number("I")
        if version not in VERSIONS:
            turned = int.from_bytes(version.to_bytes(4, "little"), "big")
            order = " with its bytes in the other order" if turned in VERSIONS else ""
            raise DamagedError(
                f"it is of version {version}{order}, expected {VERSIONS[0]} or {VERSIONS[1]}"
            )
        tensors, values = self.number("Q"), self.number("Q")
        self.fits(tensors * _LEAST_TENSOR + values * _LEAST_VALUE, "its counts of entries")
        named = self.table(values, self.value)
        described = self.table(tensors, self.tensor)
        alignment = named.get("general.alignment", ALIGNMENT)
        if type(alignment) is not int or alignment < 8 or alignment & (alignment - 1):
            raise DamagedError(f"its alignment is {alignment!r}, expected a power of 2 from 8 on")
        first = -(-self.at // alignment) * alignment
        return named, self.places(described, first, alignment)

    def fits(self, count, what):
        """Raise unless so many bytes follow."""
        if count > self.size - self.at:
            raise DamagedError(
                f"{what} at byte {self.at:,} would need {count:,} bytes, {self.size - self.at:,} "
                "are left"
            )

    def number(self, form):
        """Read a number."""
        size = struct.calcsize("<" + form)
        self.fits(size, "a number")
        (number,) = struct.unpack_from("<" + form, self.data, self.at)
        self.at += size
        return number

    def text(self):
        """Read a text: its length, and its bytes."""
        length = self.number("Q")
        self.fits(length, "a text")
        raw = self.data[self.at : self.at + length]
        self.at += length
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise DamagedError(f"a text before byte {self.at:,} is not UTF-8") from None

    def table(self, count, read):
        """Read so many entries, each a name and what `read` reads."""
        entries = {}
        for _ in range(count):
            name = self.text()
            if name in entries:
                raise DamagedError(f"it has {name!r:.80} twice")
            entries[name] = read()
        return entries

    def value(self):
        """Read a named value: a number, a text, or a list of one of these."""
        kind = self.number("I")
        if kind != _LIST:
            return self.one(kind)
        kind, count = self.number("I"), self.number("Q")
        if kind in _NUMBERS:
            form = f"{count}{_NUMBERS[kind]}"
            self.fits(count * struct.calcsize(_NUMBERS[kind]), "a list")
            numbers = list(struct.unpack_from("<" + form, self.data, self.at))
            self.at += struct.calcsize("<" + form)
            return numbers
        self.fits(count * 8, "a list")
        return [self.one(kind) for _ in range(count)]

    def one(self, kind):
        """Read a number or a text."""
        if kind == _TEXT:
            return self.text()
        if kind in _NUMBERS:
            return self.number(_NUMBERS[kind])
        raise DamagedError(
            f"a value before byte {self.at:,} has the type {kind}, which there is not"
        )

    def tensor(self):
        """Read the shape, the number of the type and the offset of a tensor."""
        axes = self.number("I")
        if not 1 <= axes <= _AXES:
            raise DamagedError(
                f"a tensor before byte {self.at:,} has {axes} axes, expected 1 to {_AXES}"
            )
        shape = tuple(self.number("Q") for _ in range(axes))[::-1]  # the last axis comes first
        return shape, self.number("I"), self.number("Q")

    def places(self, described, first, alignment):
        """Return {name: `Tensor`}, after checking that each lies in the file, and alone."""
        tensors, ends = {}, []
        for name, (shape, number, offset) in described.items():
            if number not in _KIND_OF:
                raise ValueError(
                    f"the tensor {name!r:.80} has values of the type {_name_of(number)}, expected "
                    f"one of {', '.join(KINDS)}: other quantisations are not read. Take a file of "
                    "the same model in one of these, such as Q8_0."
                )
            _, values, width = KINDS[_KIND_OF[number]]
            if 0 in shape or shape[-1] % values or offset % alignment:
                raise DamagedError(
                    f"the tensor {name!r:.80} has an impossible shape {shape} or offset"
                )
            start, size = first + offset, math.prod(shape) // values * width
            if start + size > self.size:
                raise DamagedError(
                    f"the tensor {name!r:.80} would end at byte {start + size:,}, the file has "
                    f"{self.size:,}"
                )
            tensors[name] = Tensor(shape, _KIND_OF[number], start)
            ends.append((start, start + size, name))
        ends.sort()
        for (_, end, name), (start, _, other) in itertools.pairwise(ends):
            if start < end:
                raise DamagedError(
                    f"the tensors {name!r:.80} and {other!r:.80} lie over one another"
                )
        last = ends[-1][1] if ends else self.at
        if self.size - last >= alignment:
            raise DamagedError(f"it goes on for {self.size - last:,} bytes behind its last tensor")
        return tensors


def _name_of(number):
    """Return what a type of values is called, where the package gguf is there to say so."""
    try:
        import gguf

        return gguf.GGMLQuantizationType(number).name
    except (ImportError, ValueError):
        return f"number {number}"
