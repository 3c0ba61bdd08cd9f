"""Classes that count the same, thresholds of several labels, and the line on the baselines."""

from types import SimpleNamespace

import numpy as np
import pytest

from kerasllm.datasets import Dataset, Labelled
from kerasllm.metrics.multilabel import best_thresholds
from kerasllm.models import ClassificationPreprocessor, TextClassifier
from kerasllm.text import train_tokenizer
from kerasllm.text.batching import ArrayBatches, WeightedBatches, balanced
from kerasllm.training import load_run, predict, train
from kerasllm.training.engine.progress import silent
from kerasllm.training.evaluation import verdict
from kerasllm.training.settings.classification import ClassificationSettings
from kerasllm.training.trainer import trained_task
from tests.training.test_multilabel import sample

TINY = {"size": "tiny", "tokenizer": "word", "min_frequency": 1, "length": 12, "xla": False}


def rare(split, rows=12):
    """Every fifth text is of the rare class."""
    examples = [Labelled(f"the {w} {i}", "ab"[w == "x"]) for i in range(rows) for w in "yyyyx"]
    return Dataset(examples, name="own", split=split, task="classification")


def test_balanced_weights_add_up_to_the_same_for_every_class(rng):
    targets = rng.integers(0, 5, 97) // 2  # three classes, of which one is half as large
    weights = balanced(targets)
    sums = [weights[targets][targets == c].sum() for c in range(3)]
    np.testing.assert_allclose(sums, 97 / 3)
    assert weights[targets].mean() == pytest.approx(1)
    assert balanced(np.array([0, 2, 2]))[[0, 2]].tolist() == [1.5, 0.75]  # class 1 has no rows


def test_the_weights_reach_the_batches_and_the_frozen_head(tmp_path):
    data = rare("train")
    tokenizer = train_tokenizer(data.texts, kind="word", min_frequency=1)
    reader = ClassificationPreprocessor(tokenizer, ["a", "b"], length=6)
    task = TextClassifier.from_size("tiny", preprocessor=reader)
    settings = ClassificationSettings(class_weight="balanced", batch_size=7, xla=False)
    examples = settings.examples(data, data)
    batches = settings.make_batches(task, examples)
    assert isinstance(batches, WeightedBatches)
    _, targets, weights = batches.batch(0)
    np.testing.assert_allclose(weights, np.where(targets == 1, 2.5, 0.625))
    head, of_head = task.head_alone(batches)
    assert head is not task and isinstance(of_head.batches, ArrayBatches)
    _, targets, weights = of_head.batch(3)
    np.testing.assert_allclose(weights, np.where(targets == 1, 2.5, 0.625))


def test_balanced_training_gives_the_rare_class_half(tmp_path):
    """Of one text that tells nothing, in one batch: p minimises the weighted loss."""
    rows = [Labelled("the word", "ab"[i % 5 == 0]) for i in range(100)]
    data = Dataset(rows, name="own", split="train", task="classification")
    options = {**TINY, "batch_size": 100, "epochs": 80, "learning_rate": 0.03, "dropout": 0.0}
    # what a training would choose for itself is said, so that nothing but the weights decides
    options |= {"backbone": "recurrent", "backbone_dropout": 0.0, "word_dropout": 0.0}
    p = {}
    for weight in (None, "balanced"):
        settings = ClassificationSettings(
            class_weight=weight, keep_best=False, pooling="mean", layer=-1, clean=False, **options
        )
        examples = settings.examples(data, data)
        task = trained_task(settings.suited(examples, None, silent()), examples)
        p[weight] = task.predict(["the word"], verbose=0)[0]["probabilities"]["b"]
    assert p[None] == pytest.approx(0.2, abs=0.06)
    assert p["balanced"] == pytest.approx(0.5, abs=0.02)


def test_balanced_weights_are_chosen_by_a_score_in_which_classes_count_the_same():
    task = SimpleNamespace(monitor="loss")
    assert ClassificationSettings().monitor(task) == "val_loss"
    assert ClassificationSettings(class_weight="balanced").monitor(task) == "val_f1_macro"
    own = ClassificationSettings(class_weight="balanced", metric="accuracy")
    assert own.monitor(task) == "val_accuracy"


def f1_of(true, said):
    return 2 * (true & said).sum() / max(true.sum() + said.sum(), 1)


def test_a_threshold_is_that_of_the_highest_f1(rng):
    for _ in range(20):
        true, p = rng.random((41, 3)) < 0.4, rng.random((41, 3)).clip(0.01, 0.99).round(2)
        found = best_thresholds(true, p, fewest=1)
        for y, x, threshold in zip(true.T, p.T, found, strict=True):
            tried = [f1_of(y, x >= t) for t in np.arange(0, 1.01, 0.005)]
            assert f1_of(y, x >= threshold) == pytest.approx(max(tried))


def test_rare_labels_share_the_threshold_of_all(rng):
    true, p = rng.random((50, 4)) < 0.4, rng.random((50, 4))
    true[:, 2] = False
    true[:4, 2] = True
    found = best_thresholds(true, p)
    common = best_thresholds(true.reshape(-1, 1), p.reshape(-1, 1))[0]
    assert found[2] == common and len(set(found)) > 1
    assert best_thresholds(np.zeros((3, 2)), p[:3, :2]).tolist() == [0.5, 0.5]


def test_thresholds_are_kept_with_the_run_and_decide_what_is_said(tmp_path):
    data = sample("train", 1), sample("validation", 2)
    options = {**TINY, "epochs": 2, "quiet": True}
    run = train(data, tmp_path / "run", thresholds="validation", **options)
    reader = load_run(run.path).model.preprocessor
    assert len(reader.thresholds) == 3 and all(0 < t < 1 for t in reader.thresholds)
    for row in predict(run, ["bread and the train", "bank"]):
        pairs = zip(row["probabilities"].items(), reader.thresholds, strict=True)
        assert row["labels"] == [name for (name, p), t in pairs if p >= t]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"class_weight": "balanced"}, "class_weight is for one label a text"),
        ({"metric": "matthews"}, "metric='matthews' is for one label a text"),
    ],
)
def test_what_is_for_one_label_is_refused_for_several(tmp_path, changes, said):
    with pytest.raises(ValueError, match=said):
        train(
            (sample("train", 1), sample("validation", 2)), tmp_path / "run", quiet=True, **changes
        )


def test_thresholds_are_refused_for_one_label(tmp_path):
    with pytest.raises(ValueError, match="thresholds are for several labels"):
        train(
            (rare("train"), rare("validation")), tmp_path / "r", quiet=True, thresholds="validation"
        )


def test_a_network_that_learned_nothing_is_told_what_to_use(tmp_path, capsys):
    data = rare("train"), rare("validation")
    train(data, tmp_path / "run", **TINY, epochs=0.05, learning_rate=1e-9)
    told = " ".join(capsys.readouterr().err.split())
    assert "network not above its baseline: accuracy 0.8, linear 1 on 60 validation rows" in told
    assert "use kerasllm.baselines.linear" in told


def test_a_network_above_its_baselines_is_called_that():
    class Scored:
        shown = ("f1",)

        def evaluation(self, rows, train):
            return {"model": {"f1": 0.75}, "baselines": {"frequent": {"f1": 0.5}}}

    line = verdict(Scored(), range(7), None)
    assert line == "network above its baselines: f1 0.75, frequent 0.5 on 7 validation rows"
