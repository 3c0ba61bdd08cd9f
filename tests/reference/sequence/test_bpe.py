"""Byte-pair encoding against the tokenizers library: same vocabulary, same merges, same tokens."""

import json
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from kerasllm import reference as r

SPECIAL = ["<pad>", "<unk>", "<bos>", "<eos>", "<sep>", "<mask>"]
TEXTS = [
    "It's a low, lower, lowest newest widest sea: she'll sell 12 or 120 sea-shells, won't she?",
    "aaaa aaaaa aaa bababab abab aba aaaa",
    "她在海边卖贝壳。海边的贝壳很多,卖贝壳的人也很多!",
    "Größenwahn — naïve café №5 ½ ٣٤٥ 🙂🙂🙃  two  spaces\tand\n\na\u00a0tab",
    "\u3000ideographic \u2028 line, \x1c a control mark that is no space, \x85 one that is  ",
]


def library(texts, size, min_frequency=1, special=SPECIAL):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=min_frequency,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def library_words(text):
    splits = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)
    return [text[start:end] for _, (start, end) in splits]


def check(texts, unseen, size, min_frequency=1):
    ours = r.bpe_train(texts, size, min_frequency, SPECIAL)
    theirs = library(texts, size, min_frequency)
    assert len(ours.vocabulary) == theirs.get_vocab_size()
    for text in (*texts, *unseen):
        ids = r.bpe_encode(text, ours)
        assert ids == theirs.encode(text).ids
        assert r.bpe_decode(ids, ours) == text
    return ours


def test_agrees_with_the_library_token_for_token():
    model = check(TEXTS, ["", " ", "shellfish 1200 babaaa 贝壳海 ½½", "\x00\x7f"], size=340)
    assert len(model.merges) == 340 - 256 - len(SPECIAL)


def test_agrees_on_real_english(data_root):
    text = (data_root / "tinyshakespeare" / "input.txt").read_text(encoding="utf-8")
    check([text[:60_000]], [text[-30_000:]], size=800, min_frequency=2)


def test_agrees_on_real_chinese(data_root):
    path = data_root / "tatoeba" / "cmn-eng-2021" / "cmn.txt"
    text = path.read_text(encoding="utf-8")
    check([text[-30_000:]], [text[100_000:120_000]], size=800, min_frequency=2)


# No unassigned characters: Python and the library know different versions of Unicode.
characters = st.characters(exclude_categories=("Cn", "Co", "Cs"))
common = st.sampled_from(" \n\t'aAstmé字٣½_-\u00a0\u3000\x1c\x85🙂")


@settings(max_examples=200, deadline=None)
@given(st.text(st.one_of(characters, common), max_size=25))
def test_any_text_is_cut_as_the_library_cuts_it(text):
    words = r.bpe_words(text)
    assert "".join(words) == text
    assert words == library_words(text)


@settings(max_examples=50, deadline=None)
@given(st.text(st.one_of(characters, common), max_size=40))
def test_any_text_comes_back(text):
    model = r.bpe_train(TEXTS, 300)
    assert r.bpe_decode(r.bpe_encode(text, model), model) == text


def test_training_by_hand():
    # ab 5 times, bc 3 times, then abc: all pairs in words only, the space counts as a byte.
    model = r.bpe_train(["ab ab abc abc abc xy xy"], 256 + 9, min_frequency=3)
    joined = [model.vocabulary[left] + model.vocabulary[right] for left, right in model.merges]
    assert joined == [b"ab", b" ab", b" abc"]  # 5 times, 4 times, 3 times; then nothing is left
    assert [model.vocabulary[i] for i in r.bpe_encode("abc abc", model)] == [b"ab", b"c", b" abc"]


def test_a_special_token_that_pairs_can_make_is_there_once():
    ours = r.bpe_train(["ab ab ab"], 300, 1, special_tokens=["ab"])
    assert ours.vocabulary == (b"ab", *ours.vocabulary[1:-1], b" ab")
    assert len(set(ours.vocabulary)) == len(ours.vocabulary) == 258
    assert ours.merges[r.bpe_encode("a", ours)[0], r.bpe_encode("b", ours)[0]] == (0, 0)


WITH_SPECIAL = "a <pad> b <eos><eos>  <pad> pad <pa <pad>> d>  <unk>\n\n<mask> eos"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(SPECIAL), st.text(common, max_size=5)), max_size=9))
def test_agrees_where_special_tokens_stand_in_the_text(parts):
    theirs, ours = _trained_on_special_tokens()
    for text in ("".join(parts), WITH_SPECIAL):
        assert r.bpe_encode(text, ours, SPECIAL) == theirs.encode(text).ids
        assert r.bpe_decode(r.bpe_encode(text, ours, SPECIAL), ours) == text


def test_a_special_token_in_a_text_is_text_unless_told():
    theirs, ours = _trained_on_special_tokens()
    library_without = json.loads(theirs.to_str()) | {"added_tokens": []}
    theirs = Tokenizer.from_str(json.dumps(library_without))
    assert r.bpe_encode(WITH_SPECIAL, ours) == theirs.encode(WITH_SPECIAL).ids
    assert not set(r.bpe_encode(WITH_SPECIAL, ours)) & set(range(len(SPECIAL)))


@cache
def _trained_on_special_tokens():
    texts = [*TEXTS, WITH_SPECIAL, "pad <pad> eos <eos>"]
    return library(texts, 320), r.bpe_train(texts, 320, 1, SPECIAL)


@pytest.mark.parametrize("special", [["a"], ["ab", "abc"], ["填充"], ["a", "a"], [" "], ["b c"]])
def test_agrees_on_special_tokens_that_are_words_or_bytes_too(special):
    text = "ab abc xabcx 填充 a填 b c"
    theirs, ours = library([text], 275, special=special), r.bpe_train([text], 275, 1, special)
    assert len(ours.vocabulary) == theirs.get_vocab_size()
    assert r.bpe_encode(text, ours, special) == theirs.encode(text).ids


def test_half_a_character_is_decoded_to_a_mark():
    model = r.bpe_train(["x"], 256)
    assert r.bpe_decode(r.bpe_encode("字", model)[:2], model) == "\ufffd"


def test_bad_input_is_explained():
    with pytest.raises(TypeError, match=r"write \[text\]"):
        r.bpe_train("one string", 300)
    with pytest.raises(ValueError, match=r"vocabulary, received '<x>'; train with"):
        r.bpe_encode("a", r.bpe_train(TEXTS, 300), ["<x>"])
    with pytest.raises(ValueError, match=r"at least 262 .*received 261"):
        r.bpe_train(TEXTS, 261, special_tokens=SPECIAL)


def test_words_end_where_digits_of_any_script_begin():
    assert r.bpe_words("abc٣٤²é") == ["abc", "٣٤²", "é"]
