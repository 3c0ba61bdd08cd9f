"""Before a training begins: seeds, precision, the compiled model, TensorBoard, the profiler."""

import contextlib
import importlib.util

import keras

from kerasllm.models.accumulation import Accumulating
from kerasllm.models.optimizers import make_optimizer
from kerasllm.models.private import Private
from kerasllm.text.batching import StreamBatches
from kerasllm.training.engine.profiling import Profile
from kerasllm.utils import ranks
from kerasllm.utils.allocator import keep_buffers

_OF_THE_OPTIMIZER = ("learning_rate", "warmup", "final_rate", "weight_decay", "clip", "beta_2")


def check_tensorboard(settings):
    """Raise if the settings ask for TensorBoard, which is not installed."""
    if settings.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ImportError(
            "tensorboard=True needs the package of that name, which is not installed: "
            "pip install 'kerasllm[tensorboard]', or leave --tensorboard out."
        )


def prepare(settings):
    """Seed every generator and set the precision that is asked for, before anything is built.

    Without `mixed_precision` what is built computes as Keras' global policy says.
    """
    keep_buffers()
    keras.utils.set_random_seed(settings.seed)
    if settings.mixed_precision:
        keras.config.set_dtype_policy("mixed_bfloat16")


@contextlib.contextmanager
def precision_kept():
    """Give Keras' global policy back as it was; also decorates a function."""
    before = keras.config.dtype_policy()
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def optimizer_of(settings, steps, factors=None):
    """Return the optimizer that `OptimizerSettings` describe, for a number of steps."""
    options = {name: getattr(settings, name) for name in _OF_THE_OPTIMIZER}
    given = {name: value for name, value in options.items() if value is not None}
    return make_optimizer(steps, factors, **given)


def compile_model(
    model, loss, settings, steps, batches, factors=None, metrics=None, loss_weights=None
):
    """Compile with a fresh optimizer: Keras reads `trainable` when it compiles, not later.

    XLA compiles anew for each shape, which takes seconds: it pays where all batches have one.
    """
    on_tensorflow = keras.backend.backend() == "tensorflow"
    xla = isinstance(batches, StreamBatches) if settings.xla is None else settings.xla
    model.compile(
        optimizer_of(settings, steps, factors),
        loss,
        metrics=metrics,
        loss_weights=loss_weights,
        jit_compile=xla if on_tensorflow else "auto",
    )
    model.accumulate, model.private = settings.accumulate, None
    if settings.private_noise:
        check_private(model)
        model.accumulate = settings.batch_size
        model.private = Private.drawn(settings.private_clip, settings.private_noise)


def check_private(model):
    """Raise for a training that cannot be made private.

    Raises:
        ValueError: several processes; a model whose step does not know of it.
    """
    if ranks.place().count > 1:
        raise ValueError("a private training runs in one process: leave --processes out.")
    if not isinstance(model, Accumulating):
        raise ValueError(
            f"a {type(model).__name__} cannot be trained privately by this method: choose "
            "--method full."
        )


class _ContinuedTensorBoard(keras.callbacks.TensorBoard):
    """Count the steps of the whole stage: Keras begins at 0 in each `fit`, and the loop has many.

    Attributes:
        first: steps done before the next `fit`; the loop sets it.
    """

    first = 0

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self._global_train_batch = self.first


def watchers(settings, folder, steps):
    """Return the callbacks that are asked for: those of TensorBoard and of the profiler.

    Args:
        settings: of the training.
        folder: a `RunFolder`, or None, into which nothing is written.
        steps: of the stage.
    """
    found = []
    if folder is not None and ranks.is_first():
        if settings.tensorboard:
            found.append(_ContinuedTensorBoard(folder.path / "tensorboard", update_freq="batch"))
        if settings.profile:
            found.append(Profile(folder.path / "profile", steps))
    return found
