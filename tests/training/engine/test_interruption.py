"""Ctrl-C and SIGTERM: the step that runs is finished and kept, and it is said how to go on."""

import ctypes
import io
import os
import signal
import threading

import keras
import numpy as np
import pytest
from rich.console import Console

from kerasllm.text.batching import Batches
from kerasllm.training.engine import interruption
from kerasllm.training.engine.checkpoints import load_checkpoint
from kerasllm.training.engine.interruption import after_the_step, told_how_to_go_on
from kerasllm.training.engine.loop import Stage, run_stage
from kerasllm.training.engine.progress import Progress
from kerasllm.training.run_folder.run import Run

ENDS = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: SystemExit}


class Numbers(Batches):
    """Batches of noise; with the sixth a signal comes."""

    steps_per_epoch = 5
    seed = 3

    def __init__(self, number=None):
        self.number = number

    def batch(self, step):
        if step == 6 and self.number:
            os.kill(os.getpid(), self.number)
        rng = np.random.default_rng([3, step])
        return rng.normal(size=(7, 3)).astype("float32"), rng.normal(size=(7, 1)).astype("float32")


def stage(number=None, steps=200):
    keras.utils.set_random_seed(1)
    x = keras.Input((3,))
    y = keras.layers.Dense(1)(keras.layers.Dropout(0.4)(keras.layers.Dense(5)(x)))
    model = keras.Model(x, y)
    model.compile(keras.optimizers.AdamW(0.01), "mse")
    return Stage("numbers", model, Numbers(number), steps, eval_every=steps)


@pytest.fixture
def report():
    """Return a quiet `Progress` whose console is a text."""
    return Progress(quiet=True, console=Console(file=io.StringIO(), width=300))


@pytest.mark.parametrize("number", ENDS)
def test_the_training_ends_after_a_step_and_goes_on_with_the_same_weights(tmp_path, report, number):
    folder, before = Run.create(tmp_path / "run"), [signal.getsignal(n) for n in ENDS]
    with pytest.raises(ENDS[number]) as end, told_how_to_go_on(folder, report):
        run_stage(stage(number), folder)
    step = load_checkpoint(folder.checkpoint)["step"]
    assert 0 < step < 200 and [signal.getsignal(n) for n in ENDS] == before
    assert number == signal.SIGINT or end.value.code == 143
    assert report.console.file.getvalue() == (
        f"Stopped. {folder.path} keeps all up to step {step} of 200 of 'numbers'. To go on from "
        "there, run the same command with --resume (in Python: resume=True).\n"
    )
    resumed, whole = stage(), stage()
    run_stage(resumed, folder, resume=True)
    run_stage(whole)
    for a, b in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_before_the_first_step_nothing_is_kept(tmp_path, report):
    with pytest.raises(KeyboardInterrupt), told_how_to_go_on(Run(tmp_path), report):
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()
    assert "Nothing was learned yet: the same command begins" in report.console.file.getvalue()


def test_the_second_ctrl_c_waits_for_nothing():
    with pytest.raises(KeyboardInterrupt), after_the_step() as asked:
        os.kill(os.getpid(), signal.SIGINT)
        assert asked.signal == signal.SIGINT
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("still here")


def test_a_signal_that_comes_after_the_last_step_is_not_lost():
    with pytest.raises(SystemExit, match="143"), after_the_step():
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_handler_of_the_program_stays():
    came = []
    signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with after_the_step() as asked:
            os.kill(os.getpid(), signal.SIGTERM)
        assert came == [signal.SIGTERM] and asked.signal is None
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_a_handler_that_a_library_set_in_c_is_replaced():
    # JAX does so for SIGTERM when it runs in several processes, and nothing ended the training.
    library = ctypes.CDLL(None)
    library.signal.argtypes = ctypes.c_int, ctypes.c_void_p
    library.signal(signal.SIGTERM, ctypes.cast(library.abs, ctypes.c_void_p))
    try:
        os.kill(os.getpid(), signal.SIGTERM)  # swallowed
        with pytest.raises(SystemExit), told_how_to_go_on(Run("nowhere"), Progress(quiet=True)):
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError("still here")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_another_thread_trains_without_handlers():
    before, seen = [signal.getsignal(number) for number in ENDS], []

    def work():
        with after_the_step():
            seen.extend(signal.getsignal(number) for number in ENDS)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == before and interruption._end not in before
