"""What each method of training moves and what it leaves, for every shape of task."""

import csv

import numpy as np
import pytest

from kerasllm.training import load_run, train
from kerasllm.training.engine.adapters import load_adapter

pytestmark = pytest.mark.usefixtures("eager")
METHODS = ("scratch", "frozen", "full", "gradual", "lora")
BASES = {  # what is begun from: the task of the data
    "encoder": ("classification", "tagging", "span"),
    "recurrent": ("seq2seq",),
    "transformer": ("seq2seq",),
    "lstm": ("language_model", "chat"),
    "contrastive": ("language_model",),
}
CASES = [(base, task) for base, tasks in BASES.items() for task in tasks]
TIED = {("lstm", "frozen")}  # its head is the embedding table: nothing is left to train
OPTIONS = {"learning_rate": 0.02, "batch_size": 7, "seed": 3, "lora_rank": 2, "xla": False}
OWN = {
    "chat": {"epochs": 1},
    "classification": {"epochs": 1},
    "tagging": {"epochs": 1},
    "span": {"epochs": 1, "max_answer": 5},
    "seq2seq": {"epochs": 1, "metric": "loss"},
    "language_model": {"steps": 3, "eval_every": 3},
}


@pytest.fixture(scope="module")
def trained(animals, bases, tmp_path_factory):
    """Return a function of (base, task, method) that gives (run, the run it began from)."""

    def fit(base, task, method):
        folder, before = tmp_path_factory.mktemp("run"), bases(base)
        options = {**OPTIONS, **OWN[task]}
        data = animals[task][0] if task == "language_model" else animals[task]
        return train(data, folder, pretrained=before, method=method, quiet=True, **options), before

    return fit


def kernels(run):
    """Return the matrices of a run's backbone in one row."""
    found = [w for w in run.model.backbone.weights if w.path.endswith("kernel")]
    return np.concatenate([np.asarray(weight).ravel() for weight in found])


def same(a, b):
    pairs = zip(a.get_weights(), b.get_weights(), strict=True)
    return all(np.array_equal(*pair) for pair in pairs)


@pytest.mark.parametrize(
    ("base", "task", "method"),
    [(*case, method) for case in CASES for method in METHODS if (case[0], method) not in TIED],
)
def test_what_moves_and_what_stays(trained, base, task, method):
    run, before = trained(base, task, method)
    again, moved = load_run(run.path), run.read_json("moved.json")
    assert run.settings["method"] == method and same(run.model, again.model)
    head, groups = moved.pop("head"), [moved[f"group {i}"] for i in range(len(moved))]
    assert head > 0 or not run.model.head_weights()
    assert same(again.model.backbone, before.model.backbone) == (method == "frozen")
    distance = np.linalg.norm(kernels(again) - kernels(before)) / np.linalg.norm(kernels(before))
    if method == "frozen":
        assert set(groups) == {0.0}
    elif method == "lora":
        assert groups[0] == 0.0 and min(groups[1:]) > 0  # no embeddings
        rebuilt = load_adapter(run.path / "adapter.npz", before.model.backbone)
        for a, b in zip(rebuilt.get_weights(), again.model.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
    else:
        assert min(groups) > 0
    if method == "gradual":
        assert_from_the_top(run)
    assert distance > 0.7 if method == "scratch" else distance < 0.5


def assert_from_the_top(run):
    """Each stage moves one group more: the head first, the embeddings last."""
    with open(run.path / "history.csv", newline="") as file:
        noted = [row for row in csv.DictReader(file) if row["moved_head"]]
    groups = sorted((name for name in noted[0] if name.startswith("moved_group")), reverse=True)
    names = groups if not run.model.head_weights() else ["moved_head", *groups]
    far = [[float(row[name]) > 0 for name in names] for row in noted]
    assert far == [[True] * n + [False] * (len(names) - n) for n in range(1, len(names) + 1)]


def test_a_head_that_is_the_embedding_table_cannot_learn_alone(animals, bases, tmp_path):
    data, options = animals["language_model"][0], {"method": "frozen", "quiet": True}
    with pytest.raises(ValueError, match=r"nothing to train: the head of this CausalLM .* 'lora'"):
        train(data, tmp_path / "run", pretrained=bases("lstm"), steps=1, **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lora_rank": 0}, "lora_rank must be 1 or more"),
        ({"lora_rank": 97}, "rank=97 is no low rank for"),
        ({"lora_targets": "*nowhere"}, r"no matrix of the backbone .* like '\*nowhere'"),
    ],
)
def test_corrections_of_no_low_rank_are_refused(animals, bases, tmp_path, options, message):
    data, options = animals["tagging"], {"method": "lora", "quiet": True, **options}
    with pytest.raises(ValueError, match=message):
        train(data, tmp_path / "run", pretrained=bases("encoder"), **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", ["frozen", "full", "gradual", "lora"])
def test_without_a_run_there_is_only_one_way(animals, tmp_path, method):
    with pytest.raises(ValueError, match=f"method='{method}' needs weights to begin from"):
        train(animals["seq2seq"], tmp_path / "run", method=method, quiet=True)


BROUGHT = {
    "classification": ("encoder", {"hidden_dim": 9}, {"size": "tiny", "num_layers": 1}),
    "tagging": ("encoder", {"word_dim": 9}, {"lowercase": False}),
    "span": ("encoder", {"backbone": "recurrent"}, {"backbone": "transformer", "num_heads": 2}),
    "seq2seq": ("transformer", {"tied": False}, {"architecture": "transformer", "hidden_dim": 8}),
}


@pytest.mark.parametrize("task", BROUGHT)
def test_what_comes_with_a_run_is_the_runs(animals, bases, trained, tmp_path, task):
    base, other, expected = BROUGHT[task]
    with pytest.raises(ValueError, match=f"{next(iter(other))}: tokenizer and backbone come with"):
        train(animals[task], tmp_path / "run", pretrained=bases(base), quiet=True, **other)
    run, before = trained(base, task, "full")
    assert {name: run.settings[name] for name in expected} == expected
    theirs = {n: before.settings.get(n) for n in run.shape.brought if n in run.settings}
    assert {n: run.settings[n] for n in theirs} == theirs
