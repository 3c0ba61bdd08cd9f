"""Profiles of some steps, on every backend."""

import keras
import numpy as np
import pytest

from kerasllm.training.engine.profiling import STEPS, Profile

pytestmark = pytest.mark.backends
WRITTEN = {"tensorflow": "*.xplane.pb", "jax": "*.xplane.pb", "torch": "trace.json"}


def test_the_backend_writes_a_profile(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse", jit_compile=False)
    profile = Profile(tmp_path / "profile", 4)
    model.fit(np.ones((8, 3)), np.ones((8, 2)), batch_size=2, verbose=0, callbacks=[profile])
    assert list((tmp_path / "profile").rglob(WRITTEN[keras.backend.backend()]))


@pytest.mark.parametrize(("steps", "recorded"), [(100, range(10, 15)), (6, range(3, 6))])
def test_which_steps_are_recorded(tmp_path, monkeypatch, steps, recorded):
    """Also where the steps come in several calls of `fit`."""
    seen, running = [], []

    def start(folder):
        running.append(folder)
        return running.clear

    monkeypatch.setattr(
        "kerasllm.training.engine.profiling._STARTS", {keras.backend.backend(): start}
    )
    profile = Profile(tmp_path / "profile", steps)
    for first in range(0, steps, 20):
        profile.first = first
        for batch in range(min(20, steps)):
            profile.on_train_batch_begin(batch)
            seen += [first + batch] * bool(running)
            profile.on_train_batch_end(batch)
        profile.on_train_end()
    assert seen == list(recorded) and len(seen) <= STEPS
