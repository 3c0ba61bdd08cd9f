"""Sentences as the arrays that a tagger reads."""

import numpy as np
import pytest

from kerasllm.datasets import Dataset, Tagged
from kerasllm.models.tagging.preprocessor import (
    TaggedBatches,
    TaggingPreprocessor,
    check_tagged,
    collate,
    normal_form,
    typed_words,
    word_tokenizer,
)
from kerasllm.text import UNK, train_tokenizer
from kerasllm.training.settings.tagging import model_tags

LOOKUP = {"lowercase": True, "digits": True}
OPTIONS = {"length": 32, "word_length": 6, "digits": True}
SENTENCES = [["Anna", "saw", "Rome", "in", "1984"], ["In", "2011", "anna", "ran"], ["<pad>"]]


def reader_of(tokenizer, **options):
    return TaggingPreprocessor(tokenizer, ["O"], **OPTIONS | options)


@pytest.fixture
def reader():
    tokenizer, _ = word_tokenizer(SENTENCES, **LOOKUP)
    return reader_of(tokenizer, characters="Aains-m")


def test_words_are_looked_up_by_their_normal_form():
    tokenizer, counts = word_tokenizer(SENTENCES, **LOOKUP)
    assert tokenizer.vocabulary[6:] == ("0000", "anna", "in", "ran", "rome", "saw")
    assert counts.tolist() == [0] * 6 + [2, 2, 2, 1, 1, 1]
    assert normal_form("McX-7", False, True) == "McX-0"


def test_a_word_that_looks_like_a_special_token_is_unknown(reader):
    (row,) = reader.rows([["<pad>", "Anna", "<mask>", "strange"]])
    assert row.ids[:4] == [UNK, 7, UNK, UNK] and row.positions == [0, 1, 2, 3]


def test_letters(reader):
    assert reader.letters("Ann") == [2, 5, 5]
    assert reader.letters("ISx") == [4, 6, 1]  # capitals unknown, small ones known; x unknown
    assert reader.letters("Aains-m-inA") == [2, 3, 4, 4, 5, 2]  # both ends of a long word
    assert reader.letters("") == [1]


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "character"])
def test_positions_are_those_of_first_pieces(kind):
    words = ["unbelievable", "2,000", "don't", "我们", "Rome"]
    tokenizer = train_tokenizer([" ".join(words), "un be live able"] * 2, kind, 300)
    reader = reader_of(tokenizer, length=64)
    (row,) = reader.rows([words])
    ends = [*row.positions[1:], len(row.ids) - 1]  # before the id that ends the text
    texts = [tokenizer.decode(row.ids[a:b]) for a, b in zip(row.positions, ends, strict=True)]
    assert ["".join(text.split()) for text in texts] == words
    if kind == "bpe":  # exactly the ids of the running text
        assert row.ids[:-1] == tokenizer.encode(" ".join(words))


def test_a_word_without_pieces_is_unknown():
    tokenizer = train_tokenizer(["a few words"] * 2, "wordpiece", 60)
    (row,) = reader_of(tokenizer).rows([["few", "\x00", "words"]])
    assert row.ids[row.positions[1]] == UNK and len(row.positions) == 3


def test_special_ids_in_front_move_the_positions(reader):
    class Framed:
        kind, unk_id, lowercase = "wordpiece", 1, False

        def frame(self, ids):
            return [101, *ids, 102]

        def encode(self, text):
            return [ord(letter) for letter in text]

    (row,) = reader_of(Framed()).rows([["ab", "c"]])
    assert row.ids == [101, 97, 98, 99, 102] and row.positions == [1, 3]
    rows = reader_of(Framed(), length=6).rows([["ab", "cd", "abcdefg", "e"]])
    assert [row.first for row in rows] == [0, 2, 3]
    assert all(len(row.ids) <= 6 for row in rows)


def test_a_long_sentence_is_read_in_parts(reader):
    words = [f"w{i}" for i in range(70)]
    rows = reader_of(reader.tokenizer, length=32).rows([["a"], words])
    assert [(row.sentence, row.first, len(row.positions)) for row in rows] == [
        (0, 0, 1), (1, 0, 31), (1, 31, 31), (1, 62, 8),
    ]  # fmt: skip


def test_batches_are_padded_and_bucketed(reader):
    rows = reader.rows([["Anna", "ran"], ["Anna"] * 17])
    inputs = collate(rows, 32, letters=6)
    assert inputs["ids"].shape == (2, 32) and inputs["positions"].shape == (2, 32)
    assert inputs["positions"][0].tolist() == [0, 1] + [-1] * 30
    assert inputs["characters"].shape == (2, 32, 6)
    assert inputs["characters"][0, 0].tolist() == [2, 5, 5, 3, 0, 0]
    assert not inputs["characters"][0, 2:].any()


def test_targets_belong_to_their_words(reader, rng):
    sentences = [["Anna"] * n for n in rng.integers(1, 40, 50)]
    rows = reader.rows(sentences)
    tags = [[row.sentence % 7] * len(row.positions) for row in rows]
    batches = TaggedBatches(rows, tags, 8, 3, 6)
    seen = 0
    for step in range(batches.steps_per_epoch):
        inputs, targets = batches.batch(step)
        assert inputs["positions"].shape == targets.shape
        assert np.array_equal(targets > 0, inputs["positions"] >= 0)
        assert all(len(set(row[row > 0])) == 1 for row in targets)
        seen += len(targets)
    assert seen == len(rows)


def test_some_words_are_read_as_unknown_and_the_same_ones_again(reader):
    rows = reader.rows([["Anna", "saw"] * 8] * 64)
    unknown = np.zeros(reader.tokenizer.vocabulary_size)
    anna, saw = (reader.pieces(word)[0] for word in ("Anna", "saw"))
    unknown[anna] = 0.3
    batches = TaggedBatches(rows, [[0] * 16] * 64, 64, 5, 6, unknown)
    ids = batches.batch(2)[0]["ids"]
    assert abs((ids[:, :16:2] == UNK).mean() - 0.3) < 0.08
    assert (ids[:, 1:16:2] == saw).all()
    assert np.array_equal(ids, batches.batch(2)[0]["ids"])
    assert not np.array_equal(ids, batches.batch(3)[0]["ids"])


def test_typed_words():
    text = "Mr. Smith's U.N. job."
    words = [text[a:b] for a, b in typed_words(text, "treebank", False)]
    assert "Smith" in words and words[-1] == "."
    assert typed_words(" 我 在", "treebank", True) == [(1, 2), (3, 4)]


def tagged(*rows, **info):
    examples = [Tagged(tuple("abc"[: len(row)]), row) for row in rows]
    return Dataset(examples, name="x", split="train", task="tagging", info=info)


def test_a_tag_of_no_scheme_among_entities_is_named():
    rows = ("O", "B-X", "I-X"), ("B-X", "o", "O")
    with pytest.raises(ValueError, match=r"such as B-LOC.* received 'o' in sentence 1"):
        check_tagged(tagged(*rows))
    told = tagged(*rows, scheme="none")
    check_tagged(told)
    assert model_tags(told, "bioes") == ([list(row) for row in rows], "none")
    for fine in ((("NN", "VB"),), (("B_X", "L_X", "O"),), (("O", "I-X"), ("B-X", "I-Y"))):
        check_tagged(tagged(*fine))
    assert model_tags(tagged(("U-X", "B-X", "L-X")), "bio") == ([["B-X", "B-X", "I-X"]], "bio")


def test_a_word_without_letters_is_refused():
    empty = Dataset([Tagged(("a", ""), ("O", "O"))], name="x", split="train", task="tagging")
    with pytest.raises(ValueError, match=r"word 1 of sentence 0 of .* is empty"):
        check_tagged(empty)


def test_a_sentence_with_a_tag_that_was_never_trained_on_is_left_out_of_what_is_known(reader):
    reader = reader.changed(labels=["O", "B-PER", "I-PER"], scheme="bio")
    rows = [
        Tagged(("Anna", "saw"), ("B-PER", "O")),
        Tagged(("in", "Rome"), ("O", "B-LOC")),
        Tagged(("anna", "ran"), ("I-PER", "O")),
    ]
    data = Dataset(rows, name="own", split="validation", task="tagging")
    assert reader.known(data).examples == (rows[0], rows[2])
    with pytest.raises(ValueError, match=r"also has \['B-LOC'\]"):
        reader.targets(data)
