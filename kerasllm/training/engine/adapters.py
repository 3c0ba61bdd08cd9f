"""Adapters on disk: what low-rank fine-tuning learned, without the weights that it started from."""

import json
import zipfile

import keras
import numpy as np

from kerasllm.models import LoRA
from kerasllm.models.lora import fingerprint
from kerasllm.utils.files import whole_file


def save_adapter(path, adapted):
    """Write the corrections and the head of a `LoRA` to one .npz file, before it is merged.

    Args:
        path: file to write; whole or not at all.
        adapted: a trained `LoRA`.
    """
    arrays = {}
    for number, (a, b) in enumerate(adapted.corrections):
        arrays[f"a_{number}"], arrays[f"b_{number}"] = map(keras.ops.convert_to_numpy, (a, b))
    for number, weight in enumerate(_head(adapted.task)):
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
    meta, arrays = _read(path)
    if (base := fingerprint(backbone)) != meta["base"]:
        raise ValueError(
            f"the adapter {path} belongs to the backbone {meta['base'][:12]}, received "
            f"{base[:12]}: corrections mean nothing on other weights. Load the run that it was "
            "trained on."
        )
    task = keras.saving.deserialize_keras_object(meta["task"])
    task.backbone.set_weights(backbone.get_weights())
    adapted = LoRA(task, meta["rank"], meta["alpha"], meta["targets"])
    pairs = [weight for pair in adapted.corrections for weight in pair]
    names = [f"{x}_{n}" for n in range(len(adapted.corrections)) for x in "ab"]
    head = {f"head_{n}": weight for n, weight in enumerate(_head(task))}
    for name, weight in (*zip(names, pairs, strict=True), *head.items()):
        weight.assign(arrays[name])
    return adapted.merge()


def _head(task):
    """Return the weights that the task has beside its backbone's."""
    theirs = {id(weight) for weight in task.backbone.weights}
    return [weight for weight in task.weights if id(weight) not in theirs]


def _read(path):
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return json.loads(str(arrays.pop("meta"))), arrays
    except FileNotFoundError:
        raise
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"the adapter {path} cannot be read ({error}): it is damaged. Fine-tune again, or "
            "restore it from a copy."
        ) from error
