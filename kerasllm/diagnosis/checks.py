"""The checks of `kerasllm.doctor` that look at this machine rather than at versions."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

OK, NOTE, PROBLEM = "ok", "note", "problem"
CORPORA = ("movie_reviews", "brown", "gutenberg")

_PROBE = """
import json, keras
name = keras.backend.backend()
if name == "tensorflow":
    import tensorflow
    devices = [d.name for d in tensorflow.config.list_physical_devices()]
elif name == "jax":
    import jax
    devices = [str(d) for d in jax.devices()]
elif name == "torch":
    import torch
    devices = ["cpu"] + [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
else:
    devices = []
lstm, dense = keras.layers.LSTM(1), keras.layers.Dense(1)
recurrent = lstm, keras.layers.Bidirectional(lstm), keras.layers.TimeDistributed(dense)
print(json.dumps({
    "backend": name, "devices": devices, "floatx": keras.config.floatx(),
    "masks": all(layer.supports_masking for layer in recurrent), "keras": keras.__version__,
}))
"""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Args:
        name: what was looked at.
        found: what was found.
        status: "ok", "note" (works, but know it) or "problem".
        cure: what to do; empty if nothing is to be done.
    """

    name: str
    found: str
    status: str = OK
    cure: str = ""


def settings():
    """Look at settings that change results or choose a backend without a word."""
    if os.environ.get("TF_USE_LEGACY_KERAS", "0").lower() in ("1", "true"):
        cure = "unset TF_USE_LEGACY_KERAS"
        yield Check("TF_USE_LEGACY_KERAS", "set: tf.keras is Keras 2 then", PROBLEM, cure)
    path = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        yield Check("keras.json", f"{path} cannot be read: {error}", PROBLEM, "remove that file")
        return
    if settings.get("floatx", "float32") != "float32":
        found = f"floatx is {settings['floatx']}: every model computes in it"
        yield Check("keras.json", found, NOTE, f'put "floatx": "float32" into {path}')


def backend(seconds=120):
    """Start the backend in another process and ask for its devices."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        found = f"did not start within {seconds} s"
        return [Check("backend", found, PROBLEM, "try again; if it stays so, reinstall it")]
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"]
        cure = "install it, or choose another: KERAS_BACKEND=tensorflow, jax or torch"
        return [Check("backend", f"does not start: {lines[-1]}", PROBLEM, cure)]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    checks = [Check("backend", f"{found['backend']}, computes in {found['floatx']}")]
    checks.append(devices(found["backend"], found["devices"]))
    return [*checks, recurrent_masks(found["masks"], found["keras"])]


def recurrent_masks(kept, version):
    """Tell whether Keras' recurrent layers pass on the mask of padding."""
    layers = "LSTM, GRU, Bidirectional and TimeDistributed"
    if kept:
        return Check("recurrent masks", f"{layers} of Keras {version} pass masks on")
    found = f"{layers} of Keras {version} lose the mask: what follows reads padding as text"
    cure = (
        "use kerasllm.layers.StackedRNN or BiLSTM, or pass mask= to each layer; "
        "kerasllm.verify.check_masks(model) finds where one is lost"
    )
    return Check("recurrent masks", found, NOTE, cure)


def devices(backend, devices):
    """Name the devices, and tell when there is a GPU that the backend does not use."""
    names = ", ".join(devices) or "unknown"
    cures = {
        "tensorflow": "pip install 'tensorflow[and-cuda]'",
        "jax": "pip install -U 'jax[cuda12]'",
        "torch": "install a CUDA build of torch, see pytorch.org",
    }
    on_cpu = all("cpu" in device.lower() for device in devices)
    if not (on_cpu and shutil.which("nvidia-smi")):
        return Check("devices", names)
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        cure = "to use the GPU: unset CUDA_VISIBLE_DEVICES"
        return Check("devices", f"{names}; the GPU is hidden", NOTE, cure)
    cure = cures.get(backend, "choose another backend")
    return Check("devices", f"{names}; there is a GPU that {backend} does not see", PROBLEM, cure)


def font():
    """Look for a font that holds Chinese."""
    try:
        from kerasllm.plots.fonts import FONT_CURE, chinese_font

        font = chinese_font()
    except Exception as error:  # Matplotlib missing or broken: named above
        return Check("Chinese font", f"cannot be looked for: {error}", NOTE)
    if font is None:
        return Check("Chinese font", "none: Chinese is drawn as boxes", NOTE, FONT_CURE)
    return Check("Chinese font", font)


def data():
    """Look for the folders of public data sets and for NLTK's corpora."""
    yield _folder(
        "KERASLLM_DATA", "public sets are downloaded; the project's own sets need no network"
    )
    yield _folder("NLTK_DATA", "NLTK looks in its usual folders")
    try:
        from nltk.data import find
    except Exception:  # NLTK missing or broken: named above
        return
    missing = [name for name in CORPORA if not _has_corpus(find, name)]
    if missing:
        cure = f"to use them: python -m nltk.downloader {' '.join(missing)}"
        yield Check("NLTK corpora", f"missing: {', '.join(missing)}", NOTE, cure)
    else:
        yield Check("NLTK corpora", ", ".join(CORPORA))


def _folder(variable, unset):
    value = os.environ.get(variable)
    if not value:
        return Check(variable, f"not set: {unset}")
    folders = [Path(part) for part in value.split(os.pathsep) if part]
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        cure = f"make that folder, or unset {variable}"
        return Check(variable, f"no such folder: {', '.join(missing)}", PROBLEM, cure)
    count = sum(1 for folder in folders for part in folder.iterdir() if part.is_dir())
    return Check(variable, f"{value} ({count} folders)")


def _has_corpus(find, name):
    for path in (f"corpora/{name}", f"corpora/{name}.zip"):
        try:
            find(path)
            return True
        except LookupError:
            continue
    return False


def cache(free=1e9):
    """Try to write into the cache folder, and look how much room there is."""
    try:
        from kerasllm.datasets.public.registry import cache_folder

        folder = Path(cache_folder())
    except Exception as error:  # a package is missing: named above
        return Check("cache", f"cannot be looked for: {error}", NOTE)
    cure = "set KERASLLM_CACHE to a folder that can be written, on a disk with room"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Check("cache", f"{folder} cannot be written: {error.strerror}", PROBLEM, cure)
    left = shutil.disk_usage(folder).free
    if left < free:
        return Check("cache", f"{folder}, only {left / 1e6:.0f} MB free", PROBLEM, cure)
    return Check("cache", f"{folder}, {left / 1e9:.0f} GB free")


def terminal():
    """Tell whether the terminal can print Chinese."""
    encoding = getattr(sys.stdout, "encoding", None) or "unknown"
    if encoding.lower().replace("-", "") not in ("utf8", "unknown"):
        cure = "set PYTHONUTF8=1"
        return Check("terminal", f"{encoding}: Chinese cannot be printed", NOTE, cure)
    return Check("terminal", encoding)
