"""Tokenizers of other projects: numbering, frames, what is special, saving."""

import json

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from kerasllm.text import length_report, load_tokenizer
from kerasllm.text.tokenizers.imported import import_tokenizer, original_ids

TEXTS = [
    "The old cat's hat",
    "a naïve cat sat, the cat ran!",
    "我爱猫 and 👍",
    "cat cat hat hat sat",
]
BERT = {"pad": "[PAD]", "unk": "[UNK]", "bos": "[CLS]", "eos": "[SEP]", "sep": "[SEP]",
        "mask": "[MASK]"}  # fmt: skip
ROBERTA = {"pad": "<pad>", "unk": "<unk>", "bos": "<s>", "eos": "</s>", "sep": "</s>",
           "mask": "<mask>"}  # fmt: skip
GPT2 = {"bos": "<|endoftext|>", "eos": "<|endoftext|>"}


def word_piece(tokens=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")):
    words = ["cat", "hat", "the", "na", "##ive", "##s", "s", "'", "!", "我", "爱", "猫", "sat", "["]
    words += ["]", "sep", "mask", "pad"]
    pipeline = Tokenizer(models.WordPiece({t: i for i, t in enumerate([*tokens, *words])},
                                          unk_token="[UNK]"))  # fmt: skip
    pipeline.normalizer = normalizers.BertNormalizer(lowercase=True)
    pipeline.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pipeline.add_special_tokens(list(tokens))
    return json.loads(pipeline.to_str())


def byte_pairs(special, vocabulary_size=300):
    pipeline = Tokenizer(models.BPE())
    pipeline.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pipeline.train_from_iterator(TEXTS, trainers.BpeTrainer(
        vocab_size=vocabulary_size, special_tokens=list(special), show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))  # fmt: skip
    return json.loads(pipeline.to_str())


@pytest.fixture
def bert():
    return import_tokenizer(word_piece(), BERT, "bert", lowercase=True)


@pytest.fixture
def roberta():
    library = byte_pairs(("<s>", "<pad>", "</s>", "<unk>", "<mask>"))
    return import_tokenizer(library, ROBERTA, "roberta")


@pytest.fixture
def gpt2():
    return import_tokenizer(byte_pairs(("<|endoftext|>",)), GPT2, "gpt2")


def test_the_numbers_of_a_bert_stay(bert):
    assert bert.original_ids.tolist() == list(range(23))
    assert (bert.pad_id, bert.unk_id, bert.bos_id, bert.eos_id, bert.sep_id, bert.mask_id) == (
        0, 1, 2, 3, 3, 4)  # fmt: skip
    assert bert.special_ids == {0, 1, 2, 3, 4}
    assert bert.tokens("The NAÏVE cats!") == ["the", "na", "##ive", "cat", "##s", "!"]
    assert bert.encode("the cat", bos=True, eos=True) == [2, 7, 5, 3]


def test_the_pad_of_a_roberta_changes_places_with_0(roberta):
    assert roberta.original_ids[:5].tolist() == [1, 0, 2, 3, 4]
    assert roberta.vocabulary[:5] == ("<pad>", "<s>", "</s>", "<unk>", "<mask>")
    assert (roberta.pad_id, roberta.bos_id, roberta.eos_id, roberta.sep_id) == (0, 1, 2, 2)
    assert (roberta.unk_id, roberta.mask_id) == (3, 4)


def test_a_gpt2_gets_a_pad_and_moves_up_by_one(gpt2):
    assert gpt2.original_ids[:3].tolist() == [-1, 0, 1]
    assert gpt2.vocabulary[:2] == ("<pad>", "<|endoftext|>")
    assert (gpt2.pad_id, gpt2.bos_id, gpt2.eos_id) == (0, 1, 1)
    assert (gpt2.unk_id, gpt2.sep_id, gpt2.mask_id) == (None, None, None)
    assert gpt2.special_ids == {0, 1}


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2"])
def test_the_same_pieces_as_the_foreign_pipeline(name, request):
    tokenizer = request.getfixturevalue(name)
    library = {**tokenizer.library, "added_tokens": [], "post_processor": None}
    foreign = Tokenizer.from_str(json.dumps(library))
    for text in [*TEXTS, "", " ", "unseen würds\n\ttab \x00\x07 \u200d"]:
        theirs = foreign.encode(text)
        assert tokenizer.original_ids[tokenizer.encode(text)].tolist() == theirs.ids
        assert tokenizer.offsets(text) == theirs.offsets


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2"])
def test_raw_text_yields_no_special_token(name, request):
    tokenizer = request.getfixturevalue(name)
    for token in tokenizer.special.values():
        ids = set(tokenizer.encode(f"the {token} cat {token}"))
        assert not ids & (tokenizer.special_ids - {tokenizer.unk_id})


def test_bytes_come_back(roberta, gpt2):
    for text in [*TEXTS, " lead", "tail ", "a\n\nb"]:
        assert roberta.decode(roberta.frame(roberta.encode(text))) == text
        assert gpt2.decode(gpt2.frame(gpt2.encode(text))) == text
    assert gpt2.decode([1, *gpt2.encode("cat")], skip_special=False) == "<|endoftext|>cat"


def test_word_pieces_come_back_with_usual_spacing(bert):
    assert bert.decode(bert.frame(bert.encode("The cats !"))) == "the cats!"
    assert bert.decode(bert.encode("the dog"), skip_special=True) == "the [UNK]"


def test_frames_of_texts_and_pairs(bert, roberta, gpt2):
    assert bert.frame([7, 8]) == [2, 7, 8, 3]
    assert bert.frame([7], [8, 9]) == [2, 7, 3, 8, 9, 3]
    assert roberta.frame([7], [8]) == [1, 7, 2, 2, 8, 2]
    assert gpt2.frame([7]) == [7, 1]
    assert gpt2.frame([7], [8]) == [7, 1, 8, 1]


def test_a_cut_leaves_the_special_ids(bert):
    assert bert.frame([7, 8, 9, 10], length=5) == [2, 7, 8, 9, 3]
    assert bert.frame([7], [8, 9, 10, 11], length=6) == [2, 7, 3, 8, 9, 3]
    assert bert.frame([7, 8, 9, 10, 11], [12], length=6) == [2, 7, 8, 3, 12, 3]
    assert bert.frame([7, 8], [9, 10], length=6) == [2, 7, 8, 3, 9, 3]
    assert bert.room(5) == 3
    assert bert.room(6, parts=2) == 3
    for length in (0, 2):
        with pytest.raises(ValueError, match=f"above 2, .* received {length}"):
            bert.frame([7], length=length)


def test_windows_are_framed_each(bert):
    assert bert.windows([5, 6, 7, 8, 9], 6) == [[2, 5, 6, 7, 8, 3], [2, 7, 8, 9, 3]]
    assert bert.windows([], 6) == [[2, 3]]


def test_whole_words(bert, gpt2):
    assert bert.word_starts(bert.encode("naïve cats")).tolist() == [True, False, True, False]
    ids = gpt2.encode("unseen cat!")
    starts = gpt2.word_starts(ids)
    assert starts.sum() == 3
    assert [gpt2.id_to_token(ids[i]) for i in np.flatnonzero(starts)][-1] == "!"
    assert gpt2.word_starts([1, 1]).all()


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2"])
def test_saved_and_loaded(name, request, tmp_path):
    tokenizer = request.getfixturevalue(name)
    again = load_tokenizer(tokenizer.save(tmp_path))
    assert again == tokenizer
    assert type(again) is type(tokenizer)
    assert again.special == tokenizer.special
    assert again.lowercase == tokenizer.lowercase
    assert again.frame(again.encode(TEXTS[0])) == tokenizer.frame(tokenizer.encode(TEXTS[0]))
    assert np.array_equal(again.original_ids, tokenizer.original_ids)
    assert "imported" in repr(again)


def test_unknown_tokens_are_counted_where_there_is_one(bert, gpt2):
    assert length_report(["dog cat"], bert, 9).unknown == 0.5
    assert length_report(["dog cat"], gpt2, 9).unknown == 0.0
    assert gpt2.token_to_id("nowhere") is None


def test_added_words_are_found_and_keep_their_numbers():
    library = byte_pairs(("<|endoftext|>",))
    size = len(library["model"]["vocab"])
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    for i, (token, special) in enumerate([("<|x|>", True), ("KERAS", False)]):
        library["added_tokens"].append(
            {"id": size + i, "content": token, "special": special, **flags}
        )
    tokenizer = import_tokenizer(library, GPT2, "gpt2")
    assert tokenizer.vocabulary_size == size + 3
    assert size + 2 in tokenizer.encode("my KERAS <|x|>")
    assert size + 1 not in tokenizer.encode("my KERAS <|x|>")
    assert size + 1 in tokenizer.special_ids
    assert tokenizer.id_to_token(size + 2) == "KERAS"


def test_numbering():
    assert original_ids(5, 0).tolist() == [0, 1, 2, 3, 4]
    assert original_ids(5, 3).tolist() == [3, 1, 2, 0, 4]
    assert original_ids(3, None).tolist() == [-1, 0, 1, 2]


def test_what_cannot_be_imported():
    library = word_piece()
    unigram = {**library, "model": {"type": "Unigram", "vocab": {}}}
    with pytest.raises(ValueError, match=r"WordPiece .* or byte-level BPE .*, received Unigram"):
        import_tokenizer(unigram, BERT, "bert")
    metaspace = byte_pairs(("<s>",)) | {"pre_tokenizer": {"type": "Metaspace"}}
    with pytest.raises(ValueError, match="received BPE without bytes"):
        import_tokenizer(metaspace, {}, "gpt2")
    with pytest.raises(ValueError, match=r"special tokens \['<cls>'\] in the vocabulary"):
        import_tokenizer(library, {**BERT, "bos": "<cls>"}, "bert")
    gap = word_piece()
    gap["model"]["vocab"]["late"] = 99
    with pytest.raises(ValueError, match="without gaps"):
        import_tokenizer(gap, BERT, "bert")
