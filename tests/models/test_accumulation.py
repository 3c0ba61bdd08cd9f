"""A batch in parts trains as the whole batch does: weighed by what is real, on every backend."""

import keras
import numpy as np
import pytest

from kerasllm.models import CausalLM, RecurrentBackbone, RecurrentConfig
from kerasllm.models.language import head
from kerasllm.models.language.losses import TokenCrossEntropy
from kerasllm.models.lora import LoRA
from kerasllm.models.optimizers import make_optimizer
from kerasllm.text.batching import ArrayBatches
from kerasllm.verify.comparison.backend import in_precision

pytestmark = pytest.mark.backends
STEPS = 4
# JAX computes in 32 bits here; in 64 Keras' recurrent layers do not run there (its tanh has 32).
DTYPE = "float32" if keras.backend.backend() == "jax" else "float64"
# On torch ops.minimum and ops.maximum of a scalar and a number have 32 bits: the factor by which
# Keras clips has, what losses here divide by, and the mean of the losses.
BARS = {"tensorflow": (1e-9, 1e-9), "torch": (1e-6, 1e-4), "jax": (1e-5, 1e-3)}
LOSSES, NUMBERS = BARS[keras.backend.backend()]


@pytest.fixture(autouse=True)
def in_double_precision():
    with in_precision(DTYPE):
        yield


def optimizer():
    """Return one that clips, follows a schedule, and averages weights."""
    made = make_optimizer(STEPS, learning_rate=0.05, warmup=0.5, clip=0.01)
    made.use_ema, made.ema_momentum = True, 0.7
    return made


def trained(model, data, parts, **options):
    """Return the losses of some steps with one batch, and all numbers that are left behind."""
    if "jit_compile" not in options and keras.backend.backend() == "tensorflow":
        options["run_eagerly"] = True  # no time for tracing
    model.compile(optimizer(), **options)
    model.accumulate = parts
    losses = [model.train_on_batch(*data, return_dict=True)["loss"] for _ in range(STEPS)]
    kept = [*model.weights, *model.optimizer.variables]
    return losses, [keras.ops.convert_to_numpy(v.value) for v in kept if v.dtype == DTYPE]


def assert_equal(one, other):
    np.testing.assert_allclose(one[0], other[0], rtol=LOSSES, atol=LOSSES)
    for a, b in zip(one[1], other[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=NUMBERS)


def test_every_shape_of_task(make_small, small):
    rows = len(keras.tree.flatten(small.arrays[0])[0])
    assert rows % 3  # one row lacks, or two
    whole, parted = make_small(small.kind), make_small(small.kind)
    assert_equal(trained(whole.task, whole.arrays, 1), trained(parted.task, parted.arrays, 3))


def test_weights_of_rows_count(make_small):
    small = make_small("tagger")
    data = (*small.arrays, np.array([0.5, 2, 0, 1, 3, 1, 1]))
    assert_equal(trained(small.task, data, 1), trained(make_small("tagger").task, data, 2))


def test_a_mean_of_means_is_another_number(make_small):
    """The control: the lengths of these texts differ, so the parts do not weigh the same."""
    small, other = make_small("causal"), make_small("causal")
    other.task.amount = lambda y, weight: keras.ops.sum(weight)  # texts, not tokens
    with pytest.raises(AssertionError):
        assert_equal(trained(small.task, small.arrays, 1), trained(other.task, other.arrays, 2))


def test_more_parts_than_rows(make_small):
    one, other = make_small("classifier"), make_small("classifier")
    data = [array[:2] for array in one.arrays]
    assert_equal(trained(one.task, data, 1), trained(other.task, data, 5))


def test_low_rank_corrections(make_small):
    def adapted():
        return LoRA(make_small("causal").task, 2, targets=("*kernel",))

    data, loss = make_small("causal").arrays, TokenCrossEntropy()
    assert_equal(trained(adapted(), data, 1, loss=loss), trained(adapted(), data, 3, loss=loss))


def test_the_head_of_a_classifier_alone(make_small):
    def alone():
        small = make_small("classifier")
        reader = small.task.preprocessor
        batches = reader.batches(reader.dataset(small.x, small.y), 7, seed=3)
        return small.task.head_alone(batches), small.task.default_loss()

    (one, batches), loss = alone()
    assert isinstance(batches, ArrayBatches)
    data = batches.batch(0)
    other = alone()[0][0]
    assert_equal(trained(one, data, 1, loss=loss), trained(other, data, 3, loss=loss))


def lm():
    keras.utils.set_random_seed(3)
    return CausalLM(RecurrentBackbone(RecurrentConfig(41, 5, 7, cell="gru")))


@pytest.mark.parametrize("together", [False, True])
def test_compiled_with_xla(monkeypatch, rng, together):
    """Also where head and loss are computed as one, in blocks of their own."""
    monkeypatch.setattr(head, "SMALLEST", dict.fromkeys(head.SMALLEST, 0 if together else 10**9))
    ids = rng.integers(1, 41, (6, 5)).astype("int32")
    targets = np.where(np.arange(5) < rng.integers(1, 6, (6, 1)), ids, 0)
    xla = {"jit_compile": keras.backend.backend() != "torch"}
    whole, parted = (trained(lm(), (ids, targets), parts, **xla) for parts in (1, 3))
    assert_equal(whole, parted)


def test_the_logs_are_those_of_the_whole_batch(make_small):
    logs = []
    for parts in (1, 2):
        small = make_small("classifier")
        small.task.compile(optimizer(), run_eagerly=keras.backend.backend() == "tensorflow")
        small.task.accumulate = parts
        inputs, targets = small.arrays
        options = {"batch_size": 6, "epochs": 2, "shuffle": False, "verbose": 0}
        logs.append(small.task.fit(inputs[:6], targets[:6], **options).history)
    assert logs[0].keys() == logs[1].keys() == {"loss", "accuracy"}
    np.testing.assert_allclose(logs[0]["loss"], logs[1]["loss"], rtol=LOSSES)
    np.testing.assert_allclose(logs[0]["accuracy"], logs[1]["accuracy"], rtol=1e-6)
