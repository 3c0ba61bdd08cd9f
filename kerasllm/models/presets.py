"""Where tasks come from: run folders, checkpoints of other projects, and sizes."""

import importlib
import inspect
import json
import pkgutil
from pathlib import Path
from typing import Any, NamedTuple

import keras

from kerasllm.models.backbones.recurrent import RecurrentBackbone
from kerasllm.models.backbones.transformer import TransformerBackbone
from kerasllm.models.hub import load_checkpoint
from kerasllm.models.runs_of_before import in_words_of_today, preprocessor_of
from kerasllm.text import load_tokenizer
from kerasllm.utils.errors import check_choice

BACKBONES = {"recurrent": RecurrentBackbone, "transformer": TransformerBackbone}


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
        config = in_words_of_today(json.loads((folder / "config.json").read_text("utf-8")))
        task = load_model(folder / "model.keras")
        tokenizer = load_tokenizer(folder / "tokenizer.json")
        check_tokenizer(tokenizer, task, config.get("tokenizer"))
        if task.preprocessor is None:
            task.preprocessor = preprocessor_of(config, tokenizer, folder)
        settings = {**config["settings"], **task.preprocessor.get_config()}
        return Preset(task.backbone, tokenizer, settings, task)
    backbone, tokenizer, _ = load_checkpoint(source, revision)
    return Preset(backbone, tokenizer, {"length": backbone.settings.max_length})


def load_model(path):
    """Return the model in a .keras file, refusing files that hold code."""
    try:
        model = keras.saving.load_model(path, safe_mode=True, compile=False)
    except Exception as error:
        if "safe_mode" in str(error) or "unsafe" in str(error) or "lambda" in str(error).lower():
            raise ValueError(
                f"{path} holds code (a Lambda layer or the like) that would run on loading: it is "
                "refused. Load it yourself with keras.saving.load_model(..., safe_mode=False) only "
                "if you trust its author."
            ) from error
        if "Could not locate class" in str(error):
            raise ValueError(
                f"{path} names a class that no folder of kerasllm.models defines: import it in "
                f"the folder's __init__.py ({str(error).splitlines()[0][:120]})."
            ) from error
        raise ValueError(
            f"{path} cannot be read as a Keras model ({type(error).__name__}: "
            f"{str(error).splitlines()[0][:200]}): the file is damaged or of another version. "
            "Train again, or restore it from a copy."
        ) from error
    if not hasattr(model, "backbone"):
        raise ValueError(
            f"expected a model with a backbone in {path}, received a {type(model).__name__} that "
            "kerasllm did not write: use the model.keras of a run folder."
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
        kind: "recurrent" or "transformer".
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
    else:
        given["causal"] = causal
    return made.from_size(size, vocabulary_size, **given)


def constructor_names(kind):
    """Return the names of what a class is built from."""
    return {
        name
        for name, parameter in inspect.signature(kind.__init__).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    } - {"self", "backbone", "preprocessor"}
