"""Tokenizers, settings, weights and corpora in disorder: whole, or refused; no library's error."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasllm.models.hub.files import read_tokenizer
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


def settings(folder):
    (folder / "config.json").write_text(json.dumps(BERT))
    return folder / "config.json", lambda: to_ours(read_config(folder))


def weights(folder):
    write_tensors(folder / "model.safetensors", {"a": np.ones((2, 3), "float32")})
    return folder / "model.safetensors", lambda: [Tensors(folder)[n] for n in Tensors(folder)]


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
    "settings": (settings,),
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
