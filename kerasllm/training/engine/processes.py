"""Several processes that train one model: each computes its rows of every batch.

- A batch is a function of (seed, step): each process makes all of it and keeps its rows. The step
  is one program of all, whose loss and gradient are those of the whole batch.
- They have one model in common inside `fit` only. Outside, each has its own, equal copy: what
  builds, validates, saves and answers knows nothing of the others. What has to be decided alike
  (how long to go on, what a validation gave) the first one tells.
- Before a training begins, two steps are taken together and alone, and their losses compared: sums
  over a network have been wrong without a word.
"""

import contextlib
import hashlib
import inspect
import json
import os
import sys

import keras
import numpy as np

from kerasllm.models.feeding import feed
from kerasllm.text.batching import Batches
from kerasllm.utils import ranks
from kerasllm.utils.ranks import Place, launched, place

# Seconds without a sign of life, after which a process counts as lost; and those that one that
# failed waits for the others before it ends. JAX' own are 100 and 300.
PATIENCE = {"heartbeat_timeout_seconds": 30, "shutdown_timeout_seconds": 20}
CLOSE = {"float64": 1e-9}  # relative difference of a loss, of other precisions 1e-5


class ProcessLostError(RuntimeError):
    """Another of the processes that train together has ended."""


class ProcessesDifferError(ArithmeticError):
    """Together the processes computed another loss than each of them alone."""


def join():
    """Join the other processes, where a launcher started several; return the `Place` among them.

    It has to come before Keras computes anything.

    Raises:
        ValueError: Keras runs on a backend that cannot do it.
        RuntimeError: Keras has computed something already.
    """
    found = launched()
    if found.count == 1 or place().count > 1:
        return place()
    check_backend(keras.backend.backend())
    import jax

    address = os.environ.get("JAX_COORDINATOR_ADDRESS")
    address = address or os.environ.get("KERAS_DISTRIBUTION_JOB_ADDRESSES", "").partition(",")[0]
    begin = jax.distributed.initialize  # Keras' own leaves these times as they are
    known = PATIENCE.keys() & inspect.signature(begin).parameters
    begin(address or None, found.count, found.rank, **{name: PATIENCE[name] for name in known})
    ranks.take(found)
    with _without_notices():
        wait()
    return found


@contextlib.contextmanager
def _without_notices():
    """Keep what Gloo prints when it connects out of the standard output."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def check_backend(backend):
    """Raise where several processes are wanted of a backend that cannot do it."""
    if backend != "jax":
        raise ValueError(
            f"several processes train together on JAX only, and Keras runs on {backend}: set "
            "KERAS_BACKEND=jax. (TensorFlow's MultiWorkerMirroredStrategy does not train models of "
            "Keras 3; docs/scale.md shows why.)"
        )


# === What is decided alike ===


def told(value):
    """Return what the first process has for a value that JSON can hold."""
    if place().count == 1:
        return value
    from jax.experimental.multihost_utils import broadcast_one_to_all

    text = np.frombuffer(json.dumps(value).encode(), np.uint8)
    with _lost_told():
        size = int(broadcast_one_to_all(np.int32(len(text))))
        text = text if ranks.is_first() else np.zeros(size, np.uint8)
        return json.loads(np.asarray(broadcast_one_to_all(text)).tobytes())


def highest(number):
    """Return the highest of the small numbers that the processes have."""
    if place().count == 1:
        return number
    from jax.experimental.multihost_utils import process_allgather

    with _lost_told():
        return int(np.max(process_allgather(np.int32(number))))


@contextlib.contextmanager
def _lost_told():
    """Say that another process has ended, where an error of JAX inside the block means that."""
    import jax

    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if isinstance(error, ValueError) and "Gloo" not in str(error):
            raise
        raise ProcessLostError(
            f"process {place().rank} of {place().count} cannot go on, because another one has "
            f"ended: look at what that one said. To go on, start all again with --resume. ({error})"
        ) from error


def wait():
    """Go on when all processes have come here."""
    highest(0)


def check_same(value, what):
    """Raise where a process has another value than the first."""
    value = json.loads(json.dumps(value))
    first = told(value)
    if highest(value != first):
        raise ProcessesDifferError(
            f"expected {what} to be the same in all {place().count} processes, process "
            f"{place().rank} has {value!r} and the first one {first!r}: start all of them with the "
            "same command, the same versions, and the same files."
        )


# === One step of all ===


class Slices(Batches):
    """The rows of each batch that one process computes.

    Batches are filled up to a multiple of `rows` by rows of weight 0, so that all have as many.

    Args:
        batches: a `Batches`.
        at: the `Place`.
        rows: a multiple of the number of processes.
        most: rows of a batch that are taken at most; all when None.
    """

    def __init__(self, batches, at, rows, most=None):
        if isinstance(batches.batch(0)[1], dict):
            raise ValueError(
                "the contrastive objective compares all texts of a batch with each other, so its "
                "batch cannot be divided: train it in one process."
            )
        self.batches, self.at, self.rows, self.most = batches, at, rows, most
        self.steps_per_epoch = batches.steps_per_epoch

    def batch(self, step):
        """Return (inputs, targets, weights) of this process."""
        x, y, *weight = self.batches.batch(step)
        count = min(len(keras.tree.flatten(x)[0]), self.most or np.inf)
        each = -(-count // self.rows) * self.rows // self.at.count
        number = np.arange(each) + each * self.at.rank
        weight = weight[0] if weight else np.ones(count, keras.config.floatx())
        parts = keras.tree.map_structure(lambda a: np.asarray(a)[number % count], (x, y, weight))
        real = (number < count).reshape(-1, *[1] * (parts[2].ndim - 1))
        return *parts[:2], parts[2] * real.astype(parts[2].dtype)


def slices(batches, parts=1, at=None, most=None):
    """Return this process' rows of batches, which are computed in parts; all rows of one process.

    Args:
        batches: a `Batches`.
        parts: in which each process computes its rows.
        at: the `Place`; that of this process when None.
        most: rows of a batch that are taken at most.
    """
    if place().count == 1:
        return batches
    return Slices(batches, at or place(), place().count * parts, most)


@contextlib.contextmanager
def in_common(model):
    """Let all processes have one model in common, as long as the block lasts.

    The numbers of a variable become one array on all devices, equal everywhere; behind the block
    each process has its own again.
    """
    if place().count == 1:
        yield
        return
    import jax

    distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
    variables = _variables(model)
    for variable in variables:
        variable._layout = distribution.get_variable_layout(variable)
        variable._value = jax.make_array_from_process_local_data(
            variable._layout.backend_layout, np.asarray(variable.value)
        )
    with _lost_told(), distribution.scope():
        yield
    for variable in variables:
        variable._layout, variable._value = None, variable._value.addressable_data(0)


def check_first_steps(model, batches, step, loss_name):
    """Take two steps together and alone, compare their losses, and leave the model as it was.

    They are steps with few rows: no process computes more alone than it does together.

    Args:
        model: compiled.
        batches: a `Batches`.
        step: of the first batch.
        loss_name: of several losses the one to look at.

    Raises:
        ProcessesDifferError: the losses differ, or the models do.
    """
    if place().count == 1:
        return
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    check_same(_digest(_variables(model)), "the model before the first step")
    # Alone first: what is compiled for all processes is kept for the training.
    alone, together = (_losses(model, batches, step, at)[loss_name] for at in (Place(), place()))
    bar = CLOSE.get(keras.config.floatx(), 1e-5)
    if not np.allclose(together, alone, rtol=bar, atol=bar):
        raise ProcessesDifferError(
            f"the losses of the first two steps are {together} in {place().count} processes "
            f"together and {alone} in process {place().rank} alone: the sums over the network are "
            "wrong. Look at the network, or train in one process."
        )


def _losses(model, batches, step, at):
    """Return {name: losses} of two steps with the first rows of their batches."""
    rows = -(-len(keras.tree.flatten(batches.batch(step)[0])[0]) // place().count)
    some = slices(batches, getattr(model, "accumulate", 1), at, rows)
    model.train_function = None
    with _put_back(model), in_common(model) if at == place() else contextlib.nullcontext():
        return model.fit(
            feed(some, step), steps_per_epoch=1, epochs=2, verbose=0, shuffle=False
        ).history


@contextlib.contextmanager
def _put_back(model):
    """Leave all numbers of a model as they were before the block."""
    variables = _variables(model)
    kept = [np.array(variable.value) for variable in variables]
    yield
    for variable, number in zip(variables, kept, strict=True):
        variable.assign(number)


def _variables(model):
    """Return all variables that a training step changes, each once."""
    found = (*model.variables, *model.metrics_variables, *model.optimizer.variables)
    return list({id(variable): variable for variable in found}.values())


def _digest(variables):
    digest = hashlib.sha256()
    for variable in variables:
        digest.update(np.ascontiguousarray(variable.value).tobytes())
    return digest.hexdigest()
