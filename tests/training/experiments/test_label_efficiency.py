"""The pay-off meter: the same drawn rows for every method, resumed without loss."""

import json

import numpy as np
import pytest

from kerasllm import datasets
from kerasllm.baselines.classification import linear
from kerasllm.training import payoff
from kerasllm.training.experiments import label_efficiency as payoffs
from kerasllm.training.experiments.label_efficiency import draw, summary


def test_draws_are_stratified_nested_and_reproducible():
    train = datasets.load("topic_en")
    small, large = draw(train, 30, seed=2), draw(train, 90, seed=2)
    assert len(small) == 30 and len(large) == 90
    assert set(small.texts) < set(large.texts) and len(set(large.texts)) == 90
    for part in (small, large):
        counts = np.bincount(part.label_ids, minlength=6)
        assert counts.max() - counts.min() <= 1 and part.labels == train.labels
    assert draw(train, 30, seed=2).texts == small.texts
    assert set(draw(train, 30, seed=3).texts) != set(small.texts)
    assert draw(train, 9999, seed=2) is train


def test_rare_classes_are_never_left_out():
    train = datasets.load("topic_en")
    rare = [i for i, label in enumerate(train.labels_of) if label == "sport"][:2]
    common = [i for i, label in enumerate(train.labels_of) if label == "travel"]
    some = [i for i, label in enumerate(train.labels_of) if label == "health"][:2]
    skewed = train.select(rare + common + some)
    for count in (3, 4, 9):
        assert set(draw(skewed, count, seed=0).labels_of) == {"sport", "travel", "health"}
    with pytest.raises(ValueError, match=r"at least a label a class \(3\), received 2"):
        draw(skewed, 2, seed=0)


def test_summary_is_mean_and_spread_over_the_seeds():
    rows = [{"method": "full", "labels": 10, "accuracy": a} for a in (0.1, 0.2, 0.6)]
    (line,) = summary(rows)
    assert line["accuracy"] == pytest.approx(0.3)
    assert line["sd"] == pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1))
    assert summary(rows[:1])[0]["sd"] == 0.0


@pytest.fixture(scope="module")
def measured(pretrained, tmp_path_factory):
    """Return the result of a tiny meter, its folder, and the rows that each method was given."""
    folder, given = tmp_path_factory.mktemp("payoff"), {"network": [], "linear": []}
    trained_task = payoffs.trained_task

    def network(settings, examples, run):
        given["network"].append((settings.method, sorted(examples.train.texts)))
        return trained_task(settings, examples, run)

    def regression(train, test):
        given["linear"].append(sorted(train.texts))
        return linear(train, test)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payoffs, "trained_task", network)
        patch.setattr(payoffs.baselines, "linear", regression)
        options = {"label_counts": (12, 30), "methods": ("scratch", "frozen"), "seeds": 1}
        result = payoff(pretrained, "topic_en", folder, quiet=True, epochs=1, **options)
    return result, folder, given


def test_there_is_a_row_for_each_method_count_and_seed(measured):
    result, _, _ = measured
    cells = [(r["method"], r["labels"], r["seed"]) for r in result["rows"]]
    methods = ("majority", "linear", "latent_semantic", "scratch", "frozen")
    assert sorted(cells) == sorted((m, n, s) for m in methods for n in (12, 30) for s in (0,))
    assert all(0 <= row["accuracy"] <= 1 for row in result["rows"])
    assert result["test_rows"] == len(datasets.load("topic_en", split="test"))
    assert len(result["summary"]) == 10


def test_it_is_written_as_json_and_figure(measured):
    result, folder, _ = measured
    assert json.loads((folder / "payoff.json").read_text()) == result
    assert (folder / "figures" / "payoff.png").stat().st_size > 1000


def test_every_method_is_given_the_same_rows(measured):
    _, _, given = measured
    networks = [rows for _, rows in given["network"]]
    assert networks == [rows for rows in given["linear"] for _ in range(2)]
    assert [method for method, _ in given["network"]] == ["scratch", "frozen"] * 2
    assert set(given["linear"][0]) < set(given["linear"][1])  # the 12 labels among the 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ("frozn",)}, "Did you mean 'frozen'"),
        ({"methods": ("linear",)}, "'linear' is a baseline, which is always there"),
        (
            {"label_counts": (12, 10**6)},
            "expected label_counts from 6, .* to 384, the training rows of topic_en",
        ),
        ({"data": "markov"}, "expected labelled texts"),
    ],
)
def test_refuses(pretrained, tmp_path, options, message):
    options = {"data": "topic_en", **options}
    with pytest.raises(ValueError, match=message):
        payoff(pretrained, output=tmp_path / "out", quiet=True, **options)
    assert not (tmp_path / "out").exists()


class Cut(Exception):
    pass


def test_a_name_of_ones_own_is_what_its_settings_say(pretrained, tmp_path, monkeypatch):
    def network(settings, *_):
        assert (settings.method, settings.layer, settings.epochs) == ("frozen", 0, 2)
        raise Cut

    monkeypatch.setattr(payoffs, "trained_task", network)
    own = {"embeddings": payoffs.ClassificationSettings(method="frozen", layer=0)}
    options = {"label_counts": (12,), "methods": tuple(own), "settings": own, "seeds": 1}
    with pytest.raises(Cut):
        payoff(pretrained, "topic_en", tmp_path, quiet=True, epochs=2, **options)


@pytest.fixture
def cut(pretrained, tmp_path):
    """Return the folder of a meter that was cut off in its third network, and its options."""
    options = {"label_counts": (12, 30), "methods": ("scratch", "frozen"), "seeds": 1, "epochs": 1}
    trained_task, calls = payoffs.trained_task, []

    def until_cut(*args):
        calls.append(args)
        if len(calls) == 3:
            raise Cut
        return trained_task(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payoffs, "trained_task", until_cut)
        with pytest.raises(Cut):
            payoff(pretrained, "topic_en", tmp_path, quiet=True, **options)
    return tmp_path, options


def test_a_meter_that_was_cut_off_loses_nothing(pretrained, cut, measured, monkeypatch):
    folder, options = cut
    kept = json.loads((folder / "payoff.json").read_text())["rows"]
    assert len(kept) == 8  # 5 cells of 12 labels, the three baselines of 30

    networks, trained_task = [], payoffs.trained_task

    def count(*args):
        networks.append(args)
        return trained_task(*args)

    monkeypatch.setattr(payoffs, "trained_task", count)
    result = payoff(pretrained, "topic_en", folder, resume=True, quiet=True, **options)
    assert len(networks) == 2  # scratch and frozen with 30 labels
    assert result == measured[0] == json.loads((folder / "payoff.json").read_text())
    assert payoff(pretrained, "topic_en", folder, resume=True, quiet=True, **options) == result
    assert len(networks) == 2


def test_a_meter_is_resumed_with_what_it_was_made_of_only(pretrained, classifier, cut):
    folder, options = cut
    kept = (folder / "payoff.json").read_text()
    others = [
        ((classifier, "topic_en"), {}, "other pretrained_weights than"),
        ((pretrained, "topic_en"), {"learning_rate": 0.5}, "other settings of scratch, settings"),
        ((pretrained, "topic_zh"), {}, "other data than"),
    ]
    for args, more, message in others:
        with pytest.raises(ValueError, match=f"cannot resume .*payoff.json: {message}"):
            payoff(*args, folder, resume=True, quiet=True, **options | more)
    assert (folder / "payoff.json").read_text() == kept


def test_a_set_without_test_labels_is_scored_on_its_validation_split(data_root):
    assert (data_root / "sst2").is_dir()
    train, validation, test = payoffs._splits("sst2")
    assert len(test) == 872
    assert len(validation) == pytest.approx(len(train) / 9, rel=1e-3)
    texts = [{text.strip() for text in part.texts} for part in (train, validation)]
    assert not texts[0] & texts[1]
