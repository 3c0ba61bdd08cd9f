"""The run folder on disk: read back whole, refused where it is damaged, written whole or not."""

import errno
import json
import os

import keras
import numpy as np
import pytest

from kerasllm.models import Task
from kerasllm.models.presets import load_model
from kerasllm.training import Run, load_run, train
from kerasllm.training.run_folder.folder import in_use, write_text
from kerasllm.utils import locks
from kerasllm.utils.locks import InUseError, lock


def lambda_model(path):
    x = keras.Input((3,))
    y = keras.layers.Lambda(lambda v: v + 1, output_shape=(3,))(x)
    keras.Model(x, y).save(path)


def test_a_run_is_read_back(pretrained):
    run = load_run(pretrained.path)
    assert run.config["task"] == "language_model" and run.settings["steps"] == 4
    assert run.config["versions"]["keras"] == keras.__version__
    assert run.tokenizer.fingerprint == pretrained.tokenizer.fingerprint
    ids = np.array([[7, 8, 9, 0]])
    assert np.array_equal(
        run.model.predict(ids, verbose=0), pretrained.model.predict(ids, verbose=0)
    )


def test_a_missing_folder_says_what_to_give(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a run folder, there is none at"):
        load_run(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.keras"])
def test_a_missing_file_is_named(pretrained, copy_of, name):
    run = copy_of(pretrained)
    (run.path / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"expected {name} in the run folder .*--resume"):
        load_run(run.path).model  # noqa: B018


def test_an_empty_folder_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="is empty: give the --output"):
        load_run(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.keras"])
def test_a_truncated_file_is_refused(pretrained, copy_of, name):
    run = copy_of(pretrained)
    whole = (run.path / name).read_bytes()
    (run.path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=name):
        load_run(run.path).model  # noqa: B018


def test_json_of_something_else_is_no_run(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="does not describe a run"):
        load_run(tmp_path)


def test_a_model_that_holds_code_is_refused(pretrained, copy_of):
    run = copy_of(pretrained)
    lambda_model(run.path / "model.keras")
    with pytest.raises(ValueError, match=r"not a model that kerasllm wrote.*Nothing of it was run"):
        run.model  # noqa: B018


def test_a_model_of_another_make_is_refused(tmp_path):
    x = keras.Input((3,))
    keras.Model(x, keras.layers.Dense(2)(x)).save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match=r"is not a model that kerasllm wrote"):
        load_model(tmp_path / "model.keras")


def test_the_tokenizer_of_another_run_is_refused(pretrained, copy_of):
    from kerasllm.text import train_tokenizer

    run = copy_of(pretrained)
    train_tokenizer(["other text"], "character").save(run.path / "tokenizer.json")
    with pytest.raises(ValueError, match="does not belong to the model: it has"):
        run.model  # noqa: B018
    # as many tokens, but other ones
    known = json.loads((pretrained.path / "tokenizer.json").read_text("utf-8"))
    swapped = json.dumps(known, ensure_ascii=False).replace("recipe", "rezept")
    (run.path / "tokenizer.json").write_text(swapped, "utf-8")
    with pytest.raises(ValueError, match=r"does not belong|damaged|fingerprint"):
        load_run(run.path).model  # noqa: B018


def test_a_place_that_cannot_be_written_is_said_at_once(tmp_path):
    (tmp_path / "file").write_text("in the way")
    message = r"the run folder .* cannot be written .*another --output"
    with pytest.raises(OSError, match=message), in_use(tmp_path / "file" / "run"):
        pass


def test_a_folder_without_space_is_said_at_once(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(locks.json, "dump", full)
    message = "run cannot be written .No space left on device.: free some space, or choose another"
    with pytest.raises(OSError, match=message), in_use(tmp_path / "new" / "run"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_full_disk_keeps_the_old_model(pretrained, copy_of, monkeypatch):
    run = copy_of(pretrained)
    before = (run.path / "model.keras").read_bytes()

    def full(path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run.model, "save", full)
    with pytest.raises(OSError, match=r"the model in .* cannot be written \(No space left"):
        run.save(run.model, run.tokenizer)
    assert (run.path / "model.keras").read_bytes() == before
    assert not [p for p in run.path.iterdir() if p.name.startswith("tmp")]


def test_text_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_text(path, "old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match=r"a.json cannot be written \(full\)"):
        write_text(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_new_run_never_leaves_the_weights_of_an_old_one(pretrained, copy_of):
    run = copy_of(pretrained)
    run.begin(pretrained.config, run.tokenizer, resume=True)
    assert (run.path / "model.keras").exists() and list(run.path.glob("checkpoint/*.npz"))
    run.begin(pretrained.config, run.tokenizer)
    assert not (run.path / "model.keras").exists() and not list(run.path.glob("checkpoint/*.npz"))
    assert not (run.path / "history.csv").exists() and run.metrics == {}


def test_what_a_run_leaves_may_be_read_by_whom_the_umask_allows(pretrained):
    (pretrained.path / "probe").touch()
    usual = (pretrained.path / "probe").stat().st_mode
    (pretrained.path / "probe").unlink()
    files = [path for path in pretrained.path.rglob("*") if path.is_file()]
    assert {"config.json", "model.keras", "last.npz"} <= {path.name for path in files}
    assert {path.stat().st_mode for path in files} == {usual}


def test_a_run_without_a_backbone_cannot_be_begun_from(tmp_path):
    run = Run(tmp_path)
    run.write_json("config.json", {"task": "seq2seq", "settings": {}})
    run._model = keras.Sequential()
    run._model.preprocessor = "of pairs"
    with pytest.raises(ValueError, match=r"holds a Sequential, which has no backbone .* import"):
        run.backbone  # noqa: B018


# One run, and no other's files ---------------------------------------------------


def test_a_run_has_an_identity_that_resuming_keeps(pretrained, copy_of):
    run, before = copy_of(pretrained), pretrained.identity
    run.begin(pretrained.config, run.tokenizer, resume=True)
    assert len(before) == 32 and run.identity == before and run.config["files"]
    run.begin(pretrained.config, run.tokenizer)
    assert len(run.identity) == 32 and run.identity != before and run.config["files"] is None


def others_weights(run):
    """Write a sound model of the very same shape into a run folder, as mixing folders would."""
    model = run.model
    model.set_weights([weight + 1 for weight in model.get_weights()])
    model.save(run.path / "model.keras")


def test_the_weights_of_another_run_of_the_same_shape_are_refused(pretrained, copy_of):
    run = copy_of(pretrained)
    others_weights(run)
    for load in (lambda: load_run(run.path).model, lambda: Task.from_preset(run.path)):
        with pytest.raises(ValueError, match=r"model.keras is not the one that this run wrote"):
            load()


def test_a_run_cut_off_between_its_last_two_files_is_not_finished(pretrained, copy_of):
    run = copy_of(pretrained)
    config = run.read_json("config.json")
    run.write_json("config.json", {k: v for k, v in config.items() if k != "files"})
    for load in (lambda: load_run(run.path).model, lambda: Task.from_preset(run.path)):
        with pytest.raises(
            ValueError, match=r"is not finished: its training was cut off.*--resume"
        ):
            load()


def test_the_config_is_written_last(pretrained, copy_of, monkeypatch):
    run, written, replace = copy_of(pretrained), [], locks.os.replace
    model = run.model
    monkeypatch.setattr("os.replace", lambda a, b: (written.append(b.name), replace(a, b)))
    run.save(model, run.tokenizer)
    assert written == ["tokenizer.json", "model.keras", "config.json"]
    assert load_run(run.path).model and load_run(run.path).identity == pretrained.identity


def test_a_run_folder_in_use_is_of_one_training(tmp_path, animals):
    (tmp_path / "run").mkdir()
    with lock(tmp_path / "run"), pytest.raises(InUseError, match="run is in use: process"):
        train(animals["classification"], tmp_path / "run", quiet=True)
    assert not list((tmp_path / "run").iterdir())


def test_who_loads_a_run_in_training_is_told_of_it(tmp_path):
    run = Run.create(tmp_path / "run")
    with lock(run.path), pytest.raises(FileNotFoundError, match=r"process \d+ trains there or"):
        load_run(run.path)


def test_what_a_killed_training_left_is_swept(tmp_path):
    run = Run.create(tmp_path / "run")
    part = run.path / "checkpoint" / "last.1@elsewhere.part.npz"
    part.touch()
    os.utime(part, (0, 0))
    with in_use(run.path):
        assert not part.exists()
