"""The sets in data/: reproducible, free of duplicates, and neither a toy nor noise."""

import re
import runpy
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from kerasllm.datasets import load, task_of

DATA = Path(__file__).resolve().parents[2] / "data"
if not (DATA / "generate.py").is_file():
    pytest.skip("needs the repository's data/ folder", allow_module_level=True)
GENERATE = runpy.run_path(str(DATA / "generate.py"))
NAMES = GENERATE["NAMES"]


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def rows(name):
    return GENERATE["read_rows"](name)


def test_generator_writes_the_files_byte_for_byte(name):
    assert GENERATE["csv_text"](name).encode() == (DATA / f"{name}.csv").read_bytes()


def test_no_text_occurs_twice(rows):
    texts, _ = rows
    assert len({GENERATE["normalised"](text) for text in texts}) == len(texts)
    assert all(text == text.strip() and "{" not in text and "  " not in text for text in texts)


def test_chinese_texts_show_no_seams_of_their_templates():
    """A slot that doubles the word before it, or a verdict that its subject cannot have."""
    for name in (name for name in NAMES if name.endswith("_zh")):
        for text in GENERATE["read_rows"](name)[0]:
            assert not re.search(r"在在|在去|说说明|的的|了了|，，|[。！？]，", text), text
            assert not re.search(r"(片子|电影|主角|台词|每一帧).*(退货|不退|回购|再来)", text), text
            assert not re.search(r"【(?!东城医院).{4,8}】.*门诊|【东城医院】.*(包裹|年卡)", text), (
                text
            )


def test_chinese_texts_are_of_today():
    texts = [
        text for name in NAMES if name.endswith("_zh") for text in GENERATE["read_rows"](name)[0]
    ]
    for word, least in (
        ("高铁", 15),
        ("外卖", 10),
        ("[\U0001f300-\U0001faff]", 15),
        ("[A-Z]{2,}", 20),
    ):
        assert sum(bool(re.search(word, text)) for text in texts) >= least, word


def test_size_and_balance(name, rows):
    kind = name.split("_")[0]
    counts = Counter(rows[1])
    assert 300 <= sum(counts.values()) <= 500
    assert counts == GENERATE["SIZES"][kind]
    share = {"sentiment": 1 / 2, "topic": 1 / 6, "spam": 0.3}[kind]
    assert min(counts.values()) / counts.total() == pytest.approx(share)


def test_lengths_differ(rows):
    lengths = [GENERATE["words_in"](text) for text in rows[0]]
    assert min(lengths) <= 5
    assert 35 <= max(lengths) <= 60
    assert np.std(lengths) > 4.5


def test_material_holds_many_whole_texts(name):
    material = GENERATE["read_material"](name)
    at_least = {"sentiment": 80, "topic": 54, "spam": 80}[name.split("_")[0]]
    for label in GENERATE["SIZES"][name.split("_")[0]]:
        assert len(set(material[label])) >= at_least


def test_addresses_and_telephone_numbers_are_fictitious(rows):
    for text in rows[0]:
        assert not re.search(r"\.(com|net|org|cn|io)\b", text, re.ASCII)
        assert not re.search(r"(?<!\d)(?:\+?\d[\d ]{9,}\d|1\d{10})(?!\d)", text)


def test_no_single_word_gives_the_label_away(name, rows):
    accuracy, word = GENERATE["one_word_accuracy"](*rows, name[-2:])
    # Without any word 1/2, 1/6, 0.70; with a perfect one 1, 2/6 (one class and a guess), 1.
    limit = {"sentiment": 0.65, "topic": 0.25, "spam": 0.76}[name.split("_")[0]]
    assert accuracy <= limit, word


def test_linear_baseline_lies_between_chance_and_perfection(name, rows):
    folds = GENERATE["linear_accuracy"](*rows, name[-2:])
    chance = max(Counter(rows[1]).values()) / len(rows[1])
    standard_error = np.sqrt(chance * (1 - chance) / len(rows[1]))
    assert chance + 5 * standard_error < folds.mean() < 0.99


@pytest.mark.parametrize("name", ["sentiment_zh", "topic_en"], indirect=True)
def test_shuffled_labels_cannot_be_learnt(name, rows):
    folds = GENERATE["linear_accuracy"](*rows, name[-2:], shuffle_labels=True)
    chance = max(Counter(rows[1]).values()) / len(rows[1])
    assert folds.mean() < chance + 0.08


def test_load_gives_typed_examples_of_three_parts(name, rows):
    parts = [load(name, split) for split in ("train", "validation", "test")]
    assert sum(map(len, parts)) == len(rows[0])
    assert {(e.text, e.label) for part in parts for e in part} == set(zip(*rows, strict=True))
    assert {part.language for part in parts} == {name[-2:]}
    assert all(part.labels == tuple(sorted(set(rows[1]))) for part in parts)


def test_another_seed_writes_other_texts(name, rows):
    writer = GENERATE["Writer"](name)
    writer.rng = np.random.default_rng(1)
    assert writer.rows() != list(zip(*rows, strict=True))


def test_a_few_rows_are_drawn_always_the_same_ones():
    few = load("topic_en?rows=7")
    assert len(few) == 7 and few.labels == load("topic_en").labels
    assert few.examples == load("topic_en", rows=7).examples
    assert load("topic_en", rows=10**6).fingerprint == (load("topic_en", rows=10**7).fingerprint)
    assert task_of("topic_en?rows=7") == "classification"
    for wrong in (0, -1, True, "x"):
        with pytest.raises(ValueError, match="rows must be a whole number from 1"):
            load("topic_en", rows=wrong)
