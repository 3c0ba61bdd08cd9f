"""Adapters in the format of `peft`: what stands in them, and what they do to a backbone."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from kerasllm.models import CausalLM, LoRA, TransformerBackbone, TransformerConfig
from kerasllm.models.hub.peft import (
    CONFIG,
    TENSORS,
    Corrections,
    merge_peft,
    read_peft,
    save_peft,
)
from kerasllm.models.hub.tensors import write_tensors
from kerasllm.models.lora import fingerprint
from kerasllm.models.presets import copy_of

pytest.importorskip("safetensors", reason="needs the extra hub")
D, F, N, G, K, L, R = 12, 7, 4, 2, 6, 2, 3
LLAMA = {"positions": "rotary", "activation": "swiglu", "normalization": "rms", "use_bias": False,
         "num_kv_heads": G, "key_dim": K, "tied": False}  # fmt: skip
IDS = np.array([[3, 5, 7, 2, 11, 13]])


@pytest.fixture(params=["llama", "gpt2"])
def backbone(request, rng):
    options = LLAMA if request.param == "llama" else {}
    made = TransformerBackbone(TransformerConfig(23, D, L, N, F, 31, **options))
    made.set_weights([rng.normal(scale=0.3, size=w.shape) for w in made.get_weights()])
    return made


@pytest.fixture
def adapted(backbone, rng):
    """Return a `LoRA` on a copy of the backbone, all of whose corrections are random."""
    found = LoRA(CausalLM(copy_of(backbone)), rank=R, alpha=5.0)
    for pair in found.corrections:
        for weight in pair:
            weight.assign(rng.normal(scale=0.3, size=weight.shape))
    return found


@pytest.fixture
def folder(adapted, tmp_path):
    return save_peft(tmp_path / "adapter", adapted.backbone, corrections(adapted), 5.0, None, "b")


def corrections(adapted):
    numpy = keras.ops.convert_to_numpy
    pairs = {
        weight.path: (numpy(a), numpy(b))
        for weight, (a, b) in zip(adapted.adapted, adapted.corrections, strict=True)
    }
    return Corrections(pairs, 5.0 / R, fingerprint(adapted.backbone), 0.0)


def tensors_in(folder):
    from safetensors.numpy import load_file

    return load_file(folder / TENSORS)


def logits(model, ids=IDS):
    return keras.ops.convert_to_numpy(model(ids))


def test_there_and_back_gives_the_logits_of_the_merged_model(folder, backbone, adapted):
    before = backbone.get_weights()
    made = merge_peft(folder, backbone)
    for weight, old in zip(backbone.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    expected = logits(adapted)
    np.testing.assert_allclose(logits(CausalLM(made)), expected, atol=2e-5)
    assert np.abs(logits(CausalLM(backbone)) - expected).max() > 0.1


def test_what_stands_in_the_files_is_what_peft_computes_with(folder, backbone, adapted):
    """The oracle: W in torch's layout (out, in), changed by (α / r) lora_B lora_A."""
    config, tensors = json.loads((folder / CONFIG).read_text()), tensors_in(folder)
    assert (config["peft_type"], config["task_type"]) == ("LORA", "CAUSAL_LM")
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (R, 5.0, "b")
    llama = backbone.settings.activation == "swiglu"
    assert config["fan_in_fan_out"] != llama
    with adapted.merged():
        merged = {w.path: keras.ops.convert_to_numpy(w) for w in adapted.backbone.weights}
    begin = {w.path: keras.ops.convert_to_numpy(w) for w in backbone.weights}
    module = "base_model.model.model.layers.1.self_attn.{}_proj" if llama else None
    module = module or "base_model.model.transformer.h.1.attn.c_attn"
    start, path = 0, "block_1/attention/qkv_kernel"
    for name, width in zip("qkv", (N * K, G * K, G * K), strict=True) if llama else [("", 3 * D)]:
        stem = module.format(name)
        a, b = (tensors[f"{stem}.lora_{side}.weight"] for side in "AB")
        assert (a.shape, b.shape) == ((R, D), (width, R))
        own = slice(start, start + width)
        change = (merged[path] - begin[path])[:, own]
        np.testing.assert_allclose(5.0 / R * (b @ a).T, change, atol=1e-6)
        start += width
    count = 7 if llama else 4
    assert len(tensors) == 2 * L * count
    assert len(config["target_modules"]) == count
    for name in tensors:
        assert sum(f".{target}." in name for target in config["target_modules"]) == 1


def test_modules_with_corrections_of_their_own_are_read_as_one(backbone, tmp_path, rng):
    if backbone.settings.activation != "swiglu":
        pytest.skip("of a GPT-2 they are one matrix there too")
    stem, tensors = "base_model.model.model.layers.0.", {}
    for name, width, rows in (("self_attn.q_proj", N * K, D), ("self_attn.v_proj", G * K, D),
                              ("mlp.up_proj", F, D), ("mlp.down_proj", D, F)):  # fmt: skip
        tensors[f"{stem}{name}.lora_A.weight"] = rng.normal(size=(R, rows)).astype("f4")
        tensors[f"{stem}{name}.lora_B.weight"] = rng.normal(size=(width, R)).astype("f4")
    config = {"peft_type": "LORA", "r": R, "lora_alpha": 6, "use_rslora": True}
    write_tensors(tmp_path / TENSORS, tensors)
    (tmp_path / CONFIG).write_text(json.dumps(config))
    made, scale = merge_peft(tmp_path, backbone), 6 / R**0.5
    paths = [w.path for w in backbone.weights]
    for path, new, old in zip(paths, made.get_weights(), backbone.get_weights(), strict=True):
        change = np.zeros_like(old)
        for name, where in {
            "self_attn.q_proj": ("block_0/attention/qkv_kernel", slice(0, N * K)),
            "self_attn.v_proj": ("block_0/attention/qkv_kernel", slice((N + G) * K, None)),
            "mlp.up_proj": ("block_0/feed_forward/expand/kernel", slice(F, None)),
            "mlp.down_proj": ("block_0/feed_forward/contract/kernel", slice(None)),
        }.items():
            if path == where[0]:
                a, b = (tensors[f"{stem}{name}.lora_{side}.weight"] for side in "AB")
                change[:, where[1]] = scale * (b @ a).T
        np.testing.assert_allclose(new, old + change, atol=1e-5)


def test_an_adapter_for_another_base_is_refused(folder, backbone, adapted):
    weights = backbone.get_weights()
    weights[0][5, 3] += 1e-3
    backbone.set_weights(weights)
    with pytest.raises(ValueError, match=r"belongs to the backbone \w{12}, received \w{12}"):
        merge_peft(folder, backbone)
    settings = adapted.backbone.settings
    fewer = dataclasses.replace(settings, num_layers=1)
    with pytest.raises(ValueError, match=r"which a (llama|gpt2) of 1 blocks does not have"):
        read_peft(folder, fewer)
    wider = dataclasses.replace(settings, inner_dim=F + 1)
    with pytest.raises(ValueError, match="the adapter is for another base, or damaged"):
        read_peft(folder, wider)


def test_the_dropout_of_a_training_is_no_other_base(adapted, backbone, tmp_path):
    with_dropout = copy_of(backbone, dropout=0.25)
    found = corrections(adapted)._replace(base=fingerprint(with_dropout), dropout=0.25)
    made = merge_peft(save_peft(tmp_path / "a", backbone, found, 5.0), backbone)
    assert made.settings.dropout == backbone.settings.dropout


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"peft_type": "IA3"}, ValueError, "expected an adapter of the kind LORA .* 'IA3'"),
        ({"use_dora": True}, ValueError, "expected use_dora=False .* Merge it into its model"),
        ({"bias": "all"}, ValueError, "expected bias='none'"),
        ({"modules_to_save": ["lm_head"]}, ValueError, "expected modules_to_save=None"),
        ({"rank_pattern": {"q_proj": 2}}, ValueError, "expected rank_pattern={}"),
        ({"r": "three"}, ValueError, "expected a number for r"),
        ({"r": 2}, ValueError, "the adapter is for another base, or damaged"),
    ],
)
def test_adapters_that_are_not_supported_say_why(change, error, told, folder, backbone):
    config = json.loads((folder / CONFIG).read_text()) | change
    (folder / CONFIG).write_text(json.dumps(config))
    with pytest.raises(error, match=told):
        merge_peft(folder, backbone)


def test_damaged_files_are_refused(folder, backbone, adapted):
    whole, tensors = (folder / TENSORS).read_bytes(), tensors_in(folder)
    (folder / TENSORS).write_bytes(whole[:-7])
    with pytest.raises(ValueError, match="no whole safetensors file"):
        merge_peft(folder, backbone)
    first = min(tensors)
    write_tensors(folder / TENSORS, {n: t for n, t in tensors.items() if n != first})
    with pytest.raises(ValueError, match="the adapter is for another base, or damaged"):
        merge_peft(folder, backbone)
    write_tensors(folder / TENSORS, tensors | {first: np.full_like(tensors[first], np.nan)})
    with pytest.raises(ValueError, match="NaN or infinite"):
        merge_peft(folder, backbone)
    write_tensors(folder / TENSORS, {})
    with pytest.raises(ValueError, match=r"expected corrections in .*, found none"):
        merge_peft(folder, backbone)
    (folder / TENSORS).unlink()
    with pytest.raises(FileNotFoundError, match=f"which lacks {TENSORS}"):
        merge_peft(folder, backbone)
    found = Corrections({"embedding/embeddings": (np.ones((23, 1)), np.ones((1, D)))}, 1.0)
    with pytest.raises(ValueError, match="have no place in a file of `peft`"):
        save_peft(folder, backbone, found, 1.0)


def test_peft_gives_the_same_logits(folder, backbone, adapted, tmp_path):
    peft = pytest.importorskip("peft", reason="needs peft, torch and transformers")
    import torch
    from transformers import AutoModelForCausalLM

    from kerasllm.models.hub import save_checkpoint

    there = save_checkpoint(backbone, None, tmp_path / "base")
    base = AutoModelForCausalLM.from_pretrained(there)
    model = peft.PeftModel.from_pretrained(base, folder).eval()
    with torch.no_grad():
        found = model(torch.tensor(IDS)).logits.numpy()
    np.testing.assert_allclose(found, logits(adapted), atol=1e-4)
