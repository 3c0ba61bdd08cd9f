"""Tokenizers, settings, weights and corpora in disorder: whole, or refused; no library's error."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasllm.models.hub.files import read_tokenizer
from kerasllm.models.hub.gguf import read_gguf
from kerasllm.models.hub.settings import read_config, to_ours
from kerasllm.models.hub.tensors import Tensors, write_tensors
from kerasllm.text import load_tokenizer, train_tokenizer
from kerasllm.text.corpora.corpus import TokenCorpus
from kerasllm.training.engine.checkpoints import load_checkpoint

TEXTS = ["the cat sat on a mat", "a dog ran far"] * 5
BERT = {
    "vocab_size": 31, "model_type": "bert", "hidden_size": 12, "num_hidden_layers": 2,
    "num_attention_heads": 3, "intermediate_size": 20, "max_position_embeddings": 19,
    "layer_norm_eps": 1e-3, "hidden_dropout_prob": 0.1, "type_vocab_size": 2, "pad_token_id": 0,
    "hidden_act": "gelu",
}  # fmt: skip
LLAMA = {
    "vocab_size": 31, "model_type": "llama", "hidden_size": 12, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6, "intermediate_size": 20,
    "max_position_embeddings": 19, "rms_norm_eps": 1e-3, "tie_word_embeddings": True,
    "rope_parameters": {"rope_type": "default", "rope_theta": 77.0}, "hidden_act": "silu",
}  # fmt: skip
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "##s"]
VALUES = [None, 3, -1, 10**20, 1e308, "x", "", [], [None], {}, {"a": 1}, True]


def tokenizer(folder, kind):
    size = {"vocabulary_size": 300} if kind in ("bpe", "wordpiece") else {}
    train_tokenizer(TEXTS, kind, **size).save(folder / "tokenizer.json")
    return folder / "tokenizer.json", lambda: load_tokenizer(folder / "tokenizer.json").encode("a")


def corpus(folder):
    path = TokenCorpus.build(
        TEXTS, train_tokenizer(TEXTS, "character"), folder, progress=False
    ).path
    return path / "info.json", lambda: TokenCorpus(path).tokens.tolist()


def settings(folder, config):
    (folder / "config.json").write_text(json.dumps(config))
    return folder / "config.json", lambda: to_ours(read_config(folder))


def weights(folder):
    write_tensors(folder / "model.safetensors", {"a": np.ones((2, 3), "float32")})
    return folder / "model.safetensors", lambda: [Tensors(folder)[n] for n in Tensors(folder)]


def text_of(word):
    return struct.pack("<Q", len(word.encode())) + word.encode()


def gguf(folder):
    """Write a GGUF file by hand: the package is not needed to read what is not quantised."""
    sizes = {
        "context_length": 19, "embedding_length": 4, "block_count": 1, "feed_forward_length": 4,
        "attention.head_count": 2,
    }  # fmt: skip
    words = {"general.architecture": "llama", "tokenizer.ggml.model": "gpt2",
             "tokenizer.ggml.pre": "smollm"}  # fmt: skip
    tokens = ["<s>", "a", "b", "ab"]
    values = [text_of(f"llama.{n}") + struct.pack("<II", 4, v) for n, v in sizes.items()]
    values += [text_of(n) + struct.pack("<I", 8) + text_of(v) for n, v in words.items()]
    values += [
        text_of(f"tokenizer.ggml.{n}") + struct.pack("<IIQ", 9, 8, len(v)) + text
        for n, v in (("tokens", tokens), ("merges", ["a b"]))
        for text in [b"".join(map(text_of, v))]
    ]  # fmt: skip
    values += [
        text_of("tokenizer.ggml.token_type") + struct.pack("<IIQ4i", 9, 5, 4, 3, 1, 1, 1),
        text_of("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", 6, 1e-5),
        text_of("tokenizer.ggml.bos_token_id") + struct.pack("<II", 4, 0),
    ]
    tensor = text_of("token_embd.weight") + struct.pack("<IQQIQ", 2, 4, 4, 0, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(values)) + b"".join(values) + tensor
    (folder / "a.gguf").write_bytes(head + bytes(-len(head) % 32) + bytes(64))

    def read():
        config, tensors, tokenizer = read_gguf(folder / "a.gguf")
        to_ours(config), [tensors[name] for name in tensors], tokenizer.encode("ab")

    return folder / "a.gguf", read


def vocabulary(folder, changed):
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true, "cls_token": "[CLS]"}')
    return folder / changed, lambda: getattr(read_tokenizer(folder), "encode", len)("the cat")


def checkpoint(folder):
    path = folder / "a.npz"
    np.savez(path, meta=np.array('{"step": 3}'), **{"0": np.ones(3)})
    return path, lambda: load_checkpoint(path)


FILES = {
    **{
        f"tokenizer {kind}": (tokenizer, kind) for kind in ("word", "character", "bpe", "wordpiece")
    },
    "corpus": (corpus,),
    "settings": (settings, BERT),
    "settings of a llama": (settings, LLAMA),
    "GGUF": (gguf,),
    "weights": (weights,),
    "vocabulary": (vocabulary, "vocab.txt"),
    "settings of a tokenizer": (vocabulary, "tokenizer_config.json"),
    "checkpoint": (checkpoint,),
}


def places(content, path=()):
    """Yield the path of each value in what JSON holds."""
    yield path
    pairs = {dict: lambda: content.items(), list: lambda: enumerate(content)}
    for key, value in list(pairs.get(type(content), tuple)())[:9]:
        yield from places(value, (*path, key))


def replaced(content, path, value):
    """Return the content with another value at a path."""
    if not path:
        return value
    copy = content.copy()
    copy[path[0]] = replaced(content[path[0]], path[1:], value)
    return copy


@pytest.mark.parametrize("name", FILES)
def test_files_beside_data(name, tmp_path, fuzz):
    make, *arguments = FILES[name]
    path, read = make(tmp_path, *arguments)
    right = path.read_bytes()
    broken = fuzz.edits.map(lambda edits: fuzz.edited(right, edits))
    if path.suffix == ".json":
        content = json.loads(right)
        where = st.sampled_from(list(places(content)))
        other = st.builds(lambda p, v: replaced(content, p, v), where, st.sampled_from(VALUES))
        broken = st.one_of(broken, other.map(lambda changed: json.dumps(changed).encode()))

    @fuzz.many(fuzz.inputs // 2)
    @given(broken)
    def run(data):
        path.write_bytes(data)
        fuzz.tried(name, read, [str(tmp_path), "config.json", "vocabulary", "expected"])

    run()
    assert min(fuzz.counts[name, "read"], fuzz.counts[name, "refused"]) > 0
