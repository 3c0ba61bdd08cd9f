import errno

import keras
import numpy as np
import pytest

from kerasllm.training.engine import checkpoints
from kerasllm.training.engine.checkpoints import load_checkpoint, save_checkpoint


def network(units=5, seed=1):
    keras.utils.set_random_seed(seed)
    x = keras.Input((3,))
    y = keras.layers.Dropout(0.5)(keras.layers.Dense(units)(x))
    model = keras.Model(x, keras.layers.Dense(1)(y))
    model.compile(keras.optimizers.AdamW(0.05), "mse")
    return model


def train(model, steps=3, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        model.train_on_batch(rng.normal(size=(7, 3)), rng.normal(size=(7, 1)))
    return model


@pytest.fixture
def path(tmp_path):
    return tmp_path / "last.npz"


@pytest.mark.backends
def test_a_checkpoint_holds_all_that_the_next_step_depends_on(path):
    model = train(network())
    save_checkpoint(path, model, {"step": 3, "rows": [{"loss": 0.1}]})
    expected = train(model, seed=9).get_weights()  # draws dropout masks, moves Adam's moments
    # Another object, with other weights, other seeds, and the numbered names of a later model.
    other = train(network(seed=2), steps=1)
    assert load_checkpoint(path, other) == {"step": 3, "rows": [{"loss": 0.1}]}
    for a, b in zip(expected, train(other, seed=9).get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_the_best_weights_are_in_the_same_file(path):
    model, best = network(), [np.full((3, 5), 7.0), np.arange(5.0)]
    save_checkpoint(path, model, {"best": 1.0}, best)
    found = load_checkpoint(path, network(seed=2))
    assert found["best"] == 1.0
    for a, b in zip(found["best_weights"], best, strict=True):
        assert np.array_equal(a, b)


def test_it_loads_into_a_model_that_was_never_trained(path):
    model = train(network())
    save_checkpoint(path, model, {})
    fresh = network(seed=4)
    load_checkpoint(path, fresh)
    assert int(fresh.optimizer.iterations) == 3
    for a, b in zip(model.get_weights(), fresh.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_without_a_model_only_the_facts_are_read(path):
    save_checkpoint(path, network(), {"stage": "x"})
    assert load_checkpoint(path) == {"stage": "x"}


def test_a_full_disk_leaves_the_old_checkpoint(path, monkeypatch):
    save_checkpoint(path, network(), {"step": 1})
    before = path.read_bytes()

    def full(file, **arrays):
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints.np, "savez", full)
    with pytest.raises(OSError, match=r"last.npz cannot be written \(No space .*--resume"):
        save_checkpoint(path, network(), {"step": 2})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["last.npz"]


def test_an_interrupt_while_writing_leaves_no_half_file(path, monkeypatch):
    def interrupted(file, **arrays):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints.np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, network(), {})
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"text"])
def test_a_damaged_file_is_refused(path, damage):
    save_checkpoint(path, network(), {})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"damaged\. Delete it and train again"):
        load_checkpoint(path, network())


def test_the_checkpoint_of_another_model_is_refused(path):
    save_checkpoint(path, network(units=5), {})
    model = network(units=7)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"belongs to another model: .*kernel.* shape \(3, [57]\)"):
        load_checkpoint(path, model)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
