"""Our Llamas as GGUF files, which llama.cpp and `transformers` read."""

from pathlib import Path

from kerasllm.models.hub.files import parts_of_tokenizer
from kerasllm.models.hub.gguf import CONTROL, NAMES, NORMAL, SETTINGS, USERS, neighbours, rule_of
from kerasllm.models.hub.saving import described
from kerasllm.utils.errors import check_choice
from kerasllm.utils.files import whole_path

KINDS = ("F32", "F16", "Q8_0")
BLOCK = 32  # values of a row that are quantised together
_ROLES = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}


def save_gguf(backbone, tokenizer, path, kind="F16"):
    """Write a backbone of the form of Llama, and its tokenizer, to a GGUF file.

    Args:
        backbone: a `TransformerBackbone`.
        tokenizer: its byte-level BPE.
        path: of the file.
        kind: of the matrices' values: "F32", "F16" or "Q8_0". Vectors stay float32, and so do rows
            that are no multiple of 32 of the type "Q8_0".

    Returns:
        The path.

    Raises:
        ImportError: the package gguf is not installed.
        ValueError: the backbone or the tokenizer has a form that no GGUF file of a Llama has.
    """
    check_choice("kind", kind, KINDS)
    library = _library()
    config, tensors = described(backbone, tokenizer, "llama")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    names = {here: there for there, here in NAMES.items()}
    with whole_path(path) as part:
        writer = library.GGUFWriter(part, "llama")
        _add_settings(writer, config)
        _add_tokenizer(writer, tokenizer)
        for name, array in tensors.items():
            plain = name.removeprefix("model.")
            block = plain.split(".")[1] if plain.startswith("layers.") else None
            there = names[plain.replace(f".{block}.", ".{n}.", 1)].format(n=block)
            _add_tensor(library, writer, there, array, kind, config)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return path


def _add_settings(writer, config):
    for theirs, name in SETTINGS.items():
        add = writer.add_float32 if isinstance(config[theirs], float) else writer.add_uint32
        add(f"llama.{name}", config[theirs])
    writer.add_uint32("llama.rope.dimension_count", config["head_dim"])
    writer.add_uint32("llama.vocab_size", config["vocab_size"])


def _add_tokenizer(writer, tokenizer):
    library, special, _ = parts_of_tokenizer(tokenizer)
    rule = rule_of(library)
    if rule is None or library["model"].get("type") != "BPE":
        raise ValueError(
            "expected a byte-level BPE that cuts text as those of GPT-2, SmolLM or Llama 3 do, "
            f"received {library['model'].get('type')} with {library.get('pre_tokenizer')}: a GGUF "
            "file has no name for it. Export a folder of safetensors instead."
        )
    added = library["added_tokens"]
    ids = library["model"]["vocab"] | {token["content"]: token["id"] for token in added}
    tokens = sorted(ids, key=ids.get)
    special_of = {token["content"]: token["special"] for token in added}
    kind_of = {True: CONTROL, False: USERS, None: NORMAL}
    kinds = [kind_of[special_of.get(token)] for token in tokens]
    merges = [m if isinstance(m, str) else " ".join(m) for m in library["model"]["merges"]]
    writer.add_string("tokenizer.ggml.model", "gpt2")
    writer.add_string("tokenizer.ggml.pre", rule)
    writer.add_array("tokenizer.ggml.tokens", tokens)
    writer.add_array("tokenizer.ggml.token_type", kinds)
    writer.add_array("tokenizer.ggml.merges", merges)
    writer.add_bool("tokenizer.ggml.add_bos_token", False)
    for role, name in _ROLES.items():
        if role in special:
            writer.add_uint32(f"tokenizer.ggml.{name}_token_id", ids[special[role]])
    if template := getattr(tokenizer, "chat_template", None):
        writer.add_string("tokenizer.chat_template", template)


def _add_tensor(library, writer, name, array, kind, config):
    """Add a tensor: a projection with its rotary pairs as neighbours, a matrix in its type."""
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    if (count := heads.get(name.split(".")[-2])) is not None:
        array = neighbours(array, count)
    if array.ndim < 2 or (kind == "Q8_0" and array.shape[-1] % BLOCK):
        kind = "F32"
    number = library.GGMLQuantizationType[kind]
    writer.add_tensor(name, library.quants.quantize(array, number), raw_dtype=number)


def _library():
    try:
        import gguf
    except ImportError:
        raise ImportError("writing GGUF files needs gguf: pip install 'kerasllm[gguf]'") from None
    return gguf
