"""Ctrl-C and SIGTERM: a training ends after the step that runs, and says how to go on.

A handler that the program itself has set stays; one that a library set in C, as JAX does for
SIGTERM when it runs in several processes, and which would let the training go on, is replaced.
"""

import contextlib
import signal
import threading

from kerasllm.training.engine import processes
from kerasllm.training.engine.checkpoints import load_checkpoint

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Asked:
    """Whether the training was asked to stop.

    Attributes:
        signal: the one that came; None before.
    """

    signal = None

    def note(self, number, frame):
        """Remember the first signal; obey the second at once."""
        if self.signal:
            _end(number, frame)
        self.signal = number

    def agree(self):
        """Take over a signal that came to another of the processes that train together."""
        self.signal = processes.highest(self.signal or 0) or None

    def obey(self):
        """End, if a signal came."""
        if self.signal:
            _end(self.signal, None)


def _end(number, _frame):
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


@contextlib.contextmanager
def after_the_step():
    """Note signals while the block runs; give what was noted, for the block to obey."""
    asked = _Asked()
    with _handled_by(asked.note):
        yield asked
    asked.obey()


@contextlib.contextmanager
def told_how_to_go_on(folder, report):
    """Let Ctrl-C and SIGTERM end the block, and say then what is kept and how to go on.

    Args:
        folder: a `RunFolder`.
        report: a `Progress`.
    """
    try:
        with _handled_by(_end):
            yield
    except (KeyboardInterrupt, SystemExit) as end:
        report.warn(f"Stopped. {_kept(folder)}")
        end.told = True  # nothing is left to say at a terminal
        raise


def _kept(folder):
    if not folder.checkpoint.exists():
        return f"Nothing was learned yet: the same command begins again in {folder.path}."
    kept = load_checkpoint(folder.checkpoint)
    return (
        f"{folder.path} keeps all up to step {kept['step']:,} of {kept['steps']:,} of "
        f"{kept['stage']!r}. To go on from there, run the same command with --resume (in Python: "
        "resume=True)."
    )


@contextlib.contextmanager
def _handled_by(handler):
    """Have signals handled by a function, in the main thread, unless the program does that."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        # None: set in C. The outer of two of our own handlers may be replaced by the inner one.
        usual = (signal.SIG_DFL, signal.default_int_handler, None, _end)
        found = {number: signal.getsignal(number) for number in _SIGNALS}
        before = {number: old for number, old in found.items() if old in usual}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)
