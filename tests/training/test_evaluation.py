"""Scores on held-out rows, their intervals, and the baselines on the very same rows."""

import gzip
import json

import numpy as np
import pytest

from kerasllm import datasets
from kerasllm.baselines.classification import linear, majority
from kerasllm.baselines.language import kneser_ney
from kerasllm.datasets.examples import Dataset, Labelled
from kerasllm.models.classification.scoring import text_logits
from kerasllm.models.language.scoring import _result, token_nats
from kerasllm.training import Run, evaluate, pretrain


@pytest.fixture(scope="module")
def scored(classifier, tmp_path_factory):
    """Return the evaluation of the shared classifier."""
    return evaluate(classifier, quiet=True)


def test_a_classifier_is_scored_on_the_test_rows_of_its_own_data(classifier, scored):
    test = datasets.load("topic_en", split="test")
    y = text_logits(classifier.model, test.texts).argmax(axis=1)
    assert scored["data"] == "topic_en" and scored["split"] == "test"
    assert scored["rows"] == len(test)
    assert scored["model"]["accuracy"] == pytest.approx((y == test.label_ids).mean())
    assert {"precision_macro", "recall_macro", "f1_macro", "matthews"} <= scored["model"].keys()


def test_intervals_hold_the_point(scored):
    assert {"accuracy", "f1_macro", "matthews"} <= scored["interval"].keys()
    for name, (low, high) in scored["interval"].items():
        assert low <= scored["model"][name] <= high and low < high


def test_the_interval_of_a_short_text_is_as_wide_as_its_tokens_vary():
    nats = np.random.default_rng(3).gamma(2.0, 1.5, 131)
    low, high = _result(nats, {})["interval"]["loss"]
    normal = 2 * 1.96 * nats.std() / np.sqrt(len(nats))  # independent tokens: the textbook's width
    assert low < nats.mean() < high and 0.6 * normal < high - low < 1.6 * normal


def test_baselines_are_of_the_same_rows(scored):
    train, test = (datasets.load("topic_en", split=s) for s in ("train", "test"))
    for name, make in (("majority", majority), ("linear", linear)):
        assert scored["baselines"][name]["accuracy"] == make(train, test).metrics["accuracy"]


def test_the_result_is_kept_in_the_run_folder(classifier, scored):
    kept = json.loads((classifier.path / "metrics.json").read_text())
    assert kept == json.loads(json.dumps(scored))
    assert (classifier.path / "figures" / "confusion_matrix.png").stat().st_size > 1000


def test_a_table_goes_to_standard_output(classifier, capfd):
    some = datasets.load("topic_en", split="validation")[:20]
    result = evaluate(classifier, some, split="validation")
    out = capfd.readouterr().out
    assert "network" in out and "majority" in out and "linear" in out and "20 rows" in out
    assert result["rows"] == 20


def test_a_baseline_that_does_better_is_named_with_its_place(classifier, monkeypatch):
    some = datasets.load("topic_en", split="validation")[:20]

    def beaten(self, test, train):
        baselines = {"majority": {"accuracy": 0.1}, "linear": {"accuracy": 0.75}}
        return {"model": {"accuracy": 0.5}, "interval": {}, "baselines": baselines}

    monkeypatch.setattr(type(classifier.model), "evaluation", beaten)
    result = evaluate(classifier, some, split="validation", quiet=True)
    assert result["notes"][-1] == (
        "the baseline linear has the better accuracy (0.75, the network 0.5): use "
        "kerasllm.baselines.linear"
    )


def test_labels_that_the_model_does_not_know_are_refused(classifier):
    rows = [Labelled("a b", "sport"), Labelled("c d", "knitting")]
    other = Dataset(rows, name="other", split="test", task="classification")
    with pytest.raises(ValueError, match=r"also has \['knitting'\]"):
        evaluate(classifier, other, quiet=True)


def test_rows_of_some_classes_only_are_scored_by_name(classifier):
    some = [e for e in datasets.load("topic_en", split="test") if e.label == "travel"][:9]
    some = Dataset(some, name="travel", split="test", task="classification")
    result = evaluate(classifier, some, with_baselines=False, quiet=True)
    y = text_logits(classifier.model, some.texts).argmax(axis=1)
    travel = classifier.config["labels"].index("travel")
    assert result["model"]["accuracy"] == pytest.approx((y == travel).mean())


def test_data_given_in_python_have_to_be_given_again(tmp_path):
    texts = [f"the number {i} is here" for i in range(60)]
    options = {
        "size": "tiny", "units": 5, "hidden_dim": 5, "length": 8, "batch_size": 4, "steps": 1,
        "tokenizer": "word", "xla": False, "quiet": True,
    }  # fmt: skip
    run = pretrain(texts, tmp_path / "run", **options)
    with pytest.raises(ValueError, match="given in Python, which is not kept"):
        evaluate(run, quiet=True)
    path = tmp_path / "own.txt"
    path.write_text("\n".join(texts))
    with pytest.raises(ValueError, match=r"54 of the 60 rows of own\.txt were trained on"):
        evaluate(run, path, quiet=True)
    assert evaluate(run, path, trained_rows="score", quiet=True)["rows"] > 10
    masked = pretrain(path, tmp_path / "masked", objective="masked", **options)
    assert evaluate(masked, quiet=True)["model"]["loss"] > 0


def test_a_language_model_is_scored_on_every_test_token(pretrained):
    result = evaluate(pretrained, quiet=True)
    texts = datasets.load("topic_en", split="test").texts
    ids = [i for text in texts for i in pretrained.tokenizer.encode(text, eos=True)]
    nats = token_nats(pretrained.model, ids, 32)
    assert result["rows"] == len(ids) - 1
    assert result["model"]["loss"] == pytest.approx(nats.mean())
    assert result["model"]["perplexity"] == pytest.approx(np.exp(nats.mean()))
    low, high = result["interval"]["loss"]
    assert low < result["model"]["loss"] < high
    assert result["interval"]["perplexity"] == pytest.approx((np.exp(low), np.exp(high)))
    train = datasets.load("topic_en").texts
    train = [i for text in train for i in pretrained.tokenizer.encode(text, eos=True)]
    size = pretrained.tokenizer.vocabulary_size
    expected = kneser_ney(np.array(train), np.array(ids), size).metrics["loss"]
    assert result["baselines"]["kneser_ney"]["loss"] == pytest.approx(expected)
    packed = gzip.compress("".join(texts).encode("utf-8"), 9)
    expected = 8 * np.log(2) * len(packed) / (len(ids) - 1)
    assert result["baselines"]["gzip"]["loss"] == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["data set", "texts", "file"])
def test_what_a_language_model_is_given_is_scored_whole(pretrained, tmp_path, kind):
    data = datasets.load("topic_en", split="validation")
    data = data.select(range(20))
    ids = [i for text in data.texts for i in pretrained.tokenizer.encode(text, eos=True)]
    if kind == "texts":
        data = data.texts
    elif kind == "file":
        (tmp_path / "other.txt").write_text("\n".join(data.texts))
        data = tmp_path / "other.txt"
        ids = pretrained.tokenizer.encode(data.read_text(), eos=True)
    result = evaluate(pretrained, data, quiet=True)
    assert result["rows"] == len(ids) - 1
    assert result["split"] == ("validation" if kind == "data set" else "all")
    assert result["data"] == {"data set": "topic_en", "texts": "texts", "file": "other.txt"}[kind]
    assert result["model"]["loss"] == pytest.approx(token_nats(pretrained.model, ids, 32).mean())
    train = datasets.load("topic_en").texts
    train = [i for text in train for i in pretrained.tokenizer.encode(text, eos=True)]
    size = pretrained.tokenizer.vocabulary_size
    expected = kneser_ney(np.array(train), np.array(ids), size).metrics["loss"]
    assert result["baselines"]["kneser_ney"]["loss"] == pytest.approx(expected)


def test_of_its_own_file_the_last_tenth_is_scored(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("\n".join(f"the number {i} is here" for i in range(100)))
    options = {
        "size": "tiny", "units": 5, "hidden_dim": 5, "length": 8, "batch_size": 4, "steps": 1,
        "tokenizer": "word", "xla": False, "quiet": True,
    }  # fmt: skip
    run = pretrain(path, tmp_path / "run", **options)
    result = evaluate(run, quiet=True)
    total = len(run.tokenizer.encode(path.read_text(), eos=True))
    assert result["rows"] == pytest.approx(total / 10, abs=2) and result["split"] == "validation"

    texts = pretrain([f"day {i} is here" for i in range(60)], tmp_path / "texts", **options)
    assert (
        evaluate(texts, ["day 3 is here"], quiet=True)["baselines"] == {}
    )  # nothing to learn from


def test_a_folder_that_cannot_be_written_loses_no_score(classifier, copy_of, scored, capsys):
    run = copy_of(classifier)
    for name in ("metrics.json", "figures"):  # something is in the way of both
        (run.path / name).rename(run.path / f"{name}.old")
    (run.path / "metrics.json").mkdir()
    (run.path / "figures").write_text("a file")
    found = evaluate(run)
    assert found["model"] == scored["model"]
    out, err = capsys.readouterr()
    assert f"{scored['model']['accuracy']:.4g}" in out
    for what in ("the scores could not be kept", "the figure confusion_matrix could not be kept"):
        assert what in " ".join(err.split()) and "choose another --output" in err
    assert not list(run.path.glob("*.part*"))


def test_scores_are_printed_before_figures_are_drawn(classifier, copy_of, monkeypatch, capsys):
    printed = []
    monkeypatch.setattr(Run, "write_figure", lambda *_: printed.append(capsys.readouterr().out))
    evaluate(copy_of(classifier), with_baselines=False)
    assert "accuracy" in printed[0]
