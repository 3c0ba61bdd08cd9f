"""Private steps: each example clipped, noise of the right size, on every backend."""

import keras
import numpy as np
import pytest

from kerasllm import reference
from kerasllm.models.private import Private

pytestmark = pytest.mark.backends


def moved(small, data, private):
    """Return how far one step of plain gradient descent moves each weight."""
    task = small.task
    before = [keras.ops.convert_to_numpy(v.value) for v in task.trainable_variables]
    eager = {"run_eagerly": True} if keras.backend.backend() == "tensorflow" else {}
    task.compile(keras.optimizers.SGD(1.0), **eager)
    task.accumulate, task.private = (4, private) if private else (1, None)
    task.train_on_batch(*data)
    after = [keras.ops.convert_to_numpy(v.value) for v in task.trainable_variables]
    return [a - b for a, b in zip(before, after, strict=True)]


@pytest.mark.parametrize("kind", ["classifier", "causal"])
@pytest.mark.parametrize("clip", [0.05, 1e6])
def test_each_example_is_clipped_as_the_reference_does(make_small, kind, clip):
    rows = [array[:3] for array in make_small(kind).arrays]
    alone = [moved(make_small(kind), [a[k : k + 1] for a in rows], None) for k in range(3)]
    gradients = [np.stack(parts) for parts in zip(*alone, strict=True)]
    nothing = [0 * g[0] for g in gradients]
    expected = reference.private_gradient(gradients, clip, nothing)
    found = moved(make_small(kind), rows, Private(clip, 0.0, 1))  # 3 rows of 4 that were asked for
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs * 3 / 4, atol=1e-5, rtol=1e-3)


def test_the_noise_has_its_size_and_is_another_each_step_and_seed(make_small):
    data = [array[:4] for array in make_small("classifier").arrays]
    clip, sigma = 1e-4, 5000.0
    found = [
        moved(make_small("classifier"), data, Private(clip, sigma, seed)) for seed in (1, 1, 2)
    ]
    flat = [np.concatenate([part.ravel() for part in one]) for one in found]
    assert flat[0].std() == pytest.approx(clip * sigma / 4, rel=0.05)
    np.testing.assert_array_equal(flat[0], flat[1])
    assert abs(np.corrcoef(flat[0], flat[2])[0, 1]) < 0.1
    assert abs(np.corrcoef(flat[0][:-1], flat[0][1:])[0, 1]) < 0.1


def test_the_seed_is_not_that_of_the_training():
    assert len({Private.drawn(1.0, 1.0).seed for _ in range(4)}) > 1
