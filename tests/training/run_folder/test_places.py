"""What is given where a run is expected is called by its name; no run is lost by a second call."""

import json
import shutil

import pytest

from kerasllm.datasets import load
from kerasllm.training import crossvalidate, export_checkpoint, finetune, payoff, pretrain, train
from kerasllm.training.run_folder.folder import check_free
from kerasllm.training.run_folder.places import not_a_run


@pytest.fixture
def folder(tmp_path):
    """Return a folder with the folders of two runs, of data, of a checkpoint, and an empty one."""
    for name in ("a", "b"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "config.json").write_text('{"task": "span", "settings": {}}')
    for name, file, text in (
        ("data", "train.csv", "text,label\n"),
        ("bert", "config.json", json.dumps({"model_type": "bert"})),
        ("cut off", "tokenizer.json", "{}"),
        ("broken", "config.json", "{"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text(text)
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("data", r"holds data \(train.csv\): `kerasllm train .*data` or `kerasllm pretrain"),
        ("data/train.csv", r"train.csv is a file: `kerasllm train .*train.csv`"),
        ("runs", r"holds several: give one of .*runs/a, .*runs/b"),
        ("runs/aa", r"there is none at .*runs/aa: give the --output.* Did you mean 'a'\?"),
        ("bert", r"a checkpoint of another project: `kerasllm import .*bert` makes a run of it"),
        ("empty", r"is empty: give the --output of an earlier"),
    ],
)
def test_what_is_no_run_is_called_by_its_name(folder, place, said):
    from kerasllm.training import load_run

    with pytest.raises(FileNotFoundError, match=f"expected a run folder, .*{said}"):
        load_run(folder / place)


def test_the_name_of_a_data_set_is_no_run():
    assert "topic_en is the name of a data set: `kerasllm train topic_en`" in not_a_run("topic_en")


@pytest.mark.parametrize("place", ["runs/a", "cut off", "broken"])
def test_runs_whole_or_not_are_left_to_their_reader(folder, place):
    assert not_a_run(folder / place) is None


def test_a_run_is_no_data(pretrained):
    with pytest.raises(ValueError, match=r"is a run folder or a checkpoint: .*finetune RUN DATA"):
        load(pretrained.path)


def left_in(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_no_run_is_lost_by_a_second_call(pretrained, copy_of, tmp_path):
    run = copy_of(pretrained)
    before = left_in(run.path)
    (tmp_path / "folds.json").write_text("{}")
    (run.path / "payoff").mkdir()
    shutil.copy(run.path / "metrics.json", run.path / "payoff" / "payoff.json")
    for call in (
        lambda: pretrain("topic_en", run.path, quiet=True),
        lambda: train("topic_en", run.path, quiet=True),
        lambda: finetune(pretrained, "topic_en", run.path, quiet=True),
        lambda: export_checkpoint(pretrained, run.path, quiet=True),
        lambda: payoff(run, "topic_en", quiet=True),
        lambda: crossvalidate(run, "topic_en", tmp_path / "folds.json", quiet=True),
    ):
        with pytest.raises(FileExistsError, match=r"(earlier call|is there already).*--over"):
            call()
    assert before.items() <= left_in(run.path).items()
    with pytest.raises(ValueError, match=r"received both: choose one"):
        train("topic_en", run.path, resume=True, overwrite=True)


def test_a_place_is_free_where_nothing_is_lost(tmp_path):
    check_free(tmp_path / "new")
    (tmp_path / "notes.txt").write_text("mine")
    check_free(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    check_free(tmp_path, overwrite=True)
    check_free(tmp_path, resume=True)
    with pytest.raises(FileExistsError, match=r"\(config.json\)"):
        check_free(tmp_path)
