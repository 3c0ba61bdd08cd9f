"""Several labels a text: scores against a third party, and the whole way from text to answer."""

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from kerasllm.baselines.classification import linear_multilabel
from kerasllm.datasets.examples import Dataset, Labelled
from kerasllm.metrics.multilabel import binary_nats, multilabel_intervals, multilabel_metrics
from kerasllm.models import ClassificationPreprocessor
from kerasllm.models.classification.preprocessor import class_names
from kerasllm.text import train_tokenizer
from kerasllm.training import evaluate, finetune, load_run, predict

FRUIT = {"bread": "food", "cake": "food", "train": "travel", "ship": "travel", "bank": "money"}


def sample(split, seed, rows=60):
    """Texts of one to three words; a text has the label of each of its words."""
    rng, examples = np.random.default_rng(seed), []
    for _ in range(rows):
        words = rng.choice(sorted(FRUIT), size=rng.integers(1, 4), replace=False)
        label = "|".join(sorted({FRUIT[word] for word in words}))
        examples.append(Labelled(" and the ".join(words), label))
    info = {"label_separator": "|"}
    return Dataset(examples, name="own", split=split, task="classification", info=info)


def targets_of(data, labels=("food", "money", "travel")):
    """Return 0 and 1 for each text and label (R, C)."""
    tokenizer = train_tokenizer(list(FRUIT), kind="word", min_frequency=1)
    return ClassificationPreprocessor(tokenizer, labels, multilabel=True).targets(data)


def test_scores_agree_with_scikit_learn(rng):
    targets, said = rng.random((37, 5)) < 0.3, rng.random((37, 5)) < 0.4
    ours = multilabel_metrics(targets, said)
    assert ours["f1_micro"] == pytest.approx(f1_score(targets, said, average="micro"))
    assert ours["f1_macro"] == pytest.approx(f1_score(targets, said, average="macro"))
    assert ours["precision_micro"] == pytest.approx(precision_score(targets, said, average="micro"))
    assert ours["recall_micro"] == pytest.approx(recall_score(targets, said, average="micro"))
    low, high = multilabel_intervals(targets, said)["f1_micro"]
    assert low < ours["f1_micro"] < high


def test_a_label_that_nobody_has_does_not_count():
    targets, said = np.array([[1, 0], [1, 0]]), np.array([[1, 0], [0, 0]])
    assert multilabel_metrics(targets, said)["f1_macro"] == pytest.approx(2 / 3)
    assert multilabel_metrics(np.zeros((2, 2)), np.zeros((2, 2)))["f1_micro"] == 0


def test_nats_are_the_cross_entropy(rng):
    logits, targets = rng.normal(size=(7, 3)), rng.integers(0, 2, (7, 3))
    p = 1 / (1 + np.exp(-logits))
    expected = -(targets * np.log(p) + (1 - targets) * np.log(1 - p))
    np.testing.assert_allclose(binary_nats(logits, targets), expected, atol=1e-12)
    assert binary_nats(np.array([[-800.0]]), np.array([[1]]))[0, 0] == 800  # no overflow


def test_targets_name_by_name():
    data = sample("train", 1)
    assert class_names(data) == ["food", "money", "travel"]
    targets = targets_of(data)
    for row, example in zip(targets, data, strict=True):
        assert [n for n, x in zip(class_names(data), row, strict=True) if x] == example.label.split(
            "|"
        )
    assert targets_of(data, ("food",)).shape == (60, 1)  # unseen labels are left out


def test_the_baseline_learns_them():
    train, test = sample("train", 1), sample("test", 2)
    found = linear_multilabel(train, test)
    assert found.metrics["f1_micro"] > 0.9
    assert found.metrics == multilabel_metrics(targets_of(test), found.predicted)


def test_a_file_of_ones_own(pretrained, tmp_path):
    file, rows = tmp_path / "own.jsonl", sample("train", 1, rows=80)
    lines = [{"text": r.text, "label": r.label.split("|")} for r in rows]
    file.write_text("\n".join(map(json.dumps, [*lines, {"text": "the", "label": []}])))
    run = finetune(pretrained, file, tmp_path / "run", quiet=True, epochs=1)
    assert run.config["labels"] == ["food", "money", "travel"] and run.config["multilabel"]
    assert "f1_micro" in evaluate(run, file, quiet=True)["model"]


def test_from_text_to_answer(pretrained, tmp_path):
    data = sample("train", 1), sample("validation", 2)
    options = {"epochs": 60, "learning_rate": 0.03, "method": "frozen", "pooling": "max"}
    run = finetune(pretrained, data, tmp_path / "run", quiet=True, **options)
    run = load_run(run.path)
    assert run.config["labels"] == ["food", "money", "travel"] and run.config["multilabel"]
    scores = evaluate(run, sample("test", 3), trained_rows="score", quiet=True)
    assert scores["model"]["f1_micro"] > 0.7 and scores["unseen_labels"] == 0
    row = predict(run, ["bread and the train"])[0]
    probabilities = row["probabilities"]
    assert row["labels"] == [name for name, p in probabilities.items() if p >= 0.5]
    assert not 0.99 < sum(probabilities.values()) < 1.01  # each is a yes or no of its own
