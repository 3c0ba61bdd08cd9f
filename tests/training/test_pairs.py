"""Two texts with one label: from the file to the answer, with an encoder's own pair format."""

import json

import numpy as np
import pytest
from keras import ops

from kerasllm import datasets
from kerasllm.baselines import linear
from kerasllm.datasets import Dataset, Labelled, LabelledPair
from kerasllm.models import ClassificationPreprocessor
from kerasllm.text import EOS, SEP, train_tokenizer
from kerasllm.training import evaluate, predict, train

WORDS = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen"]
TINY = {"size": "tiny", "tokenizer": "word", "min_frequency": 1, "length": 12, "quiet": True}


def pairs_of(split, seed, rows=120):
    """Pairs of sentences with "same" where both are about one animal: neither tells it alone."""
    rng, examples = np.random.default_rng(seed), []
    for _ in range(rows):
        a, b = rng.choice(WORDS, 2, replace=False)
        b = a if rng.random() < 0.4 else b
        examples.append(LabelledPair(f"the {a}", "same" if a == b else "other", f"one {b} here"))
    return Dataset(examples, name="animals", split=split, task="classification")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    options = {**TINY, "epochs": 1, "batch_size": 64, "xla": False}
    data = pairs_of("train", 1), pairs_of("validation", 2)
    return train(data, tmp_path_factory.mktemp("pairs") / "run", **options)


def test_a_table_with_text_b_holds_pairs(tmp_path):
    file = tmp_path / "pairs.csv"
    file.write_text("label,text,text_b\nno,one,two\nyes,a,b\n", encoding="utf-8")
    data = datasets.load(file, split="all")
    assert data[0] == LabelledPair("one", "no", "two") and data.of_pairs
    assert data.readings == [("one", "two"), ("a", "b")] and data.texts == ["one", "a"]
    named = datasets.load(f"{file}?text=text_b&text_b=text", split="all")
    assert named.readings == [("two", "one"), ("b", "a")]
    with pytest.raises(ValueError, match="no column 'other'"):
        datasets.load(file, split="all", text_b="other")


def test_all_examples_have_a_second_text_or_none():
    mixed = [LabelledPair("a", "x", "b"), Labelled("c", "y")]
    for rows in (mixed, mixed[::-1]):
        with pytest.raises(TypeError, match="a second text in all examples or in none"):
            Dataset(rows, name="own", split="train", task="classification")


def test_pairs_with_one_first_text_stay_on_one_side():
    rows = [LabelledPair(f"story {i // 4}", "xy"[i % 2], f"question {i}") for i in range(80)]
    data = Dataset(rows, name="own", split="all", task="classification")
    parts = datasets.split(data, (0.5, 0.5))
    assert not set(parts[0].texts) & set(parts[1].texts)
    assert sum(map(len, parts)) == 80


def test_a_pair_is_read_with_a_separator_and_the_longer_text_is_cut():
    tokenizer = train_tokenizer(["a b c d e"], kind="word", min_frequency=1)
    read = ClassificationPreprocessor(tokenizer, ["no", "yes"], length=6, pairs=True)
    a, b, c, d, e = tokenizer.encode("a b c d e")
    rows, owners = read.rows([("a", "b c"), ("a b c d e", "e d")])
    assert rows == [[a, SEP, b, c, EOS], [a, b, SEP, e, d, EOS]] and owners == [0, 1]
    assert read.warning(("a", "b c")) is None
    assert read.warning(("a b c d e", "e d")) == "only 4 of 7 tokens were read"
    assert read.warning(("", "e")) == "text is empty: the answer rests on the other"
    assert "text_b: every token is unknown" in read.warning(("a", "z"))
    assert read.reading(("a", "b")).ids.tolist() == [a, SEP, b, EOS]


def test_one_text_and_two_are_not_taken_for_each_other():
    tokenizer = train_tokenizer(["a b"], kind="word", min_frequency=1)
    two = ClassificationPreprocessor(tokenizer, ["no", "yes"], length=6, pairs=True)
    with pytest.raises(TypeError, match="reads two texts together, received 'a'"):
        two.rows(["a"])
    one = ClassificationPreprocessor(tokenizer, ["no", "yes"], length=6)
    with pytest.raises(TypeError, match="reads one text at a time"):
        one.rows([("a", "b")])


def test_what_both_share_is_a_feature_of_the_linear_baseline():
    train, test = pairs_of("train", 1, rows=400), pairs_of("test", 2)
    assert linear(train, test).metrics["accuracy"] > 0.95
    alone = [Labelled(e.text, e.label) for e in (*train, *test)]
    alone = Dataset(alone, name="own", split="all", task="classification")
    assert linear(alone[:400], alone[400:]).metrics["accuracy"] < 0.7


def test_from_pairs_to_answers(run):
    row = predict(run, [("the cat", "one cat here"), ("the cat", "one dog here")])[0]
    assert (row["text"], row["text_b"]) == ("the cat", "one cat here")
    assert sum(row["probabilities"].values()) == pytest.approx(1)
    assert len(predict(run, ("the cat", "one cat here"))) == 1
    found = evaluate(run, pairs_of("test", 3), trained_rows="score", quiet=True)
    assert 0 <= found["model"]["accuracy"] <= 1


def test_windows_are_for_single_texts(tmp_path):
    data = pairs_of("train", 1), pairs_of("validation", 2)
    with pytest.raises(ValueError, match="is for single texts"):
        train(data, tmp_path / "run", **TINY, long_texts="windows")


def test_an_imported_encoder_reads_a_pair_as_it_was_pretrained(tmp_path):
    """[CLS] a [SEP] b [SEP], the second text in segment 1 (Devlin et al. 2019, figure 2)."""
    from kerasllm.models import TextClassifier, TransformerBackbone, TransformerConfig
    from kerasllm.text.tokenizers.imported import import_tokenizer
    from tests.text.tokenizers.test_imported import BERT, word_piece

    tokenizer = import_tokenizer(word_piece(), BERT, "bert", lowercase=True)
    config = TransformerConfig(
        tokenizer.vocabulary_size, 8, 1, 2, max_length=16, causal=False, norm="post", segments=2,
        separator=tokenizer.sep_id,
    )  # fmt: skip
    backbone = TransformerBackbone(config)
    read = ClassificationPreprocessor(tokenizer, ["no", "yes"], length=6, pairs=True)
    task = TextClassifier(backbone, preprocessor=read)
    the, cat = tokenizer.encode("the cat")
    ids = read.reading(("the cat", "cat")).inputs
    assert ids.tolist() == [[tokenizer.bos_id, the, cat, tokenizer.sep_id, cat, tokenizer.sep_id]]
    embedding = backbone.embedding
    before = ops.convert_to_numpy(embedding(ids))
    table = embedding.segment_embeddings
    table.assign(ops.convert_to_numpy(table) + np.array([[0.0], [1.0]]))
    moved = ops.convert_to_numpy(embedding(ids)) - before
    np.testing.assert_allclose(moved[0].mean(axis=1), [0, 0, 0, 0, 1, 1], atol=1e-5)
    (row,) = task.predict([("the cat", "cat")], verbose=0)
    assert (row["text"], row["text_b"]) == ("the cat", "cat")
    assert json.loads(json.dumps(read.get_config()["pairs"])) is True
