import csv

import keras
import numpy as np
import pytest

from kerasllm.text.batching import Batches
from kerasllm.training.engine import loop
from kerasllm.training.engine.checkpoints import load_checkpoint
from kerasllm.training.engine.loop import Stage, TrainingDivergedError, run_stage
from kerasllm.training.run_folder.run import Run


class Numbers(Batches):
    """y = x w with noise; `broken` maps a step to what stands in the place of its batch."""

    steps_per_epoch = 5
    seed = 3

    def __init__(self, broken=()):
        self.broken = dict(broken)

    def batch(self, step):
        rng = np.random.default_rng([3, step])
        x = rng.normal(size=(7, 3)).astype("float32")
        y = x @ np.array([[1.0], [-2.0], [0.5]], "float32")
        return self.broken.get(step, (x, y))


def network(eager=True):
    keras.utils.set_random_seed(1)
    x = keras.Input((3,))
    y = keras.layers.Dropout(0.4)(keras.layers.Dense(5)(x))
    model = keras.Model(x, keras.layers.Dense(1)(y))
    model.compile(keras.optimizers.AdamW(0.05), "mse", run_eagerly=eager)  # no time for tracing
    return model


def stage(steps=12, broken=(), model=None, **options):
    options = {"eval_every": 4, "validate": lambda: {"val_loss": 1.0}, **options}
    return Stage("numbers", model or network(), Numbers(broken), steps, **options)


@pytest.fixture
def folder(tmp_path):
    return Run.create(tmp_path / "run")


def equal(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def scripted(values):
    values = iter(values)
    return lambda: {"val_loss": next(values)}


def test_history_has_a_row_a_validation_and_the_last_step(folder):
    rows = run_stage(stage(steps=10), folder)
    assert [row["step"] for row in rows] == [4, 8, 10]
    with open(folder.path / "history.csv", newline="") as file:
        written = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in written] == [row["loss"] for row in rows]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert set(written[0]) == {"stage", "step", "seconds", "learning_rate", "loss", "val_loss"}


def test_intervals_do_not_change_the_weights(folder):
    often, seldom = stage(eval_every=1), stage(eval_every=100, validate=None)
    run_stage(often, folder)
    run_stage(seldom)
    assert equal(often.model.get_weights(), seldom.model.get_weights())


def test_rows_of_earlier_stages_stay(folder):
    rows = run_stage(stage(steps=4), folder, history=[{"stage": "before", "loss": 2.0}])
    assert [row["stage"] for row in rows] == ["before", "numbers"]
    assert "before" in (folder.path / "history.csv").read_text()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_no_number_stops_with_step_and_advice(folder, bad):
    x, y = Numbers().batch(6)
    broken = stage(broken={6: (x, y * np.float32(bad))})
    with pytest.raises(TrainingDivergedError, match="step 6 of 'numbers'") as error:
        run_stage(broken, folder)
    assert "batch 6 of seed 3" in str(error.value)
    assert "smaller learning_rate" in str(error.value)
    assert "The weights of step 4 are kept" in str(error.value)
    good = stage(steps=4)
    run_stage(good)
    assert equal(broken.model.get_weights(), good.model.get_weights())
    other = network()
    assert load_checkpoint(folder.path / "checkpoint" / "last.npz", other)["step"] == 4
    assert equal(other.get_weights(), good.model.get_weights())


def test_an_update_that_overflows_is_never_saved(folder):
    # The loss of this batch is finite, 1e30, but its gradient is not.
    x, y = np.full((7, 3), 1e25, "float32"), np.full((7, 1), 1e15, "float32")
    model = network()
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    model.layers[-1].set_weights([np.ones((5, 1)), np.zeros(1)])
    broken = stage(broken={0: (x, y)}, model=model, eval_every=1)
    with pytest.raises(TrainingDivergedError, match="step 0"):
        run_stage(broken, folder)
    assert all(np.isfinite(w).all() for w in model.get_weights())
    load_checkpoint(folder.path / "checkpoint" / "last.npz", model)
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_without_a_folder_it_stops_too():
    x, y = Numbers().batch(2)
    with pytest.raises(TrainingDivergedError, match="step 2"):
        run_stage(stage(broken={2: (x, y * np.float32("nan"))}))


def test_too_little_memory_names_the_flags():
    class Huge(Numbers):
        def batch(self, step):
            if step > 3:
                raise MemoryError("Unable to allocate 3.64 TiB for an array")
            return super().batch(step)

    huge = stage()
    huge.batches = Huge()
    with pytest.raises(MemoryError, match=r"Unable to allocate 3.64 TiB.*--batch-size or --length"):
        run_stage(huge)


def test_a_validation_that_is_no_number_is_never_the_best(folder):
    values = [np.nan, 3.0, 2.0]
    watched = stage(validate=scripted(values), keep_best=True, patience=2)
    rows = run_stage(watched, folder)
    assert len(rows) == 3
    assert load_checkpoint(folder.checkpoint)["best"] == 2.0


def test_early_stopping_counts_validations_without_progress():
    values = [3.0, 2.0, 2.5, 2.0, 1.0]
    rows = run_stage(stage(steps=20, validate=scripted(values), patience=2))
    assert [row["val_loss"] for row in rows] == values[:4]
    values = [3.0, 2.0, 2.5, 1.9, 2.0]
    assert len(run_stage(stage(steps=20, validate=scripted(values), patience=2))) == 5


def test_accuracy_is_better_when_higher():
    values = iter([0.2, 0.5, 0.4, 0.3, 0.9])
    watched = stage(steps=20, validate=lambda: {"val_accuracy": next(values)}, patience=2)
    watched.monitor = "val_accuracy"
    assert len(run_stage(watched)) == 4


@pytest.mark.parametrize("keep_best", [True, False])
def test_the_best_weights_are_restored(keep_best):
    model, seen, values = network(), [], iter([3.0, 1.0, 2.0])

    def validate():
        seen.append(model.get_weights())
        return {"val_loss": next(values)}

    run_stage(stage(model=model, validate=validate, keep_best=keep_best))
    assert equal(model.get_weights(), seen[1 if keep_best else 2])
    assert not equal(seen[1], seen[2])


class Cut(BaseException):
    """The process dies."""


VALUES = [3.0, 2.0, 1.0, 4.0]  # of the four validations: the best weights are the third


@pytest.mark.parametrize("where", ["validation", "checkpoint"])
def test_a_stage_cut_off_and_resumed_ends_with_the_same_weights(folder, monkeypatch, where):
    whole = stage(steps=16, validate=scripted(VALUES), keep_best=True)
    expected = run_stage(whole)
    save, written = loop.save_checkpoint, []

    def dies(path, *rest):
        written.append(path.name)
        if where == "checkpoint" and len(written) == 3:
            raise Cut
        save(path, *rest)

    def validate():
        if where == "validation" and len(written) == 3:
            raise Cut
        return {"val_loss": next(values)}

    values = iter(VALUES)
    monkeypatch.setattr(loop, "save_checkpoint", dies)
    with pytest.raises(Cut):
        run_stage(stage(steps=16, validate=validate, keep_best=True), folder)
    monkeypatch.undo()
    step = load_checkpoint(folder.checkpoint)["step"]
    assert step == (4 if where == "checkpoint" else 8)

    left = scripted(VALUES[step // 4 :])
    resumed = stage(steps=16, validate=left, keep_best=True)
    rows = run_stage(resumed, folder, resume=True)
    assert [row["step"] for row in rows] == [row["step"] for row in expected]
    assert [row["val_loss"] for row in rows] == VALUES
    assert equal(resumed.model.get_weights(), whole.model.get_weights())


def test_resuming_a_finished_stage_trains_no_more(folder):
    first = stage(validate=scripted([2.0, 1.0, 3.0]), keep_best=True)
    run_stage(first, folder)
    again = stage(validate=scripted([]), keep_best=True)
    rows = run_stage(again, folder, resume=True)
    assert len(rows) == 3 and equal(first.model.get_weights(), again.model.get_weights())


def test_best_weights_that_are_not_there_are_missed(folder):
    # Never the last weights under the best score.
    first = stage(validate=scripted([1.0, 2.0, 3.0]), keep_best=True)
    run_stage(first, folder)
    other = network()
    meta = load_checkpoint(folder.checkpoint, other)
    del meta["best_weights"]
    loop.save_checkpoint(folder.checkpoint, other, meta)
    with pytest.raises(ValueError, match=r"the score of the best weights, 1, and does not hold"):
        run_stage(stage(steps=16, keep_best=True), folder, resume=True)


def test_a_new_stage_leaves_no_checkpoint_of_the_old_one(folder):
    # Killed before the second stage's first validation, resuming must not begin the first again.
    run_stage(stage(), folder)

    def killed():
        raise Cut

    second = stage(validate=killed)
    second.name = "second"
    with pytest.raises(Cut):
        run_stage(second, folder)
    meta = load_checkpoint(folder.path / "checkpoint" / "last.npz")
    assert (meta["stage"], meta["step"], meta["best"]) == ("second", 0, None)


def test_a_checkpoint_comes_early_although_validations_are_rare(folder, monkeypatch):
    steps, save = [], loop.save_checkpoint

    def note(path, model, meta, best_weights):
        steps.append(meta["step"])
        save(path, model, meta, best_weights)

    monkeypatch.setattr(loop, "save_checkpoint", note)
    run_stage(stage(steps=24, eval_every=24, checkpoint_seconds=1e-9), folder)
    assert steps[:4] == [0, loop.FIRST_STEPS, loop.FIRST_STEPS + 1, loop.FIRST_STEPS + 2]


def test_batches_of_equal_shape_do_not_fix_the_shape():
    class Growing(Numbers):
        def batch(self, step):
            x, y = super().batch(step)
            return x[: 7 - step % 3], y[: 7 - step % 3]

    growing = stage(steps=6, model=network(eager=False))
    growing.batches = Growing()
    assert run_stage(growing)[-1]["step"] == 6


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data is TensorFlow's")
def test_no_thread_tunes_the_batches():
    # It may sleep through their end, and `fit` would wait for it.
    assert loop.feed(Numbers(), 0).options().autotune.enabled is False
