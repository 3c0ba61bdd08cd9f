"""Several processes train as one does."""

import csv
import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasllm.cli.launching import COMMAND
from kerasllm.text.batching import Batches, StreamBatches
from kerasllm.training.engine import processes
from kerasllm.training.engine.loop import Stage, _planned, _State
from kerasllm.training.engine.processes import (
    ProcessLostError,
    Slices,
    _lost_told,
    check_backend,
)
from kerasllm.utils import ranks
from kerasllm.utils.archives import read_arrays
from kerasllm.utils.ranks import Place


class Rows(Batches):
    """One batch of 7 rows; a row's number is its value."""

    steps_per_epoch = 1

    def __init__(self, *weights):
        self.weights = weights

    def batch(self, step):
        x = np.arange(7)[:, None] + np.zeros((1, 2), int)
        return {"ids": x, "positions": x}, np.arange(7), *self.weights


def test_the_rows_of_all_processes_are_the_batch():
    for count, parts in ((1, 1), (2, 1), (3, 2), (2, 5)):
        slices = [Slices(Rows(), Place(rank, count), count * parts) for rank in range(count)]
        found = [part.batch(0) for part in slices]
        sizes = {len(y) for _, y, _ in found}
        assert len(sizes) == 1 and sizes.pop() % parts == 0
        y, weight = (np.concatenate([batch[k] for batch in found]) for k in (1, 2))
        assert y[weight > 0].tolist() == list(range(7))
        assert all(np.array_equal(x["ids"][:, 0], y) for x, y, _ in found)


def test_weights_stay_and_few_rows_are_the_first():
    weighted = Rows(np.arange(7.0)), Place(1, 2), 2
    assert Slices(*weighted).batch(0)[2].tolist() == [4, 5, 6, 0]
    assert Slices(*weighted, most=3).batch(0)[1:2] == (pytest.approx([2, 0]),)
    of_targets = Slices(Rows(np.ones((7, 3))), Place(1, 2), 2).batch(0)[2]
    assert of_targets.sum(axis=1).tolist() == [3, 3, 3, 0]


def test_a_contrast_cannot_be_divided():
    class Contrast(Rows):
        def batch(self, step):
            return {}, {"logits": 1, "pooled": 2}

    with pytest.raises(ValueError, match="train it in one process"):
        Slices(Contrast(), Place(0, 2), 2)


def test_one_process_is_left_alone():
    batches = StreamBatches(np.arange(50), 5, 2)
    assert processes.slices(batches, 4) is batches
    assert processes.told({"a": np.nan}).keys() == {"a"} and processes.highest(3) == 3
    with processes.in_common(None):
        processes.check_first_steps(None, batches, 0, "loss")


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_other_backends_are_refused(backend):
    with pytest.raises(ValueError, match=f"runs on {backend}: set KERAS_BACKEND=jax"):
        check_backend(backend)
    check_backend("jax")


def test_several_look_for_a_signal_about_once_a_second(monkeypatch):
    state = _State(Stage("one", None, Rows(), 100, checkpoint_seconds=10), None, [])
    assert _planned(state) == (20, 1)
    state.seconds_a_step = 0.25
    assert _planned(state) == (40, 1)
    monkeypatch.setattr(ranks, "_place", Place(1, 2))
    assert _planned(state) == (40, 4)


def trained(folder, processes):
    """Run the command in several processes."""
    words = [
        "pretrain", "topic_en", "--output", str(folder), "--processes", str(processes), "--size",
        "tiny", "--tokenizer", "word", "--units", "7", "--hidden-dim", "7", "--num-layers", "1",
        "--length", "13", "--batch-size", "5", "--steps", "8", "--eval-every", "4", "--dropout",
        "0.3", "--accumulate", "2",
    ]  # fmt: skip
    environment = os.environ | {
        "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "",
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }  # fmt: skip
    return subprocess.Popen(
        [*COMMAND, *words], env=environment, stderr=subprocess.PIPE, text=True, stdout=sys.stderr
    )


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="it starts its own processes")
def test_two_processes_are_one(tmp_path):
    """Five texts a batch in two parts: each process is given six rows, of which some count 0."""
    started = {count: trained(tmp_path / str(count), count) for count in (1, 2)}
    said = {count: process.communicate()[1] for count, process in started.items()}
    for count, process in started.items():
        assert process.returncode == 0, said[count]
    rows, arrays = {}, {}
    for count in started:
        with open(tmp_path / str(count) / "history.csv", newline="") as file:
            rows[count] = [
                [float(row["loss"]), float(row["val_loss"])] for row in csv.DictReader(file)
            ]
        arrays[count] = read_arrays(tmp_path / str(count) / "checkpoint" / "last.npz")[0]
    assert len(rows[1]) == 2
    np.testing.assert_allclose(rows[2], rows[1], rtol=1e-5)
    for name, array in arrays[1].items():
        np.testing.assert_allclose(arrays[2][name], array, atol=1e-4, err_msg=name)


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed")
def test_a_lost_process_is_told_and_other_errors_stay_what_they_are():
    said = "UNKNOWN: Gloo AllGather failed: Connection closed by peer"
    with pytest.raises(ProcessLostError, match="start all again with --resume"), _lost_told():
        raise ValueError(said)
    with pytest.raises(ValueError, match="a wrong shape"), _lost_told():
        raise ValueError("a wrong shape")
