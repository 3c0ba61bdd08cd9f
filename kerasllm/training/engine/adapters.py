"""Adapters on disk: what low-rank fine-tuning learned, without the weights that it started from."""

import json
import zipfile

import keras
import numpy as np

from kerasllm.models import LoRA
from kerasllm.models.lora import fingerprint
from kerasllm.models.presets import copy_of
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
    meta, arrays = _read(path)
    task = keras.saving.deserialize_keras_object(meta["task"])
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
        weight.assign(arrays[name])
    return adapted.merge()


def _in_training(backbone, trained):
    """Return a backbone with the dropout that it was trained with, which no weight depends on."""
    dropout = getattr(trained.settings, "dropout", None)
    return backbone if dropout is None else copy_of(backbone, dropout=dropout)


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
