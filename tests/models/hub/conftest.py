"""Checkpoints with random tensors, written as other projects do, and their features by NumPy."""

import json

import numpy as np
import pytest

from kerasllm import reference as ref

V, P, F = 31, 19, 20  # tokens, positions there, inner width
N, G, K = 4, 2, 6  # heads, groups, and the size of a head of a Llama


def _config(kind):
    names = {"vocab_size": V, "model_type": kind.split("-")[0]}
    if kind.startswith("llama"):
        return names | {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": N,
                        "num_key_value_heads": G, "head_dim": K, "intermediate_size": F,
                        "max_position_embeddings": P, "rms_norm_eps": 1e-3, "hidden_act": "silu",
                        "rope_theta": 77.0, "tie_word_embeddings": kind != "llama"}  # fmt: skip
    if kind == "distilbert":
        return names | {"dim": 12, "n_layers": 2, "n_heads": 3, "hidden_dim": F, "dropout": 0.1,
                        "max_position_embeddings": P, "activation": "gelu"}  # fmt: skip
    if kind == "gpt2":
        return names | {"n_embd": 12, "n_layer": 2, "n_head": 3, "n_positions": P, "n_inner": None,
                        "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
                        "resid_pdrop": 0.1}  # fmt: skip
    names |= {"hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3,
              "intermediate_size": F, "max_position_embeddings": P, "layer_norm_eps": 1e-3,
              "hidden_dropout_prob": 0.1, "type_vocab_size": 2, "pad_token_id": 0,
              "hidden_act": "gelu_new" if kind == "bert-tanh" else "gelu"}  # fmt: skip
    return names | {"type_vocab_size": 1, "pad_token_id": 1} if kind == "roberta" else names


def _shapes(kind):
    """Return {name: shape} of the tensors, by the names that the other project gives them."""
    d = 12
    if kind.startswith("llama"):
        return _llama_shapes(d, kind == "llama")
    if kind == "gpt2":
        block = {
            "ln_1": d, "ln_2": d, "attn.c_attn": (d, 3 * d), "attn.c_proj": (d, d),
            "mlp.c_fc": (d, 4 * d), "mlp.c_proj": (4 * d, d),
        }  # fmt: skip
        tables, stem = {"wte": (V, d), "wpe": (P, d), "ln_f": d}, "h.{}."
    elif kind == "distilbert":
        block = {
            **{f"attention.{c}_lin": (d, d) for c in ("q", "k", "v", "out")},
            "sa_layer_norm": d, "ffn.lin1": (F, d), "ffn.lin2": (d, F), "output_layer_norm": d,
        }  # fmt: skip
        tables, stem = {}, "transformer.layer.{}."
    else:
        block = {
            **{f"attention.self.{c}": (d, d) for c in ("query", "key", "value")},
            "attention.output.dense": (d, d), "attention.output.LayerNorm": d,
            "intermediate.dense": (F, d), "output.dense": (d, F), "output.LayerNorm": d,
        }  # fmt: skip
        tables, stem = {}, "encoder.layer.{}."
        tables["embeddings.token_type_embeddings"] = (1 if kind == "roberta" else 2, d)
    if kind != "gpt2":
        tables |= {"embeddings.word_embeddings": (V, d), "embeddings.LayerNorm": d}
        tables["embeddings.position_embeddings"] = (P, d)
    tables |= {stem.format(n) + name: shape for n in range(2) for name, shape in block.items()}
    shapes = {}
    for name, shape in tables.items():
        shapes[name + ".weight"] = (shape,) if isinstance(shape, int) else shape
        if not name.endswith(("embeddings", "wte", "wpe")):
            width = shape if isinstance(shape, int) else shape[1 if kind == "gpt2" else 0]
            shapes[name + ".bias"] = (width,)
    return shapes


def _llama_shapes(d, untied):
    block = {
        "input_layernorm": (d,), "post_attention_layernorm": (d,),
        "self_attn.q_proj": (N * K, d), "self_attn.k_proj": (G * K, d),
        "self_attn.v_proj": (G * K, d), "self_attn.o_proj": (d, N * K),
        "mlp.gate_proj": (F, d), "mlp.up_proj": (F, d), "mlp.down_proj": (d, F),
    }  # fmt: skip
    shapes = {f"layers.{n}.{name}.weight": shape for n in range(2) for name, shape in block.items()}
    shapes |= {"embed_tokens.weight": (V, d), "norm.weight": (d,)}
    return shapes | ({"lm_head.weight": (V, d)} if untied else {})


@pytest.fixture
def checkpoint(tmp_path, rng):
    """Return a function that writes a random checkpoint: kind -> (folder, config, tensors)."""
    save = pytest.importorskip("safetensors.numpy", reason="needs the extra hub").save_file

    def make(kind, prefix="", extra=(), without=(), **changes):
        folder = tmp_path / kind
        folder.mkdir(exist_ok=True)
        config = _config(kind) | changes
        tensors = {
            name: rng.normal(scale=0.4, size=shape).astype("float32")
            for name, shape in _shapes(kind).items()
        }
        there = {prefix + name: tensor for name, tensor in tensors.items()} | dict(extra)
        save({n: t for n, t in there.items() if n not in without}, folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps(config))
        return folder, config, tensors

    return make


@pytest.fixture
def features_of():
    """Return the oracle: (config, tensors, ids there (B, T)) -> features (B, T, D), float64."""
    return _features


def _features(config, tensors, ids, separator=None):
    w = {name: tensor.astype("float64") for name, tensor in tensors.items()}
    kind = {"gpt2": _gpt2, "llama": _llama}.get(config["model_type"], _bert)
    return kind(config, w, ids, separator)


def _llama(config, w, ids, _separator):
    def heads(name):
        return w[name + ".weight"].T.reshape(12, -1, K)

    x = w["embed_tokens.weight"][ids]
    for n in range(2):
        block = f"layers.{n}."
        x, _ = ref.llama_block(
            x, w[block + "input_layernorm.weight"],
            *(heads(f"{block}self_attn.{sign}_proj") for sign in "qkv"),
            w[block + "self_attn.o_proj.weight"].T.reshape(N, K, 12),
            w[block + "post_attention_layernorm.weight"],
            *(w[f"{block}mlp.{name}_proj.weight"].T for name in ("gate", "up", "down")),
            base=config["rope_theta"], epsilon=config["rms_norm_eps"],
        )  # fmt: skip
    return ref.rms_norm(x, w["norm.weight"], epsilon=config["rms_norm_eps"])[0]


def _norm(x, w, name, epsilon):
    return ref.layer_norm(x, w[name + ".weight"], w[name + ".bias"], epsilon)[0]


def _attend(q, k, v, mask):
    q, k, v = (a.reshape(*a.shape[:2], 3, -1).swapaxes(1, 2) for a in (q, k, v))
    z = ref.scaled_dot_product_attention(q, k, v, mask)[0]
    return z.swapaxes(1, 2).reshape(z.shape[0], z.shape[2], -1)


def _gpt2(config, w, ids, _separator):
    x = w["wte.weight"][ids] + w["wpe.weight"][: ids.shape[1]]
    seen = np.tril(np.ones((ids.shape[1],) * 2, bool))[None, None]

    def conv(x, name):
        return x @ w[name + ".weight"] + w[name + ".bias"]

    for n in range(2):
        block = f"h.{n}."
        q, k, v = np.split(conv(_norm(x, w, block + "ln_1", 1e-5), block + "attn.c_attn"), 3, -1)
        x = x + conv(_attend(q, k, v, seen), block + "attn.c_proj")
        inner = conv(_norm(x, w, block + "ln_2", 1e-5), block + "mlp.c_fc")
        x = x + conv(ref.gelu(inner, approximate=True)[0], block + "mlp.c_proj")
    return _norm(x, w, "ln_f", 1e-5)


def _bert(config, w, ids, separator):
    pad = config.get("pad_token_id", 0)
    position = np.arange(ids.shape[1]) + (pad + 1 if config["model_type"] == "roberta" else 0)
    x = w["embeddings.word_embeddings.weight"][ids]
    x = x + w["embeddings.position_embeddings.weight"][position]
    if "embeddings.token_type_embeddings.weight" in w:
        segment = np.zeros_like(ids)
        if separator is not None:  # 0 up to the first separator, 1 behind it
            segment[:, 1:] = np.maximum.accumulate(ids == separator, axis=1)[:, :-1]
        x = x + w["embeddings.token_type_embeddings.weight"][segment]
    epsilon = config.get("layer_norm_eps", 1e-12)
    x = _norm(x, w, "embeddings.LayerNorm", epsilon)
    seen = (ids != pad)[:, None, None, :]
    exact = config.get("hidden_act", "gelu") == "gelu"

    def linear(x, name):
        return x @ w[name + ".weight"].T + w[name + ".bias"]

    names = ("attention.self.query", "attention.self.key", "attention.self.value",
             "attention.output.dense", "attention.output.LayerNorm", "intermediate.dense",
             "output.dense", "output.LayerNorm")  # fmt: skip
    stem = "encoder.layer."
    if config["model_type"] == "distilbert":
        names = ("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin",
                 "sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm")  # fmt: skip
        stem = "transformer.layer."
    for n in range(2):
        query, key, value, out, norm_1, up, down, norm_2 = (f"{stem}{n}.{name}" for name in names)
        z = _attend(linear(x, query), linear(x, key), linear(x, value), seen)
        x = _norm(x + linear(z, out), w, norm_1, epsilon)
        inner = ref.gelu(linear(x, up), approximate=not exact)[0]
        x = _norm(x + linear(inner, down), w, norm_2, epsilon)
    return x
