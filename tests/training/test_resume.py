"""A real process is killed, and the run resumed ends with the very same weights."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from kerasllm.training import finetune, load_run, pretrain
from kerasllm.training.engine.checkpoints import load_checkpoint

PRETRAIN = {
    "size": "tiny", "units": 13, "hidden_dim": 13, "tokenizer": "word", "length": 16,
    "batch_size": 4, "dropout": 0.3, "steps": 60, "eval_every": 4, "xla": False,
}  # fmt: skip
FINETUNE = {"method": "gradual", "epochs": 9, "dropout": 0.3, "batch_size": 64}
CODE = """
import json, sys
from kerasllm.training import {name}
args, options = json.loads(sys.argv[1])
{name}(*args, quiet=True, **options)
"""


def kill_when(name, args, options, ready):
    """Run a command in a process of its own, and kill it as soon as `ready()`."""
    code = CODE.format(name=name)
    command = [sys.executable, "-c", code, json.dumps([[str(a) for a in args], options])]
    with subprocess.Popen(command, env=os.environ, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not ready():
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()


def state_of(folder):
    """Return the facts in the last checkpoint, {} while there is none."""
    path = folder / "checkpoint" / "last.npz"
    return load_checkpoint(path) if path.exists() else {}


def same_weights(a, b):
    pairs = zip(a.model.get_weights(), b.model.get_weights(), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


def test_pretraining_killed_and_resumed_ends_with_the_same_weights(shared, tmp_path):
    whole = pretrain("topic_en", tmp_path / "whole", quiet=True, **PRETRAIN)
    cut = tmp_path / "cut"
    kill_when("pretrain", ["topic_en", cut], PRETRAIN, lambda: state_of(cut).get("step", 0) >= 12)
    step = state_of(cut)["step"]
    assert 12 <= step < 60 and not (cut / "model.keras").exists()

    resumed = pretrain("topic_en", cut, resume=True, quiet=True, **PRETRAIN)
    assert same_weights(resumed, whole) and same_weights(load_run(cut), whole)
    rows = [(run.path / "history.csv").read_text().splitlines() for run in (whole, resumed)]
    assert [r.split(",")[1] for r in rows[0]] == [r.split(",")[1] for r in rows[1]]


def test_gradual_fine_tuning_killed_in_a_later_stage(pretrained, tmp_path):
    whole = finetune(pretrained, "topic_en", tmp_path / "whole", quiet=True, **FINETUNE)
    cut = tmp_path / "cut"

    def in_second_stage():
        state = state_of(cut)
        return state.get("stage", "").startswith("stage 1") and state["step"] > 6

    args = [pretrained.path, "topic_en", cut]
    kill_when("finetune", args, FINETUNE, in_second_stage)
    assert not (cut / "model.keras").exists()

    resumed = finetune(pretrained, "topic_en", cut, resume=True, quiet=True, **FINETUNE)
    assert same_weights(resumed, whole)
    histories = [(run.path / "history.csv").read_text().splitlines() for run in (whole, resumed)]
    places = [histories[0][0].split(",").index(name) for name in ("stage", "step", "moved_head")]
    kept = [[[line.split(",")[i] for i in places] for line in lines] for lines in histories]
    assert kept[0] == kept[1]
    moved = [json.loads((run.path / "moved.json").read_text()) for run in (whole, resumed)]
    assert moved[0] == moved[1]


def test_other_settings_are_refused(pretrained, copy_of):
    run = copy_of(pretrained)
    settings = {**run.settings, "learning_rate": 0.5}
    with pytest.raises(ValueError, match=r"cannot resume .*learning_rate.*0.01, 0.5"):  # 13 wide
        pretrain("topic_en", run.path, resume=True, quiet=True, **settings)
    assert (run.path / "model.keras").exists()


def test_a_setting_younger_than_the_run_was_at_its_default(pretrained, copy_of):
    run = copy_of(pretrained)
    settings, older = dict(run.settings), dict(run.settings)
    assert older.pop("accumulate") == 1
    run.write_json("config.json", run.config | {"settings": older})
    with pytest.raises(ValueError, match=r"\{'accumulate': \(1, 2\)\}"):
        pretrain("topic_en", run.path, resume=True, quiet=True, **settings | {"accumulate": 2})
    pretrain("topic_en", run.path, resume=True, quiet=True, **settings)


def test_other_data_are_refused(pretrained, copy_of):
    run = copy_of(pretrained)
    with pytest.raises(ValueError, match="the data changed since"):
        pretrain("topic_zh", run.path, resume=True, quiet=True, **run.settings)
    assert run.settings == pretrained.settings


def test_a_checkpoint_of_another_run_of_the_same_shape_is_refused(pretrained, copy_of):
    run = copy_of(pretrained)
    settings = run.settings
    run.write_json("config.json", run.read_json("config.json") | {"run": "another"})
    with pytest.raises(ValueError, match=r"of the run [0-9a-f]{32}, .* another: files of two runs"):
        pretrain("topic_en", run.path, resume=True, quiet=True, **settings)
    assert run.identity == "another"
    (run.path / "config.json").unlink()
    with pytest.raises(ValueError, match=r"a checkpoint, and no config.json to say of which run"):
        pretrain("topic_en", run.path, resume=True, quiet=True, **settings)
    assert not (run.path / "config.json").exists() and run.checkpoint.exists()


@pytest.mark.parametrize("kind", ["file", "texts"])
def test_a_changed_file_is_refused(tmp_path, kind):
    def source(word):
        texts = [f"the {word} of day {i} is gone" for i in range(40)]
        (tmp_path / "own.txt").write_text("\n".join(texts))
        return tmp_path / "own.txt" if kind == "file" else texts

    options = {**PRETRAIN, "steps": 1}
    pretrain(source("news"), tmp_path / "run", quiet=True, **options)
    with pytest.raises(ValueError, match="the data changed since"):
        pretrain(source("dust"), tmp_path / "run", resume=True, quiet=True, **options)


def test_another_kind_of_run_is_refused(pretrained, classifier, copy_of):
    run = copy_of(pretrained)
    with pytest.raises(ValueError, match="cannot resume"):
        finetune(classifier, "topic_en", run.path, resume=True, quiet=True)


def test_resuming_where_there_is_nothing_starts_afresh(tmp_path):
    run = pretrain("topic_en", tmp_path / "new", resume=True, quiet=True, **PRETRAIN | {"steps": 2})
    assert run.metrics["val_loss"] > 0


def test_other_pretrained_weights_are_refused(pretrained, copy_of, tmp_path):
    options = {"method": "frozen", "epochs": 1, "quiet": True}
    finetune(pretrained, "topic_en", tmp_path / "run", **options)
    other = copy_of(pretrained)
    weights = other.model.get_weights()
    weights[0][7, 3] += 1e-3
    other.model.set_weights(weights)
    with pytest.raises(ValueError, match=r"cannot resume .* it began from other weights than"):
        finetune(other, "topic_en", tmp_path / "run", resume=True, **options)
    finetune(load_run(pretrained.path), "topic_en", tmp_path / "run", resume=True, **options)
