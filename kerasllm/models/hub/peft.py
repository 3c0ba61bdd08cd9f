"""Low-rank corrections alone, as the package `peft` keeps them, and back.

    adapter_config.json          rank, scale, which modules
    adapter_model.safetensors    base_model.model.MODULE.lora_A.weight (r, in), .lora_B. (out, r)

- W' = W + (α / r) A B here and W' = W + (α / r) (lora_B lora_A)ᵀ there: both are turned.
- A fused matrix here (queries, keys and values) is several modules there. Written, they have A in
  common; read, each may have its own: side by side they are one correction of a higher rank.
- The file's metadata name the weights that the corrections belong to, in our own files.
"""

import json
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasllm.models.hub.architectures import ARCHITECTURES, widths
from kerasllm.models.hub.settings import fitting
from kerasllm.models.hub.tensors import FLOATS, check_file, write_tensors
from kerasllm.models.lora import fingerprint
from kerasllm.models.presets import copy_of
from kerasllm.utils.archives import DamagedError
from kerasllm.utils.files import whole_file
from kerasllm.utils.json_text import read_object

CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
STEM, ENDS = "base_model.model.", (".lora_A.weight", ".lora_B.weight")
# What changes the numbers and is not computed here: at these values it does not.
_PLAIN = {
    "bias": "none", "use_dora": False, "modules_to_save": None, "rank_pattern": {},
    "alpha_pattern": {}, "layers_to_transform": None, "layer_replication": None,
    "trainable_token_indices": None, "lora_bias": False,
}  # fmt: skip


class Corrections(NamedTuple):
    """Low-rank corrections of a backbone's matrices.

    Attributes:
        pairs: {path of the weight: (A (m, r), B (r, n))}.
        scale: α / r.
        base: fingerprint of the backbone that they belong to; None where the file does not say.
        dropout: of that backbone, as a setting.
    """

    pairs: dict
    scale: float
    base: str | None = None
    dropout: float | None = None


def save_peft(folder, backbone, corrections, alpha, tokenizer=None, base_name=""):
    """Write low-rank corrections so that `peft.PeftModel.from_pretrained` loads them.

    Args:
        folder: where to.
        backbone: a `TransformerBackbone` of the form of those that they belong to.
        corrections: `Corrections`.
        alpha: α.
        tokenizer: of the model, by which its form is told where that is in doubt.
        base_name: what the base model is called there: a folder, or a name on the hub.

    Returns:
        The folder's path.

    Raises:
        ValueError: corrections of embeddings, or a backbone of a form that `transformers` does not
            know.
    """
    folder, settings = Path(folder), backbone.settings
    architecture = ARCHITECTURES[fitting(settings, tokenizer)]
    tensors, rest = {}, dict(corrections.pairs)
    for weight in _of_blocks(architecture, settings):
        if weight.ours not in rest:
            continue
        a, b = (np.asarray(part, "float32") for part in rest.pop(weight.ours))
        ends = np.cumsum(widths(weight, b.shape[-1], settings))[:-1]
        for name, part in zip(weight.tensors, np.split(b, ends, axis=-1), strict=True):
            module = STEM + architecture.written(name).removesuffix(".weight")
            for end, turned in zip(ENDS, (a.T, part.T), strict=True):
                tensors[module + end] = np.ascontiguousarray(turned)
    if rest:
        raise ValueError(
            f"expected corrections of matrices of the blocks, received some of {sorted(rest)}, "
            "which have no place in a file of `peft`: export the merged model instead."
        )
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"base": corrections.base or "", "dropout": json.dumps(corrections.dropout)}
    write_tensors(folder / TENSORS, tensors, facts)
    rank = next(iter(corrections.pairs.values()))[0].shape[1]
    config = _config(tensors, rank, alpha, base_name, architecture)
    with whole_file(folder / CONFIG) as file:
        file.write(json.dumps(config, indent=2) + "\n")
    return folder


def _config(tensors, rank, alpha, base_name, architecture):
    modules = {name.removesuffix(ENDS[0]) for name in tensors if name.endswith(ENDS[0])}
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM" if architecture.has_head else "FEATURE_EXTRACTION",
        "base_model_name_or_path": base_name,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "target_modules": sorted({".".join(module.split(".")[-2:]) for module in modules}),
        "fan_in_fan_out": architecture.model_type == "gpt2",  # whose matrices lie as ours
        "inference_mode": True,
        "bias": "none",
    }


def merge_peft(folder, backbone, tokenizer=None):
    """Return a copy of a backbone with the corrections of a folder of `peft` added.

    Args:
        folder: with adapter_config.json and adapter_model.safetensors.
        backbone: that the corrections belong to; it is not changed.
        tokenizer: of the model, by which its form is told where that is in doubt.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged, of a kind that is not supported, or for another base.
    """
    found = read_peft(folder, backbone.settings, tokenizer)
    _check_base(folder, found, backbone)
    made = copy_of(backbone)
    weights = {weight.path: weight for weight in made.weights}
    for name, (a, b) in found.pairs.items():
        weights[name].assign(weights[name] + found.scale * (a @ b))
    return made


def _check_base(folder, found, backbone):
    """Raise where the file names other weights than those of the backbone."""
    if not found.base:  # of another program, which names none
        return
    settings = backbone.settings
    in_training = backbone
    if found.dropout is not None and getattr(settings, "dropout", None) != found.dropout:
        in_training = copy_of(backbone, dropout=found.dropout)
    if (own := fingerprint(in_training)) != found.base:
        raise ValueError(
            f"the adapter {folder} belongs to the backbone {found.base[:12]}, received "
            f"{own[:12]}: corrections mean nothing on other weights. Give the model that it was "
            "trained on."
        )


def read_peft(folder, settings, tokenizer=None):
    """Return the `Corrections` in a folder of `peft`, checked against a backbone's settings.

    Raises:
        FileNotFoundError, ValueError: as in `merge_peft`.
    """
    folder = Path(folder)
    config = _read_config(folder)
    architecture = ARCHITECTURES[fitting(settings, tokenizer)]
    tensors, facts = _read_tensors(folder / TENSORS)
    root = math.sqrt(config["r"]) if config.get("use_rslora") else config["r"]
    pairs, known = {}, set()
    for weight in _of_blocks(architecture, settings):
        modules = [STEM + architecture.written(n).removesuffix(".weight") for n in weight.tensors]
        own = {module + end for module in modules for end in ENDS}
        known |= own
        if own & set(tensors):
            pairs[weight.ours] = _joined(folder, weight, modules, tensors, settings, config["r"])
    if strange := sorted(set(tensors) - known):
        raise ValueError(
            f"the adapter {folder} has corrections of {strange[0]} ({len(strange)} in all), which "
            f"a {architecture.model_type} of {settings.num_layers} blocks does not have: give the "
            "model that it was trained on."
        )
    if not pairs:
        raise DamagedError(f"expected corrections in {folder / TENSORS}, found none.")
    return Corrections(
        pairs,
        config["lora_alpha"] / root,
        facts.get("base") or None,
        json.loads(facts.get("dropout") or "null"),
    )


def _read_config(folder):
    """Return adapter_config.json, after a check that nothing in it is unknown here."""
    for name in (CONFIG, TENSORS):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"expected {CONFIG} and {TENSORS} in {folder}, which lacks {name}: give a folder "
                "that `peft` or `kerasllm export --adapter` wrote."
            )
    config = read_object(folder / CONFIG)
    if config.get("peft_type") != "LORA":
        raise ValueError(
            f"expected an adapter of the kind LORA in {folder / CONFIG}, received "
            f"{config.get('peft_type')!r}: others are not supported."
        )
    for name, value in _PLAIN.items():
        if (given := config.get(name) or value) != value:
            raise ValueError(
                f"expected {name}={value!r} in {folder / CONFIG}, received {given!r:.60}: this "
                "kind of adapter is not supported. Merge it into its model with `peft`, and import "
                "that."
            )
    for name in ("r", "lora_alpha"):
        if isinstance(config.get(name), bool) or not isinstance(config.get(name), int | float):
            raise DamagedError(f"expected a number for {name} in {folder / CONFIG}.")
    return config


def _read_tensors(path):
    """Return {name: float32 array} and the metadata of a safetensors file."""
    check_file(path)
    from safetensors import safe_open

    with safe_open(path, framework="np") as opened:
        names = list(opened.keys())
        for name in names:
            if (kind := opened.get_slice(name).get_dtype()) not in FLOATS:
                raise ValueError(
                    f"{name} in {path} is of the type {kind}, expected one of {FLOATS}."
                )
        tensors = {name: opened.get_tensor(name).astype("float32") for name in names}
        if bad := [name for name, value in tensors.items() if not np.isfinite(value).all()]:
            raise ValueError(f"{bad[0]} in {path} holds values that are NaN or infinite.")
        return tensors, dict(opened.metadata() or {})


def _joined(folder, weight, modules, tensors, settings, rank):
    """Return (A, B) of one of our matrices: of fused ones the modules' side by side."""
    columns = _columns(weight, settings)
    of_each, parts = widths(weight, columns[1], settings), []
    for module, width in zip(modules, of_each, strict=True):
        if not any(module + end in tensors for end in ENDS):
            parts.append((np.zeros((columns[0], 0), "f4"), np.zeros((0, width), "f4")))
            continue
        a, b = (tensors.get(module + end) for end in ENDS)
        shapes = tuple(None if part is None else part.shape for part in (a, b))
        if shapes != ((rank, columns[0]), (width, rank)):
            raise ValueError(
                f"the corrections of {module} in {folder} have the shapes {shapes}, expected "
                f"{(rank, columns[0])} and {(width, rank)}: the adapter is for another base, or "
                "damaged. Give the model that it was trained on."
            )
        parts.append((a.T, b.T))
    a = np.concatenate([part[0] for part in parts], axis=1)
    b, row, column = np.zeros((a.shape[1], columns[1]), "f4"), 0, 0
    for (_, part), width in zip(parts, of_each, strict=True):
        b[row : row + len(part), column : column + width] = part
        row, column = row + len(part), column + width
    return a, b


def _of_blocks(architecture, settings):
    """Return the rows of the table whose weights are matrices of a block."""
    rows = architecture.table(settings)
    return [row for row in rows if row.ours.startswith("block_") and row.ours.endswith("kernel")]


def _columns(weight, settings):
    """Return the shape (m, n) of one of our matrices of a block."""
    d, inner = settings.hidden_dim, settings.inner_dim or 4 * settings.hidden_dim
    heads, keys = settings.num_heads * settings.head_size, settings.groups * settings.head_size
    gated = 2 if settings.activation == "swiglu" else 1
    shapes = {
        "qkv_kernel": (d, heads + 2 * keys),
        "output_kernel": (heads, d),
        "expand/kernel": (d, gated * inner),
        "contract/kernel": (inner, d),
    }
    return next(shape for end, shape in shapes.items() if weight.ours.endswith(end))
