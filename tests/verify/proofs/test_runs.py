"""Runs of every task and method are proven and traced as their tasks read text."""

from pathlib import Path

import pytest

from kerasllm import load_run, verify

RUNS = Path(__file__).parents[2] / "training" / "runs_of_before"
TEXTS = ["the cat saw a dog and it ran away.", "a red house near that old dog.", "it saw a cat."]
DATA = {
    "language_model": TEXTS * 4,
    "classification": RUNS / "data" / "labelled.csv",
    "tagging": RUNS / "data" / "tags.conll",
    "span": RUNS / "data" / "squad.json",
    "seq2seq": RUNS / "data" / "pairs.csv",
}
ALL = sorted(path.parent.name for path in RUNS.glob("*/config.json"))


def data_of(run):
    if run.config.get("multilabel"):
        return f"{RUNS}/data/several.csv?label_separator=|"
    return DATA[run.config["task"]]


@pytest.mark.parametrize("name", ALL)
def test_a_run_agrees_with_its_twin(name):
    run = load_run(RUNS / name)
    report = verify.prove_run(run, data_of(run), steps=1, rows=3, length=11)
    assert report.ok, str(report)
    quantities = {row.quantity for row in report.rows}
    assert "output" in quantities and (name == "imported" or "loss" in quantities)


@pytest.mark.parametrize("name", ALL)
def test_a_run_is_traced_as_its_task_reads(name):
    run = load_run(RUNS / name)
    asked = run.config["task"] == "span"
    seen = verify.trace(run, ("who came home?", "Then Ada came.") if asked else "the cat saw Ada")
    for layer, symbols in seen.layers.items():
        tokens = seen.tokens_of(layer)
        for symbol, array in symbols.arrays.items():
            assert len(tokens) in array.shape, (layer, symbol)
        assert len(seen.table(layer).rows) == len(tokens)
    if name == "imported":
        assert seen.probabilities is None
    else:
        assert seen.probabilities.sum(axis=-1) == pytest.approx(1, abs=1e-6)
        assert seen.predictions().rows


def test_a_tagger_of_characters_reads_characters(tmp_path):
    from kerasllm import datasets, train

    rows = [datasets.Tagged(tuple("我在北京"), ("O", "O", "B-LOC", "I-LOC"))] * 7
    data = datasets.Dataset(rows, name="zh", split="train", task="tagging", language="zh")
    run = train((data, data), tmp_path / "run", epochs=1, units=5, word_dim=3, quiet=True)
    seen = verify.trace(run, "我在北京")
    assert seen.tokens_of("tags") == ["我", "在", "北", "京"]
    assert run.predict("我在北京")[0]["tokens"] == seen.tokens_of("tags")
