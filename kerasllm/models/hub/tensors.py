"""Tensors of a checkpoint: safetensors files in, one safetensors file out."""

import json
import math
import struct
from pathlib import Path

import ml_dtypes  # noqa: F401 - teaches NumPy bfloat16, which many checkpoints are kept in

from kerasllm.utils.files import check_regular, whole_file
from kerasllm.utils.hub.fetching import MANY, ONE, parts_of

FLOATS = ("F64", "F32", "F16", "BF16")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".msgpack", ".h5")


class Tensors:
    """The tensors in a folder, read one at a time.

    Args:
        folder: with model.safetensors, or its parts and their index.

    Raises:
        FileNotFoundError: there are none.
        ValueError: there are pickles only, or a file is damaged.
    """

    def __init__(self, folder):
        self._files = {}
        for path in _files(Path(folder)):
            check_file(path)
            try:
                opened = _library().safe_open(path, framework="np")
            except _library().SafetensorError as error:
                raise ValueError(_damaged(path, str(error))) from None
            self._files |= dict.fromkeys(opened.keys(), opened)

    def __iter__(self):
        return iter(self._files)

    @property
    def numbers(self):
        """Return how many numbers there are in all."""
        return sum(math.prod(self.shape(name)) for name in self)

    def shape(self, name):
        """Return the shape of a tensor, without reading it."""
        return tuple(self._files[name].get_slice(name).get_shape())

    def kind(self, name):
        """Return the type of a tensor's values as safetensors calls it, without reading it."""
        return self._files[name].get_slice(name).get_dtype()

    def rows(self, name, start, stop):
        """Return rows of a tensor, without reading the others."""
        return self._files[name].get_slice(name)[start:stop].astype("float32")

    def __getitem__(self, name):
        return self._files[name].get_tensor(name).astype("float32")


def write_tensors(path, tensors, facts=None):
    """Write {name: float32 array} to a safetensors file, whole or not at all.

    Args:
        path: of the file.
        tensors: by name.
        facts: {name: text}, metadata of the file.
    """
    _library()
    from safetensors.numpy import save

    with whole_file(path, "wb") as file:
        # "pt": the layouts of matrices are torch's; `transformers` refuses files without it.
        file.write(save(tensors, metadata={"format": "pt", **(facts or {})}))


def check_file(path):
    """Raise unless the file is as long as its header says.

    A safetensors file is: 8 bytes, the size of the header (little-endian); the header (JSON), with
    the first and last byte of each tensor; the bytes of the tensors.

    Raises:
        ValueError: it is damaged, with what is missing.
    """
    check_regular(path)
    path, size = Path(path), Path(path).stat().st_size
    with path.open("rb") as file:
        first = file.read(8)
        length = struct.unpack("<Q", first)[0] if len(first) == 8 else None
        if length is None or length > size - 8:
            claim = "no size of a header" if length is None else f"a header of {length:,} bytes"
            raise ValueError(_damaged(path, f"it claims {claim}, the file has {size:,} bytes"))
        try:
            header = json.loads(file.read(length))
            ends = {k: int(v["data_offsets"][1]) for k, v in header.items() if k[:2] != "__"}
        except (ValueError, TypeError, KeyError, AttributeError, IndexError):
            raise ValueError(_damaged(path, "its header is no table of tensors")) from None
    needed = 8 + length + max(ends.values(), default=0)
    if needed != size:
        cut = sorted(name for name, end in ends.items() if 8 + length + end > size)
        what = (
            f"it is cut off within {_listed(cut)}" if cut else "it goes on behind its last tensor"
        )
        raise ValueError(_damaged(path, f"{what}: {needed:,} bytes expected, {size:,} found"))


def _damaged(path, what):
    return (
        f"{path} is no whole safetensors file: {what}. Download or copy it again; a file of Git "
        'LFS that was not fetched is a short text that begins with "version".'
    )


def _files(folder):
    """Return the safetensors files of a checkpoint."""
    if (folder / ONE).is_file():
        return [folder / ONE]
    if (folder / MANY).is_file():
        parts = parts_of(folder / MANY)
        if lost := [name for name in parts if not (folder / name).is_file()]:
            raise FileNotFoundError(f"expected {lost} in {folder}, as {MANY} says: fetch them too.")
        return [folder / name for name in parts]
    there = sorted(p.name for p in folder.iterdir())
    pickles = [name for name in there if Path(name).suffix in PICKLES]
    if pickles:
        raise ValueError(
            f"expected {ONE} in {folder}, found {pickles}: a pickle (.bin, .pt) can run any code "
            "when it is opened, so it is refused, and the other formats are not read. Most models "
            "are published as safetensors too; else convert it where you trust its author, with "
            "`transformers`: AutoModel.from_pretrained(folder).save_pretrained(new_folder)."
        )
    raise FileNotFoundError(f"expected {ONE} in {folder}, found {', '.join(there) or 'nothing'}.")


def _library():
    try:
        import safetensors
    except ImportError:
        raise ImportError(
            "reading and writing checkpoints needs safetensors: pip install 'kerasllm[hub]'"
        ) from None
    return safetensors


def _listed(names, most=3):
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
