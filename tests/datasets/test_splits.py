import re
from collections import Counter
from pathlib import Path

import pytest

from kerasllm.datasets import Dataset, Labelled, Pair, Text, duplicates, split
from kerasllm.datasets.splits import normalise, split_contiguous


def texts(*values, **changes):
    fields = dict(name="set", split="all", task="language_model")
    return Dataset(map(Text, values), **{**fields, **changes})


def labelled(*pairs):
    examples = [Labelled(*pair) for pair in pairs]
    return Dataset(examples, name="set", split="all", task="classification")


def many(rng, n=1009):
    labels = rng.choice(["a", "b", "c"], size=n, p=[0.7, 0.25, 0.05])
    return labelled(*((f"text {i}", str(label)) for i, label in enumerate(labels)))


def test_parts_are_disjoint_complete_and_in_order(rng):
    data = many(rng)
    parts = split(data)
    assert [part.split for part in parts] == ["train", "validation", "test"]
    assert sorted(text for part in parts for text in part.texts) == sorted(data.texts)
    assert abs(len(parts[0]) - 0.8 * len(data)) <= 3
    position = {text: i for i, text in enumerate(data.texts)}
    for part in parts:
        positions = [position[text] for text in part.texts]
        assert positions == sorted(positions)


def test_same_seed_same_split(rng):
    data = many(rng)
    assert split(data, seed=5)[2].fingerprint == split(data, seed=5)[2].fingerprint
    assert split(data, seed=5)[2].fingerprint != split(data, seed=6)[2].fingerprint


def test_stratified_parts_have_the_class_shares(rng):
    data = many(rng)
    whole = Counter(data.labels_of)
    for part, fraction in zip(split(data), (0.8, 0.1, 0.1), strict=True):
        for label, count in Counter(part.labels_of).items():
            assert abs(count - fraction * whole[label]) <= 1
        assert part.labels == data.labels


def test_two_fractions_give_two_parts(rng):
    train, validation = split(many(rng), (0.7, 0.3))
    assert (train.split, validation.split) == ("train", "validation")


def test_duplicates_are_removed_before_the_split():
    data = labelled(*[(f"text {i % 50}", "ab"[i % 2]) for i in range(200)])
    parts = split(data)
    assert sum(map(len, parts)) == 50
    assert parts[0].info["duplicates_removed"] == 150
    assert "duplicates removed" in parts[0].info["how_split"]
    assert sum(map(len, split(data, deduplicate=False))) == 200


def test_contradicting_duplicates_are_counted():
    data = labelled(*[(f"t{i}", "a") for i in range(20)], ("t3", "b"), ("t4", "a"), ("u", "b"))
    assert split(data)[0].info["duplicates_with_other_label"] == 1


def test_near_duplicates_can_be_removed_too():
    data = texts(*[f"Text, no. {i}!" for i in range(30)], *[f"text NO {i}" for i in range(30)])
    assert sum(map(len, split(data))) == 60
    assert sum(map(len, split(data, deduplicate="near"))) == 30


def test_translations_of_one_sentence_stay_together():
    pairs = [Pair(f"s{i % 40}", f"t{i}") for i in range(120)]
    parts = split(Dataset(pairs, name="p", split="all", task="seq2seq"))
    sources = [set(part.texts) for part in parts]
    assert sum(map(len, parts)) == 120
    assert sum(map(len, sources)) == 40


@pytest.mark.parametrize("fractions", [(0.8, 0.3), (1.0,), (1.2, -0.2), (0.25,) * 4])
def test_bad_fractions(fractions):
    with pytest.raises(ValueError, match="add up to 1"):
        split(texts("a", "b"), fractions)


def test_too_few_examples():
    with pytest.raises(ValueError, match=r"too few .* nothing is left for .*test"):
        split(texts("a", "b", "a"))


def test_contiguous_pieces_join_to_the_whole():
    whole = "".join(chr(97 + i % 26) for i in range(1009))
    parts = split_contiguous(texts(whole), (0.8, 0.1, 0.1))
    assert "".join(part.texts[0] for part in parts) == whole
    assert [len(part.texts[0]) for part in parts] == [807, 101, 101]


def test_report_counts_exact_near_and_contradicting():
    a = labelled(("Win a prize!", "spam"), ("see you", "ham"), ("call me", "ham"))
    b = labelled(("win a PRIZE", "ham"), ("see you ", "ham"), ("new", "ham"), ("see you", "spam"))
    report = duplicates(a, b)
    assert report.exact == ((1, 1), (1, 3))
    assert report.near == ((0, 0),)
    assert report.conflicts == ((0, 0), (1, 3))
    assert report.share == 3 / 4
    assert "2 exact and 1 near" in str(report)
    assert duplicates(b).exact == ((1, 3),)


def test_normalise_keeps_chinese_and_symbols_apart():
    assert normalise("今天，天气 好！") == normalise("今天天气好")
    assert normalise(":-)") != normalise(":-(")
    assert normalise("ＡＢＣ１") == "abc1"


def test_too_few_rows_point_to_the_lesson_that_says_why():
    three = Dataset(map(Text, "abc"), name="three", split="all", task="language_model")
    with pytest.raises(ValueError, match=r"3 distinct examples are too few") as caught:
        split(three)
    number, place = re.search(r"lesson (\d\d) under (S\d+),", str(caught.value)).groups()
    (lesson,) = (Path(__file__).parents[2] / "notebooks" / "src").glob(f"{number}_*.py")
    assert f"## {place} " in lesson.read_text("utf-8")
