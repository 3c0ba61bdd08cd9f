"""Pairs: what is refused, their tokenizers, their batches."""

import numpy as np
import pytest

from kerasllm.datasets.examples import Dataset, Labelled, Pair
from kerasllm.models.seq2seq.preprocessor import (
    PairBatches,
    Seq2SeqPreprocessor,
    check_pairs,
    shifted,
    train_tokenizers,
)
from kerasllm.text import BOS, EOS
from kerasllm.training.settings.base import resolve
from kerasllm.training.settings.seq2seq import Seq2SeqSettings


def pairs(rows, split="train"):
    return Dataset([Pair(*row) for row in rows], name="own", split=split, task="seq2seq")


COLOURS = pairs(
    [("rot blau", "red blue"), ("blau", "blue"), ("rot rot blau rot", "red red blue red")]
)


def settings(**overrides):
    return resolve(Seq2SeqSettings, tokenizer="word", min_frequency=1, **overrides)


def reader_of(tokenizers, **options):
    return Seq2SeqPreprocessor(*tokenizers, **options)


def test_an_empty_side_is_named_with_its_row():
    for row, side in ((("a", " "), "target"), (("", "b"), "source")):
        with pytest.raises(ValueError, match=f"row 1 of own/train has an empty {side}"):
            check_pairs(pairs([("a", "b"), row]))
    with pytest.raises(ValueError, match="at least one pair"):
        check_pairs(pairs([]))


def test_other_data_is_refused():
    labelled = Dataset([Labelled("a", "b")], name="own", split="train", task="classification")
    with pytest.raises(ValueError, match="expected pairs of source and target"):
        Seq2SeqSettings.read((labelled, labelled))


def test_one_vocabulary_or_two():
    one, same = train_tokenizers(COLOURS, settings())
    assert one is same
    assert {"rot", "red"} <= set(one.vocabulary)
    source, target = train_tokenizers(COLOURS, settings(shared=False))
    assert "red" not in source.vocabulary and "rot" not in target.vocabulary


def test_ids_end_with_eos_and_targets_begin_with_bos():
    tokenizers = train_tokenizers(COLOURS, settings(shared=False))
    source, target = reader_of(tokenizers).ids(COLOURS)
    assert tokenizers[0].decode(source[2]) == "rot rot blau rot"
    assert all(ids[-1] == EOS for ids in [*source, *target])
    assert all(ids[0] == BOS for ids in target)
    assert [len(ids) for ids in source] == [3, 2, 5] and [len(ids) for ids in target] == [4, 3, 6]


def test_too_long_is_named_or_cut():
    tokenizers = train_tokenizers(COLOURS, settings())
    with pytest.raises(
        ValueError, match=r"row 2 of own/train has a source of 5 tokens, .* reads 4"
    ):
        reader_of(tokenizers, length=4).ids(COLOURS)
    reader = reader_of(tokenizers, length=4, truncate=True)
    source, target = reader.ids(COLOURS)
    assert len(source[2]) == 4 and source[2][-1] == EOS  # the end is marked still
    assert len(target[2]) == 5  # <bos> is given, four tokens are to be said
    assert reader.source_ids(["rot rot blau rot"]) == [source[2]]
    assert reader.warning("rot rot blau rot") == "only the first 4 of 5 tokens were read"


def test_sources_that_the_tokenizer_does_not_know_are_refused():
    tokenizers = train_tokenizers(COLOURS, settings())
    with pytest.raises(ValueError, match="every token of the sources of own is unknown"):
        reader_of(tokenizers).ids(pairs([("zebra", "red")]))


def test_the_decoder_is_given_the_target_one_token_late():
    inputs, following = shifted(np.array([[7, 8, 3]]), [[BOS, 9, 10, EOS], [BOS, 9, EOS]], 1)
    assert inputs["target"].tolist() == [[BOS, 9, 10], [BOS, 9, 0]]
    assert following.tolist() == [[9, 10, EOS], [9, EOS, 0]]


def test_batches_hold_each_pair_once_and_like_lengths_together(rng):
    count = 100
    sources = [[6 + i, *[7] * rng.integers(1, 30), EOS] for i in range(count)]
    targets = [[BOS, 6 + i, *[7] * rng.integers(1, 30), EOS] for i in range(count)]
    batches = PairBatches(sources, targets, batch_size=8, seed=3, bucket=4)
    found, padding = [], 0
    for step in range(batches.steps_per_epoch):
        inputs, following = batches.batch(step)
        assert np.array_equal(inputs["source"][:, 0], following[:, 0])  # they belong together
        assert np.array_equal(inputs["target"][:, 1:], np.where(
            following[:, 1:] == 0, inputs["target"][:, 1:], following[:, :-1]
        ))  # fmt: skip
        assert inputs["target"].shape[1] % 4 == 0 and inputs["source"].shape[1] % 4 == 0
        found += inputs["source"][:, 0].tolist()
        padding += (following == 0).sum() / following.size
    assert sorted(found) == [6 + i for i in range(count)]
    assert padding / batches.steps_per_epoch < 0.3
    again = PairBatches(sources, targets, batch_size=8, seed=3, bucket=4)
    for a, b in zip(batches.batch(17)[0].values(), again.batch(17)[0].values(), strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(again.batch(0)[1], again.batch(batches.steps_per_epoch)[1])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"architecture": "lstm"}, "expected architecture to be one of"),
        ({"metric": "blue"}, "Did you mean 'bleu'"),
        ({"beam": 0}, "beam must be 1 or more"),
        ({"decode_every": 0}, "decode_every must be 1 or more"),
        ({"label_smoothing": 1.0}, "label_smoothing must be 0 or more and below 1"),
        ({"copy": True, "shared": False}, "needs one vocabulary for both"),
    ],
)
def test_settings_that_make_no_sense(wrong, message):
    with pytest.raises(ValueError, match=message):
        resolve(Seq2SeqSettings, **wrong).check(None)


SEVERAL = pairs([("rot", "red", ("blue red", "blue")), ("blau", "blue")])


def test_each_reference_is_learned_from_with_its_own_source():
    tokenizers = train_tokenizers(SEVERAL, settings(shared=False))
    reader = reader_of(tokenizers)
    sources, targets = reader.ids(SEVERAL)
    both = zip(tokenizers, (sources, targets), strict=True)
    said = [[tokenizer.decode(ids) for ids in rows] for tokenizer, rows in both]
    assert said == [["rot", "rot", "rot", "blau"], ["red", "blue red", "blue", "blue"]]
    batches = reader.batches(SEVERAL, 4, weights=[2.0, 3.0])
    inputs, _, weights = batches.batch(0)
    rot = tokenizers[0].encode("rot")[0]
    assert sorted(weights.tolist()) == [2, 2, 2, 3]
    assert (weights[inputs["source"][:, 0] == rot] == 2).all()
    short = reader_of(tokenizers, length=2)
    with pytest.raises(ValueError, match=r"row 0 of own/train has a target of 3 tokens.*\(1 rows"):
        short.ids(SEVERAL)


def test_raw_targets_may_be_lists_of_references():
    reader = reader_of(train_tokenizers(SEVERAL, settings()))
    given = reader.dataset(["rot", "blau"], [["red", "blue red", "blue"], "blue"])
    assert list(given) == list(SEVERAL)
    with pytest.raises(ValueError, match="row 0 of data/given has an empty target"):
        reader.dataset(["rot"], [["red", " "]])
    for wrong in ([], 3, ["red", None]):
        with pytest.raises(TypeError, match="expected a text, or a list of texts"):
            reader.dataset(["rot"], [wrong])
