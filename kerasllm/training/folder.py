"""The run folder: what a training command leaves, and what any later command takes.

config.json     kind, resolved settings, versions, seed, data fingerprints
tokenizer.json  the tokenizer
model.keras     the task with its backbone
history.csv     one row a validation
metrics.json    the last evaluation
figures/        *.png
checkpoint/     what resume needs
"""

import contextlib
import hashlib
import json
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from kerasllm import __version__
from kerasllm.models.presets import check_tokenizer, load_model, read_config
from kerasllm.models.runs_of_before import preprocessor_of
from kerasllm.text import load_tokenizer
from kerasllm.training.settings import settings_for
from kerasllm.utils.files import whole_file
from kerasllm.utils.json_text import read_object

RESULTS = ("model.keras", "metrics.json", "history.csv", "moved.json")


@contextlib.contextmanager
def writing(what):
    """Say what could not be written, and the cure, when the disk is full or not writable."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # said already
            raise
        raise OSError(
            f"{what} cannot be written ({error.strerror}): free some space, mend the permissions, "
            "or choose another --output."
        ) from error


def check_place(path):
    """Raise where a run folder could not be written, before any work; nothing is made."""
    path = Path(path)
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    with writing(f"the run folder {path}"):
        tempfile.TemporaryFile(dir=there).close()


class RunFolder:
    """A run folder on disk; its model and tokenizer are loaded when first asked for.

    Attributes:
        path: of the folder.
    """

    def __init__(self, path):
        self.path = Path(path)
        self._model = self._tokenizer = None

    @classmethod
    def create(cls, path):
        """Make the folder."""
        check_place(path)
        run = cls(path)
        with writing(f"the run folder {run.path}"):
            (run.path / "figures").mkdir(parents=True, exist_ok=True)
            (run.path / "checkpoint").mkdir(exist_ok=True)
        return run

    def begin(self, config, tokenizer, resume=False):
        """Write config and tokenizer.

        Unless resuming, remove what an earlier run left: its weights must never be taken for
        those that the new config describes.
        """
        with writing(f"the run folder {self.path}"):
            left = () if resume else (*RESULTS, *self.path.glob("checkpoint/*.npz"))
            for name in left:
                (self.path / name).unlink(missing_ok=True)
            self.write_json("config.json", {**config, "versions": versions()})
            tokenizer.save(self.path / "tokenizer.json")

    @property
    def config(self):
        """Return what config.json says, in the words of today."""
        self._require("config.json")
        return read_config(self.path)

    @property
    def shape(self):
        """Return the settings class of the run's shape of task."""
        return settings_for(self.config["task"])

    @property
    def metrics(self):
        """Return the last evaluation, {} before one."""
        return self.read_json("metrics.json") if (self.path / "metrics.json").exists() else {}

    @property
    def settings(self):
        """Return the resolved settings, as a dict."""
        return self.config["settings"]

    @property
    def tokenizer(self):
        """Return the tokenizer."""
        if self._tokenizer is None:
            self._require("tokenizer.json")
            self._tokenizer = load_tokenizer(self.path / "tokenizer.json")
        return self._tokenizer

    @property
    def model(self):
        """Return the trained task; refuses code and a tokenizer that is not the model's."""
        if self._model is None:
            model = load_model(self._require("model.keras"))
            check_tokenizer(self.tokenizer, model, self.config.get("tokenizer"))
            self._model = model
        if self._model.preprocessor is None:  # saved by a version that had none
            self._model.preprocessor = preprocessor_of(self.config, self.tokenizer, self.path)
        return self._model

    @property
    def backbone(self):
        """Return the backbone of the trained task.

        Raises:
            ValueError: the run holds an encoder-decoder, whose backbone suits no other task.
        """
        if self.config["task"] == "seq2seq":
            raise ValueError(
                f"{self.path} holds a {type(self.model).__name__}, which has no backbone that "
                "another task could start from: give a run of `kerasllm pretrain` or `kerasllm "
                "import`."
            )
        return self.model.backbone

    def save(self, model, tokenizer):
        """Write tokenizer and model, each whole or not at all."""
        tokenizer.save(self.path / "tokenizer.json")
        where = tempfile.TemporaryDirectory(dir=self.path, ignore_cleanup_errors=True)
        with writing(f"the model in {self.path}"), where as folder:
            whole = Path(folder) / "model.keras"
            model.save(whole)
            os.replace(whole, self.path / "model.keras")
        self._model, self._tokenizer = model, tokenizer

    def write_json(self, name, content):
        """Write a JSON file, whole or not at all."""
        write_text(self.path / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def write_figure(self, name, figure):
        """Write a figure to figures/NAME.png."""
        (self.path / "figures").mkdir(exist_ok=True)
        figure.savefig(self.path / "figures" / f"{name}.png", dpi=120)

    def _require(self, name):
        path = self.path / name
        if not path.is_file():
            there = ", ".join(sorted(p.name for p in self.path.iterdir())) or "nothing"
            raise FileNotFoundError(
                f"expected {name} in the run folder {self.path}, found {there}: the training was "
                "cut off or files were moved. Run the same command with --resume, or train again."
            )
        return path

    def read_json(self, name):
        """Return what a JSON file of the folder says."""
        path = self._require(name)
        try:
            return read_object(path)
        except ValueError as error:
            raise ValueError(
                f"{error} The folder is damaged: train again, or restore the file from a copy."
            ) from None

    def __repr__(self):
        return f"Run({str(self.path)!r})"


def weights_hash(model):
    """Return the sha256 of all weights of a model, by which the same one is known again."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def write_text(path, text):
    """Write a text file atomically."""
    with writing(path), whole_file(path) as file:
        file.write(text)


def versions():
    """Return the versions that a result depends on."""
    import keras

    backend = keras.backend.backend()
    packages = ("keras", backend, "numpy", "tokenizers", "scikit-learn")
    return {
        "kerasllm": __version__,
        "python": platform.python_version(),
        "backend": backend,
        **{name: version(name) for name in packages},
    }
