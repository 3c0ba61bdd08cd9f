"""Adapters on disk: what low-rank fine-tuning learned, without the weights that it started from."""

import json

import keras
import numpy as np

from kerasllm.models import LoRA
from kerasllm.models.lora import fingerprint, matrices_of
from kerasllm.models.presets import copy_of
from kerasllm.models.saved import at_most, rebuild
from kerasllm.utils.archives import read_arrays
from kerasllm.utils.files import whole_file
from kerasllm.utils.ranks import first_alone


@first_alone
def save_adapter(path, adapted):
    """Write the corrections and the head of a `LoRA` to one .npz file, before it is merged.

    Args:
        path: file to write; whole or not at all.
        adapted: a trained `LoRA`.
    """
    arrays = {}
    for number, (a, b) in enumerate(adapted.corrections):
        arrays[f"a_{number}"], arrays[f"b_{number}"] = map(keras.ops.convert_to_numpy, (a, b))
    for number, weight in enumerate(adapted.task.head_weights()):
        arrays[f"head_{number}"] = keras.ops.convert_to_numpy(weight)
    meta = {
        "task": keras.saving.serialize_keras_object(adapted.task),
        "rank": adapted.rank,
        "alpha": adapted.alpha,
        "targets": adapted.targets,
        "base": adapted.fingerprint,
    }
    with whole_file(path, "wb") as file:
        np.savez(file, meta=np.array(json.dumps(meta)), **arrays)


def load_adapter(path, backbone):
    """Return the task of an adapter, with its corrections merged into a copy of the backbone.

    Args:
        path: file that `save_adapter` wrote.
        backbone: the pretrained backbone that the adapter was trained on; it is not changed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or the backbone is another one.
    """
    task, meta, arrays = _read(path, backbone)
    if (base := fingerprint(_in_training(backbone, task.backbone))) != meta["base"]:
        raise ValueError(
            f"the adapter {path} belongs to the backbone {meta['base'][:12]}, received "
            f"{base[:12]}: corrections mean nothing on other weights. Load the run that it was "
            "trained on."
        )
    task.backbone.set_weights(backbone.get_weights())
    adapted = LoRA(task, meta["rank"], meta["alpha"], meta["targets"])
    pairs = [weight for pair in adapted.corrections for weight in pair]
    names = [f"{x}_{n}" for n in range(len(adapted.corrections)) for x in "ab"]
    head = {f"head_{n}": weight for n, weight in enumerate(task.head_weights())}
    for name, weight in (*zip(names, pairs, strict=True), *head.items()):
        if arrays[name].shape != tuple(weight.shape):
            raise _damaged(path, f"{name} has the shape {arrays[name].shape}")
        weight.assign(arrays[name])
    return adapted.merge()


def corrections_in(path, backbone):
    """Return ({path of the weight: (A, B)}, what else the file says) of an adapter.

    Args:
        path: file that `save_adapter` wrote.
        backbone: the adapted or the pretrained backbone, whose shapes they have.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or of a task with a head of its own.
    """
    task, meta, arrays = _read(path, backbone)
    if task.head_weights():
        raise ValueError(
            f"the adapter {path} has a head, that of a {type(task).__name__}: only corrections of "
            "a language model stand alone in a file of `peft`. Export the merged model instead."
        )
    weights = matrices_of(task.backbone, meta["targets"], meta["rank"])
    pairs = {}
    for number, weight in enumerate(weights):
        a, b = (arrays[f"{name}_{number}"] for name in "ab")
        shapes = (weight.shape[0], meta["rank"]), (meta["rank"], weight.shape[1])
        if (a.shape, b.shape) != shapes:
            raise _damaged(path, f"a_{number} and b_{number} have the shapes {a.shape}, {b.shape}")
        pairs[weight.path] = a, b
    return pairs, {**meta, "dropout": getattr(task.backbone.settings, "dropout", None)}


def _in_training(backbone, trained):
    """Return a backbone with the dropout that it was trained with, which no weight depends on."""
    dropout = getattr(trained.settings, "dropout", None)
    return backbone if dropout is None else copy_of(backbone, dropout=dropout)


def _read(path, backbone):
    """Return the untrained task of an adapter, its description, and its arrays."""
    try:
        arrays, meta = read_arrays(path)
        numbers = sum(array.size for array in arrays.values()) + backbone.count_params()
        with at_most(numbers):
            task = rebuild(meta["task"])
        return task, {n: meta[n] for n in ("rank", "alpha", "targets", "base")}, arrays
    except (TypeError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error


def _damaged(path, why):
    return ValueError(
        f"the adapter {path} cannot be read ({why}): it is damaged. Fine-tune again, or restore it "
        "from a copy."
    )
