"""Tokenizer files of other projects to a tokenizer of `kerasllm.text`, and back.

Read in this order: tokenizer.json; vocab.txt (WordPiece); vocab.json and merges.txt (BPE).
"""

import json
from pathlib import Path

from kerasllm.text import SPECIAL_TOKENS, load_tokenizer
from kerasllm.text.tokenizers.imported import FRAMES, ROLES, checked_kind, import_tokenizer
from kerasllm.text.tokenizers.pipelines import PipelineError
from kerasllm.utils.archives import DamagedError
from kerasllm.utils.files import whole_file
from kerasllm.utils.json_text import read_object

TEMPLATE = "chat_template.jinja"
# role: names that tokenizer_config.json has for it, the first one given counts
_NAMES = {
    "pad": ("pad_token",),
    "unk": ("unk_token",),
    "bos": ("cls_token", "bos_token"),
    "eos": ("eos_token", "sep_token"),
    "sep": ("sep_token",),
    "mask": ("mask_token",),
}
_DEFAULTS = {
    "bert": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[SEP]", "[MASK]"),
    "roberta": ("<pad>", "<unk>", "<s>", "</s>", "</s>", "<mask>"),
    "gpt2": (None, None, "<|endoftext|>", "<|endoftext|>", None, None),
}
_COMMON = ("pad_token", "unk_token", "mask_token")
_WRITTEN = {
    "BertTokenizer": (*_COMMON, "cls_token", "sep_token"),
    "RobertaTokenizer": (*_COMMON, "cls_token", "bos_token", "eos_token", "sep_token"),
    "GPT2Tokenizer": (*_COMMON, "bos_token", "eos_token"),
    "PreTrainedTokenizerFast": (*_COMMON, "bos_token", "eos_token", "sep_token"),
}
_TITLES = {"bert": "BertTokenizer", "roberta": "RobertaTokenizer", "gpt2": "GPT2Tokenizer"}


def read_tokenizer(folder, model_type=None):
    """Return the tokenizer of a checkpoint; None where the folder holds no file of one.

    Args:
        folder: with the files.
        model_type: of the model: around the texts of a Llama stands nothing, whatever its tokens.

    Raises:
        ValueError: the files are damaged, or of a kind that is not supported.
    """
    folder = Path(folder)
    try:
        return _read(folder, model_type)
    except PipelineError as error:
        raise ValueError(
            f"the tokenizer '{folder / 'tokenizer.json'}' is not used: {error}"
        ) from None
    except (ValueError, OSError) as error:
        if not isinstance(error, UnicodeDecodeError | DamagedError):
            raise
        reason = error
    except Exception as error:  # the library raises bare Exception for a damaged model
        reason = error
    raise ValueError(
        f"the tokenizer files in {folder} are damaged ({type(reason).__name__}: "
        f"{str(reason)[:200]}): fetch them again."
    ) from None


def _read(folder, model_type):
    config = _json(folder / "special_tokens_map.json") | _json(folder / "tokenizer_config.json")
    library = _library(folder, config)
    if library is None:
        return None
    if library.get("format"):
        return load_tokenizer(folder)
    checked_kind(library)
    known = {**library["model"]["vocab"]} | {t["content"]: 0 for t in library["added_tokens"]}
    style = "gpt2" if model_type == "llama" else _style(library, known)
    special = _special(config, style, known)
    options = {"chat_template": _template(folder, config)}
    normal = library.get("normalizer") or {}
    options["lowercase"] = bool(normal.get("lowercase"))
    return import_tokenizer(library, special, style, **options)


def _template(folder, config):
    """Return the template of conversations: a file of its own, or an entry of the config."""
    if (folder / TEMPLATE).is_file():
        return (folder / TEMPLATE).read_text("utf-8")
    template = config.get("chat_template")
    if isinstance(template, list):  # several, by name
        named = {t.get("name"): t.get("template") for t in template if isinstance(t, dict)}
        template = named.get("default")
    return template if isinstance(template, str) else None


def _style(library, known):
    if library["model"].get("type") == "WordPiece":
        return "bert"
    return "roberta" if {"<s>", "</s>"} <= set(known) else "gpt2"


def _special(config, style, known):
    """Return {role: token}, from the files where they say so, else by the style's custom."""
    defaults = dict(zip(ROLES, _DEFAULTS[style], strict=True))
    special = {}
    for role, names in _NAMES.items():
        given = [_content(config[name]) for name in names if config.get(name)]
        token = given[0] if given else defaults[role]
        if token and (given or token in known):
            special[role] = token
    # GPT-2 is often given its end of text for a pad; unk is none where bytes know every text.
    if special.get("pad") in (special.get("eos"), special.get("bos")):
        special.pop("pad", None)
    if special.get("unk") == special.get("eos"):
        special.pop("unk", None)
    return special


def _content(token):
    return token["content"] if isinstance(token, dict) else token


def _json(path):
    if not path.is_file():
        return {}
    try:
        content = read_object(path)
    except ValueError as error:
        raise DamagedError(str(error)) from None
    return {name: value for name, value in content.items() if value is not None}


def _library(folder, config):
    """Return the json of the `tokenizers` library, made of the older files where need be."""
    if (folder / "tokenizer.json").is_file():
        content = _json(folder / "tokenizer.json")
        return content | {"added_tokens": content.get("added_tokens") or []}
    if (folder / "vocab.txt").is_file():
        tokens = (folder / "vocab.txt").read_text("utf-8").split("\n")
        tokens = tokens[:-1] if tokens[-1] == "" else tokens
        return _word_piece({token: i for i, token in enumerate(tokens)}, config)
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        lines = (folder / "merges.txt").read_text("utf-8").split("\n")
        merges = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#ver")]
        return _bytes(_json(folder / "vocab.json"), merges, config)
    return None


def _word_piece(vocabulary, config):
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    pipeline = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    pipeline.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=config.get("tokenize_chinese_chars", True),
        strip_accents=config.get("strip_accents"),
        lowercase=config.get("do_lower_case", True),
    )
    pipeline.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pipeline.decoder = decoders.WordPiece(prefix="##")
    return _finished(pipeline, "bert", vocabulary, config)


def _bytes(vocabulary, merges, config):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    pipeline = Tokenizer(models.BPE(vocabulary, merges))
    pipeline.pre_tokenizer = pre_tokenizers.ByteLevel(
        add_prefix_space=config.get("add_prefix_space", False)
    )
    pipeline.decoder = decoders.ByteLevel()
    style = "roberta" if {"<s>", "</s>"} <= set(vocabulary) else "gpt2"
    return _finished(pipeline, style, vocabulary, config)


def _finished(pipeline, style, vocabulary, config):
    """Add the special tokens and what stands around a text, as `transformers` expects them."""
    from tokenizers.processors import TemplateProcessing

    special = _special(config, style, vocabulary)
    if lost := {"pad", "unk", "bos", "eos"} - set(special) if style != "gpt2" else ():
        usual = dict(zip(ROLES, _DEFAULTS[style], strict=True))
        raise ValueError(
            f"expected {', '.join(usual[role] for role in sorted(lost))} in the vocabulary of the "
            "tokenizer, which lacks them: fetch its files again."
        )
    pipeline.add_special_tokens(list(dict.fromkeys(special.values())))
    if style != "gpt2":
        texts = [
            " ".join(special.get(name, f"${name}") for name in frame) for frame in FRAMES[style]
        ]
        around = {special[name] for name in FRAMES[style][1] if name in special}
        pipeline.post_processor = TemplateProcessing(
            single=texts[0],
            pair=texts[1],
            special_tokens=[(token, vocabulary[token]) for token in sorted(around)],
        )
    return json.loads(pipeline.to_str())


def write_tokenizer(tokenizer, folder, max_length):
    """Write the files that `transformers` reads.

    Raises:
        ValueError: a tokenizer of characters or words, which has no such files.
    """
    library, special, title = parts_of_tokenizer(tokenizer)
    config = {
        name: special[role]
        for role, names in _NAMES.items()
        for name in names
        if role in special and name in _WRITTEN[title]
    }
    config |= {"tokenizer_class": title, "model_max_length": max_length}
    normal = library.get("normalizer") or {}
    if normal.get("type") == "BertNormalizer":
        config["do_lower_case"] = normal["lowercase"]
        config["strip_accents"] = normal["strip_accents"]
        config["tokenize_chinese_chars"] = normal["handle_chinese_chars"]
    vocabulary = library["model"]["vocab"]
    if title == "BertTokenizer":
        _write(folder / "vocab.txt", "\n".join(sorted(vocabulary, key=vocabulary.get)) + "\n")
    elif title != "PreTrainedTokenizerFast":
        merges = [m if isinstance(m, str) else " ".join(m) for m in library["model"]["merges"]]
        _write(folder / "vocab.json", json.dumps(vocabulary, ensure_ascii=False))
        _write(folder / "merges.txt", "\n".join(["#version: 0.2", *merges]) + "\n")
    _write(folder / "tokenizer.json", json.dumps(library, ensure_ascii=False, indent=1))
    if getattr(tokenizer, "chat_template", None):
        _write(folder / TEMPLATE, tokenizer.chat_template)
        config["chat_template"] = tokenizer.chat_template
    _write(folder / "tokenizer_config.json", json.dumps(config, ensure_ascii=False, indent=1))


def parts_of_tokenizer(tokenizer):
    """Return (library json, {role: token}, class in `transformers`)."""
    if tokenizer.kind == "imported":
        # The classes of old models cut text by a rule of their own, whatever the file says.
        usual = (tokenizer.library.get("pre_tokenizer") or {}).get("type") != "Sequence"
        title = _TITLES[tokenizer.style] if usual else "PreTrainedTokenizerFast"
        return tokenizer.library, tokenizer.special, title
    if tokenizer.kind not in ("bpe", "wordpiece"):
        raise ValueError(
            f"expected a tokenizer of the kind bpe or wordpiece, received {tokenizer.kind!r}: "
            "`transformers` has none for words or characters."
        )
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    added = [
        {"id": i, "content": token, "special": True, **flags}
        for i, token in enumerate(SPECIAL_TOKENS)
    ]
    library = tokenizer.state()["library"] | {"added_tokens": added}
    return library, dict(zip(ROLES, SPECIAL_TOKENS, strict=True)), "PreTrainedTokenizerFast"


def _write(path, text):
    with whole_file(path) as file:
        file.write(text)
