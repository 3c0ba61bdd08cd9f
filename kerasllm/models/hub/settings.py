"""config.json of another project to `TransformerConfig`, and back."""

from pathlib import Path

from kerasllm.models.backbones.config import TransformerConfig
from kerasllm.models.hub.architectures import ARCHITECTURES
from kerasllm.utils.errors import nearest
from kerasllm.utils.json_text import read_object


def read_config(folder):
    """Return config.json as a dict, with the architecture's defaults for what it leaves out.

    Raises:
        FileNotFoundError, ValueError: it is missing, damaged, or of an unsupported architecture.
    """
    path = Path(folder) / "config.json"
    if not path.is_file():
        there = ", ".join(sorted(p.name for p in path.parent.iterdir())) or "nothing"
        raise FileNotFoundError(
            f"expected config.json and model.safetensors in {folder}, found {there}: give a folder "
            "that `save_pretrained` wrote, or the name of a model on the hub."
        )
    try:
        config = read_object(path)
    except ValueError as error:
        raise ValueError(f"{error} Fetch it again.") from None
    return completed(config, path)


def completed(config, path):
    """Return the settings of a checkpoint with the defaults for what is left out, checked.

    Args:
        config: as config.json has them.
        path: where they come from, for the errors.

    Raises:
        ValueError: they are incomplete, or of an unsupported architecture.
    """
    architecture = architecture_of(config)
    if "rotary_base" in architecture.settings:
        config = config | _rotary_base(config)
    config = architecture.defaults | config
    names = {"vocab_size", *architecture.settings.values()}
    if lost := sorted(names - set(config) - {architecture.settings["inner_dim"]}):
        raise ValueError(f"expected {', '.join(lost)} in {path}, which lacks them: fetch it again.")
    for name in ("vocab_size", architecture.settings["max_length"], "pad_token_id"):
        if type(config[name]) is not int and (name != "pad_token_id" or config[name] is not None):
            raise ValueError(f"expected a number for {name} in {path}, received {config[name]!r}.")
    if config["pad_token_id"] == -1:  # as early Llamas say that there is none
        config["pad_token_id"] = None
    pad, size = config["pad_token_id"], config["vocab_size"]
    if pad is not None and not 0 <= pad < size:
        raise ValueError(
            f"expected pad_token_id below vocab_size={size} in {path}, received {pad}."
        )
    return config


def _rotary_base(config):
    """Return {"rope_theta"} of the forms that config.json has had, where nothing is scaled."""
    given = config.get("rope_parameters") or config.get("rope_scaling") or {}
    given = given if isinstance(given, dict) else {"rope_type": given}
    kind = given.get("rope_type", given.get("type", "default"))
    if kind != "default":
        raise ValueError(
            f"expected rotary positions without scaling in config.json, received rope scaling of "
            f"the kind {kind!r}: positions that are scaled (linear, dynamic, yarn, longrope, "
            "llama3) are not supported."
        )
    theta = given.get("rope_theta", config.get("rope_theta"))
    return {} if theta is None else {"rope_theta": theta}


def architecture_of(config):
    """Return the `Architecture` of a config.json.

    Raises:
        ValueError: it is not supported, or with settings that are not.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        raise ValueError(
            f"expected model_type in config.json among {sorted(ARCHITECTURES)}, received {kind!r}: "
            "checkpoints of these architectures can be loaded." + nearest(kind, ARCHITECTURES)
        )
    architecture = ARCHITECTURES[kind]
    for name, value in architecture.theirs.items():
        if config.get(name, value) != value:
            raise ValueError(
                f"expected {name}={value!r} in config.json of a {kind}, received "
                f"{config[name]!r}: this variant of the architecture is not supported."
            )
    return architecture


def to_ours(config, **overrides):
    """Return the `TransformerConfig` that a config.json describes.

    Args:
        config: the settings there.
        **overrides: settings here that the tokenizer decides, and others to replace.

    Raises:
        ValueError: a setting that is not supported.
    """
    architecture = architecture_of(config)
    settings = {}
    for ours, theirs in architecture.settings.items():
        if theirs in config:
            settings[ours] = config[theirs]
    name = settings["activation"]
    known = architecture.activations
    if not isinstance(name, str) or name not in known:
        raise ValueError(
            f"expected {architecture.settings['activation']} among {sorted(known)}, received "
            f"{name!r} in config.json."
        )
    settings["activation"] = known[name]
    settings["max_length"] -= pad_rows(config)
    try:
        return TransformerConfig(**{**settings, **architecture.ours, **overrides})
    except ValueError as error:
        raise ValueError(f"the settings in config.json of the checkpoint: {error}") from None


def pad_rows(config):
    """Return how many rows of the position table no token reads: RoBERTa's, up to the pad id's."""
    if not ARCHITECTURES[config["model_type"]].positions_after_pad:
        return 0
    return config["pad_token_id"] + 1


def to_theirs(settings, model_type):
    """Return config.json of an architecture for a `TransformerConfig`.

    Raises:
        ValueError: the architecture does not have these settings.
    """
    architecture = _checked(settings, model_type)
    config = {"model_type": architecture.model_type, "architectures": [architecture.title]}
    names = {ours: theirs for theirs, ours in reversed(architecture.activations.items())}
    worth = {"activation": names[settings.activation], "num_kv_heads": settings.groups,
             "key_dim": settings.head_size}  # fmt: skip
    config["tie_word_embeddings"] = True
    for ours, theirs in architecture.settings.items():
        config[theirs] = worth.get(ours, getattr(settings, ours))
    if settings.inner_dim is None and architecture.model_type != "gpt2":
        config[architecture.settings["inner_dim"]] = 4 * settings.hidden_dim
    if architecture.positions_after_pad:
        config["max_position_embeddings"] += 2
    config["vocab_size"] -= not settings.score_pad
    if settings.segments == 0 and "type_vocab_size" in config:
        config["type_vocab_size"] = 1
    if "rope_theta" in config:  # where it stands from version 5 of `transformers` on
        config["rope_parameters"] = {"rope_type": "default", "rope_theta": config["rope_theta"]}
    else:
        names = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop", "embd_pdrop")
        config |= dict.fromkeys(names, settings.dropout)
    return config | architecture.theirs | {"dtype": "float32"}


def _checked(settings, model_type):
    """Return the architecture, after checking that it has the settings."""
    if model_type not in ARCHITECTURES:
        raise ValueError(
            f"expected model_type among {sorted(ARCHITECTURES)}, received {model_type!r}."
            + nearest(model_type, ARCHITECTURES)
        )
    architecture = ARCHITECTURES[model_type]
    for name, value in architecture.ours.items():
        if getattr(settings, name) != value:
            raise ValueError(
                f"expected {name}={value!r} in a backbone to save as {model_type}, received "
                f"{getattr(settings, name)!r}."
            )
    if settings.activation not in (known := set(architecture.activations.values())):
        raise ValueError(
            f"expected an activation among {sorted(known)} in a backbone to save as {model_type}, "
            f"received {settings.activation!r}."
        )
    return architecture


def fitting(settings, tokenizer=None):
    """Return the model_type that has the settings of a backbone.

    Raises:
        ValueError: none has them.
    """
    llama = ARCHITECTURES["llama"]
    gated = settings.activation in llama.activations.values()
    if gated and all(getattr(settings, name) == value for name, value in llama.ours.items()):
        return "llama"
    learned = settings.positions == "learned" and settings.normalization == "layer" and not gated
    if learned and settings.causal and settings.norm == "pre":
        return "gpt2"
    if learned and not settings.causal and settings.norm == "post":
        if getattr(tokenizer, "style", None) == "roberta":
            return "roberta"
        return "bert" if settings.segments or settings.epsilon != 1e-12 else "distilbert"
    raise ValueError(
        'expected a causal backbone with norm="pre" (gpt2) or one that reads the whole text with '
        f'norm="post" (bert), both with positions="learned", or one with positions="rotary", '
        f'activation="swiglu", normalization="rms" and use_bias=False (llama), received '
        f"{settings}: nothing in `transformers` would give the same numbers."
    )
