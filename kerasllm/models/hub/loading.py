"""Checkpoints of other projects into our backbones."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from kerasllm.layers import kernels
from kerasllm.models.backbones.transformer import TransformerBackbone
from kerasllm.models.hub.architectures import ARCHITECTURES, widths
from kerasllm.models.hub.files import read_tokenizer
from kerasllm.models.hub.gguf import read_gguf
from kerasllm.models.hub.settings import architecture_of, pad_rows, read_config, to_ours
from kerasllm.models.hub.tensors import FLOATS, Tensors
from kerasllm.models.saved import at_most
from kerasllm.text.tokenizers.imported import original_ids
from kerasllm.utils.archives import DamagedError
from kerasllm.utils.hub.fetching import find

# Constants that some checkpoints carry: positions 0, 1, 2 … and the causal mask.
_BUFFERS = (
    "position_ids", "token_type_ids", ".attn.bias", ".attn.masked_bias", "rotary_emb.inv_freq",
)  # fmt: skip
_HEADS = ("lm_head.weight",)  # which a tied model may have too, and does not read
NONE = -1  # an id that no token has
ROWS = 1024  # of a table that are read at a time
_OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}


@dataclass(frozen=True)
class CheckpointInfo:
    """What was loaded.

    Attributes:
        source: the folder, or the name and commit on the hub.
        model_type: the architecture, as config.json calls it.
        left_out: tensors of heads, which a backbone has no place for.
    """

    source: str
    model_type: str
    left_out: tuple

    def __str__(self):
        left = f"; left out: {', '.join(self.left_out)}" if self.left_out else ""
        return f"{self.model_type} of {self.source}{left}"


class Checkpoint(NamedTuple):
    """What stands in a checkpoint: its settings, its tensors by name, its tokenizer or None."""

    where: Any
    config: dict
    tensors: Any
    tokenizer: Any


def load_checkpoint(source, revision=None, **overrides):
    """Load a BERT, RoBERTa, DistilBERT, GPT-2 or Llama of another project into a backbone.

    Args:
        source: a folder with config.json, model.safetensors and the tokenizer's files; a GGUF file
            of a Llama; a name on the Hugging Face hub, such as
            "sentence-transformers/all-MiniLM-L6-v2"; or "smollm2", which comes with a package.
        revision: branch, tag or commit on the hub.
        **overrides: settings of `TransformerConfig` that hold no weights, such as `dropout=0.0`.

    Returns:
        (backbone, tokenizer, info): a `TransformerBackbone`; a tokenizer under whose numbering the
        pad id is 0, None where the folder has no tokenizer; a `CheckpointInfo`.

    Raises:
        FileNotFoundError: no such folder, or no such model on the hub.
        ValueError: an architecture that is not supported; tensors that are missing, left over or of
            another shape, each named; a damaged file; a pickle; a tokenizer of another model.
        OSError: the hub cannot be reached.
    """
    folder, source = find(source, revision)
    _, config, tensors, tokenizer = checkpoint = _read_checkpoint(folder)
    architecture = architecture_of(config)
    numbering = _numbering(config, tokenizer, tensors)
    separator = getattr(tokenizer, "sep_id", None)
    known = {
        "vocabulary_size": len(numbering),
        "score_pad": bool(numbering[0] >= 0),
        "separator": NONE if separator is None else separator,
    }
    backbone = _build(folder, to_ours(config, **known, **overrides), tensors)
    left_out = _fill(backbone, checkpoint, architecture, numbering)
    return backbone, tokenizer, CheckpointInfo(source, architecture.model_type, left_out)


def _read_checkpoint(path):
    """Return the `Checkpoint` in a folder, or in a GGUF file."""
    if path.is_file():
        return Checkpoint(path, *read_gguf(path))
    config, tensors = read_config(path), Tensors(path)
    return Checkpoint(path, config, tensors, read_tokenizer(path, config["model_type"]))


def _fill(backbone, checkpoint, architecture, numbering):
    """Give a backbone its weights; return the names of the tensors that it has no place for."""
    where, config, tensors, _ = checkpoint
    table = architecture.table(backbone.settings)
    names, left_out = _names(tensors, architecture, table)
    weights = {weight.path: weight for weight in backbone.weights}
    shapes = {weight.ours: weights[weight.ours].shape for weight in table}
    _check(where, tensors, names, _shapes(table, shapes, config, backbone.settings))
    for weight in table:
        ours = weights[weight.ours]
        rows = _their_rows(weight.ours, ours.shape[0], numbering, config)
        if rows is None:
            kernels.backend().set_rows(ours, 0, _read(weight, tensors, names))
        else:
            _fill_table(ours, rows, tensors, names[weight.tensors[0]])
    return left_out


def _fill_table(table, rows, tensors, name):
    """Give a table its rows, some at a time: so large a part of a model is held once.

    Args:
        table: the variable.
        rows: the foreign row of each of ours (R,); below 0, a row of zeros.
        tensors: of the checkpoint.
        name: of the tensor there.
    """
    for first in range(0, len(rows), ROWS):
        theirs = rows[first : first + ROWS]
        block = np.zeros((len(theirs), *table.shape[1:]), "float32")
        for places in _in_a_row(theirs):
            start, stop = theirs[places[0]], theirs[places[-1]] + 1
            block[places[0] : places[-1] + 1] = tensors.rows(name, int(start), int(stop))
        _check_finite(name, block)
        kernels.backend().set_rows(table, first, block)


def _in_a_row(theirs):
    """Return the places where foreign rows follow one another, run by run."""
    places = np.flatnonzero(theirs >= 0)
    broken = (np.diff(places) != 1) | (np.diff(theirs[places]) != 1)
    return [run for run in np.split(places, np.flatnonzero(broken) + 1) if len(run)]


def _build(folder, settings, tensors):
    """Return an untrained backbone; which tensors it lacks is said later, by name."""
    try:
        with at_most(2 * tensors.numbers):
            return TransformerBackbone(settings)
    except DamagedError:
        raise ValueError(
            f"config.json in {folder} describes a model far larger than its {tensors.numbers:,} "
            "numbers: fetch config.json and model.safetensors of the same model."
        ) from None


def _numbering(config, tokenizer, tensors):
    """Return the foreign id of each id (V,), after checking that the vocabularies agree."""
    size = config["vocab_size"]
    if tokenizer is None:
        if size > tensors.numbers:
            raise ValueError(
                f"vocab_size in config.json is {size:,}, the tensors have {tensors.numbers:,} "
                "numbers in all: fetch both from the same model."
            )
        pad = config["pad_token_id"]
        return original_ids(size, None if pad == config.get("eos_token_id") else pad)
    numbering = getattr(tokenizer, "original_ids", np.arange(tokenizer.vocabulary_size))
    known = int((numbering >= 0).sum())
    if known != size:
        raise ValueError(
            f"the tokenizer does not belong to the checkpoint: it has {known:,} tokens, the "
            f"embedding has {size:,} (vocab_size in config.json). Fetch both from the same model."
        )
    return numbering


def _names(tensors, architecture, table):
    """Return {name without prefix: name in the file} of the backbone, and the names of heads."""
    names, heads, wanted = {}, [], {name for weight in table for name in weight.tensors}
    for name in tensors:
        plain = name.removeprefix(architecture.prefix)
        for old, new in _OLD_NAMES.items():
            plain = plain.replace(old, new)
        if plain.endswith(_BUFFERS):
            continue
        if plain.startswith(architecture.stems) and (plain in wanted or plain not in _HEADS):
            names[plain] = name
        else:
            heads.append(name)
    return names, tuple(sorted(heads))


def _shapes(table, ours, config, settings):
    """Return {name: shape there} of the tensors, from the shapes that our weights have."""
    rows_there = {
        "embedding/embeddings": config["vocab_size"],
        "embedding/output_embeddings": config["vocab_size"],
        "embedding/position_embeddings": config[_positions(config)],
        "embedding/segment_embeddings": config.get("type_vocab_size"),
    }
    shapes = {}
    for weight in table:
        *rows, columns = ours[weight.ours]
        rows = [rows_there[weight.ours]] if weight.ours in rows_there else rows
        for name, width in zip(weight.tensors, widths(weight, columns, settings), strict=True):
            shapes[name] = (width, *rows) if weight.turned else (*rows, width)
    return shapes


def _positions(config):
    return ARCHITECTURES[config["model_type"]].settings["max_length"]


def _check(folder, tensors, names, shapes):
    """Raise with the name of every tensor that is missing, left over or of another shape."""
    problems = [f"{name} {shape} is missing" for name, shape in shapes.items() if name not in names]
    problems += [f"{name} is not known" for name in sorted(set(names) - set(shapes))]
    for name in sorted(set(names) & set(shapes)):
        if (found := tensors.shape(names[name])) != shapes[name]:
            problems.append(f"{name} has the shape {found}, expected {shapes[name]}")
        if (kind := tensors.kind(names[name])) not in FLOATS:
            problems.append(f"{name} is of the type {kind}, expected one of {', '.join(FLOATS)}")
    if problems:
        raise ValueError(
            f"the tensors in {folder} are not those that its config.json describes: "
            f"{'; '.join(problems)}. Fetch config.json and model.safetensors of the same model."
        )


def _read(weight, tensors, names):
    parts = [tensors[names[name]] for name in weight.tensors]
    for name, part in zip(weight.tensors, parts, strict=True):
        _check_finite(name, part)
    parts = [part.T if weight.turned else part for part in parts]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def _check_finite(name, values):
    if wrong := values.size - int(np.isfinite(values).sum()):
        raise ValueError(
            f"{name} holds {wrong:,} values of {values.size:,} that are NaN or infinite: the "
            "model that was saved had diverged, or the file is damaged. Fetch it again."
        )


def _their_rows(name, rows, numbering, config):
    """Return the foreign row of each of so many rows of a table; None for what is no table."""
    if name in ("embedding/embeddings", "embedding/output_embeddings"):
        return numbering
    if name == "embedding/position_embeddings":
        return np.arange(rows) + pad_rows(config)
    return np.arange(rows) if name == "embedding/segment_embeddings" else None
