"""The run folder: what a training command leaves, and what any later command takes.

config.json     the run's identity, its task, resolved settings, versions, seed, command, date and
                machine, data fingerprints,
                and at the end the hashes of tokenizer and model: it is written last, so that a
                run cut off at any moment is never taken for a whole one
tokenizer.json  the tokenizer
model.keras     the task with its backbone
history.csv     one row a validation
metrics.json    the last evaluation
evaluations/    those of other data
rows.bin        which rows were trained on and which held out
figures/        *.png
checkpoint/     what resume needs
lock.json       who trains here, while someone does
"""

import contextlib
import hashlib
import json
import platform
import uuid
from importlib.metadata import version
from pathlib import Path

import numpy as np

from kerasllm import __version__
from kerasllm.models.presets import (
    COMMITTED,
    check_committed,
    check_tokenizer,
    load_model,
    read_config,
)
from kerasllm.models.runs_of_before import preprocessor_of
from kerasllm.text import load_tokenizer
from kerasllm.training.run_folder.made import made
from kerasllm.training.settings import settings_for
from kerasllm.utils import ranks
from kerasllm.utils.errors import writing
from kerasllm.utils.files import sha256, sweep, whole_file, whole_path
from kerasllm.utils.json_text import read_object
from kerasllm.utils.locks import InUseError as InUseError  # a name of kerasllm.training
from kerasllm.utils.locks import holder, lock

RESULTS = ("model.keras", "adapter.npz", "metrics.json", "history.csv", "moved.json")


@contextlib.contextmanager
def in_use(path):
    """Make a run folder and have it alone while the block runs; one left empty is removed.

    Of several processes that train together the first one has it for all.

    Raises:
        InUseError: another training writes there.
        OSError: it cannot be written, which is said before any work.
    """
    path = Path(path)
    if not ranks.is_first():
        yield
        return
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        with contextlib.ExitStack() as stack:
            with writing(f"the run folder {path}"):
                path.mkdir(parents=True, exist_ok=True)
                stack.enter_context(lock(path))
                for folder in (path, path / "checkpoint", path / "figures"):
                    sweep(folder)
            yield
    finally:
        for folder in made:
            with contextlib.suppress(OSError):  # it holds something
                folder.rmdir()


def check_free(path, overwrite=False, resume=False, results=("config.json", "model.keras")):
    """Raise where an earlier call left results that would be lost.

    Args:
        path: the folder.
        overwrite: lose them.
        resume: go on with them.
        results: names of the files that are looked for.

    Raises:
        FileExistsError: they are there.
        ValueError: both ways are asked for.
    """
    if not ranks.is_first():
        return  # what is there may be of the first process already
    if overwrite and resume:
        raise ValueError(
            "expected resume (--resume), which goes on with what is there, or overwrite "
            "(--overwrite), which loses it, received both: choose one."
        )
    if Path(path) == Path() and any(Path().iterdir()):
        raise ValueError(
            "expected a folder of its own for the output, received the one that this is called in, "
            "which holds other things: give its name, such as --output runs/mine."
        )
    there = [name for name in results if (Path(path) / name).exists()]
    if there and not (overwrite or resume):
        raise FileExistsError(
            f"{path} holds the results of an earlier call ({', '.join(there)}): choose another "
            "--output, go on with them by --resume where there is that flag, or lose them by "
            "--overwrite (in Python: resume=True, overwrite=True)."
        )


def check_file(path, overwrite=False):
    """Raise where a file could not be written at the end of the work, or would be lost.

    Raises:
        FileExistsError: it is there already.
        OSError: there is no such folder.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder of {path} does not exist: create it first.")
    if path.is_dir():
        raise IsADirectoryError(f"expected a file to write, {path} is a folder: name a file in it.")
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"{path} is there already: choose another --output, or lose it by --overwrite (in "
            "Python: overwrite=True)."
        )


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
        run = cls(path)
        if not ranks.is_first():
            return run
        with writing(f"the run folder {run.path}"):
            (run.path / "figures").mkdir(parents=True, exist_ok=True)
            (run.path / "checkpoint").mkdir(exist_ok=True)
        return run

    @ranks.first_alone
    def begin(self, config, tokenizer, resume=False):
        """Write tokenizer and config, which gives the run its identity.

        Unless resuming, remove what an earlier run left: its weights must never be taken for
        those that the new config describes.
        """
        known = resume and (self.path / "config.json").exists()
        before = self.read_json("config.json") if known else {"run": uuid.uuid4().hex}
        own = {name: before.get(name) for name in ("run", "files")}
        own["made"] = before.get("made") or made()
        with writing(f"the run folder {self.path}"):
            kept = (*self.path.glob("checkpoint/*.npz"), *self.path.glob("evaluations/*.json"))
            left = () if resume else (*kept, *RESULTS, "config.json")
            for name in left:
                (self.path / name).unlink(missing_ok=True)
            tokenizer.save(self.path / "tokenizer.json")
            self.write_json("config.json", {**config, "versions": versions(), **own})

    @property
    def config(self):
        """Return what config.json says, in the words of today."""
        self._require("config.json")
        return read_config(self.path)

    @property
    def checkpoint(self):
        """Return the path of what resume needs."""
        return self.path / "checkpoint" / "last.npz"

    @property
    def identity(self):
        """Return what the run's own checkpoint knows it by; None for a run of before."""
        return self.config.get("run") if (self.path / "config.json").exists() else None

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
            check_committed(self.path, self.config)
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
        """Write tokenizer and model, and last the config that names them."""
        with writing(f"the model in {self.path}"):
            tokenizer.save(self.path / "tokenizer.json")
            with whole_path(self.path / "model.keras") as part:
                model.save(part)
            files = {name: sha256(self.path / name) for name in COMMITTED}
            self.write_json("config.json", {**self.read_json("config.json"), "files": files})
        self._model, self._tokenizer = model, tokenizer

    def write_json(self, name, content):
        """Write a JSON file, whole or not at all."""
        write_text(self.path / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    def write_figure(self, name, figure):
        """Write a figure to figures/NAME.png."""
        path = self.path / "figures" / f"{name}.png"
        with writing(path):
            path.parent.mkdir(exist_ok=True)
            with whole_path(path) as part:
                figure.savefig(part, dpi=120)

    def _require(self, name):
        path = self.path / name
        if not path.is_file():
            there = ", ".join(sorted(p.name for p in self.path.iterdir())) or "nothing"
            who = holder(self.path).get("process")
            why = f"process {who} trains there or" if who else "the training"
            raise FileNotFoundError(
                f"expected {name} in the run folder {self.path}, found {there}: {why} was cut off, "
                "or files were moved. Run the same command with --resume, or train again."
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
