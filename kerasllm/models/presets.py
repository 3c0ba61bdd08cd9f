"""Where tasks come from: run folders, checkpoints of other projects, and sizes."""

import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any, NamedTuple

from kerasllm.models.backbones.embedding import EmbeddingBackbone
from kerasllm.models.backbones.recurrent import RecurrentBackbone
from kerasllm.models.backbones.transformer import TransformerBackbone
from kerasllm.models.hub import load_checkpoint
from kerasllm.models.runs_of_before import in_words_of_today, preprocessor_of
from kerasllm.models.saved import read_model
from kerasllm.text import load_tokenizer
from kerasllm.utils.archives import DamagedError
from kerasllm.utils.errors import check_choice
from kerasllm.utils.files import sha256
from kerasllm.utils.json_text import read_object

COMMITTED = ("tokenizer.json", "model.keras")  # config.json has their hashes
ROW = 1024  # tokens read at once in training and scoring, of checkpoints with longer contexts too
BACKBONES = {
    "recurrent": RecurrentBackbone,
    "transformer": TransformerBackbone,
    "embedding": EmbeddingBackbone,
}


class Preset(NamedTuple):
    """What was loaded.

    Attributes:
        backbone: with its weights.
        tokenizer: the one that it was trained with; None for a checkpoint without one.
        settings: of the run and its preprocessor; of a checkpoint its length.
        task: the trained task of a run; None for a checkpoint.
    """

    backbone: Any
    tokenizer: Any
    settings: dict
    task: Any = None


def load(source, revision=None):
    """Return the `Preset` in a run folder, in the folder of a checkpoint, or on the hub."""
    folder = Path(source)
    if (folder / "model.keras").is_file():
        config = read_config(folder)
        task = load_model(folder / "model.keras")
        tokenizer = load_tokenizer(folder / "tokenizer.json")
        check_tokenizer(tokenizer, task, config.get("tokenizer"))
        check_committed(folder, config)
        if task.preprocessor is None:
            task.preprocessor = preprocessor_of(config, tokenizer, folder)
        settings = {**config["settings"], **task.preprocessor.get_config()}
        return Preset(task.backbone, tokenizer, settings, task)
    backbone, tokenizer, _ = load_checkpoint(source, revision)
    return Preset(backbone, tokenizer, {"length": min(backbone.settings.max_length, ROW)})


def read_config(folder):
    """Return config.json of a run, in the words of today.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or no run's.
    """
    path = Path(folder) / "config.json"
    try:
        config = in_words_of_today(read_object(path))
        if not isinstance(config.get("task"), str) or not isinstance(config.get("settings"), dict):
            raise DamagedError("it names no task and its settings")
    except ValueError as error:
        raise ValueError(
            f"{path} does not describe a run: {error}. Train again, or restore the file from a "
            "copy."
        ) from error
    return config


def load_model(path):
    """Return the task in a .keras file of this project (see `kerasllm.models.saved`)."""
    model = read_model(path)
    if not hasattr(model, "backbone"):
        raise ValueError(
            f"expected a model with a backbone in {path}, received a {type(model).__name__}: use "
            "the model.keras of a run folder."
        )
    return model


def register_tasks():
    """Import every folder of `kerasllm.models`: a saved model names its classes."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.ispkg:
            importlib.import_module(f"{__package__}.{module.name}")


def check_tokenizer(tokenizer, model, fingerprint=None):
    """Raise unless the tokenizer is the one that the model was trained with."""
    size = model.backbone.settings.vocabulary_size
    other = fingerprint is not None and tokenizer.fingerprint != fingerprint
    if tokenizer.vocabulary_size != size or other:
        raise ValueError(
            f"the tokenizer does not belong to the model: it has {tokenizer.vocabulary_size} "
            f"tokens, the model embeds {size}"
            + (", and its fingerprint differs from the one in config.json" if other else "")
            + ". Use the tokenizer.json of the same run."
        )


def check_committed(folder, config):
    """Raise unless tokenizer and model are those that a run's config.json names.

    Runs of before name none, and those that a training has not finished neither.
    """
    if config.get("run") is None:
        return
    if not config.get("files"):
        raise ValueError(
            f"the run in {folder} is not finished: its training was cut off, or goes on still. Run "
            "the same command with --resume."
        )
    for name in COMMITTED:
        if sha256(folder / name) != config["files"].get(name):
            raise ValueError(
                f"{folder / name} is not the one that this run wrote, as its config.json says: it "
                "is of another run, or was cut off while writing. Restore the file from a copy, or "
                "run the command of the training again with --resume."
            )


def copy_of(backbone, weights=True, **changes):
    """Return a backbone of the same settings but for some, with the same weights or new ones."""
    made = type(backbone).from_config({**backbone.get_config(), **changes})
    made.trainable = True
    if weights:
        made.set_weights(backbone.get_weights())
    return made


def make_backbone(kind, size, vocabulary_size, causal, **settings):
    """Return an untrained backbone.

    Args:
        kind: "recurrent", "transformer" or "embedding".
        size: "tiny", "small" or "base".
        vocabulary_size: V.
        causal: whether it sees the past only; if not, a recurrent one reads in both directions.
        **settings: of its config; those that are None are left out.
    """
    check_choice("backbone", kind, BACKBONES)
    made = BACKBONES[kind]
    given = {name: value for name, value in settings.items() if value is not None}
    if kind == "recurrent":
        given["bidirectional"] = not causal
        # With a residual of equal widths there is nothing to project.
        widths = made.config_class.of_size(size, vocabulary_size, **given)
        given.setdefault("project", not (widths.residual and widths.units == widths.hidden_dim))
    elif kind == "transformer":
        given["causal"] = causal
    return made.from_size(size, vocabulary_size, **given)


def constructor_names(kind):
    """Return the names of what a class is built from."""
    return {
        name
        for name, parameter in inspect.signature(kind.__init__).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    } - {"self", "backbone", "preprocessor"}
