"""Our Transformers as CTranslate2 describes them, every weight in its place (extra `int8`)."""

import numpy as np

from kerasllm.layers.embedding import NEVER
from kerasllm.layers.positions import sinusoids
from kerasllm.text import EOS

# ours: theirs
ACTIVATIONS = {"gelu": "GELU", "gelu_tanh": "GELUTanh", "relu": "RELU", "swiglu": "SWISH"}


def described(library, backbone):
    """Return a causal `TransformerBackbone` with its head as a `TransformerDecoderModelSpec`.

    Args:
        library: the package ctranslate2, with its `specs`.
        backbone: the backbone; its table is the head, tied or not.

    Raises:
        ValueError: the backbone has a form that the engine has no place for.
    """
    specs, config = library.specs, backbone.settings
    if not config.causal:
        raise ValueError("8 bits are for causal Transformers, received an encoder: leave int8 out.")
    rotary = config.positions == "rotary"
    spec = specs.TransformerDecoderModelSpec.from_config(
        config.num_layers,
        config.num_heads,
        pre_norm=config.norm == "pre",
        activation=specs.Activation[ACTIVATIONS[config.activation]],
        layernorm_embedding=config.norm == "post",
        ffn_glu=config.activation == "swiglu",
        rms_norm=config.normalization == "rms",
        rotary_dim=0 if rotary else None,
        rotary_interleave=config.interleaved,
        rotary_base=config.rotary_base,
        num_heads_kv=config.groups,
        head_dim=config.head_size,
    )
    spec.register_vocabulary([str(token) for token in range(config.vocabulary_size)])
    spec.config.layer_norm_epsilon = config.epsilon
    for role in ("bos", "eos", "unk"):  # what ends a text is said at each call
        setattr(spec.config, f"{role}_token", str(EOS))
    weights = {weight.path: np.array(weight, "float32") for weight in backbone.weights}
    _fill_ends(spec.decoder, weights, config)
    for number, block in enumerate(spec.decoder.layer):
        _fill_block(block, weights, f"block_{number}", config)
    if weights:
        raise ValueError(f"8 bits have no place for {', '.join(sorted(weights))}: leave int8 out.")
    return spec


def _fill_ends(decoder, weights, config):
    table = decoder.embeddings.weight = weights.pop("embedding/embeddings")
    decoder.scale_embeddings = config.positions == "sinusoidal"
    if config.positions == "learned":
        decoder.position_encodings.encodings = weights.pop("embedding/position_embeddings")
    elif config.positions == "sinusoidal":
        rows = sinusoids(config.max_length, config.hidden_dim)
        decoder.position_encodings.encodings = np.array(rows, "float32")
    elif config.positions is None:
        nothing = np.zeros((config.max_length, config.hidden_dim), "float32")
        decoder.position_encodings.encodings = nothing
    decoder.projection.weight = table if config.tied else weights.pop("embedding/output_embeddings")
    if not config.score_pad:
        decoder.projection.bias = np.zeros(config.vocabulary_size, "float32")
        decoder.projection.bias[0] = NEVER
    first = config.norm == "post"
    _fill_norm(decoder.layernorm_embedding if first else decoder.layer_norm, weights, "norm")


def _fill_block(block, weights, name, config):
    attention, feed_forward = block.self_attention, block.ffn
    _fill_norm(attention.layer_norm, weights, f"{name}/attention_norm")
    _fill_norm(feed_forward.layer_norm, weights, f"{name}/feed_forward_norm")
    _fill([attention.linear[0]], weights, f"{name}/attention/qkv_")
    _fill([attention.linear[1]], weights, f"{name}/attention/output_")
    expand = [feed_forward.linear_0]
    if config.activation == "swiglu":
        expand.append(feed_forward.linear_0_noact)
    _fill(expand, weights, f"{name}/feed_forward/expand/")
    _fill([feed_forward.linear_1], weights, f"{name}/feed_forward/contract/")


def _fill_norm(norm, weights, name):
    if f"{name}/scale" in weights:
        norm.gamma = weights.pop(f"{name}/scale")
    else:
        norm.gamma, norm.beta = weights.pop(f"{name}/gamma"), weights.pop(f"{name}/beta")


def _fill(linears, weights, name):
    """Fill linear maps with the columns of a kernel and its bias, in equal shares."""
    kernels = np.split(weights.pop(f"{name}kernel"), len(linears), axis=-1)
    bias = weights.pop(f"{name}bias", None)
    biases = [None] * len(linears) if bias is None else np.split(bias, len(linears))
    for linear, kernel, part in zip(linears, kernels, biases, strict=True):
        linear.weight = np.ascontiguousarray(kernel.T)
        if part is not None:
            linear.bias = part
