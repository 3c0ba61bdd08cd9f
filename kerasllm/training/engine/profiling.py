"""A profile of a few training steps: where the time of a step goes, operation by operation."""

import keras

SKIPPED = 10  # steps: the first ones are compiled and warmed up
STEPS = 5


class Profile(keras.callbacks.Callback):
    """Record some steps with the profiler of the backend, and write what it saw to a folder.

    TensorFlow and JAX write what TensorBoard's profiler reads, torch a trace for Perfetto.

    Args:
        folder: to write into.
        steps: of the whole training; of a short one the later half is recorded.

    Attributes:
        first: steps done before the next `fit`; the loop sets it.
    """

    first = 0

    def __init__(self, folder, steps):
        super().__init__()
        self.folder, self.begin = folder, min(SKIPPED, steps // 2)
        self.seen, self.stop = 0, None

    def on_train_batch_begin(self, batch, logs=None):  # noqa: ARG002 - Keras passes it
        """Begin to record."""
        if self.stop is None and not self.seen and self.first + batch >= self.begin:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.stop = _STARTS[keras.backend.backend()](self.folder)

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
        """Count a step, and end after the last one."""
        if self.stop is not None:
            self.seen += 1
            if self.seen == STEPS:
                self._end()

    def on_train_end(self, logs=None):  # noqa: ARG002
        """End with what there is."""
        if self.stop is not None:
            self._end()

    def _end(self):
        self.stop()
        self.stop = None


def _start_tensorflow(folder):
    import tensorflow as tf

    tf.profiler.experimental.start(str(folder))
    return tf.profiler.experimental.stop


def _start_jax(folder):
    import jax

    jax.profiler.start_trace(str(folder))
    return jax.profiler.stop_trace


def _start_torch(folder):
    import torch

    profiler = torch.profiler.profile()
    profiler.start()

    def stop():
        profiler.stop()
        profiler.export_chrome_trace(str(folder / "trace.json"))

    return stop


_STARTS = {"tensorflow": _start_tensorflow, "jax": _start_jax, "torch": _start_torch}
