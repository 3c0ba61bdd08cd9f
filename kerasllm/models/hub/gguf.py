"""Llamas in GGUF files, under the names that their tensors and settings have in `transformers`.

- The file keeps the rows of the projections of queries and keys in the order that interleaved
  rotary pairs want; here, as in `transformers`, the pairs are the halves of a head: they are put
  back.
- The tokenizer is in the file: tokens, merges, and the name of the rule that cuts text before.
"""

import re

import numpy as np

from kerasllm.models.hub.settings import completed
from kerasllm.text.tokenizers.imported import import_tokenizer
from kerasllm.utils.archives import DamagedError
from kerasllm.utils.hub.gguf import GGUF

ARCHITECTURES = ("llama",)
# names in a file: names in `transformers`
NAMES = {
    "token_embd.weight": "embed_tokens.weight",
    "output_norm.weight": "norm.weight",
    "output.weight": "lm_head.weight",
    **{
        f"blk.{{n}}.{theirs}.weight": f"layers.{{n}}.{ours}.weight"
        for theirs, ours in {
            "attn_norm": "input_layernorm",
            "attn_q": "self_attn.q_proj",
            "attn_k": "self_attn.k_proj",
            "attn_v": "self_attn.v_proj",
            "attn_output": "self_attn.o_proj",
            "ffn_norm": "post_attention_layernorm",
            "ffn_gate": "mlp.gate_proj",
            "ffn_up": "mlp.up_proj",
            "ffn_down": "mlp.down_proj",
        }.items()
    },
}
SETTINGS = {
    "hidden_size": "embedding_length",
    "num_hidden_layers": "block_count",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
    "intermediate_size": "feed_forward_length",
    "max_position_embeddings": "context_length",
    "rms_norm_eps": "attention.layer_norm_rms_epsilon",
    "rope_theta": "rope.freq_base",
}
_NUMBERED = re.compile(r"(?<=\.)\d+(?=\.)")
# Rules by which text is cut before bytes are merged, by their names: digits alone, and a pattern.
_LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
RULES = {"gpt-2": (False, None), "smollm": (True, None), "llama-bpe": (False, _LLAMA_3)}
_BYTEWISE = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
# Types of tokens: merged from bytes; never in raw text; found in it before anything else.
NORMAL, CONTROL, USERS = 1, 3, 4


def read_gguf(path):
    """Return (config, tensors, tokenizer) of a GGUF file.

    Raises:
        ValueError: the file is damaged, or of an architecture, a type of values or a tokenizer that
            is not supported.
    """
    file = GGUF(path)
    kind = file.values.get("general.architecture")
    if kind not in ARCHITECTURES:
        raise ValueError(
            f"expected a model of the architecture {', '.join(ARCHITECTURES)} in {path}, received "
            f"{kind!r}: other architectures are not read from GGUF files. Fetch the model as "
            "safetensors, of which more are known."
        )
    try:
        _check(file.values, kind)
        tokenizer = _tokenizer(file.values)
        return completed(_config(file, kind), path), GGUFTensors(file), tokenizer
    except (DamagedError, KeyError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
    except Exception as error:
        if type(error) is not Exception:  # which the library of tokenizers raises
            raise
        reason = f"its tokenizer fails ({str(error)[:200]})"
    raise ValueError(f"{path} does not describe a model: {reason}. Fetch it again.")


def _check(values, kind):
    """Raise unless the values are of the types that a model has."""
    for name in SETTINGS.values():
        value = values.get(f"{kind}.{name}", 1)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise DamagedError(f"{kind}.{name} is {value!r:.40}, expected a number above 0")
    tokens = values["tokenizer.ggml.tokens"]
    for name, type_of in (("tokens", str), ("merges", str), ("token_type", int)):
        entries = values.get(f"tokenizer.ggml.{name}", [])
        if not isinstance(entries, list) or not all(type(entry) is type_of for entry in entries):
            raise DamagedError(f"tokenizer.ggml.{name} is no list of {type_of.__name__}")
    if len(values.get("tokenizer.ggml.token_type", tokens)) != len(tokens):
        raise DamagedError("it has not as many types of tokens as tokens")
    if len(set(tokens)) != len(tokens):
        raise DamagedError("a token stands twice in its vocabulary")
    if not isinstance(values.get("tokenizer.chat_template", ""), str):
        raise DamagedError("its template of conversations is no text")


class GGUFTensors:
    """The tensors of a GGUF file by the names of `transformers`, read one at a time.

    Args:
        file: a `GGUF`.
    """

    def __init__(self, file):
        self._file = file
        self._theirs = {_ours(name): name for name in file.tensors}
        if strange := sorted(set(self._theirs) & set(file.tensors)):
            raise DamagedError(f"it has tensors that a llama has not: {', '.join(strange)[:200]}")
        values = file.values
        heads = values["llama.attention.head_count"]
        self._heads = {
            "attn_q": heads,
            "attn_k": values.get("llama.attention.head_count_kv", heads),
        }

    def __iter__(self):
        return iter(self._theirs)

    @property
    def numbers(self):
        """Return how many numbers there are in all."""
        return sum(int(np.prod(tensor.shape)) for tensor in self._file.tensors.values())

    def shape(self, name):
        """Return the shape of a tensor, without reading it."""
        return self._file.tensors[self._theirs[name]].shape

    def kind(self, name):
        """Return the type of a tensor's values in float: what is quantised is expanded."""
        kind = self._file.tensors[self._theirs[name]].kind
        return kind if kind in ("F32", "F16") else "F32"

    def rows(self, name, start, stop):
        """Return rows of a tensor that belongs to no head, without reading the others."""
        return self._file.read(self._theirs[name], start, stop)

    def __getitem__(self, name):
        theirs = self._theirs[name]
        array = self._file.read(theirs)
        heads = next((n for part, n in self._heads.items() if f".{part}." in theirs), None)
        return array if heads is None else halves(array, heads)


def halves(rows, heads):
    """Return the rows of a projection so that rotary pairs are halves of a head, not neighbours.

    Args:
        rows: (N K, D), with neighbours together.
        heads: N.

    Example:
        >>> halves(np.arange(8)[:, None], 2).ravel()
        array([0, 2, 1, 3, 4, 6, 5, 7])
    """
    width, features = rows.shape
    if width % (2 * heads):
        raise DamagedError(f"{width} rows cannot be shared among {heads} heads of an even size")
    return rows.reshape(heads, -1, 2, features).swapaxes(1, 2).reshape(width, features)


def neighbours(rows, heads):
    """Undo `halves`.

    Example:
        >>> neighbours(halves(np.arange(8)[:, None], 2), 2).ravel()
        array([0, 1, 2, 3, 4, 5, 6, 7])
    """
    width, features = rows.shape
    return rows.reshape(heads, 2, -1, features).swapaxes(1, 2).reshape(width, features)


def _ours(name):
    """Return what a tensor is called in `transformers`; its own name where there is no such."""
    number = _NUMBERED.search(name)
    plain = NAMES.get(_NUMBERED.sub("{n}", name, count=1))
    return name if plain is None else plain.format(n=number and number[0])


def _config(file, kind):
    """Return what config.json of the model would be."""
    values, config = file.values, {"model_type": kind, "hidden_act": "silu"}
    for theirs, name in SETTINGS.items():
        if (value := values.get(f"{kind}.{name}")) is not None:
            # A float32 of the file: 9.9999997e-06 was written as 1e-05.
            config[theirs] = float(f"{value:.7g}") if isinstance(value, float) else value
    scaling = values.get(f"{kind}.rope.scaling.type", "none")
    if "rope_freqs.weight" in file.tensors:
        scaling = "llama3"
    if scaling != "none":
        config["rope_scaling"] = {"rope_type": scaling}
    size = config["hidden_size"] // config["num_attention_heads"]
    turned, size = values.get(f"{kind}.rope.dimension_count"), config.get("head_dim", size)
    if turned not in (None, size):
        raise DamagedError(f"it turns {turned} of the {size} features of a head, expected all")
    config["tie_word_embeddings"] = "output.weight" not in file.tensors
    config["vocab_size"] = len(values["tokenizer.ggml.tokens"])
    return config


def _tokenizer(values):
    """Return the tokenizer in a file."""
    model, rule = values["tokenizer.ggml.model"], values.get("tokenizer.ggml.pre")
    if model != "gpt2" or rule not in RULES:
        raise ValueError(
            f"expected a tokenizer of the model 'gpt2' (byte-level BPE) that cuts text by one of "
            f"the rules {sorted(RULES)}, received {model!r} and {rule!r}: others are not supported."
        )
    tokens, special = values["tokenizer.ggml.tokens"], {}
    roles = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    for role, name in roles.items():
        place = values.get(f"tokenizer.ggml.{name}_token_id")
        if isinstance(place, int) and place < len(tokens):
            special[role] = tokens[place]
    if special.get("pad") in (special.get("eos"), special.get("bos")):
        special.pop("pad", None)  # the end of a text is no padding: it has to be learned
    template = values.get("tokenizer.chat_template")
    return import_tokenizer(_library(values, tokens, rule), special, "gpt2", chat_template=template)


def _steps(digits, pattern):
    """Return the steps by which text is cut, as the `tokenizers` library writes them."""
    steps = [{"type": "Digits", "individual_digits": True}] if digits else []
    if pattern:
        split = {"pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        steps.append({"type": "Split", **split})
    return [*steps, _BYTEWISE | {"use_regex": not pattern}]


def rule_of(library):
    """Return the name of the rule by which a pipeline cuts text; None where it has no name."""
    given = library.get("pre_tokenizer") or {}
    steps = given["pretokenizers"] if given.get("type") == "Sequence" else [given]
    known = (name for name, rule in RULES.items() if _alike(steps, _steps(*rule)))
    return None if library.get("normalizer") else next(known, None)


def _alike(steps, others):
    ignored = {"trim_offsets": True}  # which moves no token
    return [step | ignored for step in steps] == [step | ignored for step in others]


def _library(values, tokens, rule):
    """Return the json of the `tokenizers` library."""
    kinds = values.get("tokenizer.ggml.token_type") or [NORMAL] * len(tokens)
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    added = [
        {"id": i, "content": token, "special": kind == CONTROL, **flags}
        for i, (token, kind) in enumerate(zip(tokens, kinds, strict=True))
        if kind in (CONTROL, USERS)
    ]
    merges = [merge.split(" ") for merge in values.get("tokenizer.ggml.merges", [])]
    return {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": _steps(*RULES[rule])},
        "post_processor": None,
        "decoder": _BYTEWISE | {"use_regex": True},
        "model": {
            "type": "BPE", "vocab": {token: i for i, token in enumerate(tokens)}, "merges": merges,
            "ignore_merges": rule == "llama-bpe",
        },
    }  # fmt: skip
