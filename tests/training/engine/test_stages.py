"""Cut off in the middle and resumed, a training ends with the same weights: every shape, method."""

import csv

import numpy as np
import pytest

from kerasllm.training import load_run, train
from kerasllm.training.engine import loop

pytestmark = pytest.mark.usefixtures("eager")
EPOCHS = {"classification": 3, "tagging": 3, "span": 2, "seq2seq": 2}
OPTIONS = {"batch_size": 7, "learning_rate": 0.02, "dropout": 0.3, "quiet": True, "xla": False}
SMALL = {"size": "tiny", "tokenizer": "word", "min_frequency": 1, "hidden_dim": 8}
# (task, what it begins from, method, options)
CASES = [
    ("classification", None, "scratch", {**SMALL, "units": 7, "word_dropout": 0.2}),
    ("classification", "lstm", "lora", {"lora_rank": 2, "head_epochs": 1}),
    ("classification", "encoder", "frozen", {}),
    ("tagging", None, "scratch", {"units": 5, "word_dim": 7, "filters": 3}),
    ("tagging", "encoder", "gradual", {}),
    ("span", "encoder", "full", {"max_answer": 5, "head_epochs": 1}),
    ("seq2seq", None, "scratch", {**SMALL, "units": 8, "length": 13, "metric": "loss"}),
    ("seq2seq", "transformer", "gradual", {"length": 13, "metric": "loss"}),
    ("language_model", "contrastive", "frozen", {"steps": 6, "eval_every": 2}),
    ("language_model", "lstm", "gradual", {"steps": 6, "eval_every": 2}),
    ("language_model", "encoder", "lora", {"lora_rank": 2, "steps": 6, "eval_every": 2}),
]  # fmt: skip


class Cut(BaseException):
    """The process dies."""


@pytest.mark.parametrize(
    ("task", "base", "method", "options"), CASES, ids=["-".join(map(str, c[:3])) for c in CASES]
)
def test_cut_off_and_resumed_it_ends_with_the_same_weights(
    animals, bases, tmp_path, monkeypatch, task, base, method, options
):
    options = {**OPTIONS, **options, "method": method, "pretrained": base and bases(base)}
    options |= {"epochs": EPOCHS[task]} if task in EPOCHS else {}
    data = animals[task][0] if task == "language_model" else animals[task]
    save, written = loop.save_checkpoint, []

    def noted(path, *rest):
        written.append(path.name)
        if len(written) == dies_at:
            raise Cut
        save(path, *rest)

    monkeypatch.setattr(loop, "save_checkpoint", noted)
    dies_at = None
    whole = train(data, tmp_path / "whole", **options)
    dies_at, written = 2 * len(written) // 3, []
    with pytest.raises(Cut):
        train(data, tmp_path / "cut", **options)
    assert not (tmp_path / "cut" / "model.keras").exists()
    monkeypatch.undo()
    resumed = train(data, tmp_path / "cut", resume=True, **options)
    for run in (resumed, load_run(tmp_path / "cut")):
        for a, b in zip(whole.model.get_weights(), run.model.get_weights(), strict=True):
            assert np.array_equal(a, b)
    assert resumed.read_json("moved.json") == whole.read_json("moved.json")
    assert resumed.metrics == whole.metrics and history(resumed) == history(whole)


def history(run):
    """Return the rows of history.csv without the time that they took."""
    with open(run.path / "history.csv", newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
