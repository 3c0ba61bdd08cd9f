"""Checkpoints: every number that the next step depends on, in one file written atomically."""

import json
import re

import keras
import numpy as np

from kerasllm.utils.archives import read_arrays
from kerasllm.utils.files import whole_file


def save_checkpoint(path, model, meta):
    """Write weights, seeds, optimizer state and `meta` (JSON) to one .npz file.

    The file is written beside its place and moved there whole: a process killed at any moment
    leaves the checkpoint before.

    Raises:
        OSError: when the disk is full or the folder is not writable; the old file stays.
    """
    arrays = {name: keras.ops.convert_to_numpy(v.value) for name, v in _variables(model).items()}
    arrays |= {name: read().numpy() for name, (read, _) in _torch_generators().items()}
    try:
        with whole_file(path, "wb") as file:
            np.savez(file, meta=np.array(json.dumps(meta)), **arrays)
    except OSError as error:
        raise OSError(
            f"the checkpoint {path} could not be written ({error.strerror}): the one before is "
            "intact. Free some space or mend the permissions, then run again with --resume."
        ) from error


def load_checkpoint(path, model=None):
    """Return a checkpoint's `meta`, after assigning its arrays to the model and its optimizer.

    Raises:
        ValueError: when the file is damaged or belongs to another model.
    """
    try:
        arrays, meta = read_arrays(path)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"the checkpoint {path} cannot be read ({error}): it is damaged. Delete it and train "
            "again from the start."
        ) from error
    states = {name: arrays.pop(name) for name in ("torch", "cuda") if name in arrays}
    if model is not None:
        _assign(path, model, arrays)
        for name, (_, write) in _torch_generators(states).items():
            write(keras.ops.convert_to_tensor(states[name], "uint8").cpu())
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


def _torch_generators(wanted=("torch", "cuda")):
    """Return {name: (read, write)}: on torch, Keras' Dropout draws from the global generators."""
    if keras.backend.backend() != "torch":
        return {}
    import torch

    known = {"torch": (torch.get_rng_state, torch.set_rng_state)}
    if torch.cuda.is_available():
        known["cuda"] = (torch.cuda.get_rng_state, torch.cuda.set_rng_state)
    return {name: pair for name, pair in known.items() if name in wanted}


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
