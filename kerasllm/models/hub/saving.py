"""Our backbones as checkpoints that `transformers` loads."""

import json
from pathlib import Path

import numpy as np

from kerasllm.models.backbones.transformer import TransformerBackbone
from kerasllm.models.hub.architectures import ARCHITECTURES, widths
from kerasllm.models.hub.files import write_tokenizer
from kerasllm.models.hub.settings import fitting, pad_rows, to_theirs
from kerasllm.models.hub.tensors import ONE, write_tensors
from kerasllm.text.tokenizers.imported import original_ids
from kerasllm.utils.files import whole_file


def save_checkpoint(backbone, tokenizer, folder, model_type=None):
    """Write a backbone so that `transformers` loads it: config.json, model.safetensors, tokenizer.

    Args:
        backbone: a `TransformerBackbone` of the form of BERT, RoBERTa, DistilBERT, GPT-2 or Llama.
        tokenizer: its tokenizer; None writes no files of one.
        folder: where to.
        model_type: "bert", "roberta", "distilbert", "gpt2" or "llama"; what the settings fit when
            None.

    Returns:
        The folder's path.

    Raises:
        ValueError: the backbone has a form that `transformers` does not know.
    """
    folder = Path(folder)
    config, tensors = described(backbone, tokenizer, model_type)
    folder.mkdir(parents=True, exist_ok=True)
    if tokenizer is not None:
        write_tokenizer(tokenizer, folder, backbone.settings.max_length)
    write_tensors(folder / ONE, tensors)
    with whole_file(folder / "config.json") as file:
        file.write(json.dumps(config, indent=2) + "\n")
    return folder


def described(backbone, tokenizer, model_type=None):
    """Return (config.json, {name: float32 array}) of a backbone as `transformers` has it.

    Raises:
        ValueError: it has a form that `transformers` does not know.
    """
    if not isinstance(backbone, TransformerBackbone):
        raise ValueError(
            f"expected a TransformerBackbone, received a {type(backbone).__name__}: `transformers` "
            "has no recurrent models."
        )
    settings = backbone.settings
    config = to_theirs(settings, model_type or fitting(settings, tokenizer))
    numbering = _numbering(config, settings, tokenizer)
    config |= _special_ids(tokenizer, numbering)
    return config, _tensors(backbone, config, numbering)


def _numbering(config, settings, tokenizer):
    """Return the foreign id of each id (V,)."""
    if hasattr(tokenizer, "original_ids"):
        return tokenizer.original_ids
    pad = ARCHITECTURES[config["model_type"]].defaults["pad_token_id"] or 0
    if tokenizer is not None:  # one of our own, whose numbers are kept
        pad = 0
    return original_ids(config["vocab_size"], pad if settings.score_pad else None)


def _special_ids(tokenizer, numbering):
    """Return the ids that config.json names, in the foreign numbering."""
    roles = {"pad": 0, **{r: getattr(tokenizer, f"{r}_id", None) for r in ("bos", "eos")}}
    ids = {
        f"{role}_token_id": None if i is None else int(numbering[i]) for role, i in roles.items()
    }
    return {name: None if i == -1 else i for name, i in ids.items()}


def _tensors(backbone, config, numbering):
    """Return {name there: float32 array} of all weights."""
    architecture = ARCHITECTURES[config["model_type"]]
    weights = {weight.path: np.asarray(weight, "float32") for weight in backbone.weights}
    if "type_vocab_size" in config:
        # A BERT without segments is one with a single segment, whose vector is 0.
        weights.setdefault("embedding/segment_embeddings", np.zeros((1, backbone.hidden_dim), "f4"))
    tensors = {}
    for weight in architecture.table(backbone.settings, segments="type_vocab_size" in config):
        value = _their_rows(weight.ours, weights[weight.ours], numbering, config)
        ends = np.cumsum(widths(weight, value.shape[-1], backbone.settings))
        parts = np.split(value, ends[:-1], axis=-1)
        for name, part in zip(weight.tensors, parts, strict=True):
            part = np.ascontiguousarray(part.T if weight.turned else part)
            tensors[architecture.written(name)] = part
    return tensors


def _their_rows(name, value, numbering, config):
    """Return a table in their numbering of ids and positions; rows that no token reads are 0."""
    if name in ("embedding/embeddings", "embedding/output_embeddings"):
        table = np.zeros((config["vocab_size"], value.shape[1]), value.dtype)
        table[numbering[numbering >= 0]] = value[numbering >= 0]
        return table
    if name == "embedding/position_embeddings":
        unread = np.zeros((pad_rows(config), value.shape[1]), value.dtype)
        return np.concatenate([unread, value])
    return value
