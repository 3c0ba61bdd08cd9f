"""Checkpoints in and out: numbers by an independent oracle, names, shapes, and bad input."""

import json
import struct
import sys

import keras
import numpy as np
import pytest

from kerasllm.models import RecurrentBackbone, TransformerConfig
from kerasllm.models.hub import load_checkpoint, loading, save_checkpoint
from kerasllm.models.hub.architectures import ARCHITECTURES, Weight
from kerasllm.models.hub.settings import read_config, to_ours

KINDS = ("bert", "bert-tanh", "roberta", "distilbert", "gpt2", "llama", "llama-tied")
# a table of each, under the name of its tensor
TABLES = {
    "roberta": "embeddings.position_embeddings.weight",
    "gpt2": "wte.weight",
    "llama": "lm_head.weight",
}
PAD = {"roberta": 1, "gpt2": None, "llama": None, "llama-tied": None}


def _ids(kind, rng):
    """Return the same texts by our ids and by theirs, padded on the right."""
    theirs = rng.integers(5, 31, (3, 7))
    pad = PAD.get(kind, 0)
    mine = theirs + 1 if pad is None else theirs
    real = np.arange(7) < np.array([[7], [4], [1]])
    # A GPT-2 has no padding: what follows a text changes nothing before.
    return np.where(real, mine, 0).astype("int32"), np.where(real, theirs, pad or 0), real


@pytest.mark.backends
@pytest.mark.parametrize("kind", KINDS)
def test_features_are_those_of_the_equations(kind, checkpoint, features_of, rng):
    folder, config, tensors = checkpoint(kind)
    backbone, tokenizer, info = load_checkpoint(folder)
    ours, theirs, real = _ids(kind, rng)
    features = keras.ops.convert_to_numpy(backbone(ours))
    assert np.abs(features - features_of(config, tensors, theirs))[real].max() < 2e-5
    assert tokenizer is None
    assert info.model_type == config["model_type"]
    assert info.left_out == ()


@pytest.mark.backends
@pytest.mark.parametrize("kind", TABLES)
def test_tables_are_read_some_rows_at_a_time(kind, checkpoint, monkeypatch):
    folder, _, tensors = checkpoint(kind)
    whole = load_checkpoint(folder)[0].get_weights()
    read, rows_of = [], loading.Tensors.rows

    def noted(self, name, start, stop):
        read.append(stop - start)
        return rows_of(self, name, start, stop)

    monkeypatch.setattr(loading.Tensors, "rows", noted)
    monkeypatch.setattr(loading, "ROWS", 7)
    for one, other in zip(load_checkpoint(folder)[0].get_weights(), whole, strict=True):
        assert np.array_equal(one, other)
    assert max(read) <= 7
    assert len(read) >= len(tensors[TABLES[kind]]) / 7


def test_rows_that_follow_one_another_are_read_together():
    theirs = np.array([5, 6, 7, -1, -1, 2, 1, 0, 3, 4])
    runs = [run.tolist() for run in loading._in_a_row(theirs)]
    assert runs == [[0, 1, 2], [5], [6], [7], [8, 9]]
    assert loading._in_a_row(np.array([-1, -1])) == []


@pytest.mark.parametrize("kind", KINDS)
def test_saved_back_every_tensor_is_the_same(kind, checkpoint, tmp_path):
    from safetensors.numpy import load_file

    folder, config, tensors = checkpoint(kind)
    backbone, tokenizer, info = load_checkpoint(folder)
    saved = save_checkpoint(backbone, tokenizer, tmp_path / "saved", info.model_type)
    there = load_file(saved / "model.safetensors")
    prefix = {"gpt2": "transformer.", "llama": "model."}.get(config["model_type"], "")
    again = json.loads((saved / "config.json").read_text())
    if kind == "roberta":  # no token reads the positions up to the pad id's
        tensors["embeddings.position_embeddings.weight"][:2] = 0
    tensors = {name if name[:3] == "lm_" else prefix + name: t for name, t in tensors.items()}
    assert there.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert np.array_equal(there[name], tensor), name
    for name, value in config.items():
        if name != "n_inner":
            assert again[name] == value, name


def test_segments_begin_behind_each_separator(checkpoint, features_of, tmp_path):
    folder, config, tensors = checkpoint("bert")
    backbone, _, _ = load_checkpoint(folder)
    ids = np.array([[7, 9, 4, 8, 4, 11], [4, 4, 5, 6, 7, 8]])
    without = features_of(config, tensors, ids)
    told = features_of(config, tensors, ids, separator=4)
    assert np.abs(without - told).max() > 0.1
    assert np.abs(np.asarray(backbone(ids)) - without).max() < 2e-5
    backbone.embedding.separator = 4
    assert np.abs(np.asarray(backbone.embedding(ids) - 0)).max() > 0
    again = keras.Sequential([backbone.embedding])(ids)
    first = tensors["embeddings.token_type_embeddings.weight"]
    plain = tensors["embeddings.word_embeddings.weight"][ids]
    plain = plain + tensors["embeddings.position_embeddings.weight"][:6]
    segment = np.array([[0, 0, 0, 1, 1, 1], [0, 1, 1, 1, 1, 1]])
    assert np.abs(np.asarray(again) - (plain + first[segment])).max() < 1e-6


@pytest.mark.parametrize(
    ("kind", "prefix", "heads"),
    [
        ("bert", "bert.", ("cls.predictions.bias", "cls.predictions.transform.dense.weight")),
        ("bert", "", ("pooler.dense.weight",)),
        ("roberta", "roberta.", ("lm_head.bias",)),
        ("distilbert", "distilbert.", ("vocab_transform.weight",)),
        ("gpt2", "transformer.", ("lm_head.weight",)),
        ("llama-tied", "model.", ("lm_head.weight",)),
    ],
)
def test_a_prefix_is_understood_and_heads_are_named(kind, prefix, heads, checkpoint, rng):
    extra = {name: np.zeros((2, 3), "float32") for name in heads}
    extra[prefix + "embeddings.position_ids"] = np.arange(3)[None]
    extra[prefix + "h.0.attn.bias"] = np.ones((1, 1, 5, 5), "float32")
    if kind != "gpt2":
        extra.pop(prefix + "h.0.attn.bias")
    extra[prefix + "layers.0.self_attn.rotary_emb.inv_freq"] = np.ones(3, "float32")
    folder, _, tensors = checkpoint(kind, prefix, extra)
    backbone, _, info = load_checkpoint(folder)
    assert info.left_out == tuple(sorted(heads))
    assert all(name in str(info) for name in heads)
    table = {"gpt2": "wte.weight", "llama-tied": "embed_tokens.weight"}.get(
        kind, "embeddings.word_embeddings.weight"
    )
    rows = np.asarray(backbone.embedding.embeddings)
    assert np.array_equal(rows[-1], tensors[table][-1])


def test_names_of_old_checkpoints(checkpoint):
    from safetensors.numpy import load_file, save_file

    folder, _, tensors = checkpoint("bert")
    path = folder / "model.safetensors"
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    renamed = {}
    for name, tensor in load_file(path).items():
        for new, before in old.items():
            name = name.replace(new, before)
        renamed[name] = tensor
    save_file(renamed, path)
    backbone, _, _ = load_checkpoint(folder)
    gamma = tensors["encoder.layer.1.output.LayerNorm.weight"]
    assert np.array_equal(np.asarray(backbone.blocks[1].feed_forward_norm.gamma), gamma)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_read(dtype, checkpoint, rng):
    import ml_dtypes  # noqa: F401
    from safetensors.numpy import load_file, save_file

    folder, _, tensors = checkpoint("bert")
    path = folder / "model.safetensors"
    save_file({name: tensor.astype(dtype) for name, tensor in load_file(path).items()}, path)
    backbone, _, _ = load_checkpoint(folder)
    table = tensors["embeddings.word_embeddings.weight"].astype(dtype).astype("float32")
    assert np.array_equal(np.asarray(backbone.embedding.embeddings), table)


def test_a_checkpoint_in_parts(checkpoint):
    from safetensors.numpy import load_file, save_file

    folder, _, tensors = checkpoint("gpt2")
    names = sorted(tensors)
    parts = {"a.safetensors": names[:9], "b.safetensors": names[9:]}
    for file, some in parts.items():
        save_file({name: tensors[name] for name in some}, folder / file)
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {name: file for file, some in parts.items() for name in some}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    backbone, _, _ = load_checkpoint(folder)
    assert np.array_equal(np.asarray(backbone.get_layer("norm").gamma), tensors["ln_f.weight"])
    assert load_file(folder / "b.safetensors").keys() == set(names[9:])
    (folder / "b.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected \['b.safetensors'\]"):
        load_checkpoint(folder)


def test_the_new_pad_of_a_gpt2_is_never_likely(checkpoint, rng):
    from kerasllm.models import CausalLM

    folder, _, tensors = checkpoint("gpt2")
    backbone, _, _ = load_checkpoint(folder)
    assert backbone.settings.vocabulary_size == 32
    assert not backbone.settings.score_pad
    logits = np.asarray(CausalLM(backbone)(rng.integers(1, 32, (2, 5))))
    assert logits[..., 1:].min() > -1e3
    assert (logits[..., 0] == -3e4).all()
    features = np.asarray(backbone(np.array([[3, 4]])))
    expected = features @ tensors["wte.weight"].T
    assert np.allclose(np.asarray(backbone.embedding(features, reverse=True))[..., 1:], expected,
                       atol=1e-4)  # fmt: skip


@pytest.mark.parametrize("kind", ["llama", "llama-tied"])
def test_the_logits_of_a_llama_are_those_of_its_own_head(kind, checkpoint, features_of, rng):
    from kerasllm.models import CausalLM

    folder, config, tensors = checkpoint(kind)
    backbone, _, _ = load_checkpoint(folder)
    ids = rng.integers(0, 31, (2, 5))
    logits = np.asarray(CausalLM(backbone)(ids + 1))
    head = tensors["lm_head.weight" if kind == "llama" else "embed_tokens.weight"]
    assert np.abs(logits[..., 1:] - features_of(config, tensors, ids) @ head.T).max() < 1e-4
    assert (logits[..., 0] == -3e4).all()
    settings = backbone.settings
    assert (settings.num_kv_heads, settings.key_dim, settings.rotary_base) == (2, 6, 77.0)
    assert settings.tied == (kind == "llama-tied")


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 5.0}}, 5.0),
        ({"rope_theta": 6.0, "rope_scaling": None}, 6.0),
        ({"rope_theta": 7.0, "rope_scaling": {"type": "default"}}, 7.0),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 32.0}}, "'llama3'"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "'linear'"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "'yarn'"),
        ({"rope_scaling": "dynamic"}, "'dynamic'"),
    ],
)
def test_scaled_positions_are_refused_by_name(given, base, checkpoint):
    folder, config, _ = checkpoint("llama")
    del config["rope_theta"]
    (folder / "config.json").write_text(json.dumps(config | given))
    if isinstance(base, str):
        _refused(folder, ValueError, f"rope scaling of the kind {base}", "not supported")
    else:
        assert to_ours(read_config(folder)).rotary_base == base


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"attention_bias": True}, "expected attention_bias=False"),
        ({"mlp_bias": True}, "expected mlp_bias=False"),
        ({"hidden_act": "gelu"}, r"hidden_act among \['silu', 'swish'\], received 'gelu'"),
        ({"num_key_value_heads": 3}, "num_heads=4 cannot be shared evenly"),
        ({"rope_theta": -1}, "rotary_base must be a positive number, received -1"),
        ({"tie_word_embeddings": True, "num_key_value_heads": None}, "k_proj.weight has the shape"),
    ],
)
def test_other_llamas_are_refused(given, told, checkpoint):
    folder, config, _ = checkpoint("llama")
    (folder / "config.json").write_text(json.dumps(config | given))
    with pytest.raises(ValueError, match=told):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("kind", "epsilon", "activation", "rows"),
    [
        ("bert", 1e-12, "gelu", 512),
        ("roberta", 1e-12, "gelu", 510),
        ("gpt2", 1e-5, "gelu_tanh", 1024),
        ("llama", 1e-6, "swiglu", 2048),
    ],
)
def test_what_a_config_leaves_out_is_the_architectures_default(
    kind, epsilon, activation, rows, checkpoint
):
    folder, config, _ = checkpoint(kind)
    for name in ("layer_norm_eps", "hidden_act", "max_position_embeddings", "pad_token_id",
                 "layer_norm_epsilon", "activation_function", "n_positions", "rms_norm_eps",
                 "tie_word_embeddings", "num_key_value_heads"):  # fmt: skip
        config.pop(name, None)
    (folder / "config.json").write_text(json.dumps(config))
    settings = to_ours(read_config(folder))
    assert (settings.epsilon, settings.activation, settings.max_length) == (
        epsilon, activation, rows)  # fmt: skip


def test_settings_can_be_replaced(checkpoint):
    folder, _, _ = checkpoint("bert")
    assert load_checkpoint(folder)[0].settings.dropout == 0.1
    assert load_checkpoint(folder, dropout=0.0)[0].settings.dropout == 0.0


def test_a_row_of_the_table_names_each_tensor_once():
    for architecture in ARCHITECTURES.values():
        table = architecture.table(TransformerConfig(9, num_layers=3), segments=True)
        names = [name for weight in table for name in weight.tensors]
        assert len(names) == len(set(names))
        assert len({weight.ours for weight in table}) == len(table)
    assert Weight("a", "b.(x|y).c").tensors == ["b.x.c", "b.y.c"]


# === Bad input ===


def _refused(folder, error, *parts):
    with pytest.raises(error) as raised:
        load_checkpoint(folder)
    for part in parts:
        assert part in str(raised.value), (part, str(raised.value))


def test_missing_extra_and_misshaped_tensors_are_all_named(checkpoint, rng):
    extra = {
        "encoder.layer.2.output.dense.bias": np.zeros(12, "float32"),
        "encoder.layer.1.output.dense.bias": np.zeros(13, "float32"),
        "embeddings.position_embeddings.weight": np.zeros((18, 12), "float32"),
    }
    lost = ("encoder.layer.0.attention.self.key.weight", "embeddings.LayerNorm.bias")
    folder, _, _ = checkpoint("bert", extra=extra, without=lost)
    _refused(
        folder, ValueError,
        "encoder.layer.0.attention.self.key.weight (12, 12) is missing",
        "embeddings.LayerNorm.bias (12,) is missing",
        "encoder.layer.2.output.dense.bias is not known",
        "encoder.layer.1.output.dense.bias has the shape (13,), expected (12,)",
        "embeddings.position_embeddings.weight has the shape (18, 12), expected (19, 12)",
    )  # fmt: skip


def test_whole_numbers_are_no_weights(checkpoint):
    name = "encoder.layer.1.output.dense.bias"
    folder, _, _ = checkpoint("bert", extra={name: np.zeros(12, "int64")})
    _refused(folder, ValueError, f"{name} is of the type I64, expected one of F64, F32, F16, BF16")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    "name", ["encoder.layer.1.output.dense.bias", "embeddings.word_embeddings.weight"]
)
def test_values_that_are_no_numbers_are_counted(name, value, checkpoint):
    _, _, tensors = checkpoint("bert")
    spoiled = tensors[name].copy()
    spoiled.flat[[3, 7]] = value
    folder, _, _ = checkpoint("bert", extra={name: spoiled})
    told = f"{name} holds 2 values of {spoiled.size} that are NaN or infinite"
    _refused(folder, ValueError, told)


@pytest.mark.parametrize(("field", "value"), [("num_hidden_layers", 1), ("intermediate_size", 21)])
def test_a_config_of_another_model(field, value, checkpoint):
    folder, _, _ = checkpoint("bert", **{field: value})
    _refused(folder, ValueError, "not those that its config.json describes", "encoder.layer.")


def test_unsupported_architectures(checkpoint):
    folder, config, _ = checkpoint("bert")
    for kind, told in (("mamba", "received 'mamba'"), ("robeta", "Did you mean 'roberta'?")):
        (folder / "config.json").write_text(json.dumps(config | {"model_type": kind}))
        _refused(folder, ValueError, "['bert', 'distilbert', 'gpt2', 'llama', 'roberta']", told)
    for setting in ({"is_decoder": True}, {"position_embedding_type": "relative_key"},
                    {"hidden_act": "swish"}):  # fmt: skip
        (folder / "config.json").write_text(json.dumps(config | setting))
        _refused(folder, ValueError, next(iter(setting)), repr(next(iter(setting.values()))))
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    _refused(folder, ValueError, "hidden_size, num_attention_heads, num_hidden_layers, vocab_size")
    (folder / "config.json").write_text(json.dumps(config | {"pad_token_id": 31}))
    _refused(folder, ValueError, "expected pad_token_id below vocab_size=31", "received 31")
    (folder / "config.json").write_text("{")
    _refused(folder, ValueError, "not valid JSON")
    (folder / "config.json").unlink()
    _refused(folder, FileNotFoundError, "expected config.json", "found model.safetensors")


def test_a_truncated_file(checkpoint):
    folder, _, _ = checkpoint("bert")
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    _refused(folder, ValueError, "cut off within ", f"{len(whole):,} bytes expected",
             f"{len(whole) - 40:,} found")  # fmt: skip
    path.write_bytes(whole + b"xx")
    _refused(folder, ValueError, "no whole safetensors file")
    path.write_bytes(whole[:5])
    _refused(folder, ValueError, "no size of a header", "5 bytes")
    path.write_bytes(b"")
    _refused(folder, ValueError, "0 bytes")


def test_a_header_that_claims_more_than_there_is(checkpoint):
    folder, _, _ = checkpoint("bert")
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    for claim in (len(whole), 10**15):
        path.write_bytes(struct.pack("<Q", claim) + whole[8:])
        _refused(folder, ValueError, f"claims a header of {claim:,} bytes", f"{len(whole):,} bytes")
    path.write_bytes(struct.pack("<Q", 4) + b"junk")
    _refused(folder, ValueError, "its header is no table of tensors")
    for header in ({"a": 3}, {"a": {"data_offsets": "xy"}}, {"a": {"dtype": "F32"}}, [1]):
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text)
        _refused(folder, ValueError, "no whole safetensors file")
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    _refused(folder, ValueError, "Git LFS")


def test_offsets_that_lie_are_refused(checkpoint):
    folder, _, _ = checkpoint("bert")
    path = folder / "model.safetensors"
    header = {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 4]}}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 4)
    _refused(folder, ValueError, "no whole safetensors file")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "tf_model.h5"])
def test_pickles_are_refused_with_the_reason(name, checkpoint):
    folder, _, _ = checkpoint("bert")
    (folder / "model.safetensors").rename(folder / name)
    _refused(folder, ValueError, name, "a pickle (.bin, .pt) can run any code", "safetensors")


def test_a_folder_without_tensors(checkpoint, tmp_path):
    folder, _, _ = checkpoint("bert")
    (folder / "model.safetensors").unlink()
    _refused(folder, FileNotFoundError, "expected model.safetensors", "found config.json")
    _refused(tmp_path / "nowhere", FileNotFoundError, "there is none at", "mind the spelling")
    _refused("./runs/nowhere", FileNotFoundError, "there is none at ./runs/nowhere")


def test_the_extra_that_is_missing(checkpoint, make_backbone, monkeypatch, tmp_path):
    folder, _, _ = checkpoint("bert")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    _refused(folder, ImportError, "needs safetensors: pip install 'kerasllm[hub]'")
    _refused("someone/model", ImportError, "needs huggingface-hub: pip install 'kerasllm[hub]'")
    with pytest.raises(ImportError, match="pip install 'kerasllm"):
        save_checkpoint(make_backbone("gpt"), None, tmp_path)


def test_what_transformers_does_not_know_is_not_saved(make_backbone, tmp_path):
    with pytest.raises(ValueError, match="received a RecurrentBackbone"):
        save_checkpoint(make_backbone("lstm"), None, tmp_path)
    assert isinstance(make_backbone("lstm"), RecurrentBackbone)
    for name in ("gpt-rotary", "gpt-post", "bert"):
        with pytest.raises(ValueError, match='expected a causal backbone with norm="pre"'):
            save_checkpoint(make_backbone(name), None, tmp_path / "x")
        assert not (tmp_path / "x").exists()
    with pytest.raises(ValueError, match="expected causal=False in a backbone to save as bert"):
        save_checkpoint(make_backbone("gpt"), None, tmp_path, "bert")
    with pytest.raises(ValueError, match="Did you mean 'gpt2'"):
        save_checkpoint(make_backbone("gpt"), None, tmp_path, "gpt-2")


def test_a_backbone_made_here_is_saved_and_loaded(make_backbone, tmp_path, ids, numpy):
    for name, options in (("gpt", {}), ("bert", {"norm": "post"})):
        backbone = make_backbone(name, **options)
        folder = save_checkpoint(backbone, None, tmp_path / name)
        again, _, info = load_checkpoint(folder)
        assert info.model_type == name.replace("gpt", "gpt2")
        assert np.allclose(numpy(again(ids)), numpy(backbone(ids)), atol=1e-5)
