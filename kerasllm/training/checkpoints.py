"""Checkpoints: every number that the next step depends on, in one file written atomically."""

import json
import os
import re
import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np


def save_checkpoint(path, model, meta):
    """Write weights, seeds, optimizer state and `meta` (JSON) to one .npz file.

    The file is written beside its place and moved there whole: a process killed at any moment
    leaves the checkpoint before.

    Raises:
        OSError: when the disk is full or the folder is not writable; the old file stays.
    """
    path = Path(path)
    arrays = {name: keras.ops.convert_to_numpy(v) for name, v in _variables(model).items()}
    handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, meta=np.array(json.dumps(meta)), **arrays)
        os.replace(part, path)
    except OSError as error:
        Path(part).unlink(missing_ok=True)
        raise OSError(
            f"the checkpoint {path} could not be written ({error.strerror}): the one before is "
            "intact. Free some space or mend the permissions, then run again with --resume."
        ) from error
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


def load_checkpoint(path, model=None):
    """Return a checkpoint's `meta`, after assigning its arrays to the model and its optimizer.

    Raises:
        ValueError: when the file is damaged or belongs to another model.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = json.loads(str(arrays.pop("meta")))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"the checkpoint {path} cannot be read ({error}): it is damaged. Delete it and train "
            "again from the start."
        ) from error
    if model is not None:
        _assign(path, model, arrays)
    return meta


def _assign(path, model, arrays):
    variables = _variables(model)
    ours = {name: tuple(v.shape) for name, v in variables.items()}
    theirs = {name: array.shape for name, array in arrays.items()}
    if ours != theirs:
        wrong = sorted(set(ours.items()) ^ set(theirs.items()), key=str)[0]
        raise ValueError(
            f"the checkpoint {path} belongs to another model: {wrong[0]} with shape {wrong[1]} is "
            "not on both sides. Resume with the very settings of the first call."
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _variables(model):
    """Return {name: variable} of weights, seed states and the optimizer.

    Keras numbers names by what the process made before: "adam_w_4" here is "adam_w" in the next.
    """
    metrics = {id(v) for v in model.metrics_variables}
    found = [v for v in model.variables if id(v) not in metrics]
    if model.optimizer is not None:
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        found += model.optimizer.variables
    return {f"{i}:{re.sub(r'_[0-9]+(?=/|$)', '', v.path)}": v for i, v in enumerate(found)}
