"""Cross-validation: every row is scored once, by a model that never saw it."""

import json

import numpy as np
import pytest

from kerasllm import datasets
from kerasllm.datasets.examples import Dataset, Labelled, Span, Text
from kerasllm.training.experiments import crossvalidation
from kerasllm.training.experiments.crossvalidation import crossvalidate, score_folds, whole


@pytest.fixture
def spam():
    rows = [Labelled(f"text {i}", "spam" if i % 4 == 0 else "ham") for i in range(53)]
    return Dataset(rows, name="made", split="train", task="classification")


def test_every_row_is_tested_once_and_never_trained_on_in_that_fold(spam):
    seen = []

    def score(train, test):
        assert not set(train.texts) & set(test.texts)
        assert len(train) + len(test) == 53
        seen.extend(test.texts)
        return 0.0

    report = score_folds(score, spam)
    assert sorted(seen) == sorted(spam.texts)
    rows = np.concatenate([fold.test_rows for fold in report.folds])
    assert sorted(rows.tolist()) == list(range(53))


def test_each_fold_holds_the_same_share_of_every_class(spam):
    report = score_folds(lambda train, test: test.labels_of.count("spam") / len(test), spam)
    assert all(row["score"] in (2 / 10, 2 / 11, 3 / 10, 3 / 11) for row in report.rows)


def test_mean_and_spread(spam):
    scores = iter([{"f1": v, "loss": -v} for v in (1.0, 2.0, 4.0)])
    report = score_folds(lambda train, test: next(scores), spam, folds=3)
    assert report.mean == pytest.approx({"f1": 7 / 3, "loss": -7 / 3})
    assert report.sd == pytest.approx({"f1": np.std([1, 2, 4], ddof=1)} | {"loss": 7**0.5 / 3**0.5})
    assert "2.3333 ± 1.5275" in str(report)
    assert json.loads(json.dumps(report.to_json()))["rows"][2]["f1"] == 4.0


def test_same_seed_gives_the_same_folds(spam):
    first, same, other = (
        [fold.test_rows.tolist() for fold in score_folds(lambda a, b: 0, spam, seed=s).folds]
        for s in (3, 3, 4)
    )
    assert first == same != other


def test_a_set_without_labels_is_divided_too():
    rows = [Text(f"text {i}") for i in range(11)]
    texts = Dataset(rows, name="made", split="train", task="language_model")
    report = score_folds(lambda train, test: len(test), texts, folds=2)
    assert [row["score"] for row in report.rows] == [6, 5]


@pytest.mark.parametrize(
    ("folds", "message"),
    [(1, "between 2 and 53 folds"), (99, "received 99"), (15, "14 of class 'spam'")],
)
def test_refuses(spam, folds, message):
    with pytest.raises(ValueError, match=message):
        score_folds(lambda train, test: 0, spam, folds=folds)


@pytest.mark.parametrize(("task", "score"), [("classification", "matthews"), ("tagging", "f1")])
def test_the_fold_that_is_scored_chooses_nothing(
    animals, bases, pretrained, tmp_path, monkeypatch, eager, task, score
):
    trained_task, seen = crossvalidation.trained_task, []

    def noted(settings, examples, run):
        seen.append([set(part.texts) for part in (examples.train, examples.validation)])
        return trained_task(settings, examples, run)

    monkeypatch.setattr(crossvalidation, "trained_task", noted)
    monkeypatch.setattr(crossvalidation, "whole", lambda data: data)
    run, rows = bases("encoder"), animals["tagging"][0]
    if task == "classification":
        run, rows = pretrained, whole(datasets.load("topic_en")).take(97)
    options = {"folds": 2, "epochs": 1, "batch_size": 7, "quiet": True}
    report = crossvalidate(run, rows, tmp_path / "folds.json", **options)
    assert {score, f"linear_{score}"} <= report.mean.keys()
    assert json.loads((tmp_path / "folds.json").read_text()) == report.to_json()
    assert len(seen) == len(report.folds) == 2
    for (train, validation), fold in zip(seen, report.folds, strict=True):
        learned = set(rows.select(fold.train_rows).texts)
        assert train | validation == learned and not train & validation


def test_repeats_are_removed_but_not_the_questions_on_one_text():
    texts = Dataset(
        [Labelled(f"text {i % 3} ", "a") for i in range(7)],
        name="made", split="all", task="classification",
    )  # fmt: skip
    assert len(whole(texts)) == 3
    asked = [Span("Ada came.", question, ()) for question in ("Who?", "When?", "Who?")]
    assert len(whole(Dataset(asked, name="made", split="all", task="span"))) == 2
