"""What a path holds where a run folder was expected, in a sentence with what to do."""

import json
from pathlib import Path

from kerasllm import datasets
from kerasllm.datasets.files.reading import FORMATS
from kerasllm.utils.errors import nearest
from kerasllm.utils.files import check_regular

_SHOWN = 5
_OF_A_RUN = {"tokenizer.json", "model.keras", "checkpoint", "moved.json"}


def not_a_run(path):
    """Return why there is no run at a path, and what to give instead; None where there is one.

    Args:
        path: that was given as a run folder.
    """
    path = Path(path)
    if not path.exists():
        return _nothing(path)
    if not path.is_dir():
        return (
            f"expected a run folder, {path} is a file: {_trained_on(path)}, and give the folder "
            "that it writes."
        )
    if (path / "config.json").exists():
        return _not_ours(path)
    names = sorted(entry.name for entry in path.iterdir())
    if _OF_A_RUN & set(names):
        return None  # a damaged one: reading it says what is missing
    data = [name for name in names if Path(name).suffix.lower() in FORMATS]
    runs = [name for name in names if (path / name / "config.json").is_file()]
    if runs:
        return f"expected a run folder, {path} holds several: give one of {_listed(path, runs)}."
    if data:
        found = ", ".join(data[:_SHOWN])
        return f"expected a run folder, {path} holds data ({found}): {_trained_on(path)}."
    return None if names else f"expected a run folder, {path} is empty: {_FROM}."


_FROM = (
    "give the --output of an earlier `kerasllm pretrain`, `kerasllm train` or `kerasllm finetune`"
)


def _nothing(path):
    if str(path) in datasets.names():
        return (
            f"expected a run folder, {path} is the name of a data set: {_trained_on(path)}, and "
            "give the folder that it writes."
        )
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    runs = [entry.name for entry in beside if (entry / "config.json").is_file()]
    return f"expected a run folder, there is none at {path}: {_FROM}." + nearest(path.name, runs)


def _not_ours(path):
    """Return why a folder with a config.json is no run, None where it is one or seems broken."""
    try:
        check_regular(path / "config.json")
        config = json.loads((path / "config.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None  # reading it says what is wrong
    if not isinstance(config, dict) or "settings" in config:  # an imported run has a model_type too
        return None
    if {"model_type", "architectures"} & config.keys():
        return (
            f"expected a run folder, {path} holds a checkpoint of another project: "
            f"`kerasllm import {path}` makes a run of it."
        )
    return None


def _trained_on(path):
    return f"`kerasllm train {path}` or `kerasllm pretrain {path}` learns from it"


def _listed(path, names):
    more = ", …" if len(names) > _SHOWN else ""
    return ", ".join(str(path / name) for name in names[:_SHOWN]) + more
