"""Conversations as arrays: which tokens are learned, what is cut, who shares a row."""

import itertools

import numpy as np
import pytest

from kerasllm.datasets import Conversation, Dataset, Text
from kerasllm.models import ChatPreprocessor
from kerasllm.models.chat.preprocessor import packed
from kerasllm.text import train_tokenizer

BOS, EOS, SEP = 2, 3, 4
APE, BEE, CAT, DOG, ELK, FOX, GNU = range(6, 13)


def test_targets_are_the_answers_one_token_late(reader, talks):
    lesson = reader.lesson(talks[2])
    assert lesson.ids.tolist() == [
        BOS, FOX, SEP, APE, EOS, BOS, BEE, APE, CAT, SEP, ELK, DOG, FOX,
    ]  # fmt: skip
    assert lesson.targets.tolist() == [0, 0, APE, EOS, 0, 0, 0, 0, 0, ELK, DOG, FOX, EOS]
    assert (lesson.lost, lesson.cut) == (0, 0)


def test_a_longer_conversation_loses_its_end(reader, talks):
    short = reader.shortened(10)
    lesson, whole = short.lesson(talks[2]), reader.lesson(talks[2])
    assert lesson.ids.tolist() == whole.ids[:10].tolist()
    assert lesson.targets.tolist() == [0, 0, APE, EOS, 0, 0, 0, 0, 0, ELK]
    assert (lesson.lost, lesson.cut) == (3, 3)


def test_batches_hold_every_conversation_once(reader, talks):
    batches = reader.batches(talks, batch_size=2, seed=3)
    assert batches.steps_per_epoch == 3
    found = []
    for step in range(3):
        ids, targets = batches.batch(step)
        assert ids.shape == targets.shape
        found += [(row[row > 0].tolist(), goal.tolist()) for row, goal in zip(ids, targets)]  # noqa: B905
    lessons = [reader.lesson(example) for example in talks]
    assert sorted(ids for ids, _ in found) == sorted(lesson.ids.tolist() for lesson in lessons)
    for ids, goal in found:
        (lesson,) = [lesson for lesson in lessons if lesson.ids.tolist() == ids]
        assert goal == [*lesson.targets.tolist(), *[0] * (len(goal) - len(ids))]


def test_questions_and_answers_are_conversations(reader, talks):
    ids, targets = reader(["ape"], ["bee cat"])
    assert ids[0, :5].tolist() == reader.lesson(talks[0]).ids.tolist()
    same = reader([talks[0].messages])
    np.testing.assert_array_equal(ids, same[0])
    np.testing.assert_array_equal(targets, same[1])


def test_weights_are_those_of_the_conversations_that_are_left(reader, talks):
    short = reader.shortened(4)  # of the second and the fourth no answer is left
    _, targets, weights = short.batches(talks, None, None, weights=[1, 2, 3, 4, 5]).batch(0)
    assert weights.tolist() == [1, 3, 5]
    assert (targets != 0).any(axis=1).all()
    with pytest.raises(ValueError, match="expected no weights beside pack=True"):
        reader.batches(talks, weights=[1] * 5, pack=True)


def test_rows_are_shared_with_a_pad_between(reader, talks):
    shared = reader.shortened(20).batches(talks, None, None, pack=True)
    lessons = [reader.lesson(example) for example in talks]
    assert len(shared.sequences) < len(talks)
    found = []
    for ids, targets in zip(shared.sequences, shared.targets, strict=True):
        assert len(ids) == len(targets) <= 20
        assert not targets[ids == 0].any()  # at a pad nothing is said
        ends = [-1, *np.flatnonzero(ids == 0), len(ids)]
        found += [
            (ids[a + 1 : b].tolist(), targets[a + 1 : b].tolist())
            for a, b in itertools.pairwise(ends)
        ]
    expected = [(lesson.ids.tolist(), lesson.targets.tolist()) for lesson in lessons]
    assert sorted(found) == sorted(expected)


def test_rows_are_filled_and_never_overfull(rng):
    sizes = rng.integers(1, 12, 40)
    rows = [(np.full(n, n), np.full(n, 7)) for n in sizes]
    shared = packed(rows, 11)
    assert max(len(ids) for ids, _ in shared) <= 11
    assert sum((ids > 0).sum() for ids, _ in shared) == sizes.sum()
    assert len(shared) <= 1.3 * (sizes + 1).sum() / 12 + 1


def test_nothing_to_learn_is_an_error_and_no_nan(reader, talks):
    told = r"talks/train: a loss over nothing would be NaN\. in 5 of 5 they lie behind the first 2"
    with pytest.raises(ValueError, match=f"no token of an answer .* {told}"):
        reader.shortened(2).batches(talks)
    asked = Dataset([Conversation((("user", "ape"),))], name="a", split="b", task="chat")
    with pytest.raises(ValueError, match=r"There are no answers: raise"):
        reader.batches(asked)


def test_a_question_is_read_as_it_is_asked(reader, talks):
    reading = reader.reading([*talks[0].messages, {"role": "user", "content": "elk"}])
    assert reading.ids.tolist() == [BOS, APE, SEP, BEE, CAT, EOS, BOS, ELK, SEP]
    assert reader.reading("elk").streams[0].tokens == ["<bos>", "elk", "<sep>"]
    assert "only the first 2 of 3" in reader.shortened(2).reading("elk").note


def test_a_reader_is_kept_with_its_template():
    tokenizer = train_tokenizer(["ape bee"], "word", min_frequency=1)
    template = "{% for m in messages %}{{ m.content + eos_token }}{% endfor %}"
    reader = ChatPreprocessor(tokenizer, 7, template)
    again = ChatPreprocessor.from_config(reader.get_config())
    assert (again.template, again.length, again.tokenizer) == (template, 7, tokenizer)
    assert again.prompt_of("ape") == [6, EOS]


@pytest.mark.parametrize(
    ("x", "y", "error", "told"),
    [
        (["ape"], None, TypeError, "give questions as x and their answers as y"),
        ("ape", ["bee"], TypeError, "expected a list, a question an entry"),
        (["ape"], [], ValueError, "expected an answer for each of 1 examples"),
        ([[{"role": "user", "content": "ape"}]], None, ValueError, "nothing to learn in it"),
        ([[{"role": "cat", "content": "ape"}]], None, ValueError, "expected a role among"),
        (Dataset([Text("a")], name="t", split="s", task="language_model"), None, ValueError,
         "expected a data set for chat"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(x, y, error, told, reader):
    with pytest.raises(error, match=told):
        reader.dataset(x, y)


def test_unknown_words_are_counted(reader):
    data = reader.dataset(["ape yak"], ["bee yeti"])
    assert reader.unknown_share(data) == 0.5
    assert "1 of 2 tokens is unknown" in reader.warning("ape yak")
    assert "nothing to answer" in reader.warning(" ")
