"""Llamas in GGUF files: the numbers of the equations, the tokenizer inside, and what is refused."""

import keras
import numpy as np
import pytest

from kerasllm.models import CausalLM, TransformerBackbone, TransformerConfig
from kerasllm.models.hub import load_checkpoint, save_gguf
from kerasllm.models.hub.gguf import NAMES, neighbours
from kerasllm.text import train_tokenizer
from kerasllm.utils.hub.gguf import GGUF

gguf = pytest.importorskip("gguf", reason="needs the extra gguf")
V, N, G, K = 31, 4, 2, 6
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
LETTERS = ("a", "b", "c", "Ġ", "1", "2", "!")
MERGES = ("a b", "Ġ ab", "1 2")
TOKENS = [*SPECIAL, *LETTERS, *(m.replace(" ", "") for m in MERGES)]
TOKENS += [f"<{n}>" for n in range(V - len(TOKENS))]  # control tokens to the end
SETTINGS = {
    "context_length": 19, "embedding_length": 12, "block_count": 2, "feed_forward_length": 20,
    "attention.head_count": N, "attention.head_count_kv": G, "attention.key_length": K,
    "attention.layer_norm_rms_epsilon": 1e-3, "rope.freq_base": 77.0, "rope.dimension_count": K,
}  # fmt: skip
GIVEN = {
    "model": "gpt2", "pre": "smollm", "tokens": TOKENS, "merges": list(MERGES),
    "token_type": [3] * 3 + [1] * (len(LETTERS) + len(MERGES)) + [3] * (V - 13),
    "bos_token_id": 1, "eos_token_id": 2, "unknown_token_id": 0, "padding_token_id": 2,
}  # fmt: skip
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"


def theirs(name):
    """Return the name that a GGUF file has for a tensor of `transformers`."""
    for there, here in NAMES.items():
        for n in range(2):
            if here.format(n=n) == name:
                return there.format(n=n)
    raise KeyError(name)


@pytest.fixture
def write(checkpoint, tmp_path):
    """Return a function that writes a random Llama as a GGUF file: (path, config, tensors)."""

    def write(kind="llama-tied", types=None, architecture="llama", extra=(), **changes):
        _, config, tensors = checkpoint(kind)
        path = tmp_path / "model.gguf"
        writer = gguf.GGUFWriter(path, architecture)
        for name, value in (SETTINGS | changes.get("settings", {})).items():
            add = writer.add_float32 if isinstance(value, float) else writer.add_uint32
            (writer.add_string if isinstance(value, str) else add)(f"{architecture}.{name}", value)
        for name, value in (GIVEN | changes.get("tokenizer", {})).items():
            add = {str: writer.add_string, list: writer.add_array}.get(
                type(value), writer.add_uint32
            )
            add(f"tokenizer.ggml.{name}", value)
        writer.add_string("tokenizer.chat_template", TEMPLATE)
        for name, tensor in (tensors | dict(extra)).items():
            heads = {"q_proj": N, "k_proj": G}.get(name.split(".")[-2])
            tensor = tensor if heads is None else neighbours(tensor, heads)
            if types and tensor.ndim == 2:
                kind_of = gguf.GGMLQuantizationType[types]
                writer.add_tensor(
                    theirs(name), gguf.quants.quantize(tensor, kind_of), raw_dtype=kind_of
                )
            else:
                writer.add_tensor(name if name in dict(extra) else theirs(name), tensor)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path, config, tensors

    return write


@pytest.mark.backends
@pytest.mark.parametrize("kind", ["llama", "llama-tied"])
def test_logits_are_those_of_the_equations(kind, write, features_of, rng):
    path, config, tensors = write(kind)
    backbone, tokenizer, info = load_checkpoint(path)
    ids = rng.integers(0, V, (2, 7))
    features = features_of(config, tensors, ids)
    assert np.abs(keras.ops.convert_to_numpy(backbone(ids + 1)) - features).max() < 2e-5
    head = tensors["lm_head.weight" if kind == "llama" else "embed_tokens.weight"]
    logits = keras.ops.convert_to_numpy(CausalLM(backbone)(ids + 1))
    assert np.abs(logits[..., 1:] - features @ head.T).max() < 1e-4
    assert tokenizer.original_ids.tolist() == [-1, *range(V)]
    assert (info.model_type, info.source, info.left_out) == ("llama", str(path), ())


def test_half_precision_and_its_rounding(write, rng):
    path, _, tensors = write(types="F16")
    backbone, _, _ = load_checkpoint(path)
    table = keras.ops.convert_to_numpy(backbone.embedding.embeddings)[1:]
    assert np.array_equal(table, tensors["embed_tokens.weight"].astype("f2").astype("f4"))


def test_the_tokenizer_in_the_file(write):
    _, tokenizer, _ = load_checkpoint(write()[0])
    assert tokenizer.tokens("ab ab1122!") == ["ab", " ab", "1", "1", "2", "2", "!"]  # digits alone
    assert tokenizer.decode(tokenizer.encode("ab ab12")) == "ab ab12"
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.unk_id) == (2, 3, 1)
    assert {1, 2, 3} <= tokenizer.special_ids
    assert tokenizer.chat_template == TEMPLATE
    _, other, _ = load_checkpoint(write(tokenizer={"pre": "gpt-2"})[0])
    assert other.tokens("1122") == ["1", "12", "2"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"architecture": "qwen2"}, "architecture llama in .* received 'qwen2'"),
        ({"tokenizer": {"model": "llama"}}, "model 'gpt2' .* received 'llama'"),
        ({"tokenizer": {"pre": "tekken"}}, r"\['gpt-2', 'llama-bpe', 'smollm'\], .* and 'tekken'"),
        (
            {"tokenizer": {"tokens": TOKENS[:-1], "token_type": GIVEN["token_type"][:-1]}},
            "embed_to",
        ),
        ({"settings": {"rope.scaling.type": "yarn"}}, "rope scaling of the kind 'yarn'"),
        ({"extra": {"rope_freqs.weight": np.ones(3, "f4")}}, "rope scaling of the kind 'llama3'"),
        ({"settings": {"rope.dimension_count": 4}}, "it turns 4 of the 6 features"),
        ({"settings": {"attention.head_count_kv": 1}}, "k_proj.weight has the shape"),
        ({"settings": {"block_count": 3}}, "layers.2.input_layernorm.weight .* is missing"),
        ({"extra": {"blk.0.attn_q.bias": np.ones(24, "f4")}}, "attn_q.bias"),
    ],
)
def test_what_is_not_supported_is_named(given, told, write):
    path, _, _ = write(**given)
    with pytest.raises(ValueError, match=told):
        load_checkpoint(path)


@pytest.mark.parametrize("kind", ["llama", "llama-tied"])
def test_saved_back_every_tensor_is_the_same(kind, write, tmp_path):
    path, _, _ = write(kind)
    backbone, tokenizer, _ = load_checkpoint(path)
    saved = save_gguf(backbone, tokenizer, tmp_path / "out" / "again.gguf", "F32")
    before, after = GGUF(path), GGUF(saved)
    assert before.tensors.keys() == after.tensors.keys()
    for name in before.tensors:
        assert np.array_equal(before.read(name), after.read(name)), name
    for name, value in before.values.items():
        assert after.values.get(name) == value or name.endswith("padding_token_id"), name
    assert load_checkpoint(saved)[1] == tokenizer


@pytest.mark.parametrize(("kind", "steps"), [("F16", 2**11), ("Q8_0", 2 * 127)])
def test_saved_smaller_each_number_is_rounded_once(kind, steps, tmp_path):
    tokenizer = train_tokenizer(["ab"], "bpe", 262)
    backbone = TransformerBackbone(TransformerConfig(
        262, 32, 1, 2, 64, positions="rotary", activation="swiglu", normalization="rms",
        use_bias=False,
    ))  # fmt: skip
    again, same, _ = load_checkpoint(save_gguf(backbone, tokenizer, tmp_path / "a.gguf", kind))
    assert same.decode(same.encode("abc 我")) == "abc 我"
    table = np.asarray(backbone.embedding.embeddings)
    apart = np.abs(np.asarray(again.embedding.embeddings) - table).max(axis=-1)
    assert (apart <= np.abs(table).max(axis=-1) / steps * 1.2).all()  # a scale is rounded too
    assert apart.max() > 0


def test_what_no_gguf_file_has_is_refused(make_backbone, tmp_path):
    words = train_tokenizer(["a b", "a b"], "word")
    with pytest.raises(ValueError, match="expected positions='rotary' in a backbone to save as"):
        save_gguf(make_backbone("gpt"), words, tmp_path / "a.gguf")
    with pytest.raises(ValueError, match="expected kind"):
        save_gguf(make_backbone("llama"), words, tmp_path / "a.gguf", "Q2_K")
    assert not list(tmp_path.glob("*.gguf*"))


def test_a_file_that_names_nothing(tmp_path):
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ValueError, match="does not describe a model: it lacks"):
        load_checkpoint(path)
