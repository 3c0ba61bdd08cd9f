"""Checkpoints: every number that the next step depends on, in one file written atomically.

The weights of the best validation are in the same file: they cannot be lost, or be of another run,
while their score stays.
"""

import json
import re

import keras
import numpy as np

from kerasllm.utils.archives import read_arrays
from kerasllm.utils.errors import writing
from kerasllm.utils.files import whole_file
from kerasllm.utils.ranks import first_alone

BEST = "best:"  # and a number: one of the weights of the best validation


@first_alone
def save_checkpoint(path, model, meta, best_weights=None):
    """Write weights, seeds, optimizer state and `meta` (JSON) to one .npz file.

    The file is written beside its place and moved there whole: a process killed at any moment
    leaves the checkpoint before.

    Args:
        path: of the file.
        model: compiled.
        meta: facts that JSON can hold.
        best_weights: the list of arrays that `get_weights` gave after the best validation.

    Raises:
        OSError: when the disk is full or the folder is not writable; the old file stays.
    """
    arrays = {name: keras.ops.convert_to_numpy(v.value) for name, v in _variables(model).items()}
    arrays |= {f"{BEST}{i}": weight for i, weight in enumerate(best_weights or ())}
    place = "choose another --output"
    if path.exists():
        place += " and move the folder there: the checkpoint before is whole, go on with --resume"
    with writing(f"the checkpoint {path}", place), whole_file(path, "wb") as file:
        np.savez(file, meta=np.array(json.dumps(meta)), **arrays)


def load_checkpoint(path, model=None):
    """Return a checkpoint's `meta`, after assigning its arrays to the model and its optimizer.

    Args:
        path: of the file.
        model: compiled; `meta` then holds "best_weights" too, where there are. None reads no array.

    Raises:
        ValueError: when the file is damaged or belongs to another model.
        OSError: when it cannot be opened.
    """
    try:
        wanted = re.compile("(?!)" if model is None else rf"\d|{BEST}")
        arrays, meta = read_arrays(path, wanted.match)
    except ValueError as error:
        raise ValueError(
            f"the checkpoint {path} cannot be read ({error}): it is damaged. Delete it and train "
            "again from the start."
        ) from error
    best = [arrays.pop(name) for name in list(arrays) if name.startswith(BEST)]
    if model is not None:
        _assign(path, model, arrays)
    return {**meta, "best_weights": best} if best else meta


def own_checkpoint(folder, model=None):
    """Return `load_checkpoint` of a run folder's own checkpoint, None where it has none.

    Raises:
        ValueError: when it is of another run, though of the same shape perhaps.
    """
    path = folder.checkpoint
    if not path.exists():
        return None
    if (run := load_checkpoint(path).get("run")) != folder.identity:
        raise ValueError(
            f"the checkpoint {path} is of the run {run}, and config.json of the run "
            f"{folder.identity}: files of two runs are mixed. Restore the folder from a copy, or "
            "train again without --resume, which deletes the checkpoint."
        )
    return load_checkpoint(path, model)


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
    return {f"{i}:{re.sub(r'_[0-9]+(?=_|/|$)', '', v.path)}": v for i, v in enumerate(found)}
