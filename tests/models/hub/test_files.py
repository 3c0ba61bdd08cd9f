"""Tokenizer files: vocab.txt, vocab.json with merges.txt, tokenizer.json, in and out."""

import json

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from kerasllm.models.hub.files import read_tokenizer, write_tokenizer
from kerasllm.text import train_tokenizer

WORDS = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "##s", "cafe"]
WORDS += ["café", "Cat", "我", "爱", "!", "a", "##fe", "c", "\u2028"]


@pytest.fixture
def vocab_txt(tmp_path):
    def make(**config):
        (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        return tmp_path

    return make


@pytest.fixture
def merges_txt(tmp_path):
    def make(*special, **config):
        pipeline = Tokenizer(models.BPE())
        pipeline.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(
            vocab_size=290, special_tokens=list(special), show_progress=False,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))  # fmt: skip
        pipeline.train_from_iterator(["the cat, the hat, 我爱猫 " * 3], trainer)
        pipeline.model.save(str(tmp_path))
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        return tmp_path

    return make


def test_vocab_txt(vocab_txt):
    tokenizer = read_tokenizer(vocab_txt(do_lower_case=True))
    assert tokenizer.tokens("The\x00 CAFÉ  cats\t!我爱") == [
        "the", "cafe", "cat", "##s", "!", "我", "爱"]  # fmt: skip
    assert (tokenizer.bos_id, tokenizer.sep_id, tokenizer.mask_id, tokenizer.unk_id) == (3, 4, 5, 2)
    assert tokenizer.vocabulary_size == len(WORDS)
    assert tokenizer.lowercase


def test_case_accents_and_chinese_as_the_config_says(vocab_txt):
    cased = read_tokenizer(vocab_txt(do_lower_case=False))
    assert cased.tokens("Cat café") == ["Cat", "café"]
    kept = read_tokenizer(vocab_txt(do_lower_case=True, strip_accents=False))
    assert kept.tokens("CAFÉ cat") == ["café", "cat"]
    joined = read_tokenizer(vocab_txt(tokenize_chinese_chars=False))
    assert joined.tokens("我爱") == ["[UNK]"]


@pytest.mark.parametrize("file", ["special_tokens_map.json", "tokenizer_config.json"])
def test_special_tokens_are_those_that_the_files_name(file, vocab_txt):
    folder = vocab_txt()
    content = {"cls_token": "[unused0]", "mask_token": {"content": "a", "lstrip": True}}
    (folder / file).write_text(json.dumps(content))
    tokenizer = read_tokenizer(folder)
    assert (tokenizer.bos_id, tokenizer.mask_id, tokenizer.sep_id) == (1, 15, 4)


def test_gpt2_files(merges_txt):
    config = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>",
              "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}  # fmt: skip
    tokenizer = read_tokenizer(merges_txt("<|endoftext|>", **config))
    assert tokenizer.style == "gpt2"
    assert tokenizer.original_ids[:2].tolist() == [-1, 0]
    assert tokenizer.eos_id == tokenizer.bos_id == 1
    assert tokenizer.unk_id is None
    assert tokenizer.decode(tokenizer.encode(" the 我 cat")) == " the 我 cat"
    assert tokenizer.tokens("the cat")[0] == "the"


def test_roberta_files(merges_txt):
    tokenizer = read_tokenizer(
        merges_txt("<s>", "<pad>", "</s>", "<unk>", "<mask>", add_prefix_space=True)
    )
    assert tokenizer.style == "roberta"
    assert tokenizer.frame([9], [8]) == [1, 9, 2, 2, 8, 2]
    assert tokenizer.tokens("the cat")[0] == " the"


def test_pad_cut_and_frame_of_tokenizer_json_are_left_to_the_model(vocab_txt, tmp_path):
    folder = vocab_txt()
    library = read_tokenizer(folder).library
    library["padding"] = {"strategy": {"Fixed": 9}, "direction": "Right", "pad_id": 0,
                          "pad_to_multiple_of": None, "pad_type_id": 0,
                          "pad_token": "[PAD]"}  # fmt: skip
    library["truncation"] = {"max_length": 3, "strategy": "LongestFirst", "stride": 0,
                             "direction": "Right"}  # fmt: skip
    assert library["post_processor"]["type"] == "TemplateProcessing"
    (folder / "tokenizer.json").write_text(json.dumps(library))
    (folder / "vocab.txt").unlink()
    assert read_tokenizer(folder).encode("the cats the cats") == [6, 7, 8, 6, 7, 8]


@pytest.mark.parametrize("style", ["bert", "gpt2"])
def test_written_and_read_again(style, vocab_txt, merges_txt, tmp_path):
    files = vocab_txt(do_lower_case=False, strip_accents=True) if style == "bert" else merges_txt(
        "<|endoftext|>")  # fmt: skip
    tokenizer, folder = read_tokenizer(files), tmp_path / "again"
    folder.mkdir()
    write_tokenizer(tokenizer, folder, 64)
    whole = read_tokenizer(folder)
    (folder / "tokenizer.json").unlink()
    older = read_tokenizer(folder)
    for again in (whole, older):
        assert again.special == tokenizer.special
        assert again.vocabulary == tokenizer.vocabulary
        for text in ("The cafés, CAT 我爱!", ""):
            assert again.encode(text) == tokenizer.encode(text)


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
def test_a_tokenizer_trained_here_is_written(kind, tmp_path):
    tokenizer = train_tokenizer(["the cat sat", "a hat"] * 3, kind, 280)
    write_tokenizer(tokenizer, tmp_path, 64)
    library = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert library.encode("the hat").ids == tokenizer.encode("the hat")
    assert library.token_to_id("<pad>") == 0
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["mask_token"] == "<mask>"
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"


def test_a_tokenizer_of_words_is_refused(tmp_path):
    with pytest.raises(ValueError, match="bpe or wordpiece, received 'word'"):
        write_tokenizer(train_tokenizer(["the cat sat"] * 2, "word"), tmp_path, 64)


def test_no_files_no_tokenizer(tmp_path):
    assert read_tokenizer(tmp_path) is None
    (tmp_path / "vocab.json").write_text("{}")
    assert read_tokenizer(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", "{"),
        ("tokenizer.json", "{}"),
        ("tokenizer.json", '{"model": {"vocab": 3}, "added_tokens": []}'),
        ("tokenizer.json", '{"model": {"type": "WordPiece", "vocab": {"a": 0}}}'),
        ("vocab.txt", b"\xff\xfe"),
    ],
)
def test_damaged_files(name, content, tmp_path):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r"damaged|WordPiece|special tokens"):
        read_tokenizer(tmp_path)
