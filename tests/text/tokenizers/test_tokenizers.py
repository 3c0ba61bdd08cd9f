"""Round trips, special tokens, offsets, saving, Chinese, and every bad input."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasllm.text import (  # fmt: skip
    BOS,
    EOS,
    KINDS,
    PAD,
    SPECIAL_TOKENS,
    UNK,
    load_tokenizer,
    train_tokenizer,
)
from kerasllm.text.tokenizers import subword  # fmt: skip

ENGLISH = [
    "The quick brown fox doesn't jump over the lazy dog.",
    "A dog's day: the fox, the dog and the quick brown bear!",
    'She said "never again" (twice), paid $3.50 and left. Then the fox slept.',
] * 3
CHINESE = ["我爱自然语言处理，自然语言很有意思。", "语言模型预测下一个字；模型学习语言。"] * 3
NASTY = [
    "naïve café 👍🏽 👨‍👩‍👧",
    "tab\tand\nnew  line \r\n end ",
    "我爱你 and 你",
    "\x00\x07\x7f",
    " ",
    "İstanbul ẞ ﬁ",
]
STABLE = settings(max_examples=150, deadline=None, derandomize=True)


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request):
    return train_tokenizer(ENGLISH, request.param, 400)


@pytest.fixture(scope="module")
def bpe():
    return train_tokenizer(ENGLISH + CHINESE, "bpe", 400)


@given(st.text(st.characters(exclude_categories=["Cs"])))
@STABLE
def test_bpe_gives_back_any_text(bpe, text):
    ids = bpe.encode(text)
    assert bpe.decode(ids) == text
    assert all(len(SPECIAL_TOKENS) <= i < bpe.vocabulary_size for i in ids)
    assert "".join(text[a:b] for a, b in dict.fromkeys(bpe.offsets(text))) == text


@given(st.text(alphabet="".join(sorted(set("".join(ENGLISH + CHINESE))))))
@STABLE
def test_character_gives_back_any_text_of_known_characters(text):
    character = train_tokenizer(ENGLISH + CHINESE, "character")
    assert character.decode(character.encode(text)) == text


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("kind", ["bpe", "character"])
def test_nasty_texts_survive(kind, text):
    tokenizer = train_tokenizer([*ENGLISH, *NASTY], kind, 300)
    assert tokenizer.decode(tokenizer.encode(text, bos=True, eos=True)) == text


@given(
    st.lists(st.sampled_from([*SPECIAL_TOKENS, "<", ">", "pad", " ", "\n", "fox", "👍", "<PAD>"]))
)
@STABLE
def test_raw_text_never_becomes_a_special_token(tokenizer, parts):
    ids = tokenizer.encode("".join(parts))
    assert not set(ids) & (set(range(len(SPECIAL_TOKENS))) - {UNK})


@pytest.mark.parametrize("splitter", ["treebank", "tweet", "space"])
@pytest.mark.parametrize("lowercase", [False, True])
def test_special_tokens_in_training_text_stay_ordinary(splitter, lowercase):
    texts = ["a <pad> b <mask> <PAD> <eos>"] * 5
    tokenizer = train_tokenizer(texts, "word", lowercase=lowercase, word_splitter=splitter)
    assert tokenizer.tokens(texts[0])[:5] == ["a", "<", "pad", ">", "b"]


def test_unknown_mark_of_split_corpora_is_unknown():
    tokenizer = train_tokenizer(["the <unk> of N"] * 2, "word", word_splitter="space")
    assert tokenizer.encode("the <unk> of it")[1:] == [UNK, tokenizer.token_to_id("of"), UNK]
    assert tokenizer.vocabulary_size == len(SPECIAL_TOKENS) + 3
    assert tokenizer.decode(tokenizer.encode("the <unk> of N")) == "the <unk> of N"


def test_special_ids_are_where_they_belong(tokenizer):
    ids = [tokenizer.pad_id, tokenizer.unk_id, tokenizer.bos_id]
    ids += [tokenizer.eos_id, tokenizer.sep_id, tokenizer.mask_id]
    assert ids == list(range(6))
    assert [tokenizer.id_to_token(i) for i in ids] == list(SPECIAL_TOKENS)
    assert tokenizer.encode("the fox", bos=True, eos=True)[
        :: len(tokenizer.encode("the fox")) + 1
    ] == [
        BOS,
        EOS,
    ]
    assert tokenizer.encode("") == [] and tokenizer.encode("", eos=True) == [EOS]


def test_batch_equals_single(tokenizer, monkeypatch):
    monkeypatch.setattr(subword, "SLICE", 4)
    texts = [*ENGLISH, "", *NASTY]
    assert tokenizer.encode_batch(texts, eos=True) == [tokenizer.encode(t, eos=True) for t in texts]


def test_tokens_ids_and_offsets_agree(tokenizer):
    for text in ENGLISH:
        ids, tokens, offsets = (
            tokenizer.encode(text),
            tokenizer.tokens(text),
            tokenizer.offsets(text),
        )
        assert [tokenizer.token_to_id(token) for token in tokens] == ids
        for token, (start, end) in zip(tokens, offsets, strict=True):
            assert token == "<unk>" or text[start:end] == token.removeprefix("##")


@pytest.mark.parametrize("kind", ["word", "wordpiece"])
def test_words_are_written_with_usual_spacing(kind):
    tokenizer = train_tokenizer(ENGLISH, kind, 400)
    decoded = [tokenizer.decode(tokenizer.encode(text)) for text in ENGLISH]
    if kind == "word":
        assert decoded == ENGLISH
    else:  # takes "doesn't" apart at its apostrophe
        assert [text.replace(" ", "") for text in decoded] == [t.replace(" ", "") for t in ENGLISH]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lowercase", [False, True])
def test_saved_tokenizer_is_the_same(kind, lowercase, tmp_path):
    tokenizer = train_tokenizer(ENGLISH, kind, 400, lowercase=lowercase, word_splitter="tweet")
    path = tokenizer.save(tmp_path)
    assert path == tmp_path / "tokenizer.json" and list(tmp_path.iterdir()) == [path]
    for again in (load_tokenizer(path), load_tokenizer(tmp_path)):
        assert again == tokenizer and again.fingerprint == tokenizer.fingerprint
        assert (again.kind, again.lowercase) == (kind, lowercase)
        assert again.vocabulary == tokenizer.vocabulary
        assert again.encode_batch(ENGLISH + NASTY) == tokenizer.encode_batch(ENGLISH + NASTY)
    if kind == "word":
        assert again.word_splitter == "tweet"


@pytest.mark.parametrize("kind", KINDS)
def test_lowercase_and_offsets(kind):
    tokenizer = train_tokenizer(["fox İzmir"] * 3, kind, 400, lowercase=True)
    assert tokenizer.encode("FOX") == tokenizer.encode("fox")
    assert UNK not in tokenizer.encode("FOX")
    text = "İzmir FOX"
    start, end = tokenizer.offsets(text)[-1]
    assert text[start:end] in ("X", "FOX", " FOX", "OX")


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_deterministic(kind):
    twice = [train_tokenizer(iter(ENGLISH), kind, 330) for _ in range(2)]
    assert twice[0].fingerprint == twice[1].fingerprint
    assert twice[0] != train_tokenizer(ENGLISH[:1] * 3, kind, 330)


def test_fingerprint_sees_every_setting():
    options = [{}, {"lowercase": True}, {"word_splitter": "tweet"}, {"min_frequency": 9}]
    assert len({train_tokenizer(ENGLISH, "word", **o).fingerprint for o in options}) == 4


def test_min_frequency_default_keeps_every_character_but_not_every_word():
    assert UNK not in train_tokenizer(["aab"], "character").encode("aab")
    assert train_tokenizer(["aab"], "character", min_frequency=2).encode("ab") == [6, UNK]
    assert train_tokenizer(["to be or not to"], "word").tokens("to be") == ["to", "<unk>"]


def test_vocabulary_size_is_a_ceiling(tokenizer):
    assert tokenizer.vocabulary_size == len(tokenizer) <= 400
    small = train_tokenizer(ENGLISH, "word", 9)
    assert small.vocabulary_size == 9 and small.tokens("the dog")[0] == "the"


def test_bpe_finds_chinese_words_without_spaces():
    texts = [f"{who}{what}语言。" for who in "我你他她" for what in "学说教写"]
    tokenizer = train_tokenizer(texts, "bpe", 290)
    assert tokenizer.tokens("他爱语言。")[-2:] == ["语言", "。"]


@pytest.mark.parametrize("as_list", [True, False])
def test_bpe_reads_a_bounded_amount_of_chinese(as_list, monkeypatch):
    monkeypatch.setattr(subword, "LEAST_CHINESE", 100)
    monkeypatch.setattr(subword, "CHINESE_PER_TOKEN", 0)
    texts = ["一二三四五六七八九十" + "abc" * n for n in range(100)]
    read = list(subword._bounded(texts if as_list else iter(texts), 100))
    assert read == (texts[:100:10] if as_list else texts[:10])
    assert list(subword._bounded([texts[0] * 99], 100)) == [texts[0] * 10]
    assert train_tokenizer(texts, "bpe", 300).vocabulary_size > 262


def test_parts_of_characters_are_readable_and_unique():
    tokenizer = train_tokenizer(["abc"], "bpe", 262)
    assert tokenizer.tokens("é") == ["\\xc3", "\\xa9"]
    assert len(set(tokenizer.vocabulary)) == 262


@pytest.mark.parametrize("kind", ["bpe", "character", "wordpiece"])
def test_word_starts_of_english(kind):
    text = "the quick fox, unquickable dog!"
    tokenizer = train_tokenizer([*ENGLISH, text], kind, 300)
    starts = tokenizer.word_starts(tokenizer.encode(text))
    begins = [a for (a, _), start in zip(tokenizer.offsets(text), starts, strict=True) if start]
    words = [text.index(w) for w in ("the", "quick", "fox", ",", "unquick", "dog", "!")]
    spaces = [i for i, c in enumerate(text) if c == " "]
    # BPE counts a space to the word behind it; for characters it is a word of its own.
    leading = [a - (text[a - 1 : a] == " ") for a in words]
    wanted = {"wordpiece": words, "bpe": leading, "character": sorted(words + spaces)}
    assert begins == wanted[kind]


@pytest.mark.parametrize("kind", ["bpe", "character", "wordpiece"])
def test_word_starts_of_chinese_are_characters(kind):
    tokenizer = train_tokenizer(CHINESE, kind, 300)  # BPE: single characters in two or more parts
    text = "我爱语言模型，学习"
    starts = tokenizer.word_starts(tokenizer.encode(text))
    # A token that begins inside a character belongs to the word before it.
    inside = [bool(re.match(r"\\x[89ab]", token)) for token in tokenizer.tokens(text)]
    assert starts.tolist() == [not part for part in inside]
    assert any(inside) == (kind == "bpe")


def test_word_starts_of_special_tokens_and_nothing(bpe):
    ids = [BOS, *bpe.encode("fox"), EOS, PAD]
    starts = bpe.word_starts(ids)
    assert starts[[0, 1, -2, -1]].all() and starts.dtype == bool
    assert bpe.word_starts([]).shape == (0,)


def test_jieba_or_a_helpful_error(monkeypatch):
    import sys

    from kerasllm.text.tokenizers import splitters

    monkeypatch.setitem(sys.modules, "jieba", None)
    splitters._jieba.cache_clear()
    with pytest.raises(ImportError, match=r"kerasllm\[zh\]"):
        train_tokenizer(CHINESE, "word", word_splitter="jieba")


def test_jieba_splits_chinese():
    pytest.importorskip("jieba", reason="needs the extra zh")
    tokenizer = train_tokenizer(CHINESE, "word", word_splitter="jieba")
    assert "模型" in tokenizer.tokens(CHINESE[1])
    assert tokenizer.decode(tokenizer.encode(CHINESE[0])) == CHINESE[0]


# Bad input


@pytest.mark.parametrize("splitter", ["treebank", "tweet", "space"])
def test_chinese_without_spaces_is_refused_by_word_splitters(splitter):
    with pytest.raises(ValueError, match=r"without spaces.*kind='bpe'.*jieba"):
        train_tokenizer(CHINESE, "word", word_splitter=splitter)
    segmented = ["我 爱 自然 语言 处理", "some English 你好世界啊 text and much more of it"] * 2
    assert train_tokenizer(segmented, "word", word_splitter=splitter).vocabulary_size > 6


@pytest.mark.parametrize("kind", KINDS)
def test_one_string_is_refused(kind, tokenizer):
    with pytest.raises(TypeError, match="letter by letter"):
        train_tokenizer("one text", kind)
    with pytest.raises(TypeError, match="letter by letter"):
        tokenizer.encode_batch("one text")


@pytest.mark.parametrize("bad", [None, float("nan"), 3, b"bytes", ["nested"]])
@pytest.mark.parametrize("kind", KINDS)
def test_texts_that_are_no_text_are_refused(kind, bad):
    with pytest.raises(TypeError, match=r"expected every text as str, received .*position 1"):
        train_tokenizer(["good", bad], kind)


def test_no_iterable_is_refused(tokenizer):
    with pytest.raises(TypeError, match="received NoneType"):
        train_tokenizer(None)
    with pytest.raises(TypeError, match="position 1"):
        tokenizer.encode_batch(["a", None])


def test_half_a_surrogate_pair_is_refused(tokenizer):
    with pytest.raises(ValueError, match=r"surrogate.*Cleaner"):
        tokenizer.encode("ab\ud800")


@pytest.mark.parametrize("texts", [[], [""], ["", " \n"]])
@pytest.mark.parametrize("kind", KINDS)
def test_no_text_is_refused(kind, texts):
    with pytest.raises(ValueError, match=f"received {len(texts)} texts, all empty"):
        train_tokenizer(texts, kind)


def test_vocabulary_smaller_than_the_characters():
    with pytest.raises(ValueError, match=r"4 different.*vocabulary_size=10, or min_frequency=3"):
        train_tokenizer(["aaaabbbccd"], "character", 8)
    assert train_tokenizer(["aaaabbbccd"], "character", 8, min_frequency=3).vocabulary_size == 8
    with pytest.raises(ValueError, match=r"make .* received 20"):
        train_tokenizer(ENGLISH, "wordpiece", 20)
    with pytest.raises(ValueError, match="at least 262"):
        train_tokenizer(ENGLISH, "bpe", 261)


@pytest.mark.parametrize("size", [0, 6, -1])
def test_vocabulary_without_room_is_refused(size):
    with pytest.raises(ValueError, match="above 6"):
        train_tokenizer(ENGLISH, "word", size)


def test_vocabulary_size_must_be_a_number():
    with pytest.raises(TypeError, match="vocabulary_size as int"):
        train_tokenizer(ENGLISH, "word", "8000")


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'wordpiece'"):
        train_tokenizer(ENGLISH, "wordpeice")
    with pytest.raises(ValueError, match="Did you mean 'treebank'"):
        train_tokenizer(ENGLISH, "word", word_splitter="treebnk")


def test_foreign_ids_are_refused(tokenizer):
    for bad in (tokenizer.vocabulary_size, -1):
        with pytest.raises(ValueError, match="belong together"):
            tokenizer.decode([7, bad])
        with pytest.raises(ValueError, match="expected a token id"):
            tokenizer.id_to_token(bad)


def test_decode_takes_arrays_and_special_tokens(bpe):
    ids = np.array([BOS, *bpe.encode("the fox"), UNK, EOS, PAD, PAD])
    assert bpe.decode(ids) == "the fox<unk>"
    assert bpe.decode(ids, skip_special=False) == "<bos>the fox<unk><eos><pad><pad>"


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_refused(kind, tmp_path):
    path = train_tokenizer(ENGLISH, kind, 300).save(tmp_path / "tokenizer.json")
    text = path.read_text("utf-8")
    state = json.loads(text)
    part = "library" if "library" in state else "vocabulary"
    damaged = [text[:-20], "", "\x00", json.dumps(state | {part: None})]
    damaged += [json.dumps({k: v for k, v in state.items() if k != part})]
    damaged += [json.dumps(state | {"kind": "bp"})]
    if part == "vocabulary":
        damaged += [json.dumps(state | {part: state[part][1:]})]
        damaged += [json.dumps(state | {part: [*state[part], state[part][-1]]})]
    for content in damaged:
        path.write_text(content, "utf-8")
        with pytest.raises(ValueError, match=r"tokenizer\.json.*(damaged|kind)"):
            load_tokenizer(path)


def test_foreign_and_missing_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0", "model": {}}')
    with pytest.raises(ValueError, match="not a tokenizer of kerasllm"):
        load_tokenizer(tmp_path)
    state = train_tokenizer(ENGLISH, "character").state() | {"version": 99}
    (tmp_path / "tokenizer.json").write_text(json.dumps(state))
    with pytest.raises(ValueError, match="format version 99"):
        load_tokenizer(tmp_path)


def test_failed_save_leaves_the_old_file(tmp_path, monkeypatch, tokenizer):
    path = tokenizer.save(tmp_path)
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        tokenizer.save(tmp_path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_real_corpora(data_root):
    text = (data_root / "tinyshakespeare" / "input.txt").read_text("utf-8")
    character = train_tokenizer([text], "character")
    assert character.vocabulary_size == 65 + len(SPECIAL_TOKENS)  # 65 characters, as nanoGPT counts
    ids = character.encode(text)
    assert len(ids) == 1_115_394 and character.decode(ids[:5000]) == text[:5000]
