"""How a run came about: the command, the day, the machine; without the folders of that machine."""

import os
import platform
import sys
import time
from pathlib import Path


def made():
    """Return {"command", "date", "machine"} of the run that begins now."""
    return {"command": command(), "date": time.strftime("%Y-%m-%d"), "machine": machine()}


def command(words=None):
    """Return the command line that is running; None where it is no command of this project.

    Args:
        words: of the command line; those of this process when None.

    Example:
        >>> command(["bin/kerasllm", "train", "letters/mail.csv", "--epochs", "3"])
        'kerasllm train mail.csv --epochs 3'
        >>> command(["kerasllm/recipes/spam.py", "--output", "runs/x"])
        'python -m kerasllm.recipes.spam'
    """
    program, *given = sys.argv if words is None else words
    path, shown = Path(program), []
    if path.parts[-3:-1] == ("kerasllm", "recipes"):
        shown = ["python", "-m", f"kerasllm.recipes.{path.stem}"]
    elif path.stem == "kerasllm":
        shown = ["kerasllm"]
    else:
        return None
    for before, word in zip(["", *given], given, strict=False):
        if "--output" not in (before, word):
            shown.append(Path(word).name if "/" in word and "://" not in word else word)
    return " ".join(shown)


def machine():
    """Return what the run is computed on, such as "x86_64, 2 cores"."""
    import keras

    # On JAX to ask for the GPUs of a machine without one is an error; on torch Keras lists none.
    known = [] if keras.backend.backend() == "torch" else keras.distribution.list_devices()
    cards = sum(device.startswith("gpu") for device in known)
    more = f", {cards} GPU" if cards else ""
    return f"{platform.machine()}, {os.cpu_count()} cores{more}"
