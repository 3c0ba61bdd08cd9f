"""Saved models: rebuilt from the classes of this package, their weights read as numbers alone.

- `keras.saving.load_model` builds whatever class a file names, and among Keras' own are some that
  read or write files: here a file may name a class of `kerasllm.models`, or one made from it.
- A model is not made larger than the weights that its file holds.
- Of the weights' file (HDF5) only plain arrays are read: no links, no data in other files, nothing
  compressed, nothing that claims more bytes than are there.
"""

import contextlib
import math
import shutil
import tempfile
import warnings
from pathlib import Path

import keras

from kerasllm.utils.archives import DamagedError, opened_archive
from kerasllm.utils.json_text import parsed_json

PARTS = ("backbone", "preprocessor")  # of a task's config, which are objects themselves
WEIGHTS = "model.weights.h5"
MEMBERS = ("config.json", "metadata.json", WEIGHTS)


def read_model(path):
    """Return the model in a `.keras` file that this project wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or not a model of this project.
    """
    try:
        with opened_archive(path, MEMBERS) as archive, tempfile.TemporaryDirectory() as folder:
            config = parsed_json(archive.read("config.json").decode("utf-8"), path)
            weights = Path(folder) / WEIGHTS
            with archive.open(WEIGHTS) as source, weights.open("wb") as target:
                shutil.copyfileobj(source, target)
            with at_most(numbers_in(weights)):
                model = rebuild(config)
            with warnings.catch_warnings():
                # Keras leaves what the file lacks as it was at first, and only warns.
                warnings.simplefilter("error", UserWarning)
                model.load_weights(weights)
    except (DamagedError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} is not a model that kerasllm wrote: {error}. Nothing of it was run. Use the "
            "model.keras of a run folder; train again, or restore it from a copy, where it is "
            "damaged."
        ) from error
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, UserWarning) as error:
        raise ValueError(
            f"{path} cannot be rebuilt ({type(error).__name__}: {str(error).strip()[:200]}): the "
            "file is damaged or of another version. Train again, or restore it from a copy."
        ) from error
    return model


def rebuild(config, custom_objects=None):
    """Return the backbone, preprocessor or task that a serialised config describes.

    Args:
        config: what `keras.saving.serialize_keras_object` returned.
        custom_objects: {name: class} of a user's own that are not registered.

    Raises:
        DamagedError: it names a class that is not of `kerasllm.models`, nor made from one.
    """
    config = config if isinstance(config, dict) else {}
    names = [config.get(name) for name in ("registered_name", "class_name")]
    kinds = [keras.saving.get_registered_object(n, custom_objects) for n in names if _is_name(n)]
    kind = next((kind for kind in kinds if _is_ours(kind)), None)
    settings = config.get("config")
    if kind is None or not isinstance(settings, dict):
        raise DamagedError(
            f"it names the class {names[0] or names[1]!r:.80}, which no folder of kerasllm.models "
            "defines (a class of your own: import its module first)"
        )
    _check_plain({k: v for k, v in settings.items() if k not in PARTS})
    return kind.from_config(settings)


def _is_name(name):
    return isinstance(name, str) and name


def _is_ours(kind):
    ancestors = kind.__mro__ if isinstance(kind, type) else ()
    return any(base.__module__.startswith("kerasllm.models.") for base in ancestors)


def _check_plain(value):
    """Raise where a setting describes an object, which Keras would build."""
    if isinstance(value, dict):
        if {"class_name", "registered_name"} & set(value):
            raise DamagedError(f"a setting describes an object: {value!s:.80}")
        value = list(value.values())
    if isinstance(value, list):
        for entry in value:
            _check_plain(entry)


# === Sizes ===


@contextlib.contextmanager
def at_most(numbers):
    """Let models be built of so many weights in all, counted before they are made.

    They begin as zeros, as they are about to be read: random ones would take longer, and three
    times the memory of the largest.

    Raises:
        DamagedError: a model needs more.
    """
    left, add_weight = numbers, keras.Layer.add_weight

    def counted(layer, shape=None, initializer=None, *args, **kwargs):  # noqa: ARG001
        nonlocal left
        left -= math.prod(shape or ())
        if left < 0:
            raise DamagedError(
                f"its settings describe a model with more weights than the {numbers:,} in the file"
            )
        return add_weight(layer, shape, "zeros", *args, **kwargs)

    keras.Layer.add_weight = counted
    try:
        yield
    finally:
        keras.Layer.add_weight = add_weight


def numbers_in(path):
    """Return how many numbers a file of weights holds, without reading them.

    Raises:
        DamagedError: it holds something else than plain arrays.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            total = sum(array.size for array in _arrays(file, h5py, set()))
    except (OSError, RuntimeError, KeyError, RecursionError) as error:
        raise DamagedError(f"its weights cannot be read: {error!s:.200}") from error
    if total > path.stat().st_size:
        raise DamagedError(f"its weights claim {total:,} numbers, which their file cannot hold")
    return total


def _arrays(group, h5py, seen):
    """Yield the arrays below a group, each checked."""
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise DamagedError(f"its weights have a link, {name!r:.80}, that leads elsewhere")
        item = group[name]
        address = h5py.h5o.get_info(item.id).addr
        if address in seen:
            raise DamagedError(f"its weights have {name!r:.80} under two names")
        seen.add(address)
        if isinstance(item, h5py.Group):
            yield from _arrays(item, h5py, seen)
        else:
            yield _checked(item, h5py)


def _checked(array, h5py):
    """Return an array that lies in the file as it is, all its bytes."""
    if not isinstance(array, h5py.Dataset) or array.dtype.kind not in "biufV":
        raise DamagedError(f"{array.name!r:.80} in its weights is no array of numbers")
    plan = array.id.get_create_plist()
    plain = plan.get_layout() in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)
    if not plain or plan.get_external_count() or plan.get_nfilters():
        raise DamagedError(f"{array.name!r:.80} in its weights is compressed, or lies elsewhere")
    if array.id.get_storage_size() != array.nbytes:
        raise DamagedError(f"{array.name!r:.80} in its weights claims {array.nbytes:,} bytes")
    return array
