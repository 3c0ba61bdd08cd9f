import hashlib

import numpy as np
import pytest

from kerasllm.datasets import TASKS, Conversation, Dataset, Labelled, Pair, Span, Tagged, Text
from kerasllm.datasets.examples import EXAMPLE_TYPES


def labelled(n=7, **changes):
    examples = [Labelled(f"text {i}", "abc"[i % 3]) for i in range(n)]
    fields = dict(name="set", split="train", task="classification")
    return Dataset(examples, **{**fields, **changes})


def test_each_task_holds_its_own_examples():
    one = {
        "language_model": Text("a"),
        "classification": Labelled("a", "x"),
        "tagging": Tagged(("a",), ("O",)),
        "span": Span("abc", "b?", (("b", 1),)),
        "seq2seq": Pair("a", "b"),
        "chat": Conversation((("user", "a"), ("assistant", "b"))),
    }
    assert set(one) == set(TASKS) == set(EXAMPLE_TYPES)
    for task, example in one.items():
        assert Dataset([example], name="n", split="train", task=task)[0] is example
        wrong = Text("a") if task != "language_model" else Labelled("a", "x")
        with pytest.raises(TypeError, match="position 0"):
            Dataset([wrong], name="n", split="train", task=task)


def test_labels_are_sorted_and_ids_are_positions_in_them():
    data = labelled(labels=("c", "d", "a", "b"))
    assert data.labels == ("a", "b", "c", "d")
    assert data.label_ids.dtype == np.int64
    assert [data.labels[i] for i in data.label_ids] == data.labels_of == list("abcabca")


def test_slices_and_selections_keep_all_labels():
    data = labelled(info={"a": 1})
    assert isinstance(data[2:4], Dataset)
    assert data[2:4].texts == ["text 2", "text 3"]
    assert data[:1].labels == ("a", "b", "c")
    chosen = data.select([5, 1], split="test")
    assert (chosen.texts, chosen.split, chosen.info) == (["text 5", "text 1"], "test", {"a": 1})
    assert data[-1] == Labelled("text 6", "a")


def test_take_is_random_nested_and_reproducible():
    data = labelled(29)
    assert data.take(11, seed=3).texts == data.take(11, seed=3).texts
    assert data.take(11, seed=3).texts != data.take(11, seed=4).texts
    assert data.take(11, seed=3).texts[:5] == data.take(5, seed=3).texts
    assert sorted(data.shuffled(2).texts) == sorted(data.texts)
    with pytest.raises(ValueError, match="29 examples, received n=30"):
        data.take(30)


def test_fingerprint_follows_content_and_order():
    data = labelled()
    assert data.fingerprint == labelled(name="other").fingerprint
    assert len({data.fingerprint, data[:-1].fingerprint, data[::-1].fingerprint}) == 3
    # The border between two fields counts.
    pairs = [
        Dataset([p], name="", split="", task="seq2seq") for p in (Pair("ab", "c"), Pair("a", "bc"))
    ]
    assert pairs[0].fingerprint != pairs[1].fingerprint


def test_other_references_count_and_a_pair_without_them_is_what_it_was():
    def fingerprint(*pair):
        return Dataset([Pair(*pair)], name="", split="", task="seq2seq").fingerprint

    # Runs of before recorded it, when a pair was two texts.
    assert fingerprint("a", "b") == hashlib.sha256(b'seq2seq["a", "b"]').hexdigest()
    assert len({fingerprint("a", "b"), fingerprint("a", "b", ("c",)), fingerprint("a", "c")}) == 3


def test_errors_say_what_to_do():
    with pytest.raises(ValueError, match="task to be one of"):
        labelled(task="classify")
    with pytest.raises(ValueError, match=r"not in `labels`: \['c'\]"):
        labelled(labels=("a", "b"))
    text = Dataset([Text("a")], name="n", split="train", task="language_model")
    with pytest.raises(TypeError, match="Use a classification set"):
        text.label_ids  # noqa: B018


def test_tags_are_the_labels_of_a_tagging_set():
    data = Dataset(
        [Tagged(("New", "York", "is"), ("B", "I", "O"))], name="n", split="train", task="tagging"
    )
    assert data.labels == ("B", "I", "O")
    assert data.texts == ["New York is"]


def test_half_of_a_character_is_named_by_its_row():
    rows = [Text("a"), Text("b\ud800")]
    data = Dataset(rows, name="own", split="train", task="language_model")
    with pytest.raises(ValueError, match="own: example 1 holds half of a character"):
        data.fingerprint  # noqa: B018
